"""kill -9 of the worker while it erases everything of a sibling: nothing is left out and nothing is counted twice."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from contextlib import closing
from typing import Any

from actors.store import save
from actors.wire import actor_of
from core.database import Tx
from core.settings import Settings
from inbox import ordered
from instance.assembly import Assembly, assemble
from posts import store
from posts.models import Audience, CaseFacts, Kind, Reach
from posts.store import Post
from tests.faults.test_revoked import konsil
from tests.servers import FakeSibling, until
from tests.test_siblings import audit

_POSTS, _PEOPLE, _KILLS = 4_000, 300, 5
_SECRET = "Geheimwort"


async def _full(its: Assembly, fake: FakeSibling) -> int:
    described = fake.described()
    row = await its.siblings.add(fake.origin.split("://")[1], "fr", described.fingerprint, descriptor=described)
    await its.siblings.approve(row.domain, "test")
    audience = Audience(Reach.COUNTRIES, (its.identity.origin, fake.origin))

    def fill(tx: Tx) -> None:
        people = []
        for number in range(_PEOPLE):
            uri = f"{fake.origin}/actors/d{number:03}"
            people.append(actor_of(fake.person(uri), expected=uri, sibling_id=row.id, country="fr", actor_id=its.ids.new()))
            save(tx, people[-1], its.clock.ms())
        ids = [its.ids.new() for _ in range(_POSTS)]
        store.insert(tx, [
            Post(post_id, f"{fake.origin}/posts/{post_id}", people[post_id % _PEOPLE].id, row.id, Kind.NOTE, post_id, None,
                 "Quoi?", "", f"<p>{_SECRET}</p>", "fr", CaseFacts(("cardiology",)), None, audience, "fr", 1)
            for post_id in ids])
        ordered.order(tx, its.ids, row.id, its.clock.ms())

    await its.database.write(fill)
    return row.id


async def test_a_worker_that_is_killed_again_and_again_erases_all_of_it_once(settings: Settings) -> None:
    dice, fake = random.Random(20261125), FakeSibling("fr", 2)
    async with assemble(settings) as its:
        sibling_id = await _full(its, fake)

    def order() -> tuple[Any, ...]:
        with closing(sqlite3.connect(settings.path("konsil.db"), timeout=30)) as connection:
            found: tuple[Any, ...] = connection.execute("SELECT posts, people, done_at FROM ordered_erasures").fetchone()
            return found

    killed_at = []
    for _ in range(_KILLS):
        worker, before = konsil(settings, "worker"), order()
        await until(lambda before=before: order() != before, 30)  # type: ignore[misc]
        await asyncio.sleep(dice.uniform(0, 0.1))
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        killed_at.append(order()[0])
    assert order()[2] is None and 0 < killed_at[0] < killed_at[-1] <= _POSTS, "it was killed in the middle"
    worker = konsil(settings, "worker")
    try:
        await until(lambda: order()[2] is not None, 60)
    finally:
        worker.terminate()
        worker.communicate(timeout=20)
    assert order()[:2] == (_POSTS, _PEOPLE)
    async with assemble(settings) as its:
        left = await its.database.read(lambda tx: tx.row(
            "SELECT (SELECT count(*) FROM posts WHERE sibling_id = ? AND (erased_at IS NULL OR html <> '' OR question <> '')),"
            " (SELECT count(*) FROM actors WHERE sibling_id = ? AND (gone_at IS NULL OR name <> '')),"
            " (SELECT count(*) FROM topic_posts), (SELECT count(*) FROM tombstones)", (sibling_id, sibling_id)))
        assert left is not None and tuple(left) == (0, 0, 0, _POSTS)
        said = [action for _, action, _ in await audit(its) if action.startswith("sibling.eras")]
        assert said == ["sibling.erasing", "sibling.erased"]
