"""A sibling that is revoked in the middle of a long queue, with the worker and the operator each in a process of their own:
from that moment it receives nothing, and what waited has an honest end."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from core.database import Tx
from core.ids import public
from core.settings import Settings
from federation import store
from federation.allowlist import Sibling
from federation.signatures import cavage
from federation.store import Outgoing
from instance.assembly import Assembly, assemble
from tests.scripted import scripted
from tests.servers import until

_QUEUED = 10_000
_ROOT = Path(__file__).parents[2]
_ON_THE_WIRE = 0.25
"""Seconds in which what was written before the moment may still be read and stamped by this busy process."""


async def queue(its: Assembly, sibling: Sibling, many: int) -> None:
    """Put so many activities about as many posts into the outbox, in one transaction."""
    def write(tx: Tx) -> None:
        for _ in range(many):
            uri = f"{its.identity.origin}/posts/{public(its.ids.new())}"
            body = b'{"id":"%s#create"}' % uri.encode()
            store.enqueue(tx, its.ids.new(), Outgoing(f"{uri}#create", "Create", uri, body, cavage.digest(body)), [sibling.id],
                          its.clock.ms())

    await its.database.write(write)


class Watch:
    """Looks at a sibling's state as often as it can, and keeps between which two looks it was revoked."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.path("konsil.db")
        self.before = self.after = 0.0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        with closing(sqlite3.connect(self._path)) as connection:
            while not self.after:
                asked = time.monotonic()
                if connection.execute("SELECT state FROM siblings").fetchone()[0] == "revoked":
                    self.after = time.monotonic()
                else:
                    self.before = asked
                    time.sleep(0.001)

    def join(self) -> None:
        self._thread.join()


def konsil(settings: Settings, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "instance", "--config", str(settings.path("config.toml")), *words],
                            cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | {"USER": "olga"})


def states(settings: Settings) -> Counter[tuple[str, str]]:
    with closing(sqlite3.connect(settings.path("konsil.db"))) as connection:
        return Counter(dict(((state, reason), many) for state, reason, many in connection.execute(
            "SELECT state, reason, count(*) FROM deliveries GROUP BY state, reason")))


async def test_a_revoked_sibling_receives_nothing_from_the_next_request_on_with_10000_queued(settings: Settings) -> None:
    async with scripted() as fr:
        async with assemble(settings) as its:
            await queue(its, await fr.befriend(its), _QUEUED)
        worker = konsil(settings, "worker")
        watch = Watch(settings)
        try:
            await until(lambda: len(fr.received) > 300, 60)
            revoking = konsil(settings, "sibling", "revoke", fr.domain, "--reason", "left", "--yes", "--json")
            told = (await asyncio.to_thread(revoking.communicate))[0]
            await asyncio.to_thread(watch.join)
            rate = len(fr.received) / (fr.received[-1].at - fr.received[0].at)
            assert json.loads(told)["state"] == "revoked" and watch.after - watch.before < 1.0
            assert len(fr.received) < _QUEUED, "the revocation came in the middle"
            await asyncio.sleep(1.5)
        finally:
            worker.terminate()
            worker.communicate(timeout=20)
    late = [one.at - watch.after for one in fr.received if one.at > watch.after]
    assert rate > 20, "it was being sent to, fast, until then"
    assert len(late) <= settings.federation.delivery_window and all(seconds < _ON_THE_WIRE for seconds in late), late
    ends = states(settings)
    assert sum(ends.values()) == _QUEUED and set(ends) == {("acked", ""), ("parked", "revoked")}
    assert ends["acked", ""] <= len(fr.received) <= ends["acked", ""] + 2 * settings.federation.delivery_window


async def test_ten_thousand_queued_are_revoked_in_one_transaction_and_soon(settings: Settings) -> None:
    async with scripted() as fr, assemble(settings) as its:
        await queue(its, await fr.befriend(its), _QUEUED)
        begun = time.monotonic()
        row = await its.siblings.revoke(fr.domain, "olga", "left")
        assert time.monotonic() - begun < 5.0
        assert (row.state, row.queued, row.parked) == ("revoked", 0, _QUEUED)
        commits: list[tuple[Any, ...]] = [tuple(found) for found in await its.database.read(lambda tx: tx.rows(
            "SELECT DISTINCT settled_at, reason FROM deliveries"))]
        assert commits == [(row.changed, "revoked")]
