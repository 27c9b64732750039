"""What an instance has lost of its own comes back out of a sibling's copy, if its seal is on it; what was deleted does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.ids import public
from inbox import reconciliations
from posts import store
from posts.models import CaseFacts, Draft, Kind, PollDraft
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries, until
from tests.test_reconciler import change, compare, content, lose, quiet, settled, uri_of


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[tuple[Running, Running, Running]]:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        yield de, fr, it


async def modes(at: Running) -> list[tuple[str, str]]:
    """How votes from abroad come."""
    return [tuple(row) for row in await at.its.database.read(lambda tx: tx.rows(
        "SELECT s.country, m.mode FROM poll_modes m JOIN siblings s ON s.id = m.sibling_id ORDER BY 1"))]


async def restored(at: Running) -> None:
    """The instance came out of a backup of an hour ago; the test compares, and not the worker, which would at once."""
    async def nothing() -> None:
        return None

    at.its.reconciliations.next = nothing  # type: ignore[method-assign]
    now = at.its.clock.ms()
    await change(at, lambda tx: reconciliations.restored(tx, now, now - 3_600_000))


async def test_lost_posts_of_every_kind_come_back_with_their_threads_and_everybody_is_told(
        three: tuple[Running, Running, Running]) -> None:
    de, fr, it = three
    first = await published(de, case("Case #sepsis?"), fr, it)
    poll = await published(de, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(
        ("Ä", "B"), True, de.its.clock.ms() + 3_600_000)), fr, it)
    note = await published(de, Draft(Kind.NOTE, "Note?", f"A list:\n\n- *one*\n- @ben\n\nfor @ben@{fr.domain} #eins", "de"), fr)
    await settled(de, fr, it)
    card = (await fr.its.timelines.home((await fr.author("ben")).actor, "all", None)).posts[-1]
    theirs = await fr.its.compose.reply(await fr.author("ben", "reply"), card.id, "Une réponse.", "fr")
    await settled(de, fr, it)
    parent = public((await de.its.database.read(lambda tx: tx.rows("SELECT id FROM posts WHERE kind = 'reply'")))[0]["id"])
    answer = await de.its.compose.reply(await de.author("ben", "reply"), parent, "And one more.", "en")
    await settled(de, fr, it)
    whole, counted = await content(de), await modes(de)
    assert len(counted) == 2
    for post_id in (answer, note, poll):
        await change(de, lose(await uri_of(de, post_id)))
    await change(de, lose(await uri_of(fr, theirs)))
    await change(de, lose(await uri_of(de, first)))
    assert await de.count("posts") == 0

    dry = await compare(de, fr, dry=True)
    assert dry.whole.repaired == 0 and await de.count("posts") == 0
    found = await compare(de, fr)
    assert (found.results["held"].recovered, found.results["offered"].fetched, found.whole.could_not) == (4, 1, 0)
    await settled(de, fr, it)
    assert await content(de) == whole and await modes(de) == counted
    row = (await de.its.database.read(lambda tx: tx.rows("SELECT * FROM posts WHERE kind = 'note'")))[0]
    assert row["source"].startswith("A list:\n\n") and "@ben" in row["source"] and row["seal"] == ""
    assert await de.count("topic_posts", "topic = '#eins'") == 1 and await de.count("poll_options", "votes = 0") == 2
    ada = (await de.author("ada")).actor
    view = (await de.its.threads.thread(ada, first)).posts[0]
    assert view.delivery is not None and view.delivery.received == ("fr", "it")
    await quiet((de, fr), (de, it), (fr, de), (it, de), (fr, it))
    await de.its.editing.edit(await de.author("ada"), first, "Found?", "Edited.", view.revision)
    for other in (fr, it):
        await until(lambda other=other: other.count("posts", "question = 'Found?'"))  # type: ignore[misc]


async def test_a_lost_edit_comes_back_and_goes_to_whoever_has_not_seen_it(three: tuple[Running, Running, Running]) -> None:
    """A restored instance leaps over all revisions; what siblings know is newer all the same."""
    de, fr, it = three
    edited, same = await published(de, case("Before?"), fr, it), await published(de, case("Same?"), fr, it)
    await settled(de, fr, it)
    await change(de, lambda tx: tx.run("UPDATE delivery_lines SET next_try = ? WHERE sibling_id = (SELECT id FROM siblings WHERE"
                                       " country = 'it')", (de.its.clock.ms() + 600_000,)))
    await de.its.editing.edit(await de.author("ada"), edited, "After?", "New **text**.", 1)
    await until(lambda: fr.count("posts", "question = 'After?'"))
    await change(de, lambda tx: (
        tx.run("UPDATE posts SET question = 'Before?', html = '<p>Old.</p>', source = 'Old.', revision = 1"),
        tx.run("DELETE FROM revisions"), tx.run("DELETE FROM deliveries WHERE state <> 'acked'"),
        tx.run("UPDATE posts SET question = 'Same?' WHERE uri = ?", (f"{de.url}/posts/{same}",)),
        tx.run("UPDATE delivery_lines SET next_try = 0")))
    await de.its.editing.overtake()
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.sent_again, found.could_not, found.erased_there) == (1, 0, 0, 0)
    await settled(de, fr, it)
    for at in three:
        assert await at.count("posts", "question = 'After?' AND html LIKE '%<strong>text</strong>%'") == 1
        assert await at.count("posts", "question = 'Same?'") == 1
    assert await de.count("posts", "source = 'New **text**.'") == 1 and await de.count("revisions") == 1
    await quiet((de, fr), (de, it), (fr, de))


async def test_what_was_deleted_never_comes_back(three: tuple[Running, Running, Running]) -> None:
    """France still holds it; the journal, or in a time that was lost another sibling, knows that it is deleted."""
    de, fr, it = three
    known, told = await published(de, case("Known?"), fr, it), await published(de, case("Told?"), fr, it)
    await settled(de, fr, it)
    for post_id in (known, told):
        await change(de, lose(await uri_of(de, post_id)))
        gone = await uri_of(de, post_id)
        await change(it, lambda tx, gone=gone: store.erase(tx, gone, de.url, 1))  # type: ignore[misc]
    uri = await uri_of(de, known)
    await change(de, lambda tx: store.bury(tx, uri, de.url, 1))
    await restored(de)
    await compare(de, it)
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.erased_there) == (0, 2)
    await settled(de, fr, it)
    for at in three:
        assert await at.count("posts", "erased_at IS NULL") == 0
    await quiet((de, fr), (de, it))


async def test_a_siblings_word_that_something_is_deleted_deletes_nothing_of_ours(three: tuple[Running, Running, Running]) -> None:
    de, fr, _ = three
    post_id = await published(de, case(), fr)
    await settled(de, fr)
    made_up = f"{de.url}/posts/{public(1 << 40)}"
    await change(fr, lambda tx: [store.erase(tx, uri, de.url, 1) for uri in (f"{de.url}/posts/{post_id}", made_up)])
    await restored(de)
    await compare(de, fr)
    assert await de.count("posts", "erased_at IS NULL") == 1 and await de.count("tombstones") == 0


@pytest.mark.parametrize("seal", ["", "x" * 44])
async def test_what_nothing_proves_is_not_taken_and_deleted_there_unless_it_can_have_been_lost(
        three: tuple[Running, Running, Running], seal: str) -> None:
    de, fr, _ = three
    post = await uri_of(de, await published(de, case(), fr))
    await settled(de, fr)
    await change(de, lose(post))
    await change(fr, lambda tx: tx.run("UPDATE posts SET seal = ?", (seal,)))
    await restored(de)
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.erased_there, found.could_not) == (0, 0, 1)
    assert await de.count("posts") == 0 and await fr.count("posts", "erased_at IS NULL") == 1
    await change(de, lambda tx: tx.run("DELETE FROM restorations"))
    assert (await compare(de, fr)).results["held"].erased_there == 1
    await settled(de, fr)
    assert await de.count("posts") == 0 and await fr.count("posts", "erased_at IS NULL") == 0


@pytest.mark.parametrize("change_", [
    "html = '<p>Forged.</p>'", "question = 'Forged?'", "revision = 7", "language = 'xx'", "facts = '{\"sex\":\"m\"}'",
    "state = 'known'",
    "audience = replace(audience, '\",\"', '\",\"https://evil.example\",\"')"])
async def test_no_changed_copy_is_taken(three: tuple[Running, Running, Running], change_: str) -> None:
    de, fr, _ = three
    post = await uri_of(de, await published(de, case(), fr))
    await settled(de, fr)
    await change(de, lose(post))
    await change(fr, lambda tx: tx.run(f"UPDATE posts SET {change_}"))
    await restored(de)
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.could_not) == (0, 1) and await de.count("posts") == 0


async def test_a_post_of_a_doctor_who_is_not_known_any_more_stays_where_it_is_and_is_shown(
        three: tuple[Running, Running, Running]) -> None:
    de, fr, _ = three
    post = await uri_of(de, await published(de, case(), fr))
    await settled(de, fr)
    await change(de, lose(post))
    await change(de, lambda tx: tx.run("UPDATE actors SET gone_at = 1 WHERE handle = 'ada' AND sibling_id IS NULL"))
    found = (await compare(de, fr)).results["held"]
    assert (found.recovered, found.erased_there, found.could_not) == (0, 0, 1) and await fr.count("posts") == 1


async def test_a_copy_is_handed_to_nobody_but_whose_it_is(three: tuple[Running, Running, Running]) -> None:
    de, fr, it = three
    post_id = await published(de, case(), fr, it)
    await settled(de, fr, it)
    sibling = it.its.allowlist.admit(fr.url, *_asks())
    for path in (f"/reconciliation/copies/{post_id}", f"/reconciliation/copies/{'0' * 13}"):
        with pytest.raises(Exception, match="not there"):
            await it.its.client.get(sibling, fr.url + path)
    sibling = de.its.allowlist.admit(fr.url, *_asks())
    document = await de.its.client.get(sibling, f"{fr.url}/reconciliation/copies/{post_id}")
    own = await fr.its.client.get(fr.its.allowlist.admit(de.url, *_asks()), f"{de.url}/posts/{post_id}")
    assert {**document, "to": sorted(document["to"])} == {**own, "to": sorted(own["to"])} and len(document["seal"]) == 44


def _asks():  # type: ignore[no-untyped-def]
    from federation.allowlist import Direction, Purpose

    return Direction.OUT, Purpose.RECONCILIATION
