"""The comparison finds what is wrong: each kind of damage, done by hand to one of two databases that were equal."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import published
from tests.faults.compared import compare
from tests.servers import countries, until

_WORD = "zqplantedq"


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two instances after a conversation, stopped."""
    directory = tmp_path_factory.mktemp("equal")
    asyncio.run(_conversation(directory))
    return directory


async def _conversation(directory: Path) -> None:
    async with countries(directory, "de", "fr") as (de, fr):
        case = await published(de, Draft(Kind.CASE, "What is it?", "Text", "de", CaseFacts(("cardiology",))), fr)
        gone = await published(de, Draft(Kind.NOTE, f"Question {_WORD}?", "Text", "de", CaseFacts()), fr)
        poll = PollDraft(("one", "two"), False, de.its.clock.ms() + 3_600_000)
        await published(de, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), poll), fr)
        await de.its.compose.publish(
            await de.author("ada"), Draft(Kind.NOTE, "At home?", "Text", "de", CaseFacts()), (), Reach.HOME, "")
        await until(lambda: _posts(directory / "fr") == 3)
        ben = await fr.author("ben", "vote")
        cards = {card.question: card for card in (await fr.its.timelines.home(ben.actor, "all", None)).posts}
        await fr.its.polls.vote(ben, cards["Which?"].id, (0,))
        await fr.its.reactions.like(await fr.its.credentials.require_verified(fr.doctors["ben"]), cards["What is it?"].id)
        await fr.its.compose.reply(await fr.author("ben"), cards["What is it?"].id, "Answer", "fr")
        await de.its.editing.edit(await de.author("ada"), case, "What is it now?", "New", 1)
        await de.its.editing.delete((await de.author("ada")).actor, gone)
        await until(lambda: compare([directory / "de", directory / "fr"], [_WORD]).equal)


def _posts(place: Path) -> int:
    with closing(sqlite3.connect(place / "konsil.db")) as database:
        return int(database.execute("SELECT count(*) FROM posts").fetchone()[0])


_CASE = "(SELECT id FROM posts WHERE question = 'What is it now?')"


@pytest.mark.parametrize(("kind", "place", "damage"), [
    ("missing", "de", f"DELETE FROM likes WHERE post_id = {_CASE}"),
    ("missing", "fr", "UPDATE posts SET uri = uri || 'x' WHERE question = 'Which?'"),
    ("missing", "fr", "UPDATE posts SET erased_at = 1 WHERE question = 'Which?'"),
    ("missing", "fr", "DELETE FROM ledger"),
    ("twice", "de", "UPDATE posts SET question = 'zqanewwordq' WHERE question IN ('Which?', 'At home?')"),
    ("different", "fr", "UPDATE posts SET html = 'other' WHERE question = 'Which?'"),
    ("different", "fr", "UPDATE posts SET revision = 7 WHERE question = 'Which?'"),
    ("different", "fr", "UPDATE poll_options SET votes = 9 WHERE position = 1"),
    ("different", "fr", "UPDATE actors SET name = 'Somebody' WHERE sibling_id IS NOT NULL"),
    ("different", "fr", "UPDATE posts SET audience = '[]' WHERE question = 'Which?'"),
    ("foreign", "de", "UPDATE posts SET audience = '[]' WHERE question = 'Which?'"),
    ("foreign", "fr", f"DELETE FROM likes WHERE post_id = {_CASE}"),
    ("foreign", "de", "UPDATE posts SET uri = uri || 'x' WHERE question = 'Which?'"),
    ("half", "de", "UPDATE poll_options SET votes = 9 WHERE position = 1"),
    ("half", "de", f"UPDATE posts SET likes = 9 WHERE id = {_CASE}"),
    ("half", "de", f"UPDATE posts SET replies = 0 WHERE id = {_CASE}"),
    ("half", "fr", "DELETE FROM poll_options"),
    ("half", "fr", "DELETE FROM tombstones"),
    ("half", "fr", "UPDATE posts SET html = 'left' WHERE erased_at IS NOT NULL"),
    ("half", "de", "DELETE FROM deliveries WHERE sequence = (SELECT max(sequence) FROM deliveries)"),
    ("half", "de", "UPDATE deliveries SET state = 'pending' WHERE state = 'acked'"),
    ("risen", "fr", "UPDATE posts SET erased_at = NULL WHERE erased_at IS NOT NULL"),
    ("risen", "fr", f"CREATE TABLE notes AS SELECT '{_WORD}'"),
])
def test_each_damage_is_found(equal: Path, tmp_path: Path, kind: str, place: str, damage: str) -> None:
    places = [Path(shutil.copytree(equal / code, tmp_path / code)) for code in ("de", "fr")]
    assert compare(places, [_WORD]).equal
    with closing(sqlite3.connect(tmp_path / place / "konsil.db")) as database, database:
        assert database.execute(damage).rowcount
    found = compare(places, [_WORD])
    assert getattr(found, kind), found
    with pytest.raises(AssertionError, match=kind):
        found.check()
