"""A poll that a restored instance has lost comes back as it was asked: with who sends tallies, and with its signed result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import number
from federation.signatures import proofs
from posts import pollstore
from tests.conversations.test_tallies import asked, here, later, result, vote
from tests.servers import Running, countries, until
from tests.test_mending_tallies import told
from tests.test_reconciler import change, compare, lose, quiet, settled
from tests.test_recovery import restored


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[tuple[Running, Running, Running]]:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        yield de, fr, it


async def lost(at: Running, post_id: str) -> None:
    await change(at, lose(f"{at.url}/posts/{post_id}"))


async def modes(at: Running) -> dict[str, str]:
    return await at.its.database.read(lambda tx: {row[0]: row[1] for row in tx.rows(
        "SELECT s.origin, m.mode FROM poll_modes m JOIN siblings s ON s.id = m.sibling_id")})


async def ended(de: Running, *others: Running) -> str:
    """A poll whose result is everywhere."""
    post_id = await asked(de, *others)
    await vote(others[0], "ada", 0)
    await vote(de, "ben", 1)
    later(3601, de, *others)
    for one in others:
        await until(lambda one=one: one.count("poll_results"))  # type: ignore[misc]
    await told(de, *others)
    return post_id


async def test_an_open_poll_comes_back_with_the_ways_in_which_its_votes_come(three: tuple[Running, Running, Running]) -> None:
    de, fr, it = three
    await change(de, lambda tx: tx.run("UPDATE siblings SET bundle_inbox = '' WHERE origin = ?", (it.url,)))
    post_id = await asked(de, fr, it)
    await vote(fr, "ada", 0)
    await vote(it, "ada", 1)
    await until(lambda: de.count("polls", "voters = 2"))
    await told(de, fr, it)
    before, tallies = await modes(de), await de.its.database.read(lambda tx: tx.rows("SELECT tallies FROM polls")[0][0])
    assert before == {fr.url: "tally", it.url: "votes"}
    await lost(de, post_id)
    assert (await compare(de, fr)).results["held"].recovered == 1
    assert await modes(de) == before and await de.count("polls", f"tallies = '{tallies}' AND voters = 0") == 1
    assert (await compare(fr, de)).results["counted"].sent_again == 1
    await until(lambda: de.count("polls", "voters = 1"))
    await vote(fr, "ben", 2)
    await vote(it, "ben", 2)
    await until(lambda: de.count("polls", "voters = 3"))
    await told(de, fr, it)
    await quiet((de, fr), (fr, de), (it, de))


async def test_a_tally_that_came_before_its_poll_was_back_counts_when_it_is(three: tuple[Running, Running, Running]) -> None:
    de, fr, _ = three
    post_id = await asked(de, fr)
    await settled(de, fr)
    await restored(de)
    await lost(de, post_id)
    await vote(fr, "ben", 0)
    await until(lambda: de.its.database.read(lambda tx: tx.row("SELECT 1 FROM held")))
    await compare(de, fr)
    await until(lambda: de.count("polls", "voters = 1"))
    await told(de, fr)
    assert await fr.count("deliveries", "state = 'parked'") == 0


async def test_a_lost_poll_comes_back_with_its_result_which_stands(three: tuple[Running, Running, Running]) -> None:
    de, fr, it = three
    post_id = await ended(de, fr, it)
    document = await result(de)
    await lost(de, post_id)
    assert (await compare(de, fr)).results["held"].recovered == 1
    assert await result(de) == document and await de.count("polls", "voters = 2 AND closed_at = ends_at") == 1
    assert await de.count("poll_options", "votes = 1") == 2
    await settled(de, fr, it)
    await de.its.polls.announce_due()
    await told(de, fr, it)
    assert await result(de) == await result(fr) == await result(it) == document
    await quiet((de, fr), (de, it), (fr, de), (it, de))
    assert await de.count("deliveries", "state = 'parked'") == 0


async def test_a_poll_that_lies_here_as_it_was_before_its_end_gets_the_result_that_there_was(
        three: tuple[Running, Running, Running]) -> None:
    """Also where ours has changed more often since than theirs; and nobody makes another one meanwhile."""
    de, fr, it = three
    post_id = await ended(de, fr, it)
    document, inner = await result(fr), number(post_id)
    await restored(de)
    await change(de, lambda tx: (
        tx.run("DELETE FROM poll_results"), tx.run("UPDATE poll_options SET votes = 0"),
        tx.run("UPDATE polls SET closed_at = NULL, voters = 0"),
        tx.run("UPDATE posts SET revision = revision + 7 WHERE id = ?", (inner,))))
    await until(lambda: de.count("polls", "closed_at IS NOT NULL AND counts_until IS NOT NULL"))
    await change(it, lambda tx: tx.run("DELETE FROM poll_results"))
    await until(lambda: de.count("polls", "stale_since IS NULL"))
    await asyncio.sleep(1.2)
    assert await result(de) is None
    await compare(de, fr)
    assert await result(de) == document and await de.count("polls", "voters = 2 AND counts_until IS NULL") == 1
    await until(lambda: it.count("poll_results"))
    await told(de, fr, it)
    assert await result(de) == await result(fr) == await result(it) == document
    assert await de.count("deliveries", "state = 'parked'") == 0


@pytest.mark.parametrize("forged", ["a number", "another key", "another question", "other options"])
async def test_a_result_that_we_have_not_signed_is_not_taken(three: tuple[Running, Running, Running], forged: str) -> None:
    de, fr, _ = three
    post_id = await ended(de, fr)
    document = await result(fr)
    assert document is not None
    bare = {name: value for name, value in document.items() if name != "proof"}
    match forged:
        case "a number":
            document["options"][0]["votes"], document["votersCount"] = 2, 3
        case "another key":
            document = proofs.sign(bare, fr.its.identity.documents._replace(id=de.its.identity.documents.id), 1)
        case "another question":
            document = proofs.sign(bare | {"question": f"{de.url}/posts/1", "id": f"{de.url}/posts/1#result"},
                                   de.its.identity.documents, 1)
        case "other options":
            bare["options"] = [*bare["options"][1:], bare["options"][0]]
            document = proofs.sign(bare, de.its.identity.documents, 1)
    told_ = json.dumps(document)
    await change(fr, lambda tx: (tx.run("DELETE FROM poll_results"), tx.run(
        "INSERT INTO poll_results SELECT post_id, ?, 'x', 1, 0 FROM polls", (told_,))))
    await lost(de, post_id)
    await restored(de)
    assert (await compare(de, fr)).results["held"].recovered == 1
    assert await de.count("polls") == 1 and await de.count("poll_results") == 0


@pytest.mark.parametrize("tallies", ["", '["https://it.example/actor"]'])
async def test_a_copy_that_says_otherwise_who_sends_tallies_is_not_taken(
        three: tuple[Running, Running, Running], tallies: str) -> None:
    de, fr, _ = three
    post_id = await asked(de, fr)
    await settled(de, fr)
    await lost(de, post_id)
    await restored(de)
    await change(fr, lambda tx: tx.run("UPDATE polls SET tallies = ?", (tallies,)))
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.could_not) == (0, 1) and await de.count("polls") == 0


async def test_a_sibling_that_has_lost_a_poll_gets_it_with_its_result(three: tuple[Running, Running, Running]) -> None:
    de, fr, _ = three
    post_id = await ended(de, fr)
    document = await result(de)
    await change(fr, lose(f"{de.url}/posts/{post_id}"))
    assert (await compare(de, fr)).results["held"].sent_again == 1
    await settled(de, fr)
    assert await result(fr) == document and await here(fr)
    assert await fr.its.database.read(lambda tx: pollstore.whole(tx, tx.rows("SELECT post_id FROM polls")[0][0]))


@pytest.mark.parametrize("whole", [True, False])
async def test_votes_that_are_lost_with_a_backup_do_not_stay_in_what_siblings_show(
        three: tuple[Running, Running, Running], whole: bool) -> None:
    """The poll is lost with them, or lies here as it was before."""
    de, fr, it = three
    post_id = await asked(de, fr, it)
    await vote(de, "ben", 1)
    for other in (fr, it):
        await until(lambda other=other: other.count("polls", "voters = 1"))  # type: ignore[misc]
    await told(de, fr, it)
    await restored(de)
    if whole:
        await lost(de, post_id)
    else:
        await change(de, lambda tx: (
            tx.run("DELETE FROM votes"), tx.run("UPDATE poll_options SET votes = 0"), tx.run("UPDATE polls SET voters = 0"),
            tx.run("UPDATE posts SET revision = 1")))
        await de.its.editing.overtake()
    assert (await compare(de, fr)).results["held"].recovered == 1
    for other in (fr, it):
        await until(lambda other=other: other.count("polls", "voters = 0"))  # type: ignore[misc]
    await told(de, fr, it)
    await quiet((de, fr), (fr, de), (it, de))
