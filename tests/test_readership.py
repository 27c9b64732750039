"""Who would see this: which instances and how many doctors, in which state, and never what stands in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from core.errors import InvalidInput, NotFound
from federation.identity import members_of
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.readership import Readership
from tests.servers import PASSWORD, FakeSibling, Running, countries, know
from tests.test_cli import Konsil
from tests.test_leaving import published
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    """With a French sibling that is up, an Italian one that is paused, and a Spanish one that was revoked later on."""
    async with countries(tmp_path, "de", worker=False) as (one,):
        for port, country in enumerate(("fr", "it", "es"), start=2):
            await know(one, FakeSibling(country, port))
        await one.its.siblings.pause("127.0.0.1:3", "test", "test")
        yield one


def origin(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def shown(found: Readership) -> list[tuple[str, str, int | None, str]]:
    return [(one.country, one.state, one.doctors, one.arrival) for one in found.instances]


async def test_a_post_is_read_by_the_doctors_of_its_instances_and_stands_where_it_has_arrived(de: Running) -> None:
    post = await published(de, "Geheimnis?", origin(2), origin(3), origin(4))
    await de.its.database.write(lambda tx: tx.run(
        "UPDATE deliveries SET state = 'acked' WHERE sibling_id = (SELECT id FROM siblings WHERE country = 'fr')"))
    await de.its.siblings.revoke("127.0.0.1:4", "test", "left")
    await de.add_doctor("zoe", proven=False)
    await de.add_doctor("stu", Role.STUDENT)
    wanted = [("de", "home", 3, "here"), ("fr", "active", None, "received"), ("it", "paused", None, "waiting"),
              ("es", "revoked", None, "refused")]
    for name in (post, f"{de.url}/posts/{post}", f"{de.url}/p/{post}"):
        found = await de.its.readerships.of_post(name)
        assert shown(found) == wanted and found.roles == tuple(Role) and not found.erased
        assert found.uri == f"{de.url}/posts/{post}" and "Geheimnis" not in repr(found)
    await de.its.editing.delete((await de.author("ada")).actor, post)
    found = await de.its.readerships.of_post(post)
    assert found.erased and shown(found)[1:] == [
        ("fr", "active", None, "waiting"), ("it", "paused", None, "waiting"), ("es", "revoked", None, "refused")]


async def test_a_siblings_post_lies_with_it_and_where_else_it_went_only_it_knows(de: Running) -> None:
    fr = FakeSibling("fr", 2)
    note = fr.note(de, to=[members_of(de.url), members_of(origin(4)), members_of("http://127.0.0.1:99")])
    await de.its.siblings.revoke("127.0.0.1:2", "test", "left")
    await know(de, fr)
    assert (await fr.send(de, fr.activity("Create", note)))[0] == 202
    found = await de.its.readerships.of_post(note["id"])
    assert {one.country: (one.state, one.arrival) for one in found.instances} == {
        "de": ("home", "here"), "fr": ("active", "here"), "es": ("active", "unknown"), "127.0.0.1:99": ("unknown", "unknown")}


async def test_a_consult_is_read_by_whom_it_names(de: Running) -> None:
    ada, ben = await de.author("ada"), (await de.author("ben")).actor
    post = await de.its.compose.consult(ada, Draft(Kind.CASE, "Unter uns?", "Text", "de", CaseFacts(("cardiology",))), [ben])
    found = await de.its.readerships.of_post(post)
    assert found.reach == Reach.NAMED and found.roles == () and set(found.named) == {ada.actor.mention, ben.mention}
    assert shown(found) == [("de", "home", 2, "here")]


async def test_a_draft_audience_is_countries_or_doctors(de: Running) -> None:
    of = de.its.readerships.of_audience
    assert shown(await of(("FR",))) == [("de", "home", 2, ""), ("fr", "active", None, "")]
    assert shown(await of(("de",))) == [("de", "home", 2, "")] and (await of(("de",))).reach == Reach.HOME
    assert [one.country for one in (await of(("network",))).instances] == ["de", "fr", "it", "es"]
    found = await of(("@ben",))
    assert found.reach == Reach.NAMED and found.named == (f"@ben@{de.domain}",) and shown(found)[0][2] == 1
    await de.its.siblings.revoke("127.0.0.1:4", "test", "left")
    for named in (("es",), ("xx",), ("@nobody",), ("fr", "@ben")):
        with pytest.raises(InvalidInput):
            await of(named)
    for name in ("0000000000000", "nothing", "http://127.0.0.1:2/posts/none", ""):
        with pytest.raises(NotFound):
            await de.its.readerships.of_post(name)


async def test_operators_are_answered_in_words_and_doctors_are_told_on_the_post(de: Running) -> None:
    post = await published(de, "Geheimnis?", origin(2), origin(3))
    await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
    async with Browser(de) as olga, Browser(de) as ada:
        await olga.login("olga")
        status, page = await olga.get(f"/admin/audience?post={post}")
        assert status == 200 and "France" in page and "paused" in page and "Geheimnis" not in page
        status, page = await olga.get("/admin/audience?draft=fr%2C+it")
        assert status == 200 and "how many is not known here" in page
        assert (await olga.get("/admin/audience?draft=zz"))[0] == 400 and (await olga.get("/admin/audience?post=no"))[0] == 404
        await ada.login("ada")
        status, page = await ada.get(f"/p/{post}")
        assert "residents and students among them: Germany, France" in page
        assert (await ada.get(f"/admin/audience?post={post}"))[0] == 404


@pytest.mark.usefixtures("logs_restored")
async def test_the_command_line_says_the_same(de: Running) -> None:
    post = await published(de, "Geheimnis?", origin(2))
    konsil = Konsil(de.its.settings.path("."))
    found = json.loads((await asyncio.to_thread(konsil.run, "audience", post, "--json")).stdout)
    assert [(one["country"], one["state"]) for one in found["instances"]] == [("de", "home"), ("fr", "active")]
    assert found["roles"] == ["doctor", "resident", "student", "editor"] and "Geheimnis" not in json.dumps(found)
    said = (await asyncio.to_thread(konsil.run, "audience", "@ben")).stdout
    assert said.startswith(f"a consult, for these and nobody else: @ben@{de.domain}.")
