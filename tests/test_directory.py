"""Finding doctors: by address at an admitted instance and at no other, by name and specialty among those who may be found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from actors.directory import PAGE, Wish
from actors.models import Actor, Badge, Role
from actors.store import save, sort_name
from actors.wire import actor_of
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from core.text import folded
from federation.client import ACTIVITY_JSON, JRD_JSON
from federation.documents import dumps
from instance.assembly import Assembly, assemble
from tests.scripted import Scripted, scripted
from tests.servers import FakeSibling, Running, countries

NOBODY = "There is no doctor %s in this network."


def serving(other: Scripted, handle: str = "doc", **changes: Any) -> None:
    """Have the scripted sibling answer WebFinger and hand out its doctor; `changes` are made to her document."""
    document = other.fake.person(f"{other.origin}/actors/{handle}") | {"preferredUsername": handle} | changes

    def answer(request: Any) -> web.Response:
        if request.target.startswith("/.well-known/webfinger"):
            links = [{"rel": "self", "type": ACTIVITY_JSON, "href": f"{other.origin}/actors/{handle}"}]
            return web.Response(body=dumps({"subject": "x", "links": links}), headers={"content-type": JRD_JSON})
        return web.Response(body=dumps(document), headers={"content-type": ACTIVITY_JSON})

    other.script = answer


async def refused(its: Assembly, mention: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        await its.directory.resolve(mention)
    return caught.value.message


@pytest.fixture
async def other() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made


async def test_a_doctor_of_another_country_is_asked_for_once_signed_and_kept(its: Assembly, other: Scripted) -> None:
    await other.befriend(its)
    serving(other, summary="<p>Hearts &amp; <b>valves</b>.<br>Lyon</p>", discoverable=True)
    found = await its.directory.resolve(f"@doc@{other.domain}")
    assert (found.name, found.mention, found.local) == ("Dr Doc", f"@doc@{other.domain}", False)
    assert found.about == "Hearts & valves.\nLyon" and found.discoverable
    assert [one.target for one in other.received] == [f"/.well-known/webfinger?resource=acct:doc@{other.domain}", "/actors/doc"]
    assert all("signature" in one.headers for one in other.received)
    for mention in (f"doc@{other.domain}", f" @Doc@{other.domain.upper()} "):
        assert await its.directory.resolve(mention) == await its.directory.known(mention) == found
    assert len(other.received) == 2


async def test_an_unlisted_instance_is_never_contacted_and_says_what_an_unknown_name_says(
        its: Assembly, other: Scripted) -> None:
    serving(other)
    mention = f"@doc@{other.domain}"
    assert await refused(its, mention) == NOBODY % mention and other.received == []
    await its.refusals.flush()
    row = await its.database.read(lambda tx: tx.row("SELECT direction, purpose, reason FROM refusals"))
    assert row is not None and tuple(row) == ("out", "webfinger", "unlisted")
    await other.befriend(its)
    for change in (its.siblings.pause(other.domain, "test", "test"), its.siblings.revoke(other.domain, "test", "test")):
        await change
        assert await refused(its, mention) == NOBODY % mention
    assert other.received == []


@pytest.mark.parametrize("mention", [
    "", "@", "@@", "a b", "@a@", "@a@b@c", "@a@http://fr.example", "@a@fr.example/x", "@a@10.0.0.1", "@" + "x" * 400,
    "@nobody", "@nobody@127.0.0.1:8199", "@a@fr", "@ä@-.example", "@a@127.0.0.1:0"])
async def test_what_is_no_address_or_nobodys_is_nobodys(its: Assembly, mention: str) -> None:
    assert (await refused(its, mention)).startswith("There is no doctor ")
    with pytest.raises(NotFound):
        await its.directory.known(mention)


WRONG = {
    "somebody else's handle": {"preferredUsername": "other"}, "no badge": {"badge": None}, "another type": {"type": "Service"},
    "another country's badge": {"badge": {"role": "doctor", "specialties": [], "country": "it", "verifiedBy": "x",
                                          "verifiedOn": "2026-01-01T00:00:00Z"}},
    "another id": {"id": "https://elsewhere.example/actors/doc"}, "a summary that is no text": {"summary": 7}}


@pytest.mark.parametrize("name", WRONG)
async def test_a_document_that_is_not_that_doctors_is_not_taken(its: Assembly, other: Scripted, name: str) -> None:
    await other.befriend(its)
    serving(other, **WRONG[name])
    assert await refused(its, f"@doc@{other.domain}") == NOBODY % f"@doc@{other.domain}"
    assert await its.database.read(lambda tx: tx.rows("SELECT 1 FROM actors")) == []


@pytest.mark.parametrize("jrd", [
    {}, {"links": {}}, {"links": [7, {"rel": "self"}]}, {"links": [{"rel": "self", "type": "text/html", "href": "https://x.example/"}]},
    {"links": [{"rel": "self", "type": ACTIVITY_JSON, "href": 7}]},
    {"links": [{"rel": "self", "type": ACTIVITY_JSON, "href": "https://elsewhere.example/actors/doc"}]}])
async def test_an_answer_that_leads_elsewhere_or_nowhere_is_not_followed(its: Assembly, other: Scripted, jrd: Any) -> None:
    await other.befriend(its)
    other.script = lambda _: web.Response(body=dumps(jrd), headers={"content-type": JRD_JSON})
    assert await refused(its, f"@doc@{other.domain}") == NOBODY % f"@doc@{other.domain}"
    assert len(other.received) == 1


async def test_an_instance_that_does_not_answer_is_said_to_and_one_that_knows_nobody_is_not(
        its: Assembly, other: Scripted) -> None:
    await other.befriend(its)
    other.script = lambda _: web.Response(status=404)
    assert await refused(its, f"@doc@{other.domain}") == NOBODY % f"@doc@{other.domain}"
    other.script = lambda _: web.Response(status=503)
    assert "does not answer at the moment" in await refused(its, f"@doc@{other.domain}")


async def test_a_doctor_is_found_here_only_once_she_may_be_seen(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr):
        ada = (await de.author("ada")).actor
        for mention in ("@ada", "ada", "@ADA", ada.mention, ada.mention[1:]):
            assert await de.its.directory.resolve(mention) == ada
        assert (await fr.its.directory.resolve(ada.mention)).uri == ada.uri
        await de.add_doctor("zoe", proven=False)
        for place, mention in ((de, "@zoe"), (de, f"@zoe@{de.domain}"), (fr, f"@zoe@{de.domain}"), (fr, "@ghost")):
            assert await refused(place.its, mention) == NOBODY % mention


# the directory

async def put(its: Assembly, name: str, *, sibling: FakeSibling | None = None, specialties: tuple[str, ...] = ("cardiology",),
              discoverable: bool = False) -> Actor:
    """A doctor of a sibling as if she had been met."""
    number = its.ids.new()
    assert sibling is not None
    row = await its.siblings.row(sibling.origin.split("://")[1])
    actor = Actor(number, f"{sibling.origin}/actors/{number}", f"h{number}", row.domain, name,
                  Badge(Role.DOCTOR, specialties, row.country, "Fake", 1), row.id, "", discoverable)
    await its.database.write(lambda tx: save(tx, actor, its.clock.ms()))
    return actor


async def names(place: Running, **wish: str) -> list[str]:
    return [doctor.name for doctor in (await place.its.directory.page(Wish(**wish))).doctors]


async def test_the_directory_has_all_verified_here_and_of_those_abroad_who_want_to_be_found(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr, it = await FakeSibling("fr", 2).listed(de, "active"), await FakeSibling("it", 3).listed(de, "active")
        await put(de.its, "Dr Claire", sibling=fr, discoverable=True)
        await put(de.its, "Dr Hidden", sibling=fr)
        await put(de.its, "Dott.ssa Bianchi", sibling=it, discoverable=True)
        await de.add_doctor("zoe", proven=False)
        await de.add_doctor("student", Role.STUDENT)
        assert await names(de) == ["Dr Ada", "Dr Ben", "Dott.ssa Bianchi", "Dr Claire", "Dr Student"]
        assert await names(de, country="de") == ["Dr Ada", "Dr Ben", "Dr Student"]
        assert await names(de, country="fr") == ["Dr Claire"] and await names(de, country="xx") == []
        await de.its.accounts.suspend("ben", "test", "test")
        assert await names(de, country="de") == ["Dr Ada", "Dr Student"]
        de.its.clock.offset = 400 * 86_400  # a student's badge holds for a year
        assert await names(de, country="de") == ["Dr Ada"]
        await de.its.siblings.pause(it.origin.split("://")[1], "test", "test")
        assert await names(de, country="it") == ["Dott.ssa Bianchi"]
        await de.its.siblings.revoke(it.origin.split("://")[1], "test", "test")
        assert await names(de, country="it") == []


async def test_it_is_searched_by_the_beginning_of_any_word_without_accents_and_by_specialty(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr = await FakeSibling("fr", 2).listed(de, "active")
        helene, zoe = "Dr Hélène Lambert-Müller", "Dre Zoë Strauß"
        for name, codes in ((helene, ("haematology", "cardiology")), (zoe, ("cardiology",)), ("Dr O’Brien", ()), ("100 %", ())):
            await put(de.its, name, sibling=fr, specialties=codes, discoverable=True)
        for typed, found in (("hel", helene), ("LAM", helene), ("Mül", helene), ("helene lambert", helene), ("strauss", zoe),
                             ("zoé", zoe), ("o'br", "Dr O’Brien"), ("ada", "Dr Ada"), ("@ada", "Dr Ada")):
            assert await names(de, name=typed) == [found], typed
        for typed in ("dr", "ambert", "%", "_", "\\", "d%a", "!"):
            assert await names(de, name=typed) == [], typed
        assert await names(de, specialty="haematology") == [helene]
        assert await names(de, specialty="cardiology", country="de") == ["Dr Ada", "Dr Ben"]
        assert await names(de, specialty="nephrology") == []


async def test_a_page_follows_a_page_without_a_gap_across_countries(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        places = [await FakeSibling(code, port).listed(de, "active") for port, code in enumerate(("fr", "it", "es"), start=2)]
        for number in range(2 * PAGE + 3):
            await put(de.its, f"Dr Same{number % 5}", sibling=places[number % 3], discoverable=True)
        seen: list[Actor] = []
        after, pages = None, 0
        while pages == 0 or after:
            page = await de.its.directory.page(Wish(), after)
            seen, after, pages = [*seen, *page.doctors], page.after, pages + 1
        assert pages == 3 and len({doctor.id for doctor in seen}) == len(seen) == 2 * PAGE + 5
        keys = [(sort_name(doctor.name, doctor.handle), doctor.id) for doctor in seen]
        assert keys == sorted(keys)


def test_names_are_sorted_without_titles_accents_and_case() -> None:
    for name, sorted_as in (("Prof. Dr. med. Änne Øst", "anne ost"), ("Dott.ssa Giulia Conti", "giulia conti"), ("Dr.", "dr"),
                            ("…", "handle"), ("Łukasz Æg", "lukasz aeg"), ("İpek", "ipek"), ("ＡＢ", "ab")):
        assert sort_name(name, "handle") == sorted_as, name
    assert folded("  A\u0301  B ") == folded("Á b") == "a b"


async def test_actors_from_before_there_were_sorted_names_get_theirs_at_the_next_start(settings: Settings) -> None:
    async with assemble(settings) as its:
        fr = FakeSibling("fr", 2)
        await its.siblings.add("127.0.0.1:2", "fr", fr.described().fingerprint, descriptor=fr.described())
        row = await its.siblings.row("127.0.0.1:2")
        actor = actor_of(fr.person(), expected=fr.actor, sibling_id=row.id, country="fr", actor_id=its.ids.new())
        await its.database.write(lambda tx: save(tx, msgspec.structs.replace(actor, name="Dr Élodie"), 1))
        await its.database.write(lambda tx: tx.run("UPDATE actors SET sort_name = ''"))
    async with assemble(settings) as its:
        found = await its.database.read(lambda tx: tx.row("SELECT sort_name FROM actors"))
        assert found is not None and found["sort_name"] == "elodie"
