"""A restored instance has lost posts of its own, and its siblings go on about them: nothing of that is lost or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import public
from posts import store
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_reconciler import change, compare, content, lose, quiet, settled, uri_of
from tests.test_recovery import restored
from tests.test_tallies import Counting, sent


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def held(at: Running, number: int) -> None:
    await until(lambda: at.its.database.read(lambda tx: tx.rows("SELECT count(*) FROM held")[0][0] == number))


async def test_what_siblings_say_about_a_lost_post_waits_for_it_and_nobody_is_asked(pair: tuple[Running, Running]) -> None:
    """An answer, an answer to that, a like and passing it on; they have their effect when it is back."""
    de, fr = pair
    post_id = await published(de, case(), fr)
    uri = await uri_of(de, post_id)
    await settled(de, fr)
    await restored(de)
    await change(de, lose(uri))
    ben = await fr.author("ben", "reply")
    [root] = (await fr.its.timelines.home(ben.actor, "all", None)).posts
    answer = await fr.its.compose.reply(ben, root.id, "Une réponse.", "fr")
    further = await fr.its.compose.reply(ben, answer, "Une autre.", "fr")
    await fr.its.reactions.like(ben, root.id)
    await fr.its.reactions.boost(ben, root.id)
    await held(de, 4)
    await until(lambda: fr.count("deliveries", "state = 'held'"))
    assert await de.count("posts") == 0 and await fr.count("deliveries", "state = 'parked'") == 0
    await until(lambda: de.count("held", "tries > 0"))
    assert await de.count("refusals", f"origin = '{de.url}'") == 0
    whole = await content(fr)
    found = await compare(de, fr)
    assert (found.results["held"].recovered, found.whole.could_not) == (1, 0)
    await settled(de, fr)
    assert await content(de) == whole and await de.count("posts", f"uri = '{fr.url}/posts/{further}'") == 1
    assert await de.count("likes") == await de.count("boosts") == 1 and await fr.count("deliveries", "state = 'parked'") == 0
    await quiet((de, fr), (fr, de))


async def test_votes_and_tallies_about_a_lost_poll_wait_too(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        plain, counting = FakeSibling("it", port=2), Counting()
        for fake in (plain, counting):
            await know(de, fake)
        await restored(de)
        lost = f"{de.url}/posts/{public(de.its.ids.new() - (60_000 << 22))}"
        vote = {"type": "Note", "name": "yes", "inReplyTo": lost, "to": [lost], "id": f"{plain.origin}/votes/1",
                "attributedTo": plain.actor}
        assert await sent(de, plain, plain.activity("Create", vote)) == (202, "")
        assert await sent(de, counting, counting.count(counting.tally(lost))) == (202, "")
        assert await de.count("held", f"missing = '{lost}'") == 2 and await de.count("votes") == await de.count("tallies") == 0


async def test_what_is_not_there_and_what_is_not_for_its_sender_have_one_answer(tmp_path: Path) -> None:
    """In a time that was lost it waits, in any other it is refused; so nobody learns what lies here."""
    async with countries(tmp_path, "de") as (de,):
        fake = FakeSibling()
        await know(de, fake)
        home = await uri_of(de, await published(de, case()))
        known = [home, f"{de.url}/posts/{public(de.its.ids.new())}"]

        async def answers(name: str) -> list[tuple[int, str]]:
            made = [fake.note(de, f"{name}{place}", inReplyTo=uri) for place, uri in enumerate(known)]
            return [await sent(de, fake, fake.activity("Create", one, f"{name}{place}")) for place, one in enumerate(made)] + [
                await sent(de, fake, fake.activity("Like", uri, f"{name}like{place}")) for place, uri in enumerate(known)]

        assert await answers("a") == [(400, "no-such-parent")] * 2 + [(400, "no-such-post")] * 2
        await restored(de)
        assert await answers("b") == [(202, "")] * 4
        await until(lambda: de.count("held", "tries > 0 AND reason LIKE '%not come back%'"))
        later = f"{de.url}/posts/{public(de.its.ids.new() + (3_600_000 << 22))}"
        assert await sent(de, fake, fake.activity("Create", fake.note(de, "c", inReplyTo=later), "c")) == (400, "no-such-parent")
        made_up = fake.note(de, "d", inReplyTo=f"{de.url}/posts/made-up")
        assert await sent(de, fake, fake.activity("Create", made_up, "d")) == (400, "no-such-parent")
        assert await de.count("posts") == 1 and await de.count("likes") == 0


async def test_what_never_comes_back_is_given_up_in_time_and_who_sent_it_hears_why(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post_id = await published(de, case(), fr)
    await settled(de, fr)
    await restored(de)
    await change(de, lose(await uri_of(de, post_id)))
    ben = await fr.author("ben", "reply")
    [root] = (await fr.its.timelines.home(ben.actor, "all", None)).posts
    await fr.its.compose.reply(ben, root.id, "Une réponse.", "fr")
    await held(de, 1)
    await change(de, lambda tx: tx.run("UPDATE held SET next_try = 0, received_at = received_at - 31 * 86400000"))
    await until(lambda: de.count("held", "state = 'parked'"))
    await until(lambda: fr.count("deliveries", "state = 'parked' AND reason LIKE 'refused It is about a post that was lost%'"))


async def test_what_is_deleted_meanwhile_takes_along_what_waited_for_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    uri = await uri_of(de, await published(de, case(), fr))
    await settled(de, fr)
    await restored(de)
    await change(de, lose(uri))
    ben = await fr.author("ben", "reply")
    [root] = (await fr.its.timelines.home(ben.actor, "all", None)).posts
    await fr.its.compose.reply(ben, root.id, "Une réponse.", "fr")
    await held(de, 1)
    await change(fr, lambda tx: store.erase(tx, uri, de.url, 1))
    await compare(de, fr)
    await settled(de, fr)
    assert await de.count("posts") == 0 and await de.count("ledger", "outcome LIKE 'ignored: its parent%'") == 1
