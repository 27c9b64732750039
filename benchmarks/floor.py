"""The floor of CPU time: what no inbox can do without, and nothing else.

SHA-256 of the body, one RSA-2048 verification with a key that is already loaded, JSON, and one row per activity at 32
rows a commit, in a tight loop of one thread. The HTTP part is added by the caller from the HTTP-only server's own CPU.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from benchmarks.sender import Prepared, activity, load_key

BATCH = 32
_SAMPLE = 512


class Floor:
    """A prepared sample and a database of its own."""

    def __init__(self, directory: Path, sender: Prepared) -> None:
        key = load_key(sender.private_key)
        self._public = key.public_key()
        self._sample = []
        for _ in range(_SAMPLE):
            body = activity(sender)
            self._sample.append((body, key.sign(body[:300], padding.PKCS1v15(), hashes.SHA256())))
        self._database = sqlite3.connect(directory / "floor.db", isolation_level=None)
        for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, uri_hash BLOB NOT NULL UNIQUE, body TEXT NOT NULL)")

    def measure(self, seconds: float) -> float:
        """CPU seconds per activity, over at least `seconds` of wall time."""
        decode = msgspec.json.Decoder().decode
        algorithm, scheme = hashes.SHA256(), padding.PKCS1v15()
        insert = "INSERT INTO posts (uri_hash, body) VALUES " + ",".join(["(?, ?)"] * BATCH)
        round_hash = hashlib.blake2b(str(time.time_ns()).encode())
        done, until, before = 0, time.perf_counter() + seconds, time.process_time()
        while time.perf_counter() < until:
            row: list[object] = []
            for step in range(BATCH):
                body, signature = self._sample[(done + step) % _SAMPLE]
                hashlib.sha256(body).digest()
                self._public.verify(signature, body[:300], scheme, algorithm)
                decoded = decode(body)
                round_hash.update(b".")
                row += (round_hash.digest()[:16], decoded["object"]["content"])
            self._database.execute(insert, row)
            done += BATCH
        return (time.process_time() - before) / done

    def close(self) -> None:
        self._database.close()
