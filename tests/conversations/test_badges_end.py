"""A badge that ends is seen to have ended in every country: on what its bearer wrote, and beside the polls she has voted in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.ids import public, uri_key
from federation.lanes import URGENT
from posts.models import CaseFacts, Draft, Kind, PollView
from tests.conversations.test_tallies import asked, later, vote
from tests.conversations.test_the_whole_path import published
from tests.servers import Running, countries, until
from tests.test_pages import Browser

AIM_SECONDS = 60
"""What is promised while siblings are up; it takes a second or two."""


async def seen(at: Running, handle: str = "ben") -> PollView:
    """The only poll at an instance."""
    posts = (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts
    return next(post.poll for post in posts if post.poll is not None)


async def post_page(at: Running, browser: Browser, uri: str) -> str:
    row = await at.its.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE uri_key = ?", (uri_key(uri),)))
    assert row is not None
    status, page = await browser.get(f"/p/{public(row['id'])}?results=1")
    assert status == 200
    return page


async def badge(at: Running, handle: str, of: Running) -> dict[str, Any]:
    """What is known at an instance of a doctor's badge."""
    row = await at.its.database.read(lambda tx: tx.row(
        "SELECT role, verified_by, verified_on, verified_until, verified_how FROM actors WHERE handle = ? AND domain = ?",
        (handle, of.domain)))
    assert row is not None
    return dict(row)


async def test_a_withdrawn_badge_is_seen_on_posts_and_polls_everywhere_within_a_minute(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        question = f"{de.url}/posts/{await asked(de, fr, it)}"
        await vote(fr, "ada", 0)
        await vote(it, "ben", 1)
        written = await published(fr, Draft(Kind.NOTE, "Wer?", "Text", "fr", CaseFacts(("cardiology",))), de, it)
        note = f"{fr.url}/posts/{written}"
        for one in (de, fr, it):
            await until(lambda one=one: _voters(one, 2))  # type: ignore[misc]
        async with Browser(de) as ben, Browser(it) as ada, Browser(fr) as neighbour:
            for browser, handle in ((ben, "ben"), (ada, "ada"), (neighbour, "ben")):
                assert await browser.login(handle) == 303
            everywhere = ((de, ben), (it, ada), (fr, neighbour))
            await until(lambda: it.count("posts", "kind = 'note'"))
            for at, browser in everywhere:
                page = await post_page(at, browser, note)
                assert "verified by" in page and "from the register" in page and "no longer verified since" not in page
                assert "no longer verified" not in await post_page(at, browser, question)
            begun = time.monotonic()
            await fr.its.accounts.withdraw("ada", "struck off", "test")
            for at, browser in everywhere:

                async def marked(at: Running = at, browser: Browser = browser) -> bool:
                    return ("no longer verified since" in await post_page(at, browser, note)
                            and "1 of them is no longer verified" in await post_page(at, browser, question))

                await until(marked, AIM_SECONDS)
            print(f"seen in three countries after {time.monotonic() - begun:.1f} s")
            assert (await seen(de)).voters == 2  # the vote stays counted
            await fr.its.accounts.approve("ada", "register", "the register was wrong", "test")
            for at, browser in everywhere:

                async def clear(at: Running = at, browser: Browser = browser) -> bool:
                    return "no longer verified" not in await post_page(at, browser, note) + await post_page(at, browser, question)

                await until(clear, AIM_SECONDS)


async def _voters(at: Running, number: int) -> bool:
    return (await seen(at)).voters == number


ENDS: dict[str, Callable[[Running], Awaitable[object]]] = {
    "suspended": lambda fr: fr.its.accounts.suspend("ada", "asked to", "test"),
    "withdrawn": lambda fr: fr.its.accounts.withdraw("ada", "struck off", "test"),
}


@pytest.mark.parametrize("how", (*ENDS, "ran out"))
async def test_however_a_badge_ends_a_sibling_is_told_the_same(tmp_path: Path, how: str) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(fr, Draft(Kind.NOTE, "Wer?", "Text", "fr", CaseFacts()), de)
        await until(lambda: de.count("posts"))
        before = await badge(de, "ada", fr)
        assert before["verified_how"] == "register" and before["verified_until"] > de.its.clock.ms()
        if how in ENDS:
            await ENDS[how](fr)
        else:
            await fr.its.database.write(lambda tx: tx.run(
                "UPDATE actors SET verified_until = ? WHERE handle = 'ada'", (fr.its.clock.ms() - 10,)))
        await until(lambda: _ended(de, fr))
        after = await badge(de, "ada", fr)
        assert {name for name in before if before[name] != after[name]} == {"verified_until"}
        told = await fr.its.database.read(lambda tx: tx.rows(
            "SELECT d.lane, o.body FROM deliveries d JOIN outbox o ON o.id = d.outbox_id WHERE o.type = 'Update'"))
        assert told and all(row["lane"] == URGENT for row in told)
        for word in (b"suspend", b"withdraw", b"struck", b"asked to", b"ran out", b"expired"):
            assert not any(word in row["body"] for row in told)


async def _ended(de: Running, fr: Running) -> bool:
    return int((await badge(de, "ada", fr))["verified_until"]) <= de.its.clock.ms()


async def test_a_number_says_nothing_of_options_and_a_signed_result_stands(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await asked(de, fr, it)
        await vote(fr, "ada", 0)
        await vote(fr, "ben", 2)
        later(3601, de, fr, it)
        await until(lambda: de.count("poll_results"))
        await until(lambda: it.count("poll_results"))
        before = [(await seen(at, "ada")).options for at in (de, fr, it)]
        await fr.its.accounts.suspend("ben", "asked to", "test")
        for at in (de, it):
            await until(lambda at=at: _lapsed(at, 1))  # type: ignore[misc]
        assert [(await seen(at, "ada")).options for at in (de, fr, it)] == before
        said = await fr.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox WHERE type = 'Lapse'"))
        assert len(said) == 1 and b'"lapsedVoters":1' in said[0]["body"] and b"/actors/" not in said[0]["body"]
        await fr.its.accounts.resume("ben", "test")
        await until(lambda: _lapsed(it, 0))


async def _lapsed(at: Running, number: int) -> bool:
    return (await seen(at, "ada")).lapsed == number


async def test_votes_that_lie_with_the_asker_are_looked_at_there(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await asked(de, fr)
        await de.its.database.write(lambda tx: tx.run("UPDATE poll_modes SET mode = 'votes'"))
        await fr.its.database.write(lambda tx: tx.run("DELETE FROM kept_polls"))
        await vote(fr, "ada", 0)
        await vote(de, "ben", 1)
        await until(lambda: _voters(de, 2))
        await fr.its.accounts.suspend("ada", "asked to", "test")
        await until(lambda: _lapsed(de, 1))
        await de.its.accounts.withdraw("ben", "struck off", "test")
        await until(lambda: _lapsed(de, 2))


async def test_a_badge_of_a_sibling_that_runs_out_counts_by_our_own_clock(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await asked(de, fr)
        await de.its.database.write(lambda tx: tx.run("UPDATE poll_modes SET mode = 'votes'"))
        await fr.its.database.write(lambda tx: tx.run("DELETE FROM kept_polls"))
        await vote(fr, "ada", 0)
        await until(lambda: _voters(de, 1))
        assert (await seen(de)).lapsed == 0
        await de.its.database.write(lambda tx: tx.run(  # as if she had been verified until then from the first
            "UPDATE actors SET verified_until = ? WHERE sibling_id IS NOT NULL", (de.its.clock.ms() + 700,)))
        await until(lambda: _lapsed(de, 1))
        assert await fr.count("outbox", "type = 'Update'") == 0
