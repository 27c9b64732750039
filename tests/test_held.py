"""What comes too early waits unseen, is fetched from its own origin, and never spins, circles or blocks others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from federation.client import ACTIVITY_JSON
from federation.documents import dumps
from tests.servers import FakeSibling, Running, countries, know, until


class ServingSibling(FakeSibling):
    """A fake sibling whose documents can be fetched; counts what was asked for and whether it was signed."""

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self.signed = True

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{port}"
        self.actor, self.key_id = f"{self.origin}/actors/doc", f"{self.origin}/actor#main-key"
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] += 1
        self.signed &= "signature" in request.headers
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404)
        return web.Response(body=dumps(document), headers={"content-type": ACTIVITY_JSON})


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[tuple[Running, ServingSibling]]:
    """A German instance with its worker, and a listed sibling that serves documents; its doctor `doc` is known."""
    fake = ServingSibling()
    runner = await fake.start()
    try:
        async with countries(tmp_path, "de") as (de,):
            await know(de, fake)
            yield de, fake
    finally:
        await runner.cleanup()


def _new_author(fake: ServingSibling, name: str = "new") -> str:
    uri = f"{fake.origin}/actors/{name}"
    fake.documents[f"/actors/{name}"] = fake.person(uri)
    return uri


async def test_an_unknown_author_is_fetched_signed_and_the_post_appears(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    actor = _new_author(fake)
    assert (await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=actor), actor=actor)))[0] == 202
    await until(lambda: de.count("posts"))
    assert fake.asked["/actors/new"] == 1 and fake.signed
    assert await de.count("held") == 0 and await de.count("ledger", "outcome = 'stored'") == 1


async def test_an_answer_waits_for_what_it_answers_and_for_its_author(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    author = _new_author(fake)
    root = fake.note(de, "root", attributedTo=author)
    middle = fake.note(de, "middle", inReplyTo=root["id"])
    fake.documents |= {"/posts/root": root, "/posts/middle": middle}
    leaf = fake.note(de, "leaf", inReplyTo=middle["id"])
    assert (await fake.send(de, fake.activity("Create", leaf)))[0] == 202
    await until(lambda: de.count("posts", "kind = 'reply'"))
    await until(lambda: de.count("ledger", "outcome = 'stored'"))
    assert await de.count("held") == 0 and await de.count("posts") == 3
    assert fake.asked == {"/posts/middle": 1, "/posts/root": 1, "/actors/new": 1}
    assert await de.count("posts p JOIN posts r ON p.root_id = r.id", f"r.uri = '{root['id']}'") == 3


async def test_a_thing_of_the_wrong_kind_is_not_what_is_missing(meeting: tuple[Running, ServingSibling]) -> None:
    """An answer to an actor, and a post by a post: neither is resolved by finding that URI, and neither spins."""
    de, fake = meeting
    await fake.send(de, fake.activity("Create", fake.note(de)))
    by_a_post = fake.note(de, "n2", attributedTo=f"{fake.origin}/posts/n1")
    to_an_actor = fake.note(de, "n3", inReplyTo=fake.actor)
    fake.documents |= {"/posts/n1": fake.note(de), "/actors/doc": fake.person()}
    for name, made in (("a2", by_a_post), ("a3", to_an_actor)):
        assert (await fake.send(de, fake.activity("Create", made, name, actor=made["attributedTo"])))[0] == 202
    await until(lambda: de.count("held", "tries >= 1"))
    asked = fake.asked.total()
    await asyncio.sleep(1.2)
    assert fake.asked.total() - asked <= 2 and await de.count("held", "tries <= 2") == 2
    assert await de.count("posts") == 1


async def test_a_circle_of_answers_is_refused_after_one_look_at_each(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    for name, other in (("a", "b"), ("b", "a")):
        fake.documents[f"/posts/{name}"] = fake.note(de, name, inReplyTo=f"{fake.origin}/posts/{other}")
    await fake.send(de, fake.activity("Create", fake.note(de, "leaf", inReplyTo=f"{fake.origin}/posts/a")))
    await until(lambda: de.count("held", "reason LIKE '%itself%'"))
    assert fake.asked == {"/posts/a": 1, "/posts/b": 1} and await de.count("posts") == 0


async def test_a_chain_without_an_end_is_given_up(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    for number in range(80):
        fake.documents[f"/posts/{number}"] = fake.note(de, str(number), inReplyTo=f"{fake.origin}/posts/{number + 1}")
    await fake.send(de, fake.activity("Create", fake.note(de, "leaf", inReplyTo=f"{fake.origin}/posts/0")))
    await until(lambda: de.count("held", "reason LIKE '%too much%'"))
    assert fake.asked.total() == 50 and await de.count("posts") == 0


async def test_one_thing_that_cannot_be_had_does_not_stop_the_others(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    lost = f"{fake.origin}/actors/lost"
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=lost), actor=lost))
    actor = _new_author(fake)
    await fake.send(de, fake.activity("Create", fake.note(de, "n2", attributedTo=actor), "a2", actor=actor))
    await until(lambda: de.count("posts"))
    assert await de.count("held") == 1


async def test_after_some_weeks_it_is_parked_with_a_reason(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    lost = f"{fake.origin}/actors/lost"
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=lost), actor=lost))
    await until(lambda: de.count("held", "tries >= 1"))
    de.its.clock.offset = 31 * 86_400
    await until(lambda: de.count("held", "state = 'parked'"))
    row = await de.its.siblings.row(fake.origin.split("://")[1])
    waiting, [parked] = await de.its.held.of(row.id)
    assert waiting == 0 and parked.missing == lost and parked.reason == "The document is not there."


async def test_a_revocation_between_the_fetch_and_the_commit_stores_nothing(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    actor = _new_author(fake)
    real = de.its.client.get

    async def revoked_meanwhile(sibling: Any, url: str) -> dict[str, Any]:
        document = await real(sibling, url)
        await de.its.siblings.revoke(fake.origin.split("://")[1], "test", "test")
        return document

    de.its.client.get = revoked_meanwhile  # type: ignore[method-assign]
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=actor), actor=actor))
    await until(lambda: de.count("siblings", "state = 'revoked'"))
    await until(lambda: fake.asked["/actors/new"] == 1 and not de.its.held._busy)
    assert await de.count("actors", "uri LIKE '%/new'") == 0 and await de.count("posts") == 0


async def test_a_deletion_takes_what_is_held_along(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    lost = f"{fake.origin}/actors/lost"
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=lost), actor=lost))
    assert await de.count("held") == 1
    assert (await fake.send(de, fake.activity("Delete", f"{fake.origin}/posts/n1", "d1", actor=lost)))[0] == 202
    assert await de.count("held") == 0
    fake.documents["/actors/lost"] = fake.person(lost)
    assert (await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=lost), "a2", actor=lost)))[0] == 202
    assert await de.count("posts") == 0


async def test_a_handle_may_pass_to_somebody_new(meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    heir = f"{fake.origin}/actors/heir"
    fake.documents["/actors/heir"] = fake.person(heir) | {"preferredUsername": "doc"}
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=heir), actor=heir))
    await until(lambda: de.count("posts"))
    assert await de.count("actors", "handle = 'doc'") == 2


async def test_what_hangs_below_something_deleted_before_it_came_does_not_wait_for_ever(
        meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    assert (await fake.send(de, fake.activity("Delete", f"{fake.origin}/posts/root", "d1")))[0] == 202
    first = fake.note(de, "first", inReplyTo=f"{fake.origin}/posts/root")
    fake.documents["/posts/first"] = first
    second = fake.note(de, "second", inReplyTo=f"{fake.origin}/posts/first")
    third = fake.note(de, "third", inReplyTo=f"{fake.origin}/posts/second")
    fake.documents["/posts/second"] = second
    for name, made in (("a3", third), ("a2", second)):
        assert (await fake.send(de, fake.activity("Create", made, name)))[0] == 202
    await until(lambda: _nothing_held(de))
    assert await de.count("posts") == 0 and await de.count("ledger", "outcome LIKE 'ignored: %'") == 2


async def _nothing_held(de: Running) -> bool:
    return await de.count("held") == 0


async def test_a_sibling_that_is_back_is_not_waited_for_and_a_revoked_one_is_parked(
        meeting: tuple[Running, ServingSibling]) -> None:
    de, fake = meeting
    domain, lost = fake.origin.split("://")[1], f"{fake.origin}/actors/lost"
    await fake.send(de, fake.activity("Create", fake.note(de, attributedTo=lost), actor=lost))
    await until(lambda: de.count("held", "tries >= 1"))
    later = de.its.clock.ms() + 3_600_000
    await de.its.database.write(lambda tx: tx.run("UPDATE held SET next_try = ?, tries = 12", (later,)))
    await de.its.siblings.pause(domain, "test", "test")
    fake.documents["/actors/lost"] = fake.person(lost)
    await de.its.siblings.resume(domain, "test")
    await until(lambda: de.count("posts"))  # not in an hour
    gone = f"{fake.origin}/actors/gone"
    await fake.send(de, fake.activity("Create", fake.note(de, "n2", attributedTo=gone), "a2", actor=gone))
    await de.its.siblings.revoke(domain, "test", "test")
    row = await de.its.siblings.row(domain)
    waiting, [parked] = await de.its.held.of(row.id)
    assert waiting == 0 and parked.reason == "Its instance was revoked."
