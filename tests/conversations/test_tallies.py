"""Votes stay in the voter's country: what comes to the author's instance are signed tallies, and what comes of them a result."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Conflict, NotFound, TooMany
from core.ids import number
from federation.signatures import proofs
from inbox import ordered
from posts.attesting import Outcome
from posts.models import CaseFacts, Draft, Kind, PollDraft, PollView
from tests.conversations.test_the_whole_path import published
from tests.servers import FakeSibling, Running, countries, until
from tests.test_pages import Browser

OPTIONS = ("Heparin", "Warfarin", "Nothing")


def poll(at: Running, *, multiple: bool = False, seconds: int = 3600) -> Draft:
    return Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(OPTIONS, multiple, at.its.clock.ms() + seconds * 1000))


async def asked(at: Running, *to: Running, multiple: bool = False) -> str:
    """A poll of ada's that has arrived everywhere; its URI."""
    post_id = await published(at, poll(at, multiple=multiple), *to)
    for other in to:
        await until(lambda other=other: other.count("polls"))  # type: ignore[misc]
    return post_id


async def here(at: Running, handle: str = "ben") -> str:
    """The id of the only poll at an instance."""
    return (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0].id


async def vote(at: Running, handle: str, *choices: int) -> None:
    await at.its.polls.vote(await at.author(handle, "vote"), await here(at), choices)


async def seen(at: Running, handle: str = "ben") -> PollView:
    found = (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0].poll
    assert found is not None
    return found


async def result(at: Running) -> dict[str, Any] | None:
    row = await at.its.database.read(lambda tx: tx.row("SELECT document FROM poll_results"))
    return json.loads(row["document"]) if row is not None else None


def later(seconds: float, *running: Running) -> None:
    for one in running:
        one.its.clock.offset += seconds


async def test_a_vote_stays_in_its_country_and_only_the_sums_leave(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await asked(de, fr, it)
        assert await de.count("poll_modes", "mode = 'tally'") == 2
        await vote(fr, "ada", 0)
        await vote(fr, "ben", 2)
        await vote(it, "ben", 0)
        await vote(de, "ben", 1)
        await until(lambda: de.count("polls", "voters = 4"))
        assert await de.count("votes") == 1 and await fr.count("votes") == 2 and await it.count("votes") == 1
        assert await fr.count("outbox", "type = 'Create'") == 0
        for place in (fr, it):
            await until(lambda place=place: place.count("polls", "voters = 4"))  # type: ignore[misc]
        found = await seen(fr)
        assert [(one.votes, one.chosen) for one in found.options] == [(2, False), (1, False), (1, True)] and found.kept_home
        bodies = await fr.its.database.read(lambda tx: [row["body"] for row in tx.rows(
            "SELECT body FROM outbox WHERE type = 'Count'")])
        people = [account.actor_id for account in fr.doctors.values()]
        assert bodies and all(b"/actors/" not in body for body in bodies) and people
        with pytest.raises(Conflict):
            await vote(fr, "ben", 1)


async def test_many_votes_make_few_tallies_and_an_unsent_one_gives_way(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await asked(de, fr)
        await de.its.siblings.pause(fr.domain, "test", "test")
        await vote(fr, "ada", 0)
        await until(lambda: fr.count("outbox", "type = 'Count'"))
        await vote(fr, "ben", 1)
        await until(lambda: fr.count("deliveries", "state = 'superseded'"))
        assert await fr.count("deliveries", "state = 'pending'") == 1
        assert await fr.count("outbox", "type = 'Count' AND body = x''") == 1
        await de.its.siblings.resume(fr.domain, "test")
        await fr.its.siblings.resume(de.domain, "test")
        await until(lambda: de.count("tallies", "voters = 2 AND sequence = 2"), 20)
        assert await de.count("polls", "voters = 2")


async def test_a_poll_that_ends_has_a_signed_result_everywhere_that_stands(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        post_id = await asked(de, fr, it, multiple=True)
        await vote(fr, "ada", 0, 2)
        await vote(it, "ben", 2)
        await vote(de, "ben", 1, 2)
        later(3601, de, fr, it)
        for one in (de, fr, it):
            await until(lambda one=one: one.count("poll_results"))  # type: ignore[misc]
        documents = [await result(one) for one in (de, fr, it)]
        assert documents[0] is not None and documents[0] == documents[1] == documents[2]
        document = documents[0]
        assert [one["votes"] for one in document["options"]] == [1, 1, 3] and document["votersCount"] == 3
        assert document["missing"] == [] and sorted(one["actor"] for one in document["counted"]) == sorted(
            f"{place.url}/actor" for place in (fr, it)) and all(one["final"] for one in document["counted"])
        proofs.check(document, de.its.identity.documents.multibase, f"{de.url}/actor#document-key")
        for one in (de, fr, it):
            found = await seen(one)
            assert found.closed and not found.counting and found.result_at and found.signed_by == "Konsil Germany"
            assert (found.missing, found.instances, found.voters) == (0, 3, 3)
        with pytest.raises(Conflict):
            await vote(fr, "ben", 1)
        assert await de.count("polls", f"post_id = {number(post_id)} AND counts_until IS NULL") == 1


async def test_who_is_away_at_the_end_is_waited_for_and_then_missing(tmp_path: Path) -> None:
    def soon(settings: Any) -> Any:
        return msgspec.structs.replace(settings, posts=msgspec.structs.replace(settings.posts, vote_grace_seconds=300))

    async with countries(tmp_path, "de", "fr", "it", settled=soon) as (de, fr, it):
        await asked(de, fr, it)
        await vote(fr, "ben", 0)
        await vote(it, "ben", 1)
        await until(lambda: de.count("polls", "voters = 2"))
        await de.its.siblings.pause(it.domain, "test", "test")
        await vote(it, "ada", 1)
        later(3601, de, fr, it)
        await until(lambda: de.count("tallies", "final = 1"))
        await until(lambda: fr.count("polls", "closed_at IS NOT NULL"))
        assert await result(de) is None and (await seen(fr)).counting and (await seen(de)).counting
        later(301, de, fr, it)
        await until(lambda: fr.count("poll_results"))
        document = await result(fr)
        assert document is not None and document["missing"] == [f"{it.url}/actor"] and document["votersCount"] == 2
        assert [one["final"] for one in sorted(document["counted"], key=lambda one: one["final"])] == [False, True]
        assert ((await seen(fr)).missing, (await seen(fr)).instances) == (1, 3)
        await de.its.siblings.resume(it.domain, "test")
        await it.its.siblings.resume(de.domain, "test")
        await until(lambda: it.count("deliveries", "state = 'parked'"), 20)  # its final tally came too late
        await until(lambda: it.count("poll_results"), 20)
        assert await de.count("polls", "voters = 2") == 1 and await de.count("tallies", "voters = 2") == 0


async def test_a_deleted_poll_leaves_nothing_of_its_counting_anywhere(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await asked(de, fr)
        await vote(fr, "ben", 0)
        later(3601, de, fr)
        await until(lambda: fr.count("poll_results"))
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        await until(lambda: fr.count("tombstones"))
        tables = ("votes", "polls", "poll_options", "poll_modes", "tallies", "tally_counts", "kept_polls", "poll_snapshots",
                  "poll_results", "poll_checks")
        for one in (de, fr):
            assert {table: await one.count(table) for table in tables} == dict.fromkeys(tables, 0)
            assert await one.count("outbox", "instr(body, 'Heparin') > 0") == 0


async def test_a_restored_instances_tally_takes_the_place_of_later_ones(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await asked(de, fr)
        await vote(fr, "ada", 0)
        await vote(fr, "ben", 0)
        await until(lambda: de.count("polls", "voters = 2"))
        ben = fr.doctors["ben"].actor_id
        await fr.its.database.write(lambda tx: tx.run("DELETE FROM votes WHERE voter_id = ?", (ben,)))  # a backup knows less
        await fr.its.tallies.restarted()
        await until(lambda: de.count("polls", "voters = 1"))
        assert await de.count("tallies", "sequence = 1 AND voters = 1") == 1
        await vote(fr, "ben", 2)
        await until(lambda: de.count("polls", "voters = 2"))
        await until(lambda: fr.count("poll_options", "position = 2 AND votes = 1"))


async def test_a_poll_at_home_has_its_result_at_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de") as (de,):
        await published(de, poll(de))
        await vote(de, "ben", 1)
        later(3601, de)
        await until(lambda: de.count("poll_results"))
        document = await result(de)
        assert document is not None and document["votersCount"] == 1 and document["counted"] == document["missing"] == []


async def test_the_count_is_attested_and_what_differs_is_said_in_words(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        post_id = await asked(de, fr, it)
        await vote(fr, "ada", 0)
        await vote(fr, "ben", 0)
        await until(lambda: de.count("polls", "voters = 2"))
        await de.its.siblings.pause(it.domain, "test", "test")
        ada = (await de.author("ada")).actor
        found = await de.its.attesting.check_own(ada, post_id)
        assert [(one.country, one.outcome) for one in found] == [("fr", Outcome.SAME), ("it", Outcome.OUTSIDE)]
        assert all(one.voters is None and all(votes is None for _, votes in one.options) for one in found)  # two are too few
        with pytest.raises(TooMany):
            await de.its.attesting.check_own(ada, post_id)
        with pytest.raises(NotFound):
            await de.its.attesting.check_own((await de.author("ben")).actor, post_id)
        row = await fr.its.database.read(lambda tx: tx.row("SELECT post_id, voter_id FROM votes LIMIT 1"))
        assert row is not None
        for change, outcome in (("UPDATE votes SET position = 2 WHERE voter_id = ?", Outcome.OTHER),
                                ("DELETE FROM votes WHERE voter_id = ?", Outcome.FEWER)):
            await fr.its.database.write(lambda tx, change=change: tx.run(change, (row["voter_id"],)))  # type: ignore[misc]
            assert (await de.its.attesting.check(post_id, "op"))[0].outcome == outcome
        await fr.its.database.write(lambda tx: tx.run("UPDATE votes SET position = 0"))
        await vote(fr, "ben" if row["voter_id"] == fr.doctors["ben"].actor_id else "ada", 0)
        await fr.add_doctor("new")
        await vote(fr, "new", 1)
        assert (await de.its.attesting.check(post_id, "op"))[0].outcome == Outcome.SAME  # votes may come; it is open
        await fr.its.database.write(lambda tx: tx.run("DELETE FROM votes WHERE position = 0"))
        assert (await de.its.attesting.check(post_id, "op"))[0].outcome == Outcome.FEWER
        shown = await de.its.polls.breakdown(ada, post_id)
        assert shown.checks == (("fr", "fewer"), ("it", "outside")) and shown.checked_at is not None
        audited = [(entry.by, entry.detail) for entry in await de.its.audit.list(10) if entry.action == "poll.attested"]
        assert audited == [("op", "fr fewer, it outside"), ("op", "fr same, it outside"), ("op", "fr fewer, it outside"),
                           ("op", "fr other, it outside"), ("ada", "fr same, it outside")]
        assert await de.count("poll_checks") == 10


async def test_an_answer_that_is_not_signed_by_the_sibling_is_no_attestation(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await asked(de, fr)
        key = FakeSibling().document_key.multibase
        await de.its.database.write(lambda tx: tx.run("UPDATE siblings SET document_key = ?", (key,)))
        [found] = await de.its.attesting.check(post_id, "op")
        assert found.outcome == Outcome.WRONG and found.voters is None


async def test_the_page_and_the_command_line_say_what_was_attested(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        post_id = await asked(de, fr)
        for number in range(6):
            await fr.add_doctor(f"doc{number}")
            await fr.its.polls.vote(await fr.author(f"doc{number}", "vote"), await here(fr), (0,))
        await until(lambda: de.count("polls", "voters = 6"))
        async with Browser(de) as ada, Browser(de) as ben:
            assert await ada.login("ada") == 303 and await ben.login("ben") == 303
            page = (await ada.get(f"/p/{post_id}"))[1]
            assert "Who voted how" in page and "Check the count" in page and "Last asked" not in page
            assert "Who voted how" not in (await ben.get(f"/p/{post_id}"))[1]
            assert await ben.post(f"/p/{post_id}/attest", {}) != (303, f"/p/{post_id}#counted")
            assert await ada.post(f"/p/{post_id}/attest", {}) == (303, f"/p/{post_id}#counted")
            page = (await ada.get(f"/p/{post_id}"))[1]
            assert "Last asked" in page and "It stands by what was counted." in page
            assert (await ada.post(f"/p/{post_id}/attest", {}))[0] == 429
        config = tmp_path / "de" / "config.toml"
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "instance", "--config", str(config), "poll", "attest", post_id, "--json"],
            capture_output=True, text=True)
        [row] = json.loads(ran.stdout)
        assert ran.returncode == 0 and (row["country"], row["outcome"]) == ("fr", "same")
        assert row["voters"] == {"counted": 6, "attested": 6}
        assert [one["counted"] for one in row["options"]] == [6, None, None]
        await fr.its.database.write(lambda tx: tx.run("DELETE FROM votes"))
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "instance", "--config", str(config), "poll", "attest", post_id],
            capture_output=True, text=True)
        assert ran.returncode == 1 and "fewer votes" in ran.stdout


async def test_a_consult_and_a_sibling_that_counts_nothing_send_votes_as_ever(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await de.its.database.write(lambda tx: tx.run("UPDATE siblings SET bundle_inbox = '' WHERE origin = ?", (it.url,)))
        await asked(de, fr, it)
        assert await de.count("poll_modes", "mode = 'votes'") == 1 and await it.count("kept_polls") == 0
        await vote(it, "ben", 1)
        await vote(fr, "ben", 0)
        await until(lambda: de.count("polls", "voters = 2"))
        assert await de.count("votes") == 1 and await de.count("tallies") == 1 and not (await seen(it)).kept_home
        later(3601, de, fr, it)
        await until(lambda: de.count("tallies", "final = 1"))
        await until(lambda: it.count("polls", "closed_at IS NOT NULL"))
        assert await result(de) is None  # a vote of Italy's may still be on its way
        later(901, de, fr, it)
        await until(lambda: it.count("poll_results"))
        document = await result(it)
        assert document is not None and document["missing"] == [] and document["votersCount"] == 2


async def test_a_sibling_that_has_everything_erased_takes_its_tallies_along(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await asked(de, fr, it)
        await vote(fr, "ben", 0)
        await vote(it, "ben", 1)
        await until(lambda: de.count("polls", "voters = 2"))
        row = await de.its.siblings.row(fr.domain)
        await de.its.database.write(lambda tx: ordered.order(tx, de.its.ids, row.id, de.its.clock.ms()))
        await until(lambda: de.count("ordered_erasures", "done_at IS NOT NULL"))
        assert await de.count("tallies") == 1 and await de.count("polls", "voters = 1") == 1
        await until(lambda: it.count("poll_options", "position = 0 AND votes = 0"))
