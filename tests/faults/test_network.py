"""A network that cuts, stalls, lies and repeats: afterwards everything has arrived once, and nobody else was held up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from core.settings import Settings
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.faults import proxy
from tests.faults.compared import compare
from tests.faults.proxy import Fault, Proxy, answers
from tests.servers import Running, countries, until

_POSTS = 6
_ALARM, _NONE = True, False


def patient(settings: Settings) -> Settings:
    """Pauses and a timeout a test can wait for."""
    return msgspec.structs.replace(settings, federation=msgspec.structs.replace(
        settings.federation, timeout_seconds=0.5, retry_first_seconds=0.05, retry_limit_seconds=0.3))


class Three(NamedTuple):
    """Germany sends; France has the proxy in front, Italy has nothing."""

    de: Running
    fr: Running
    it: Running
    proxy: Proxy

    def places(self) -> list[Path]:
        return [Path(one.its.settings.instance.data_dir) for one in self[:3]]


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Three]:
    between = Proxy()
    async with countries(tmp_path, "de", "fr", "it", settled=patient, before={"fr": between.for_it}) as (de, fr, it):
        yield Three(de, fr, it, between)
        await between.close()


async def ask(at: Running, word: str) -> str:
    """A new note for the whole network."""
    places = await at.its.compose.destinations()
    return await at.its.compose.publish(
        await at.author("ada"), Draft(Kind.NOTE, f"What about {word}?", word, "en", CaseFacts()),
        tuple(place.origin for place in places), Reach.NETWORK, at.its.compose.network_digest(places))


async def conversation(three: Three, name: str) -> set[str]:
    """Some notes to both, of which two are changed twice and one is deleted; and one that comes back. Returns the words that
    were deleted."""
    words = [f"zq{name}{number}q" for number in range(_POSTS)]
    ids = await asyncio.gather(*[ask(three.de, word) for word in words])
    ada = await three.de.author("ada")
    for post_id, word in list(zip(ids, words, strict=True))[:2]:
        for revision in (1, 2):
            await three.de.its.editing.edit(ada, post_id, f"Revision {revision} of {word}?", word, revision)
    await three.de.its.editing.delete(ada.actor, ids[-1])
    await ask(three.fr, f"zqback{name}q")
    return {words[-1]}


async def reaches(at: Running, name: str, many: int) -> bool:
    return await at.count("posts", f"question LIKE '%zq{name}%' AND erased_at IS NULL") == many


async def rests(three: Three) -> bool:
    """Nothing waits anywhere."""
    waiting = [await one.count("deliveries", "state IN ('pending', 'held')") + await one.count("held") for one in three[:3]]
    return not any(waiting)


async def line(three: Three) -> tuple[bool, str]:
    """Whether the line from Germany to France alarms, and why the first thing waits there, if anything does."""
    found = await three.de.its.database.read(lambda tx: tx.row(
        "SELECT alarm, last_error, coalesce((SELECT min(reason) FROM deliveries d WHERE d.sibling_id = l.sibling_id"
        " AND state = 'pending' AND tries > 0), '') AS reason FROM delivery_lines l"
        " JOIN siblings s ON s.id = l.sibling_id WHERE s.origin = ?", (three.fr.url,)))
    assert found is not None
    return bool(found["alarm"]), found["last_error"] or found["reason"]


_TROUBLES: list[tuple[Fault, bool, str]] = [
    (proxy.cut_before, _NONE, "no-answer"), (proxy.cut_in_the_request, _NONE, "no-answer"), (proxy.cut_after, _NONE, "no-answer"),
    (proxy.cut_in_the_answer, _NONE, "no-answer"), (proxy.one_way, _NONE, "no-answer"), (proxy.silent, _NONE, "no-answer"),
    (proxy.slow_answer, _NONE, "no-answer"), (proxy.slow_request, _NONE, "no-answer"), (proxy.late, _NONE, "no-answer"),
    (proxy.garbage, _NONE, "no-answer"), (proxy.half_a_head, _NONE, "no-answer"), (proxy.endless, _ALARM, "no-receipt 400"),
    (answers(500), _NONE, "answered 500"), (answers(502), _NONE, "answered 502"), (answers(503), _NONE, "answered 503"),
    (answers(503, b"retry-after: 1\r\n"), _NONE, "answered 503"), (answers(429), _NONE, "answered 429"),
    (answers(404), _ALARM, "no-receipt 404"), (answers(401), _ALARM, "no-receipt 401"), (answers(403), _ALARM, "no-receipt 403"),
    (answers(200), _ALARM, "no-receipt 200"), (answers(302, b"location: /elsewhere\r\n"), _ALARM, "no-receipt 302"),
]


async def test_whatever_the_network_does_everything_arrives_once_and_nobody_else_waits(
        three: Three, figures: Callable[[str], None]) -> None:
    deleted: set[str] = set()
    longest = 0.0
    for number, (fault, alarms, why) in enumerate(_TROUBLES):
        name, posts = f"f{number:02}x", three.proxy.posts
        three.proxy.fault = fault
        begun = time.monotonic()
        deleted |= await conversation(three, name)
        await until(partial(reaches, three.it, name, _POSTS - 1))
        await until(partial(reaches, three.de, f"back{name}", 1))
        longest = max(longest, time.monotonic() - begun)

        async def as_the_table_says(alarms: bool = alarms, why: str = why) -> bool:
            alarm, reason = await line(three)
            return alarm is alarms and reason.startswith(why)

        await until(as_the_table_says)
        assert three.proxy.posts > posts and not await rests(three), fault.__name__
        three.proxy.fault = proxy.passes
        await three.proxy.cut()
        await until(partial(rests, three))
        assert await line(three) == (False, ""), fault.__name__
        assert compare(three.places()).equal, (fault.__name__, compare(three.places()).check())
    for place in three.places():
        await until(lambda place=place: not compare([place], deleted).risen)  # type: ignore[misc]
    found = compare(three.places(), deleted)
    assert not found.parked
    figures(f"{len(_TROUBLES)} troubles, the other country had everything within {longest:.1f} s: {found.check()}")


async def test_whatever_comes_twice_late_or_out_of_order_counts_once(three: Three, figures: Callable[[str], None]) -> None:
    deleted: set[str] = set()
    for number, fault in enumerate((proxy.twice, proxy.at_once, proxy.late, proxy.cut_before, proxy.cut_after)):
        three.proxy.fault = fault
        deleted |= await conversation(three, f"r{number}x")
        await asyncio.sleep(0.7)
        three.proxy.fault = proxy.passes
        await until(partial(rests, three))
    before = compare(three.places())
    kept = three.proxy.kept * 2
    random.Random(20261126).shuffle(kept)
    for start in range(0, len(kept), 16):
        await asyncio.gather(*map(three.proxy.send_again, kept[start:start + 16]))
    await until(partial(rests, three))
    for place in three.places():
        await until(lambda place=place: not compare([place], deleted).risen)  # type: ignore[misc]
    found = compare(three.places(), deleted)
    assert found.posts == before.posts and found.erased == before.erased == len(deleted)
    figures(f"{len(kept)} requests sent again in any order: {found.check()}")


async def test_what_is_too_large_for_something_in_between_is_set_aside_until_an_operator_sends_it_again(
        three: Three, figures: Callable[[str], None]) -> None:
    three.proxy.fault = answers(413)
    await ask(three.de, "zqlargeq")
    await until(partial(three.de.count, "deliveries", "state = 'parked' AND reason = 'too-large'"))
    three.proxy.fault = proxy.passes
    await ask(three.de, "zqsmallq")
    await until(partial(rests, three))
    assert await reaches(three.it, "", 2) and await reaches(three.fr, "small", 1) and await line(three) == (False, "")
    found = compare(three.places())
    assert found.parked == {"too-large": 1} and len(found.missing) == 1 and not (found.half or found.different or found.twice)
    await three.de.its.queues.retry_parked(three.fr.domain, "olga")
    await until(partial(rests, three))
    found = compare(three.places())
    assert not found.parked
    figures(f"set aside and sent again: {found.check()}")
