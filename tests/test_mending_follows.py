"""Follows that two sides do not see alike: her own instance knows whether she follows, the other whether that was accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Actor
from tests.servers import Running, countries, until
from tests.test_reconciler import change, compare, quiet, settled
from tests.test_recovery import restored


async def follow(at: Running, other: Running, *, accepted: bool = True) -> None:
    """Ada of one instance follows Ben of another one."""
    ada = await at.its.credentials.require_verified(at.doctors["ada"])
    ben = await at.its.directory.resolve(f"@ben@{other.domain}")
    await at.its.relations.follow(ada, ben)
    await until(lambda: other.count("follows"))
    if accepted:
        her = await other.its.credentials.require_verified(other.doctors["ben"])
        await other.its.relations.accept(her, await known(other, at))
        await until(lambda: at.count("follows", "state = 'accepted'"))
    await settled(at, other)


async def known(at: Running, other: Running) -> Actor:
    """Ada of another instance, as she is known here."""
    return await at.its.directory.resolve(f"@ada@{other.domain}")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def states(de: Running, fr: Running) -> list[str]:
    """What each side has, nothing where it has none."""
    found = []
    for at in (de, fr):
        rows = await at.its.database.read(lambda tx: tx.rows("SELECT state FROM follows"))
        found.append(rows[0]["state"] if rows else "")
    return found


async def test_a_follow_that_they_have_lost_is_asked_for_again(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await follow(de, fr)
    await quiet((de, fr), (fr, de))
    await change(fr, lambda tx: (tx.run("DELETE FROM follows"), tx.run("DELETE FROM ledger")))
    assert (await compare(de, fr, dry=True)).results["followed"].missing_there == 1 and await states(de, fr) == ["accepted", ""]
    assert (await compare(de, fr)).results["followed"].sent_again == 1
    await settled(de, fr)
    assert await states(de, fr) == ["requested", "requested"]
    await quiet((de, fr), (fr, de))


async def test_a_refusal_that_they_have_not_heard_is_said_again_and_nobody_is_asked_twice(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await follow(de, fr)
    await change(fr, lambda tx: tx.run("DELETE FROM follows"))  # as if it had been dismissed, and the Reject lost
    await compare(de, fr)
    await settled(de, fr)
    assert await states(de, fr) == ["requested", ""]
    assert (await compare(fr, de)).results["follows"].sent_again == 1
    await settled(de, fr)
    assert await states(de, fr) == ["", ""]
    await quiet((de, fr), (fr, de))


async def test_a_follow_that_is_over_here_is_over_there(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await follow(de, fr)
    await change(de, lambda tx: tx.run("DELETE FROM follows"))
    assert (await compare(de, fr)).results["followed"].erased_there == 1
    await settled(de, fr)
    assert await states(de, fr) == ["", ""]


async def test_what_the_followers_own_instance_does_not_name_is_over(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await follow(de, fr)
    await change(de, lambda tx: tx.run("DELETE FROM follows"))
    assert (await compare(fr, de, dry=True)).results["follows"].erased_here == 1 and await states(de, fr) == ["", "accepted"]
    assert (await compare(fr, de)).results["follows"].erased_here == 1
    assert await states(de, fr) == ["", ""]
    await quiet((de, fr), (fr, de))


@pytest.mark.parametrize(("ours", "theirs"), [("requested", "accepted"), ("accepted", "requested")])
async def test_whether_it_is_accepted_says_the_one_who_is_followed(pair: tuple[Running, Running], ours: str, theirs: str) -> None:
    de, fr = pair
    await follow(de, fr)
    for at, state in ((de, ours), (fr, theirs)):
        await change(at, lambda tx, state=state: tx.run("UPDATE follows SET state = ?", (state,)))  # type: ignore[misc]
    found = (await compare(fr, de)).results["follows"]
    assert found.sent_again == (theirs == "accepted")
    await settled(de, fr)
    assert (await compare(de, fr)).results["followed"].fetched == (theirs != "accepted")
    await settled(de, fr)
    assert await states(de, fr) == [theirs, theirs]
    await quiet((de, fr), (fr, de))


async def test_after_a_restore_what_came_between_is_taken_back_in_once(pair: tuple[Running, Running]) -> None:
    """Germany's backup knows neither that Ada follows Ben in France, nor that Ada in France follows Ben here."""
    de, fr = pair
    await follow(de, fr)
    ada = await fr.its.credentials.require_verified(fr.doctors["ada"])
    await fr.its.relations.follow(ada, await fr.its.directory.resolve(f"@ben@{de.domain}"))
    await until(lambda: de.its.database.read(lambda tx: len(tx.rows("SELECT 1 FROM follows")) == 2))
    her = await de.its.credentials.require_verified(de.doctors["ben"])
    await de.its.relations.accept(her, await known(de, fr))
    await settled(de, fr)
    await change(de, lambda tx: (tx.run("DELETE FROM follows"), tx.run("DELETE FROM ledger")))
    await restored(de)
    found = await compare(de, fr)
    assert (found.results["followed"].recovered, found.results["follows"].recovered) == (1, 1)
    assert await de.count("follows", "state = 'accepted'") == await fr.count("follows", "state = 'accepted'") == 2
    await quiet((de, fr), (fr, de))
    await change(de, lambda tx: tx.run("DELETE FROM follows"))
    again = await compare(de, fr)  # the second time it is no backup that did this
    assert again.whole.recovered == 0 and again.results["followed"].erased_there == 1


async def test_after_a_restore_a_follow_that_has_ended_since_is_over(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await follow(de, fr)
    await change(fr, lambda tx: tx.run("DELETE FROM follows"))
    await restored(de)
    assert (await compare(de, fr)).results["followed"].erased_here == 1
    assert await states(de, fr) == ["", ""] and await de.count("deliveries", "state = 'pending'") == 0
