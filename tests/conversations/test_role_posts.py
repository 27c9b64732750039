"""Threads signed by role only: an alias speaks, its home instance alone knows for whom."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.directory import Wish
from actors.models import Actor
from actors.store import by_uri, save
from actors.wire import actor_of
from core.errors import InvalidInput, NotFound, Refused
from core.ids import public
from federation import descriptor
from posts.models import CaseFacts, Draft, Kind, PollDraft, PostView, Reach
from posts.telling import Told
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_reconciler import change, compare, lose, settled
from tests.test_recovery import restored

CASE = Draft(Kind.CASE, "Which test first?", "A rare story.", "de", CaseFacts(("cardiology",), "40-49", "f", "therapeutic"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def asked(de: Running, *to: Running | FakeSibling, handle: str = "ada", draft: Draft = CASE) -> str:
    """A thread that is signed by role only."""
    compose = de.its.compose
    seen = compose.network_digest(await compose.destinations())
    origins = tuple(one.url if isinstance(one, Running) else one.origin for one in to)
    return await compose.publish(await de.author(handle), draft, origins, Reach.COUNTRIES if to else Reach.HOME, seen,
                                 by_role=True)


async def arrived(at: Running, handle: str = "ben") -> PostView:
    """The newest question there."""
    await until(lambda: at.count("posts", "parent_id IS NULL"))
    return (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0]


async def thread(at: Running, handle: str, post_id: str) -> tuple[PostView, ...]:
    return (await at.its.threads.thread((await at.author(handle)).actor, post_id)).posts


async def sent(de: Running) -> list[dict[str, Any]]:
    """Everything that went out, oldest first."""
    rows = await de.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox WHERE body <> x'' ORDER BY id"))
    return [json.loads(row["body"]) for row in rows]


async def test_a_case_signed_by_role_arrives_under_an_alias(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = (await de.author("ada")).actor
    post_id = await asked(de, fr)
    there = await arrived(fr)
    speaker = there.author
    assert there.question == CASE.question and speaker.alias and speaker.uri != ada.uri
    assert (speaker.badge.role, speaker.badge.specialties, speaker.badge.country) == ("doctor", ("cardiology",), "de")
    assert speaker.badge.verified_by == ada.badge.verified_by and speaker.badge.verified_on % 86_400_000 == 0
    assert speaker.badge.holds(fr.its.clock.ms()) and "Ada" not in speaker.name and "ada" not in speaker.handle
    [hers], [bens] = await thread(de, "ada", post_id), await thread(de, "ben", post_id)
    assert hers.mine and hers.by_role and hers.author.uri == bens.author.uri == speaker.uri and not bens.mine and not bens.by_role


async def test_she_answers_edits_likes_and_deletes_under_the_same_alias(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada, claire = await de.author("ada", "reply"), await fr.author("ben", "reply")
    post_id = await asked(de, fr)
    there = await arrived(fr)
    await fr.its.compose.reply(claire, there.id, "Une réponse.", "fr")
    await until(lambda: de.count("posts", "kind = 'reply'"))
    answered = (await thread(de, "ada", post_id))[1]
    told = await de.its.notifications.page(ada.actor, None)
    assert [(one.kind, one.own) for one in told.shown] == [(Told.ANSWER, True)]
    doctor = await de.its.credentials.require_verified(de.doctors["ada"])
    await de.its.reactions.like(doctor, answered.id)
    mine = await de.its.compose.reply(ada, answered.id, "Thank you.", "en")
    await de.its.editing.edit(ada, mine, "", "Thank you!", 1)
    await de.its.editing.edit(ada, post_id, "Which test, then?", CASE.text, 1)
    await until(lambda: fr.count("posts", "question = 'Which test, then?'"))
    await until(lambda: fr.count("posts", "html LIKE '%Thank you!%'"))
    await until(lambda: fr.count("likes"))
    assert {one["actor"] for one in await sent(de)} == {there.author.uri}
    assert await de.count("notifications", f"actor_id <> {ada.actor.id}") == 0
    with pytest.raises(InvalidInput, match="own post"):
        await de.its.reactions.like(doctor, post_id)
    with pytest.raises(Refused, match="by role only"):
        await de.its.reactions.boost(await de.author("ada"), answered.id)
    assert (await thread(de, "ada", post_id))[1].liked and not (await thread(de, "ben", post_id))[1].liked
    with pytest.raises(Refused):
        await de.its.editing.edit(await de.author("ben", "reply"), mine, "", "Not hers", 2)
    with pytest.raises(NotFound):
        await de.its.editing.delete((await de.author("ben")).actor, mine)
    await de.its.reactions.unlike(ada.actor, answered.id)
    await de.its.editing.delete(ada.actor, mine)
    await until(lambda: fr.count("posts", "erased_at IS NOT NULL"))
    await until(lambda: fr.its.database.read(lambda tx: tx.row("SELECT 1 FROM likes") is None))
    [line] = await de.its.database.read(lambda tx: tx.rows("SELECT by FROM audit WHERE action = 'post.deleted'"))
    assert line["by"] == there.author.handle
    gone = await de.its.timelines.deletions(ada.actor, "all", None)
    assert [post.id for post in gone.posts] == [mine]


async def test_it_stands_among_her_posts_and_nowhere_else_of_hers(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, ben = (await de.author("ada")).actor, (await de.author("ben")).actor
    named = await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    hidden = await asked(de)
    assert [post.id for post in (await de.its.timelines.mine(ada, None)).posts] == [hidden, named]
    for viewer in (ada, ben):
        assert [post.id for post in (await de.its.timelines.of(viewer, ada, None)).posts] == [named]
    assert await de.its.timelines.newer(ada, "all", "") == 0 and await de.its.timelines.newer(ben, "all", "") == 2
    assert (await de.its.timelines.mine(ben, None)).posts == ()
    await de.its.compose.reply(await de.author("ben", "reply"), hidden, "Yes.", "de")
    assert all(not one.alias for one in await de.its.colleagues.suggested(ben))


async def test_a_form_that_is_sent_twice_makes_one_thread(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada = await de.author("ada")
    made = {await de.its.compose.publish(ada, CASE, (), Reach.HOME, "", "form", by_role=True) for _ in range(2)}
    assert len(made) == 1 and await de.count("posts") == await de.count("aliases") == 1


async def test_every_thread_has_an_alias_of_its_own(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    first, second = await asked(de), await asked(de)
    [one], [other] = await thread(de, "ben", first), await thread(de, "ben", second)
    assert one.author.uri != other.author.uri and one.author.handle != other.author.handle
    name = public(one.author.id)
    assert one.author.uri.endswith(f"/{name}") and sum(a == b for a, b in zip(name, public(other.author.id), strict=True)) < 6


async def test_nobody_follows_finds_or_names_an_alias(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await asked(de, fr)
    there = await arrived(fr)
    for at in (de, fr):
        with pytest.raises(NotFound):
            await at.its.directory.known(there.author.mention)
        with pytest.raises(InvalidInput, match="no doctor"):
            await at.its.directory.resolve(there.author.mention)
    doctor = await fr.its.credentials.require_verified(fr.doctors["ben"])
    with pytest.raises(InvalidInput):
        await fr.its.relations.follow(doctor, there.author)
    assert await fr.count("follows") == 0 and await de.count("actor_specialties", f"actor_id = {await alias_id(de)}") == 0
    for wish in ("cardiology", ""):
        found = await fr.its.directory.page(Wish("", wish, ""))
        assert not any(one.alias for one in found.doctors)
    fake = FakeSibling("it", port=4)
    await know(de, fake)
    status, problem = await fake.send(de, fake.activity("Follow", there.author.uri))
    nobody = await fake.send(de, fake.activity("Follow", f"{de.url}/actors/0000000000000", "a2"))
    assert (status, problem["type"]) == (nobody[0], nobody[1]["type"]) and await de.count("follows") == 0


async def alias_id(de: Running) -> int:
    [row] = await de.its.database.read(lambda tx: tx.rows("SELECT actor_id FROM aliases"))
    return int(row["actor_id"])


async def test_only_who_may_read_the_thread_is_handed_the_alias(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    reader, other = FakeSibling("it", port=2), FakeSibling("es", port=3)
    for fake in (reader, other):
        await know(de, fake)
    await asked(de, reader)
    uri = f"{de.url}/actors/{public(await alias_id(de))}"
    status, person = await reader.get(uri)
    assert status == 200 and person["alias"] is True and "webfinger" not in person and person["discoverable"] is False
    assert set(person["badge"]) == {"type", "role", "specialties", "country", "verifiedBy", "verifiedOn"}
    status, box = await reader.get(f"{uri}/outbox")
    assert status == 200 and len(box["orderedItems"]) == 1
    for path in (uri, f"{uri}/outbox"):
        assert (await other.get(path))[0] == 404
    found = f"{de.url}/.well-known/webfinger?resource=acct:{person['preferredUsername']}@{de.domain}"
    assert (await reader.get(found))[0] == 404


async def test_a_doctor_does_not_become_an_alias_nor_an_alias_a_doctor(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    fake = FakeSibling("it", port=6)
    await know(de, fake)
    hidden = f"{fake.origin}/actors/hid"
    for number, (uri, alias) in enumerate(((fake.actor, True), (hidden, True), (hidden, False))):
        person = fake.person(uri) | {"alias": alias, "discoverable": True, "summary": "<p>Me</p>"}
        if number == 1:
            sibling = (await de.its.siblings.row(fake.origin.split("://")[1])).id
            made = actor_of(person, expected=uri, sibling_id=sibling, country="it", actor_id=de.its.ids.new())
            assert made.alias and not made.discoverable and made.about == ""
            await de.its.database.write(lambda tx, made=made: save(tx, made, de.its.clock.ms()))  # type: ignore[misc]
        assert (await fake.send(de, fake.activity("Update", person, f"u{number}", actor=uri)))[0] == 202
    assert not (await known(de, fake.actor)).alias and (await known(de, hidden)).alias
    with pytest.raises(NotFound):
        await de.its.directory.known((await known(de, hidden)).mention)


async def test_a_text_that_names_its_author_is_not_signed_by_role(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada = await de.author("ada", "reply")
    with pytest.raises(InvalidInput, match="is you"):
        await asked(de, draft=Draft(Kind.NOTE, "Who?", "Ask @ada.", "de"))
    assert await de.count("posts") == await de.count("aliases") == 0
    post_id = await asked(de)
    for attempt in (de.its.compose.reply(ada, post_id, f"Or @ada@{de.domain}.", "de"),
                    de.its.editing.edit(ada, post_id, CASE.question, "Ask @ada.", 1)):
        with pytest.raises(InvalidInput, match="is you"):
            await attempt
    assert await de.count("posts") == 1


async def test_where_the_country_wants_names_nothing_is_signed_by_role(tmp_path: Path) -> None:
    async with countries(tmp_path, "gb") as (gb,):
        with pytest.raises(Refused, match="signed with a name"):
            await asked(gb)
        assert await gb.count("posts") == await gb.count("aliases") == 0


async def test_a_poll_signed_by_role_is_hers_and_she_does_not_vote_in_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = await de.author("ada")
    poll = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("A", "B"), False, de.its.clock.ms() + 3_600_000))
    post_id = await asked(de, fr, draft=poll)
    with pytest.raises(InvalidInput, match="own poll"):
        await de.its.polls.vote(ada, post_id, (0,))
    await de.its.polls.vote(await de.author("ben"), post_id, (1,))
    [view] = await thread(de, "ada", post_id)
    assert view.mine and view.poll is not None and view.poll.shown and view.poll.voters == 1 and not view.poll.may_vote
    assert (await de.its.polls.breakdown(ada.actor, post_id)).tallied
    with pytest.raises(NotFound):
        await de.its.polls.breakdown((await de.author("ben")).actor, post_id)
    there = await arrived(fr)
    await fr.its.polls.vote(await fr.author("ben"), there.id, (0,))
    await until(lambda: de.count("polls", "voters = 2"))
    await de.its.attesting.check_own(ada.actor, post_id)
    lines = await de.its.database.read(lambda tx: tx.rows("SELECT by FROM audit WHERE action = 'poll.attested'"))
    assert {line["by"] for line in lines} == {there.author.handle}


async def known(at: Running, uri: str) -> Actor:
    found = await at.its.database.read(lambda tx: by_uri(tx, uri))
    assert found is not None
    return found


async def test_a_badge_that_ends_ends_for_her_aliases_too_and_says_no_moment(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    other = FakeSibling("it", port=5)
    await know(de, other)
    await asked(de, fr)
    uri = (await arrived(fr)).author.uri
    accounts = de.its.accounts
    for deed, holds in ((accounts.suspend("ada", "test", "test"), False), (accounts.resume("ada", "test"), True)):
        begun = time.monotonic()
        await deed
        await until(lambda holds=holds: _holds(fr, uri, holds))  # type: ignore[misc]
        assert time.monotonic() - begun < 10
    await de.its.accounts.suspend("ada", "test", "test")
    await until(lambda: _holds(fr, uri, False))
    alias, ada = await known(fr, uri), await known(de, f"{de.url}/actors/{public(de.doctors['ada'].actor_id or 0)}")
    assert alias.badge.until == alias.badge.verified_on != ada.badge.until
    rows = await de.its.database.read(lambda tx: tx.rows(
        "SELECT s.country FROM deliveries d JOIN outbox o ON o.id = d.outbox_id JOIN siblings s ON s.id = d.sibling_id"
        " WHERE o.uri LIKE ?", (f"{uri}#update%",)))
    assert {row["country"] for row in rows} == {"fr"}


async def _holds(at: Running, uri: str, holds: bool) -> bool:
    return (await known(at, uri)).badge.holds(at.its.clock.ms()) is holds


async def test_a_badge_that_runs_out_by_the_clock_does_so_for_her_aliases(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await asked(de, fr)
    await asked(de, fr, handle="ben")
    await until(lambda: fr.its.database.read(lambda tx: len(tx.rows("SELECT 1 FROM posts")) == 2))
    await change(de, lambda tx: tx.run("UPDATE actors SET verified_until = ? WHERE handle = 'ada'", (de.its.clock.ms(),)))
    await until(lambda: fr.count("actors", "alias = 1 AND verified_until IS NOT NULL"), 20)
    assert await fr.count("actors", "alias = 1 AND verified_until IS NULL") == 1 and await de.its.profiles.keep_pace() == 0


async def test_a_sibling_that_was_away_hears_of_it_when_it_is_let_in_again(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await asked(de, fr)
    uri = (await arrived(fr)).author.uri
    await de.its.siblings.revoke(fr.domain, "test", "test")
    await de.its.accounts.suspend("ada", "test", "test")
    await de.its.siblings.add(fr.domain, "fr", fr.its.identity.fingerprint,
                              descriptor=descriptor.read(descriptor.export(fr.its.identity)))
    await de.its.siblings.approve(fr.domain, "test")
    await until(lambda: _holds(fr, uri, False))


async def test_a_thread_lost_with_a_backup_comes_back_as_hers(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = await de.author("ada", "reply")
    post_id = await asked(de, fr)
    mine = await de.its.compose.reply(ada, post_id, "More about it.", "de")
    await until(lambda: fr.count("posts", "kind = 'reply'"))
    await settled(de, fr)
    uri = (await arrived(fr)).author.uri
    await restored(de)
    await change(de, lambda tx: tx.run("DELETE FROM aliases"))
    for lost in (mine, post_id):
        await change(de, lose(f"{de.url}/posts/{lost}"))
    await change(de, lambda tx: tx.run("DELETE FROM actors WHERE alias = 1"))
    assert await de.count("posts") == 0
    await compare(de, fr)
    await compare(de, fr)
    back = await thread(de, "ada", post_id)
    assert [(post.id, post.mine, post.author.uri) for post in back] == [(post_id, True, uri), (mine, True, uri)]
    assert await de.count("aliases") == 1 and not any(post.mine for post in await thread(de, "ben", post_id))


async def test_an_alias_of_who_has_left_goes_at_a_time_of_its_own_and_nobody_knows_whose_it_was(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await asked(de, fr)
        alias = (await arrived(fr)).author.uri
        await de.its.departures.order("ada", "test")
        await de.its.departing.finish()
        await settled(de, fr)
        day = 86_400_000
        [row] = await de.its.database.read(lambda tx: tx.rows(
            "SELECT d.due_at, d.begun_at FROM departures d JOIN actors a ON a.id = d.actor_id WHERE a.alias = 1"))
        now = de.its.clock.ms()
        assert now - 60_000 <= row["due_at"] <= now + 14 * day and await de.count("aliases") == 0
        told = await de.its.database.read(lambda tx: [(row["uri"], row["country"]) for row in tx.rows(
            "SELECT o.uri, s.country FROM outbox o JOIN deliveries d ON d.outbox_id = o.id JOIN siblings s ON s.id = d.sibling_id"
            " WHERE o.type = 'Delete'")])
        assert {country for uri, country in told} == {"fr", "it"} and not any(alias in uri for uri, _ in told)
        assert await fr.count("posts", "erased_at IS NULL") == 1
        await change(de, lambda tx: tx.run("UPDATE departures SET due_at = 1 WHERE done_at IS NULL"))
        await until(lambda: fr.count("tombstones", f"uri = '{alias}'"))
        await until(lambda: fr.count("posts", "erased_at IS NOT NULL"))
        await until(lambda: de.count("departures", "done_at IS NOT NULL AND account_id IS NULL"))
        assert await it.count("tombstones", f"uri = '{alias}'") == 0, "nobody there has met it"
