"""A post is reported in one country and decided about in another; both see the same, and nobody learns who has reported."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from core.database import Tx
from core.errors import NotFound
from core.ids import public
from federation.disclosures import Span
from posts.matters import MatterState
from posts.models import PostView
from tests.conversations.test_the_whole_path import case, published
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser

_WHY = "Everybody on the ward knows who this is."


class Places(NamedTuple):
    """Germany, where the post is from; France, where it is reported; Italy, which reads it too. `here` is its id in Germany,
    `there` in France."""

    de: Running
    fr: Running
    it: Running
    here: str
    there: str


async def card(at: Running, handle: str = "ben") -> PostView:
    return (await at.its.timelines.home((await at.author(handle)).actor, "all", None)).posts[0]


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[Places]:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        await fr.its.accounts.add_operator("odile", "Odile", PASSWORD)
        await fr.add_doctor("marguerite")
        here = await published(de, case(), fr, it)
        await until(lambda: fr.count("posts"))
        await until(lambda: it.count("posts"))
        yield Places(de, fr, it, here, (await card(fr)).id)


async def reported(places: Places, category: str = "recognisable", *, share: bool = False) -> str:
    """Marguerite reports the post in France; the matter's id in Germany, once it is there."""
    reporter = (await places.fr.author("marguerite")).actor
    await places.fr.its.reports.report(reporter, places.there, category, _WHY, "fr", share=share)
    await until(lambda: places.de.count("reports"))
    return (await places.de.its.judging.page("decide", None)).shown[0].id


async def only_post(at: Running) -> str:
    [row] = await at.its.database.read(lambda tx: tx.rows("SELECT id FROM posts"))
    return public(row["id"])


async def everything(at: Running) -> str:
    """All that lies in a database, as text."""
    def look(tx: Tx) -> str:
        tables = [row["name"] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "\n".join(value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                         for table in tables for row in tx.rows(f"SELECT * FROM {table}") for value in row)

    return await at.its.database.read(look)


async def test_a_report_hides_at_once_and_reaches_the_authors_instance_without_the_name(places: Places) -> None:
    de, fr, it, _, there = places
    async with Browser(fr) as marguerite, Browser(fr) as ada:
        await marguerite.login("marguerite")
        await ada.login("ada")
        assert "clinical" in (await ada.get(f"/p/{there}"))[1]
        assert f"/p/{there}/report" in (await marguerite.get(f"/p/{there}"))[1]
        page = (await marguerite.get(f"/p/{there}/report"))[1]
        assert "It is not told that it was you." in page and "Send these lines to the operators in Germany too" in page
        status, where = await marguerite.post(f"/p/{there}/report", {"category": "recognisable", "text": _WHY, "language": "fr"})
        assert status == 303 and where.startswith("/reports/")
        for who in (marguerite, ada):
            hidden = (await who.get(f"/p/{there}"))[1]
            assert "clinical" not in hidden and "What would you do?" not in hidden and "somebody has reported" in hidden
            assert "What would you do?" not in (await who.get("/?tab=all"))[1]
            assert (await who.get(f"/p/{there}/history"))[0] == 404
            assert (await who.post(f"/p/{there}/reply", {"text": "An answer", "language": "fr"}))[0] == 404
        await until(lambda: de.count("reports"))
        mine = (await marguerite.get(where))[1]
        assert "waits for a decision" in mine and _WHY in mine and "Konsil Germany decides." in mine
        assert (await ada.get(where))[0] == 404  # nobody else's business

    [matter] = (await de.its.judging.page("decide", None)).shown
    assert (matter.category, matter.reports, matter.hidden) == ("recognisable", 1, False)
    found = await de.its.judging.case(matter.id, "olga")
    [report] = found.reports
    assert (report.by, report.local, report.text) == ("Konsil France", False, "") and "clinical" in found.post.html
    known = await everything(de)
    reporter = (await fr.author("marguerite")).actor
    for word in (_WHY, reporter.uri, reporter.name, reporter.handle, reporter.uri.rpartition("/")[2]):
        assert word not in known
    assert "clinical" in (await card(it)).html and (await card(de)).hidden is None  # elsewhere it is seen until it was decided

    [there] = [row for row in await fr.its.siblings.rows() if row.country == "de"]
    await until(lambda: fr.count("deliveries", "state = 'acked'"))
    left = (await fr.its.disclosures.page(there.id, Span(0, fr.its.clock.ms() + 1))).rows
    assert "report of a post" in [row.kind for row in left]  # it has left the country, and that can be seen
    async with Browser(de) as olga, Browser(fr) as odile:
        await olga.login("olga")
        await odile.login("odile")
        assert "here: 1" in (await olga.get("/admin/siblings"))[1] and "there: 1" in (await odile.get("/admin/siblings"))[1]


async def test_a_post_that_its_author_deletes_ends_it_everywhere_and_the_reporter_is_told(places: Places) -> None:
    de, fr, _, here, _ = places
    await reported(places, "insult")
    await de.its.editing.delete((await de.author("ada")).actor, here)
    for one in (de, fr):
        await until(lambda one=one: one.count("matters", "state = 'deleted'"))
    fr.its.clock.offset = 61
    reporter = (await fr.author("marguerite")).actor

    async def told() -> bool:
        return [one.kind for one in (await fr.its.notifications.page(reporter, None)).shown] == ["report"]

    await until(told, 20)


async def test_what_the_reporter_lets_go_on_goes_on(places: Places) -> None:
    matter = await reported(places, "secrecy", share=True)
    assert (await card(places.fr)).hidden is None  # nothing but a recognisable patient hides
    [report] = (await places.de.its.judging.case(matter, "olga")).reports
    assert (report.text, report.language, report.category) == (_WHY, "fr", "secrecy")


async def test_a_takedown_erases_everywhere_with_receipts_and_says_why(places: Places) -> None:
    de, fr, it, here, _ = places
    matter = await reported(places)
    await de.its.judging.decide(matter, "taken-down", "The village and the date give her away.", "en", "olga")
    for one in (fr, it):
        await until(lambda one=one: one.count("posts", "erased_at IS NOT NULL AND taken_down = 'recognisable'"))
        assert await one.count("posts", "html LIKE '%clinical%' OR source LIKE '%clinical%'") == 0
    await until(lambda: fr.count("matters", "state = 'taken-down'"))
    for one in (de, fr, it):
        assert "Some <strong>clinical" not in await everything(one) and "Some **clinical" not in await everything(one)
    async with Browser(fr) as marguerite, Browser(de) as ada, Browser(it) as carla:
        await marguerite.login("marguerite")
        await ada.login("ada")
        await carla.login("ben")
        assert "What you have reported was decided about." in (await marguerite.get("/notifications"))[1]
        page = (await marguerite.get("/reports"))[1]
        [where] = re.findall(r'href="(/reports/\w{13})"', page)
        assert "The village and the date give her away." in (await marguerite.get(where))[1]
        gone = (await carla.get(f"/p/{(await only_post(it))}"))[1]
        assert "Taken down by the operators of Konsil Germany: a patient could be recognised." in gone
        assert "The village" not in gone
        assert "A post of yours was reported" in (await ada.get("/notifications"))[1]
        own = (await ada.get(f"/p/{here}"))[1]

        async def confirmed() -> bool:
            return "Erased in DE, FR, IT" in (await ada.get(f"/p/{here}"))[1]

        await until(confirmed)
        assert "Taken down by the operators of Konsil Germany" in own
        said = (await ada.get(f"/reports/{matter}"))[1]
        assert "The village and the date give her away." in said and "Appeal" in said and _WHY not in said
    lines = [entry.action for entry in await de.its.audit.list(50)]
    assert "report.taken-down" in lines


async def test_a_post_that_is_kept_stays_hidden_until_the_operators_there_agree(places: Places) -> None:
    de, fr, _, _, there = places
    matter = await reported(places)
    await de.its.judging.decide(matter, "kept", "Nothing in it is of one person alone.", "en", "olga")
    await until(lambda: fr.count("matters", "state = 'kept'"))
    ben = (await fr.author("ben")).actor
    with pytest.raises(NotFound):
        await fr.its.reports.post(ben, there)
    [row] = (await fr.its.judging.page("elsewhere", None)).shown
    assert row.state == MatterState.KEPT and row.hidden
    await fr.its.judging.hide(row.id, "odile", hidden=False)
    assert (await card(fr)).hidden is None
    await fr.its.reports.report(ben, there, "recognisable", "", "fr", share=False)
    assert (await card(fr)).hidden is None  # they have looked at just this text


async def test_an_appeal_is_decided_by_another_operator_and_gives_the_text_back(places: Places) -> None:
    de, fr, *_ = places
    matter = await reported(places)
    await de.its.judging.decide(matter, "taken-down", "The date.", "en", "olga")
    async with Browser(de) as ada, Browser(de) as olga, Browser(de) as omar:
        await ada.login("ada")
        await olga.login("olga")
        await omar.login("omar")
        assert (await ada.post(f"/reports/{matter}/appeal", {"appeal": ""}))[0] == 400
        assert (await ada.post(f"/reports/{matter}/appeal", {"appeal": "All of it is invented."}))[0] == 303
        assert (await ada.post(f"/reports/{matter}/appeal", {"appeal": "Again."}))[0] == 409
        await until(lambda: fr.count("matters", "state = 'appealed'"))
        page = (await olga.get(f"/admin/reports/{matter}"))[1]
        assert "clinical" in page and "All of it is invented." in page and "decided by another operator" in page
        answer = {"result": "overturned", "reason": "It is invented.", "language": "en"}
        assert (await olga.post(f"/admin/reports/{matter}/decide", answer))[0] == 403
        assert (await omar.post(f"/admin/reports/{matter}/decide", answer))[0] == 303
        assert "What you had written is among your drafts." in (await ada.get(f"/reports/{matter}"))[1]
        assert "What would you do?" in (await ada.get("/drafts"))[1]
    await until(lambda: fr.count("matters", "state = 'overturned'"))
    assert await de.count("matters", "kept IS NOT NULL") == 0 and await de.count("posts", "erased_at IS NULL") == 0


async def test_what_its_author_has_changed_stays_without_its_history_anywhere(places: Places) -> None:
    de, fr, it, here, _ = places
    matter = await reported(places)
    assert MatterState.CHANGED not in (await de.its.judging.case(matter, "olga")).results
    await de.its.editing.edit(await de.author("ada"), here, "What would you do?", "Some text.", 1)
    await until(lambda: it.count("revisions"))
    assert MatterState.CHANGED in (await de.its.judging.case(matter, "olga")).results
    await de.its.judging.decide(matter, "changed", "The name is gone.", "en", "olga")
    for one in (fr, it):
        await until(lambda one=one: one.count("posts", "revision = 3"))
        assert await one.count("revisions") == 0 and await one.count("posts", "html LIKE '%clinical%'") == 0
    assert await de.count("revisions") == 0


async def test_a_country_that_was_away_meanwhile_never_reads_what_was_changed(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        await fr.add_doctor("marguerite")
        await de.its.siblings.pause(it.domain, "away", "olga")
        here = await published(de, case(), fr, it)
        await until(lambda: fr.count("posts"))
        matter = await reported(Places(de, fr, it, here, (await card(fr)).id))
        await de.its.editing.edit(await de.author("ada"), here, "What would you do?", "Some text.", 1)
        await until(lambda: fr.count("revisions"))
        await de.its.judging.decide(matter, "changed", "The name is gone.", "en", "olga")
        await until(lambda: fr.count("posts", "revision = 3"))
        assert "clinical" not in await everything(de) and "clinical" not in await everything(fr)
        await de.its.siblings.resume(it.domain, "olga")
        await until(lambda: it.count("posts", "revision = 3 AND html LIKE '%Some text%'"))
        assert "clinical" not in await everything(it) and await it.count("revisions") == 0
