"""Deleting means deleting: no byte of the text stays in any table or file, here or at a sibling."""

from __future__ import annotations

from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from posts.parts import Parts, Row, Section
from tests.conversations.test_the_whole_path import published
from tests.servers import Running, countries, until

_WORD = "planted7c1e"


def _in_files(place: Running) -> list[str]:
    """The files of an instance that hold the word, byte for byte."""
    directory = Path(place.its.settings.instance.data_dir)
    return [path.name for path in directory.iterdir() if path.is_file() and _WORD.encode() in path.read_bytes()]


async def _is_found(place: Running) -> bool:
    """Whether search knows the word as the post has it now."""
    return await place.count("unindexed") == 0 and await place.count("postings", f"word = '{_WORD}'") == 1


async def test_a_deleted_case_leaves_no_byte_on_any_disk(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        parts = Parts((Section("history", source=f"Once {_WORD}"),), (Row(0, f"Day of {_WORD}"),))
        draft = Draft(Kind.CASE, f"Question {_WORD}?", f"Text {_WORD}", "de", CaseFacts(("cardiology",)), parts=parts)
        post_id = await published(de, draft, fr)
        await until(lambda: fr.count("posts"))
        await de.its.editing.edit(await de.author("ada"), post_id, f"Other {_WORD}?", f"New {_WORD}", 1)
        await de.its.cases.tell_outcome(await de.author("ada"), post_id, f"It ended {_WORD}")
        await until(lambda: fr.count("posts", "state = 'known'"))
        for place in (de, fr):
            await until(lambda place=place: _is_found(place))  # type: ignore[misc]
        assert _in_files(de) and _in_files(fr)
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        for place in (de, fr):
            await until(lambda place=place: place.count("tombstones"))  # type: ignore[misc]
            await until(lambda place=place: not _in_files(place))  # type: ignore[misc]


@pytest.mark.parametrize("tallied", [True, False])
async def test_a_deleted_poll_takes_the_votes_for_it_along_wherever_they_lie(tmp_path: Path, tallied: bool) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        if not tallied:
            await de.its.database.write(lambda tx: tx.run("UPDATE siblings SET bundle_inbox = ''"))
        poll = PollDraft((f"First {_WORD}", "Second"), False, de.its.clock.ms() + 3_600_000)
        post_id = await published(de, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), poll), fr, reach=Reach.NETWORK)
        await until(lambda: fr.count("posts"))
        voter = await fr.author("ben", "vote")
        card = (await fr.its.timelines.home(voter.actor, "all", None)).posts[0]
        await fr.its.polls.vote(voter, card.id, (0,))
        await until(lambda: de.count("polls", "voters = 1"))
        assert await de.count("votes") == (0 if tallied else 1)
        await fr.its.siblings.pause(de.domain, "test", "test")  # one vote more, that has not left when the poll is deleted
        await fr.its.polls.vote(await fr.author("ada", "vote"), card.id, (0,))
        await de.its.siblings.pause(fr.domain, "test", "test")
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        await fr.its.siblings.resume(de.domain, "test")
        await de.its.siblings.resume(fr.domain, "test")
        await until(lambda: fr.count("tombstones"))
        for place in (de, fr):
            await until(lambda place=place: not _in_files(place))  # type: ignore[misc]
        assert await fr.count("deliveries", "state = 'pending'") == 0 and await fr.count("outbox", "length(body) > 0") == 0
