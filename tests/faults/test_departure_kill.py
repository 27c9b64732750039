"""kill -9 of the worker while a doctor leaves and an archive is made: nothing of hers is left out, nothing is told twice, and the
archive is whole."""

from __future__ import annotations

import asyncio
import io
import json
import random
import signal
import sqlite3
import zipfile
from contextlib import closing
from typing import Any

from actors.accounts import NewDoctor
from core.database import Tx
from core.settings import Settings
from federation.store import enqueue
from instance.archives import parts
from instance.assembly import Assembly, assemble
from posts import outgoing, store
from posts.models import Audience, CaseFacts, Kind, Reach
from posts.store import Post
from tests.faults.test_revoked import konsil
from tests.servers import PASSWORD, FakeSibling, until

_POSTS, _KILLS = 2_000, 3
_SECRET = "Geheimwort"


async def _full(its: Assembly, fake: FakeSibling) -> int:
    """A doctor who has sent thousands of posts to a sibling that is paused, so that all her deletions wait for it."""
    described = fake.described()
    row = await its.siblings.add(fake.origin.split("://")[1], "fr", described.fingerprint, descriptor=described)
    await its.siblings.approve(row.domain, "test")
    actor = await its.accounts.add_doctor(NewDoctor("ada", "Dr Ada", PASSWORD, method="register", evidence="seen"), "test")
    audience = Audience(Reach.COUNTRIES, (its.identity.origin, fake.origin))

    def fill(tx: Tx) -> None:
        ids = [its.ids.new() for _ in range(_POSTS)]
        made = [Post(post_id, f"{its.identity.origin}/posts/{post_id}", actor.id, None, Kind.NOTE, post_id, None,
                     f"Was? {_SECRET}", _SECRET, f"<p>{_SECRET}</p>", "de", CaseFacts(("cardiology",)), None, audience, "de", 1)
                for post_id in ids]
        store.insert(tx, made)
        for post in made:
            enqueue(tx, its.ids.new(), outgoing.create(post, None, actor.uri, None, its.identity.seal), [row.id], 1)

    await its.database.write(fill)
    await its.siblings.pause(row.domain, "test", "away")
    return actor.id


def _row(settings: Settings, sql: str) -> tuple[Any, ...]:
    with closing(sqlite3.connect(settings.path("konsil.db"), timeout=30)) as connection:
        found: tuple[Any, ...] | None = connection.execute(sql).fetchone()
        return found or ()


async def _killed(settings: Settings, sql: str, dice: random.Random) -> None:
    """A worker that is killed soon after something has moved on."""
    worker, before = konsil(settings, "worker"), _row(settings, sql)
    await until(lambda: _row(settings, sql) != before, 30)
    await asyncio.sleep(dice.uniform(0, 0.1))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()


async def _finished(settings: Settings, sql: str) -> None:
    worker = konsil(settings, "worker")
    try:
        await until(lambda: bool(_row(settings, sql)), 90)
    finally:
        worker.terminate()
        worker.communicate(timeout=20)


async def test_a_worker_that_is_killed_again_and_again_lets_her_go_wholly_and_once(settings: Settings) -> None:
    dice, fake = random.Random(20261126), FakeSibling("fr", 2)
    async with assemble(settings) as its:
        await _full(its, fake)
        await its.departures.order("ada", "test")
    progress, killed_at = "SELECT stage, posts, done_at FROM departures", []
    for _ in range(_KILLS):
        await _killed(settings, progress, dice)
        killed_at.append(_row(settings, progress)[1])
    assert _row(settings, progress)[2] is None and killed_at[0] < killed_at[-1] < _POSTS, "it was killed in the middle"
    await _finished(settings, "SELECT 1 FROM departures WHERE done_at IS NOT NULL")
    assert _row(settings, progress)[1] == _POSTS
    assert _row(settings, "SELECT count(*) FROM posts WHERE erased_at IS NULL OR html <> '' OR question <> ''") == (0,)
    assert _row(settings, "SELECT count(*), count(DISTINCT uri) FROM outbox WHERE type = 'Delete'") == (_POSTS + 1, _POSTS + 1)
    assert _row(settings, "SELECT count(*) FROM deliveries WHERE deletes = 1 AND state = 'pending'") == (_POSTS + 1,)
    assert _row(settings, "SELECT count(*) FROM deliveries WHERE deletes = 0 AND state = 'pending'") == (0,)
    assert _row(settings, "SELECT count(*) FROM tombstones") == (_POSTS + 1,)
    assert _row(settings, "SELECT count(*) FROM audit WHERE action = 'doctor.departed'") == (1,)
    async with assemble(settings):
        pass  # it empties the write-ahead log, as whoever ends by herself does
    assert not [path.name for path in settings.path(".").glob("konsil.db*") if _SECRET.encode() in path.read_bytes()]


async def test_an_archive_that_is_interrupted_goes_on_and_is_whole(settings: Settings) -> None:
    dice, fake = random.Random(20261127), FakeSibling("fr", 2)
    async with assemble(settings) as its:
        await _full(its, fake)
        account = await its.accounts.by_handle("ada")
        assert account is not None
        await its.exports.ask(account, "en")
    progress, killed_at = "SELECT state, stage, pieces, posts FROM exports", []
    for _ in range(_KILLS):
        await _killed(settings, progress, dice)
        killed_at.append(_row(settings, progress)[2])
    assert _row(settings, progress)[0] == "making" and killed_at[0] < killed_at[-1], "it was killed in the middle"
    await _finished(settings, "SELECT 1 FROM exports WHERE state = 'ready'")
    async with assemble(settings) as its:
        export = await its.exports.of(account.id)
        assert export is not None
        with zipfile.ZipFile(io.BytesIO(b"".join(parts(its, export)))) as box:
            assert box.testzip() is None
            items = json.loads(box.read("outbox.json"))["orderedItems"]
            pages = [name for name in box.namelist() if name.startswith("threads/")]
    names = [item["object"]["id"] for item in items]
    assert len(names) == len(set(names)) == len(pages) == _POSTS and names == sorted(names, reverse=True)
    assert len([path for path in settings.path("exports").rglob("*") if path.is_file()]) == 1
