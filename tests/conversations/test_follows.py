"""Following across borders, and what siblings learn about doctors: both ways, refusals, a sibling that is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.models import Actor
from actors.profiles import Said
from actors.relations import Circle
from actors.store import by_uri, save
from core.errors import InvalidInput
from federation import descriptor
from tests.servers import FakeSibling, Running, countries, get, know, until
from tests.test_directory import names
from tests.test_held import ServingSibling
from tests.test_relations import circle, doctor, states


async def seen(place: Running, other: Actor) -> Actor | None:
    return await place.its.database.read(lambda tx: by_uri(tx, other.uri))


async def follow_rows(*places: Running) -> list[int]:
    return [await place.count("follows") for place in places]


async def settled(*places: Running) -> None:
    """Everything that was sent has been answered."""
    for place in places:
        await until(lambda place=place: _none_pending(place))  # type: ignore[misc]


async def told(place: Running) -> list[str]:
    """What kinds of things doctors of an instance are told of."""
    return [row["kind"] for row in await place.its.database.read(lambda tx: tx.rows("SELECT kind FROM notifications"))]


async def _none_pending(place: Running) -> bool:
    return await place.count("deliveries", "state = 'pending'") == 0 and await place.count("held", "state = 'waiting'") == 0


async def test_a_follow_goes_abroad_is_accepted_and_ends_from_either_side(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        ada, claire = await doctor(de, "ada"), await doctor(fr, "ben")
        there = await de.its.directory.resolve(claire.actor.mention)
        for ended_by_her in (False, True):
            await de.its.relations.follow(ada, there)
            await until(lambda: fr.count("follows"))
            here = await fr.its.directory.known(ada.actor.mention)  # fetched by itself: her request waited for her
            assert await circle(fr, claire, Circle.REQUESTS) == ["Dr Ada"] and await told(fr) == ["follow"]
            assert await circle(de, ada, Circle.FOLLOWING) == ["Dr Ben"] and await de.count("follows", "state = 'accepted'") == 0
            await fr.its.relations.accept(claire, here)
            await until(lambda: de.count("follows", "state = 'accepted'"))
            assert await circle(fr, claire, Circle.FOLLOWERS) == ["Dr Ada"] and await told(de) == ["accepted"]
            if ended_by_her:
                await fr.its.relations.dismiss(claire.actor, here)
            else:
                await de.its.relations.unfollow(ada.actor, there)
            await until(lambda: _no_follows(de, fr))
            assert await told(de) == await told(fr) == []
        await settled(de, fr)
        assert await it.count("actors", "sibling_id IS NOT NULL") == await it.count("ledger") == await it.count("follows") == 0


async def _no_follows(*places: Running) -> bool:
    return await follow_rows(*places) == [0] * len(places)


async def test_who_is_declined_is_no_longer_pending_and_a_request_can_be_withdrawn(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire = await doctor(de, "ada"), await doctor(fr, "ben")
        there = await de.its.directory.resolve(claire.actor.mention)
        for declined in (True, False):
            await de.its.relations.follow(ada, there)
            await until(lambda: fr.count("follows"))
            if declined:
                await fr.its.relations.dismiss(claire.actor, await fr.its.directory.known(ada.actor.mention))
            else:
                await de.its.relations.unfollow(ada.actor, there)
            await until(lambda: _no_follows(de, fr))
        assert await circle(de, ada, Circle.FOLLOWING) == await circle(fr, claire, Circle.REQUESTS) == []


async def test_a_block_ends_follows_across_the_border_and_what_comes_then_stays_without_an_answer(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire = await doctor(de, "ada"), await doctor(fr, "ben")
        there = await de.its.directory.resolve(claire.actor.mention)
        here = await fr.its.directory.resolve(ada.actor.mention)
        await de.its.relations.follow(ada, there)
        await fr.its.relations.follow(claire, here)
        await until(lambda: _both(de, fr))
        await de.its.relations.accept(ada, there)
        await fr.its.relations.accept(claire, here)
        await until(lambda: de.count("follows", "state = 'accepted'"))
        await settled(de, fr)
        await fr.its.relations.block(claire.actor, here)
        await until(lambda: _no_follows(de, fr))
        sent = await fr.count("outbox")
        await de.its.relations.follow(ada, there)
        await until(lambda: fr.count("follows"))
        await settled(de, fr)
        assert await circle(fr, claire, Circle.REQUESTS) == await told(fr) == [] and await fr.count("outbox") == sent
        assert await circle(de, ada, Circle.FOLLOWING) == ["Dr Ben"] and await de.count("follows", "state = 'requested'") == 1


async def _both(de: Running, fr: Running) -> bool:
    return await follow_rows(de, fr) == [2, 2]


async def test_nothing_gets_through_to_a_revoked_sibling_nor_from_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire = await doctor(de, "ada"), await doctor(fr, "ben")
        there = await de.its.directory.resolve(claire.actor.mention)
        here = await fr.its.directory.resolve(ada.actor.mention)
        await fr.its.siblings.revoke(de.domain, "test", "left")
        with pytest.raises(InvalidInput, match="cannot be reached"):
            await fr.its.relations.follow(claire, here)
        await de.its.relations.follow(ada, there)
        await until(lambda: de.count("delivery_lines", "alarm = 1"))
        assert await follow_rows(fr) == [0] and await de.count("follows", "state = 'requested'") == 1


# what arrives: every refusal, with proof that nothing has changed

@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Running, FakeSibling, str]]:
    """A German instance, a listed sibling in the test's hands, and Ada's URI."""
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        yield de, fake, (await de.author("ada")).actor.uri


async def send(de: Running, fake: FakeSibling, document: Any) -> tuple[int, str]:
    """The status, and the reason where it is a refusal."""
    status, problem = await fake.send(de, document)
    return status, problem["type"].rpartition(":")[2] if isinstance(problem, dict) else ""


async def another(de: Running, fake: FakeSibling) -> str:
    """One more doctor of the sibling, known here; her URI."""
    known = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
    assert known is not None
    uri = f"{fake.origin}/actors/two"
    made = msgspec.structs.replace(known, id=de.its.ids.new(), uri=uri, handle="two", name="Dr Two")
    await de.its.database.write(lambda tx: save(tx, made, de.its.clock.ms()))
    return uri


async def test_a_follow_of_nobody_here_is_refused_and_one_that_comes_twice_is_one(door: tuple[Running, FakeSibling, str]) -> None:
    de, fake, ada = door
    await de.add_doctor("zoe", proven=False)
    zoe = await de.its.database.read(lambda tx: tx.row("SELECT uri FROM actors WHERE handle = 'zoe'"))
    assert zoe is not None
    for number, nobody in enumerate((f"{de.url}/actors/0000000000000", zoe["uri"], f"{de.url}/actor", fake.actor,
                                     "https://elsewhere.example/actors/a", "no address")):
        assert await send(de, fake, fake.activity("Follow", nobody, f"n{number}")) == (400, "no-such-doctor"), nobody
    for number, nothing in enumerate((None, 7, [], {"type": "Person"})):
        assert await send(de, fake, fake.activity("Follow", nothing, f"o{number}")) == (400, "bad-object"), nothing
    assert await send(de, fake, fake.activity("Follow", ada, "x", actor=f"{de.url}/actors/x")) == (403, "foreign-actor")
    assert await send(de, fake, fake.activity("Follow", ada, "x", id="https://elsewhere.example/f")) == (403, "foreign-actor")
    assert await de.count("follows") == await de.count("ledger") == await de.count("held") == 0
    for name in ("f1", "f1", "f2"):  # a replay, and another request of the same two
        assert await send(de, fake, fake.activity("Follow", {"id": ada, "type": "Person"}, name)) == (202, "")
    assert await de.count("follows", f"uri = '{fake.origin}/activities/f2' AND state = 'requested'") == 1
    assert await de.count("follows") == 1 and await circle(de, await doctor(de, "ada"), Circle.REQUESTS) == ["Dr Doc"]


async def test_one_who_follows_and_asks_again_waits_for_consent_anew(door: tuple[Running, FakeSibling, str]) -> None:
    de, fake, uri = door
    ada = await doctor(de, "ada")
    await send(de, fake, fake.activity("Follow", uri, "f1"))
    await de.its.relations.accept(ada, await de.its.directory.known(f"@doc@{fake.origin.split('://')[1]}"))
    assert await send(de, fake, fake.activity("Follow", uri, "f2")) == (202, "")
    assert await de.count("follows", "state = 'requested'") == 1
    undone = {"id": f"{fake.origin}/activities/f1", "type": "Follow", "actor": fake.actor, "object": uri}
    assert await send(de, fake, fake.activity("Undo", undone, "u1")) == (202, "")  # of the one that is no more
    assert await de.count("follows") == 1


async def test_only_whom_a_follow_named_accepts_or_rejects_it(door: tuple[Running, FakeSibling, str]) -> None:
    de, fake, uri = door
    ada, ben = await doctor(de, "ada"), await doctor(de, "ben")
    two = await another(de, fake)
    theirs = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
    assert theirs is not None
    await de.its.relations.follow(ada, theirs)
    await de.its.relations.follow(ben, ada.actor)
    await send(de, fake, fake.activity("Follow", uri, "f1"))
    rows = await de.its.database.read(lambda tx: tx.rows("SELECT uri FROM follows ORDER BY at, uri"))
    ours = next(row["uri"] for row in rows if row["uri"].startswith(de.url))
    local = next(row["uri"] for row in rows if row["uri"].startswith(de.url) and row["uri"] != ours)
    for kind in ("Accept", "Reject"):
        for number, (what, who) in enumerate((
                (ours, two), (local, fake.actor), (f"{de.url}/follows/0000000000000", fake.actor), (fake.actor, fake.actor),
                (f"{fake.origin}/activities/f1", fake.actor), (None, fake.actor), (ours, f"{fake.origin}/actors/unknown"))):
            refused = await send(de, fake, fake.activity(kind, what, f"{kind}{number}", actor=who))
            assert refused == (400, "no-such-follow"), (kind, what, who)
    assert await de.count("follows") == 3 and await de.count("follows", "state = 'accepted'") == 0
    named = {"id": ours, "type": "Follow", "actor": uri, "object": fake.actor}
    assert await send(de, fake, fake.activity("Accept", named, "yes")) == (202, "")
    assert await states(de, ada, _as(ada, theirs)) == ("accepted", "requested")
    assert await send(de, fake, fake.activity("Accept", ours, "yes-again")) == (202, "")
    assert await send(de, fake, fake.activity("Reject", ours, "no")) == (202, "")
    assert await states(de, ada, _as(ada, theirs)) == ("", "requested")
    assert await send(de, fake, fake.activity("Accept", ours, "after-all")) == (400, "no-such-follow")


def _as(me: Any, other: Actor) -> Any:
    """Somebody of a sibling where a test takes two doctors."""
    return msgspec.structs.replace(me, actor=other)


async def test_a_follow_is_undone_by_its_own_actor_and_by_nobody_else(door: tuple[Running, FakeSibling, str]) -> None:
    de, fake, uri = door
    two = await another(de, fake)
    await send(de, fake, fake.activity("Follow", uri, "f1"))
    undone = {"id": f"{fake.origin}/activities/f1", "type": "Follow", "actor": fake.actor, "object": uri}
    for number, (status, reason, changes) in enumerate((
            (403, "foreign-author", {"actor": two}),
            (403, "foreign-author", {"actor": two, "object": undone | {"actor": two}}),
            (403, "foreign-author", {"actor": f"{fake.origin}/actors/nobody", "object": undone | {
                "actor": f"{fake.origin}/actors/nobody"}}),
            (403, "foreign-object", {"object": undone | {"id": f"{de.url}/follows/1"}}),
            (400, "bad-object", {"object": undone["id"]}))):
        assert await send(de, fake, fake.activity("Undo", undone, f"w{number}", **changes)) == (status, reason), changes
    assert await de.count("follows") == 1
    for name in ("u1", "u1", "u2"):
        assert await send(de, fake, fake.activity("Undo", undone, name)) == (202, "")
    assert await de.count("follows") == 0


async def test_a_request_that_is_withdrawn_while_it_waits_for_its_actor_never_shows(tmp_path: Path) -> None:
    fake = ServingSibling()
    runner = await fake.start()
    try:
        async with countries(tmp_path, "de") as (de,):
            await know(de, fake)
            uri = (await de.author("ada")).actor.uri
            new = f"{fake.origin}/actors/new"
            for name in ("f1", "f2"):
                assert await send(de, fake, fake.activity("Follow", uri, name, actor=new)) == (202, "")
            await until(lambda: de.count("held", "tries > 0"))  # she cannot be fetched yet
            undone = {"id": f"{fake.origin}/activities/f2", "type": "Follow", "actor": new, "object": uri}
            assert await send(de, fake, fake.activity("Undo", undone, "u1", actor=new)) == (202, "")
            assert await de.count("held") == 1 and await de.count("ledger", "outcome = 'ignored: taken back'") == 1
            fake.documents["/actors/new"] = fake.person(new)
            await until(lambda: de.count("follows"))
            assert await de.count("follows", f"uri = '{fake.origin}/activities/f1'") == 1 and await de.count("held") == 0
    finally:
        await runner.cleanup()


# what siblings learn about doctors

async def test_a_suspension_ends_the_badge_everywhere_and_a_resumption_brings_it_back(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        ada = (await de.author("ada")).actor
        await fr.its.directory.resolve(ada.mention)
        await de.its.accounts.suspend("ada", "left", "test")
        await until(lambda: fr.count("actors", f"domain = '{de.domain}' AND verified_until <= {fr.its.clock.ms()}"))
        await settled(de)
        assert await it.count("actors", "sibling_id IS NOT NULL") == 0  # nobody there has met her
        await de.its.accounts.resume("ada", "test")
        await until(lambda: fr.count("actors", f"verified_until > {fr.its.clock.ms()} AND domain = '{de.domain}'"))
        lanes = await de.its.database.read(lambda tx: tx.rows("SELECT DISTINCT lane FROM deliveries ORDER BY sequence"))
        assert [row["lane"] for row in lanes] == [0, 1]


async def test_who_wants_to_be_found_abroad_is_and_who_does_not_is_not(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada = await doctor(de, "ada")
        await de.its.profiles.change(ada, Said("  Hearts &\u202e\n\n valves <b> ", discoverable=False))
        await settled(de)
        assert await fr.count("actors", "sibling_id IS NOT NULL") == 0
        await de.its.profiles.change(ada, Said("Hearts &\nvalves <b>", discoverable=True))
        await until(lambda: fr.count("actors", "discoverable = 1"))
        found = await seen(fr, ada.actor)
        assert found is not None and found.about == "Hearts &\nvalves <b>" and await names(fr, country="de") == ["Dr Ada"]
        sent = await de.count("outbox")
        await de.its.profiles.change(await doctor(de, "ada"), Said("Hearts &\nvalves <b>", discoverable=True))
        assert await de.count("outbox") == sent  # nothing has changed
        with pytest.raises(InvalidInput, match="at most 500"):
            await de.its.profiles.change(ada, Said("x" * 501, discoverable=True))
        await de.its.profiles.change(ada, Said("", discoverable=False))
        await until(lambda: fr.count("actors", "sibling_id IS NOT NULL AND discoverable = 0 AND about = ''"))
        assert await names(fr, country="de") == []


async def test_where_she_works_and_what_she_speaks_is_known_abroad_as_she_says_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada = await doctor(de, "ada")
        await de.its.profiles.change(ada, Said("", " Klinikum \u202e <am Turm> ", ("de", "en", "de"), True))
        await until(lambda: fr.count("actors", "discoverable = 1"))
        found = await seen(fr, ada.actor)
        assert found is not None and (found.workplace, found.speaks) == ("Klinikum <am Turm>", ("de", "en"))
        for field, wrong in (("speaks", Said("", speaks=("xx",))), ("speaks", Said("", speaks=("x" * 99,))),
                             ("workplace", Said("", "x" * 121))):
            with pytest.raises(InvalidInput) as refused:
                await de.its.profiles.change(ada, wrong)
            assert refused.value.field == field
        await de.its.profiles.change(ada, Said("", discoverable=True))
        await until(lambda: fr.count("actors", "discoverable = 1 AND workplace = '' AND speaks = '[]'"))


async def test_a_sibling_that_is_let_in_learns_who_wants_to_be_found_and_what_it_has_missed(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it", friends=False) as (de, fr, it):
        ada, ben = await doctor(de, "ada"), await doctor(de, "ben")
        await de.add_doctor("zoe")
        await de.its.profiles.change(ada, Said("", discoverable=True))
        for one, other in ((fr, de), (de, fr)):
            await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        await until(lambda: fr.count("actors", "discoverable = 1"))
        await fr.its.directory.resolve(ben.actor.mention)
        await settled(de)
        assert await names(fr, country="de") == ["Dr Ada"] and await fr.count("actors", "handle = 'zoe'") == 0
        await de.its.siblings.revoke(fr.domain, "test", "test")
        await de.its.profiles.change(ada, Said("", discoverable=False))
        await de.its.accounts.suspend("ben", "left", "test")
        await de.its.accounts.suspend("zoe", "left", "test")
        await de.befriend(descriptor.read(descriptor.export(fr.its.identity)))
        await until(lambda: fr.count("actors", "handle = 'ada' AND sibling_id IS NOT NULL AND discoverable = 0"))
        await until(lambda: fr.count("actors", "handle = 'ben' AND sibling_id IS NOT NULL AND verified_until > 0"))
        await settled(de)
        assert await fr.count("actors", "handle = 'zoe'") == 0
        sent = await de.count("deliveries")
        await de.its.siblings.pause(fr.domain, "test", "test")
        await de.its.siblings.resume(fr.domain, "test")
        await de.befriend(descriptor.read(descriptor.export(it.its.identity)))  # new, and there is nobody to tell it about
        assert await de.count("deliveries") == sent


async def test_a_profile_is_its_own_actors_and_of_the_siblings_country(door: tuple[Running, FakeSibling, str]) -> None:
    de, fake, _ = door
    other = f"{fake.origin}/actors/new"
    badge = fake.person()["badge"]
    for number, (status, reason, person) in enumerate((
            (403, "foreign-author", fake.person(other)),
            (400, "bad-actor", fake.person() | {"badge": badge | {"country": "it"}}),
            (400, "bad-actor", fake.person() | {"discoverable": "yes"}),
            (400, "bad-actor", fake.person() | {"summary": ["x"]}))):
        assert await send(de, fake, fake.activity("Update", person, f"p{number}")) == (status, reason)
    assert await send(de, fake, fake.activity("Update", fake.person(other), "p8", actor=other)) == (202, "")
    assert await de.count("actors", "sibling_id IS NOT NULL") == 1  # she does not want to be found, and nobody has met her
    hostile = "<p onclick=x>Me<script>alert(1)</script>&lt;b&gt;</p>"
    for number, (summary, about) in enumerate(((hostile, "Me<b>"), (hostile + "<b x>" * 60, ""), ("y" * 600, "y" * 500))):
        person = fake.person() | {"summary": summary, "discoverable": True}
        assert await send(de, fake, fake.activity("Update", person, f"h{number}")) == (202, "")
        known = await de.its.database.read(lambda tx: by_uri(tx, fake.actor))
        assert known is not None and known.about == about and known.discoverable


async def test_the_document_says_what_she_says_and_that_she_consents_to_each_follower(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = await FakeSibling().listed(de, "active")
        ada = await doctor(de, "ada")
        url = ada.actor.uri
        status, document = await fake.get(url)
        assert status == 200 and document["manuallyApprovesFollowers"] is True and document["discoverable"] is False
        assert "summary" not in document
        await de.its.profiles.change(ada, Said("A & B\n<i>", discoverable=True))
        status, document = await fake.get(url)
        assert document["summary"] == "<p>A &amp; B<br>&lt;i&gt;</p>" and document["discoverable"] is True
        assert document["@context"][2]["discoverable"] == "http://joinmastodon.org/ns#discoverable"
        assert (await get(url))[0] == 401
