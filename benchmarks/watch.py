"""Watching databases from outside: which post of a sibling is committed where, and when."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_LOOK_SECONDS = 0.003
_QUIET_SECONDS = 15.0


class Seen(NamedTuple):
    """What was seen: per database the moment (monotonic s) at which each URI was there; how far two looks lay apart at
    most (s), and the CPU seconds that looking took."""

    when: dict[str, dict[str, float]]
    widest: float
    cpu: float


def watch(files: Mapping[str, Path], expected: Mapping[str, int], seconds: float) -> Seen:
    """Look every few milliseconds until each database has as many new posts of siblings as expected, or nothing comes any more
    once `seconds` have passed.

    A post is seen when another connection can read it, so after its commit. What a sibling sent gets its id in the
    writer, in the order of the commits; therefore the highest id seen is enough to ask for what is new.
    """
    opened = {name: sqlite3.connect(f"file:{path}?mode=ro", uri=True) for name, path in files.items()}
    highest = {name: _highest(connection) for name, connection in opened.items()}
    version = dict.fromkeys(opened, -1)
    seen = Seen({name: {} for name in opened}, 0.0, 0.0)
    cpu, last, widest = time.process_time(), time.monotonic(), 0.0
    limit = last + seconds + _QUIET_SECONDS
    while last < limit and any(len(seen.when[name]) < expected[name] for name in opened):
        time.sleep(_LOOK_SECONDS)
        for name, connection in opened.items():
            [now] = connection.execute("PRAGMA data_version").fetchone()
            if now == version[name]:
                continue
            version[name] = now
            rows = connection.execute(
                "SELECT id, uri FROM posts WHERE id > ? AND sibling_id IS NOT NULL ORDER BY id", (highest[name],)).fetchall()
            at = time.monotonic()
            limit = max(limit, at + _QUIET_SECONDS)
            for number, uri in rows:
                seen.when[name].setdefault(uri, at)
                highest[name] = number
        now = time.monotonic()
        widest, last = max(widest, now - last), now
    for connection in opened.values():
        connection.close()
    return seen._replace(widest=widest, cpu=time.process_time() - cpu)


def _highest(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT coalesce(max(id), 0) FROM posts WHERE sibling_id IS NOT NULL").fetchone()[0]
    return number
