"""A restored instance has lost posts of its own, and its siblings go on about them: nothing of that is lost, or refused for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import public
from inbox import ledger
from posts import store
from posts.models import Reach
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_reconciler import change, compare, content, lose, quiet, settled, uri_of
from tests.test_recovery import restored


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
