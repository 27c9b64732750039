"""How many of the voters in a poll of ours are no longer verified: said by the instance they are of, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import Running
from tests.test_tallies import Counting, asked, door, sent

__all__ = ["door"]


def lapse(fake: Counting, question: str, number: object, moment: object = 7, name: str = "l1", **changes: Any) -> dict[str, Any]:
    made = {"id": question, "type": "Question", "lapsedVoters": number, "moment": moment}
    return fake.activity("Lapse", made, name, actor=f"{fake.origin}/actor") | changes


async def test_the_later_word_counts_and_never_more_than_have_voted(door: tuple[Running, Counting]) -> None:
    de, fake = door
    poll = await asked(de, fake)
    assert await sent(de, fake, lapse(fake, poll, 9)) == (202, "")  # it may come before the votes it is about
    assert await de.count("polls", "lapsed = 0") == 1
    assert await sent(de, fake, fake.count(fake.tally(poll))) == (202, "")
    assert await de.count("polls", "lapsed = 5 AND voters = 5") == 1
    assert await sent(de, fake, lapse(fake, poll, 2, 9, "l2")) == (202, "")
    assert await sent(de, fake, lapse(fake, poll, 4, 8, "l3")) == (202, "")  # an older one that comes later
    assert await de.count("polls", "lapsed = 2 AND stale_since IS NOT NULL") == 1
    assert await sent(de, fake, lapse(fake, poll, 0, 10, "l4")) == (202, "") and await de.count("polls", "lapsed = 0") == 1


@pytest.mark.parametrize("wrong", ["a doctor's", "of votes", "unknown poll", "another's object", "no number", "negative",
                                   "no moment", "no object"])
async def test_whatever_is_not_such_a_word_is_refused_and_leaves_nothing(door: tuple[Running, Counting], wrong: str) -> None:
    de, fake = door
    poll = await asked(de, fake)
    await sent(de, fake, fake.count(fake.tally(poll)))
    if wrong == "of votes":
        await de.its.database.write(lambda tx: tx.run("UPDATE poll_modes SET mode = 'votes'"))
    status, reason = await sent(de, fake, {
        "a doctor's": lapse(fake, poll, 1, actor=fake.actor), "of votes": lapse(fake, poll, 1),
        "unknown poll": lapse(fake, f"{de.url}/posts/0000000000000", 1),
        "another's object": lapse(fake, f"{fake.origin}/posts/1", 1), "no number": lapse(fake, poll, "many"),
        "negative": lapse(fake, poll, -1), "no moment": lapse(fake, poll, 1, 0), "no object": lapse(fake, poll, 1, object=poll),
    }[wrong])
    assert (status, reason) == {
        "a doctor's": (403, "foreign-author"), "of votes": (403, "votes-expected"), "unknown poll": (400, "no-such-poll"),
        "another's object": (400, "no-such-poll")}.get(wrong, (400, "bad-tally"))
    assert await de.count("poll_lapses") == 0 and await de.count("polls", "lapsed = 0") == 1


async def test_a_poll_of_a_sibling_says_it_and_a_note_of_ours_has_none(door: tuple[Running, Counting]) -> None:
    de, fake = door
    question = fake.asked(de, (3, 1), lapsedVoters=2)
    assert await sent(de, fake, fake.activity("Create", question)) == (202, "")
    assert await de.count("polls", "lapsed = 2") == 1
    assert await sent(de, fake, fake.activity("Update", fake.asked(de, (3, 1), lapsedVoters=99, revision=2), "u2")) == (202, "")
    assert await de.count("polls", "lapsed = 4") == 1  # no more than have voted
    negative = fake.activity("Update", fake.asked(de, (3, 1), lapsedVoters=-1, revision=3), "u3")
    assert (await sent(de, fake, negative))[1] == "bad-poll"
    note = await de.its.compose.publish(await de.author("ada"), Draft(Kind.NOTE, "Wer?", "Text", "de", CaseFacts()),
                                       (), Reach.HOME, "")
    assert await sent(de, fake, lapse(fake, f"{de.url}/posts/{note}", 1)) == (400, "no-such-poll")


async def test_what_is_deleted_is_looked_at_no_more(door: tuple[Running, Counting]) -> None:
    de, fake = door
    poll = await asked(de, fake)
    await sent(de, fake, fake.count(fake.tally(poll)))
    await sent(de, fake, lapse(fake, poll, 1))
    await de.its.editing.delete((await de.author("ada")).actor, poll.rpartition("/")[2])
    assert await de.count("poll_lapses") == 0
    assert await sent(de, fake, lapse(fake, poll, 2, 9, "l2")) == (202, "") and await de.count("poll_lapses") == 0
