"""The real inbox: an instance made with the command line, one sibling that exists on paper only, one doctor of hers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.models import Actor, Badge, Role
from actors.store import save
from benchmarks.sender import Prepared, load_key, new_key
from benchmarks.servers import ROOT, Server, ServerFailed, free_port, konsil
from core.clock import Clock
from core.database import Tx, open_database
from core.ids import Ids, public
from core.settings import load
from federation.descriptor import export
from federation.identity import Identity, Pair, PublicKey, Ring, members_of
from federation.signatures.keys import fingerprint
from federation.signatures.proofs import document_key


def prepare_instance(directory: Path) -> Prepared:
    """Make an instance in `directory`, with a pinned sibling and a doctor of that sibling known to it.

    The sibling never listens anywhere: its descriptor comes from a file and its doctor is stored as if she had been
    fetched, so that every activity of the benchmark takes the ordinary way to a stored post.
    """
    port, elsewhere = free_port(), free_port()
    origin = f"http://127.0.0.1:{elsewhere}"
    _konsil(None, "init", str(directory), "--country", "de", "--domain", "127.0.0.1", "--port", str(port))
    private, public_pem = new_key()
    key = PublicKey(f"{origin}/actor#main-key", public_pem, fingerprint(public_pem))
    sibling = Identity(origin, f"127.0.0.1:{elsewhere}", "fr", "Benchmark sender", Ring(
        Pair(load_key(private), key), document_key(f"{origin}/actor", Ed25519PrivateKey.generate())), bytes)
    described = directory / "sender.json"
    described.write_text(json.dumps(export(sibling)), "utf-8")
    _konsil(directory, "sibling", "add", sibling.domain, "--country", "fr", "--fingerprint", sibling.fingerprint,
            "--file", str(described))
    _konsil(directory, "sibling", "approve", sibling.domain, "--offline")
    actor_uri = asyncio.run(_introduce(directory, sibling))
    return Prepared(f"http://127.0.0.1:{port}/inbox", sibling.key_id, private, actor_uri, members_of(f"http://127.0.0.1:{port}"))


def start(directory: Path, prepared: Prepared) -> Server:
    """`konsil serve --no-worker` of the instance."""
    port = int(prepared.url.rsplit(":", 1)[1].split("/", 1)[0])
    return konsil("the real inbox", directory / "config.toml", directory / "serve.log", "serve", "--no-worker", port=port)


def stored(directory: Path) -> int:
    """The posts that are in the database, read through a connection of its own."""
    settings = load(directory / "config.toml")
    return count_posts(settings.path(settings.database.url.removeprefix("sqlite:///")))


def count_posts(path: Path) -> int:
    """How many rows the table `posts` of a SQLite file holds."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        number: int = connection.execute("SELECT count(*) FROM posts").fetchone()[0]
        return number
    finally:
        connection.close()


async def _introduce(directory: Path, sibling: Identity) -> str:
    """Store a doctor of the sibling; returns her URI."""
    settings = load(directory / "config.toml")
    clock = Clock()
    number = Ids(clock).new()
    uri = f"{sibling.origin}/actors/{public(number)}"

    def introduce(tx: Tx) -> None:
        row = tx.row("SELECT id FROM siblings WHERE origin = ? AND state = 'active'", (sibling.origin,))
        if row is None:
            raise ServerFailed("the benchmark's sibling is not active")
        badge = Badge(Role.DOCTOR, (), sibling.country, sibling.name, clock.ms())
        save(tx, Actor(number, uri, "sender", sibling.domain, "Dr. Bench", badge, row["id"]), clock.ms())

    database = await open_database(settings.database.url, Path(settings.instance.data_dir))
    try:
        await database.write(introduce)
    finally:
        await database.close()
    return uri


def _konsil(directory: Path | None, *arguments: str) -> None:
    chosen = ("--config", str(directory / "config.toml")) if directory is not None else ()
    done = subprocess.run(
        [sys.executable, "-m", "instance", *chosen, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ServerFailed(f"konsil {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
