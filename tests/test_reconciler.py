"""Two instances compare what they hold of each other: each difference, made by hand in one database, is found and put right by
whoever it is up to; a dry run changes nothing, and a second one finds nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from core.database import Tx
from inbox import ledger
from inbox.reconciliations import Reconciled
from posts import store
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries, until


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def compare(at: Running, other: Running, *, dry: bool = False) -> Reconciled:
    found = await at.its.reconciler.run(await at.its.reconciliations.begin(other.domain, "test", dry=dry))
    assert str(found.trouble) == "" and found.ended is not None
    return found


async def change(at: Running, work: Callable[[Tx], Any]) -> Any:
    return await at.its.database.write(work)


async def content(at: Running) -> list[tuple[Any, ...]]:
    """What lies at an instance, without its own numbers."""
    def look(tx: Tx) -> list[tuple[Any, ...]]:
        posts = tx.rows("SELECT p.uri, a.uri AS author, p.kind, p.question, p.html, p.language, p.facts, p.state,"
                        " p.revision % 1000000, p.replies, p.erased_at IS NOT NULL,"
                        " (SELECT uri FROM posts q WHERE q.id = p.parent_id) AS parent"
                        " FROM posts p JOIN actors a ON a.id = p.author_id ORDER BY p.uri")
        follows = tx.rows("SELECT f.uri, a.uri, b.uri, f.state FROM follows f JOIN actors a ON a.id = f.follower_id"
                          " JOIN actors b ON b.id = f.followed_id ORDER BY f.uri")
        gone = tx.rows("SELECT uri FROM tombstones ORDER BY uri")
        return [tuple(row) for row in (*posts, *follows, *gone)]

    return await at.its.database.read(look)


def lose(uri: str, *tables: str) -> Callable[[Tx], None]:
    """A post, and all that is known of it, goes without a trace."""
    def work(tx: Tx) -> None:
        row = tx.row("SELECT id, root_id FROM posts WHERE uri = ?", (uri,))
        assert row is not None
        tx.run("DELETE FROM notification_events WHERE post_id = ?", (row["id"],))
        for table in ("poll_modes", "tallies", "tally_counts", "kept_polls", "poll_snapshots", "poll_results", "votes",
                      "poll_options", "polls", "revisions", "topic_posts", "post_conditions", "case_follows", "places",
                      "unindexed", "thread_reads", "asks", "case_mutes", "pins", "post_changes", "consults"):
            column = "root_id" if table == "consults" else "post_id"
            tx.run(f"DELETE FROM {table} WHERE {column} = ?", (row["id"],))
        tx.run("UPDATE posts SET replies = replies - 1 WHERE id = ? AND id <> ?", (row["root_id"], row["id"]))
        tx.run("DELETE FROM deliveries WHERE outbox_id IN (SELECT id FROM outbox WHERE uri LIKE ?)", (f"{uri}#%",))
        tx.run("DELETE FROM outbox WHERE uri LIKE ?", (f"{uri}#%",))
        tx.run("DELETE FROM ledger")
        tx.run("DELETE FROM posts WHERE id = ?", (row["id"],))

    return work


async def settled(*all_of: Running) -> None:
    for at in all_of:
        await until(lambda at=at: at.its.database.read(  # type: ignore[misc]
            lambda tx: tx.row("SELECT 1 FROM deliveries WHERE state IN ('pending', 'held')") is None
            and tx.row("SELECT 1 FROM held") is None))


async def uri_of(at: Running, post_id: str) -> str:
    return f"{at.url}/posts/{post_id}"


async def quiet(*pairs: tuple[Running, Running]) -> None:
    """A comparison from each side finds nothing, and nothing is sent."""
    for at, other in pairs:
        before = await content(at), await at.count("outbox")
        found = await compare(at, other)
        assert found.whole.differences == found.whole.could_not == 0, found.results
        assert (await content(at), await at.count("outbox")) == before


async def test_two_that_agree_find_nothing_and_what_is_under_way_is_left_alone(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for number in range(5):
        await published(de, case(f"Q{number}?"), fr)
        await published(fr, case(f"R{number}?"), de)
    await settled(de, fr)
    found = await compare(de, fr)
    assert found.results["offered"].compared == found.results["held"].compared == 5
    await quiet((de, fr), (fr, de))
    await change(de, lambda tx: tx.run("UPDATE delivery_lines SET next_try = ?", (de.its.clock.ms() + 600_000,)))
    await published(de, case("Late?"), fr)
    await quiet((de, fr), (fr, de))


async def test_what_we_lack_of_theirs_is_fetched_with_its_thread_and_newer_versions_too(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    first = await published(de, case("First?"), fr)
    second = await published(de, case("Second?"), fr)
    await settled(de, fr)
    answer = await de.its.compose.reply(await de.author("ben", "reply"), first, "An answer.", "en")
    await settled(de, fr)
    await de.its.editing.edit(await de.author("ada"), second, "Second, changed?", "New.", 1)
    await settled(de, fr)
    await until(lambda: fr.count("posts", "question = 'Second, changed?'"))
    whole = await content(fr)
    await change(fr, lose(await uri_of(de, answer)))
    await change(fr, lose(await uri_of(de, first)))
    await change(fr, lambda tx: tx.run("UPDATE posts SET question = 'Second?', revision = 1 WHERE kind = 'case'"))
    dry = await compare(fr, de, dry=True)
    assert dry.results["offered"].missing_here == 3 and dry.whole.repaired == 0 and await fr.count("posts") == 1
    found = (await compare(fr, de)).results["offered"]
    assert (found.missing_here, found.fetched, found.could_not) == (3, 3, 0)
    assert await content(fr) == whole
    await quiet((fr, de), (de, fr))


async def test_what_they_have_lost_of_ours_is_owed_again_and_their_older_version_updated(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    lost, old = await published(de, case("Lost?"), fr), await published(de, case("Old?"), fr)
    await settled(de, fr)
    await de.its.editing.edit(await de.author("ada"), old, "New?", "New.", 1)
    await settled(de, fr)
    whole = await content(fr)
    await change(fr, lose(await uri_of(de, lost)))
    await change(fr, lambda tx: tx.run("UPDATE posts SET question = 'Old?', revision = 1 WHERE question = 'New?'"))
    outbox = await de.count("outbox")
    assert (await compare(de, fr, dry=True)).results["held"].missing_there == 2 and await de.count("outbox") == outbox
    found = (await compare(de, fr)).results["held"]
    assert (found.missing_there, found.sent_again) == (2, 2)
    assert await de.count("deliveries", "lane = 2") == 2
    await settled(de, fr)
    assert await content(fr) == whole
    await quiet((de, fr), (fr, de))


async def test_what_they_cannot_have_is_not_sent_every_night(pair: tuple[Running, Running]) -> None:
    """They have it deleted for good: it is shown, and stays."""
    de, fr = pair
    post = await uri_of(de, await published(de, case(), fr))
    await settled(de, fr)
    await change(fr, lambda tx: (store.erase(tx, post, de.url, 1), ledger.forget(tx, post)))
    for _ in range(2):
        outbox = await de.count("outbox")
        found = (await compare(de, fr)).results["held"]
        assert (found.missing_there, found.sent_again, found.could_not) == (1, 0, 1)
        assert await de.count("outbox") == outbox and await de.count("posts", "erased_at IS NULL") == 1


async def test_what_they_have_deleted_is_erased_here(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await published(de, case(), fr)
    await settled(de, fr)
    await change(de, lambda tx: store.erase(tx, f"{de.url}/posts/{post}", de.url, de.its.clock.ms()))
    assert (await compare(fr, de, dry=True)).results["erased"].erased_here == 1 and await fr.count("tombstones") == 0
    assert (await compare(fr, de)).results["erased"].erased_here == 1
    assert await fr.count("posts", "html LIKE '%clinical%'") == 0 and await fr.count("tombstones") == 1
    await until(lambda: fr.its.database.read(lambda tx: tx.row("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journal_due)")))
    assert await uri_of(de, post) in fr.its.settings.path("erasures.journal").read_text()
    await quiet((fr, de), (de, fr))


async def test_what_we_have_deleted_and_they_still_hold_is_deleted_there(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await published(de, case(), fr)
    await settled(de, fr)
    await change(de, lambda tx: store.erase(tx, f"{de.url}/posts/{post}", de.url, 1))
    assert (await compare(de, fr, dry=True)).results["held"].erased_there == 1
    assert await de.count("outbox", "type = 'Delete'") == 0
    assert (await compare(de, fr)).results["held"].erased_there == 1
    await settled(de, fr)
    assert await fr.count("posts", "html LIKE '%clinical%'") == 0
    await quiet((fr, de), (de, fr))
