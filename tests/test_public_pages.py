"""Public pages: who runs this, what is kept, the rules and the form for notices, in the reader's language; they name nobody."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from core.countries import CODES, pack
from core.settings import Imprint, Settings
from instance import cookies
from tests.promises.test_words import pseudo_german, spoken
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser
from tests.test_settings_page import language_of

PAGES = ("/imprint", "/privacy", "/terms", "/notice")
NOTICE = {"concern": "recognisable", "text": "It is me.\nIn May.", "contact": "me@example.org"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        await one.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield one


async def test_anybody_reads_them_and_every_page_leads_there(de: Running) -> None:
    async with Browser(de) as visitor, Browser(de) as ada, Browser(de) as operator:
        await ada.login("ada")
        await operator.login("op")
        for browser, path in ((visitor, "/login"), (visitor, "/nothing"), (ada, "/"), (ada, "/mine"),
                              (operator, "/admin/refusals")):
            page = (await browser.get(path))[1]
            assert all(f'<a href="{public}"' in page for public in PAGES), path
        for path in PAGES:
            for browser in (visitor, ada, operator):
                status, page = await browser.get(path)
                assert status == 200 and page.count("<h1>") == 1
                assert f'<a href="{path}" aria-current="page"' in page
            page = (await visitor.get(path))[1]
            assert "Not for emergencies: call 112." in page.split('<footer class="foot">')[1]
            for member in ("Dr Ada", "Dr Ben", "ada@", "@ada"):
                assert member not in page
        assert "Not for emergencies: call 112." in (await visitor.get("/login"))[1]


async def test_what_the_operators_have_not_entered_is_said_to_be_missing(de: Running, tmp_path: Path) -> None:
    missing = "The operators have not entered this yet."
    async with Browser(de) as visitor:
        assert (await visitor.get("/imprint"))[1].count(missing) == len(Imprint.__struct_fields__) - 2
        assert (await visitor.get("/privacy"))[1].count(missing) == 5
        assert pack("de").authority_name in (await visitor.get("/imprint"))[1]
    entered = Imprint(**{name: f"the {name} <b>" for name in Imprint.__struct_fields__})
    entered = msgspec.structs.replace(entered, email="hello@de.example", phone="+49 30 1234567")

    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, imprint=entered)

    async with countries(tmp_path / "other", "de", worker=False, settled=settled) as (other,), Browser(other) as visitor:
        pages = {path: (await visitor.get(path))[1] for path in (*PAGES, "/notice?reference=ABCD-EFGH")}
        assert not any(missing in page for page in pages.values())
        for name in Imprint.__struct_fields__:
            if name not in ("email", "phone", "technical_contact"):  # the last one is for other operators
                assert f"the {name} &lt;b&gt;" in pages["/imprint"], name
        assert 'href="mailto:hello@de.example"' in pages["/imprint"] and 'href="tel:+49301234567"' in pages["/imprint"]
        for name in ("operator", "address", "dpo", "authority", "hosting"):
            assert f"the {name} &lt;b&gt;" in pages["/privacy"], name
        for path in ("/privacy", "/terms", "/notice?reference=ABCD-EFGH"):
            assert "hello@de.example" in pages[path], path


async def test_the_times_on_the_privacy_page_are_those_of_the_settings(tmp_path: Path) -> None:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(
            settings, accounts=msgspec.structs.replace(settings.accounts, session_hours=7, login_window_seconds=1210),
            federation=msgspec.structs.replace(settings.federation, held_days=41, refusal_days=1234),
            retention=msgspec.structs.replace(settings.retention, notice_days=53))

    async with countries(tmp_path, "gb", worker=False, settled=settled) as (gb,), Browser(gb) as visitor:
        page = (await visitor.get("/privacy"))[1]
        for said in ("7 hours after signing in", "21 minutes, at the latest", "at most 41 days", ">1,234 days<",
                     "deleted 53 days after"):
            assert said in page, said
        assert pack("gb").authority_url in page
        assert "53 days after that" in (await visitor.get("/notice?reference=ABCD-EFGH"))[1]
        assert all(pack(code).name in page for code in CODES)


async def test_a_notice_is_taken_and_its_sender_told_a_number_and_what_comes_next(de: Running) -> None:
    async with Browser(de) as patient:
        assert 'action="/notice"' in (await patient.get("/notice"))[1]
        status, where = await patient.post("/notice", NOTICE)
        found = re.fullmatch(r"/notice\?reference=(\w{4}-\w{4})", where)
        assert status == 303 and found is not None
        page = (await patient.get(where))[1]
        assert found[1] in page and "What happens next" in page and "It is me." not in page and NOTICE["contact"] not in page
    stored = await de.its.outside.one(found[1])
    assert (stored.text, stored.contact, stored.language) == (NOTICE["text"], NOTICE["contact"], "en")


async def test_a_number_that_is_none_leads_to_the_form(de: Running) -> None:
    async with Browser(de) as visitor:
        for odd in ("", "abcd-efgh", "<b>", "ABCD-EFGHI", "call +1 555"):
            page = (await visitor.get(f"/notice?reference={odd}"))[1]
            assert 'action="/notice"' in page and "has arrived" not in page


async def test_a_notice_that_cannot_be_taken_comes_back_with_what_was_typed(de: Running) -> None:
    async with Browser(de) as patient:
        for change, field in (({"concern": ""}, "concern"), ({"text": " "}, "text"), ({"text": "x" * 5001}, "text"),
                              ({"contact": "y" * 201}, "contact")):
            status, page = await patient.post("/notice", NOTICE | change)
            assert status == 400 and f'id="error-{field}"' in page and "What you wrote is still here." in page, change
            assert ("me@example.org" in page) == (field != "contact") and ("It is me." in page) == (field != "text")
            assert "?lang=" not in page
        lines = "\r\n".join(["x"] * 2500)  # 4 999 characters, as a browser sends them 7 498
        assert (await patient.post("/notice", NOTICE | {"text": lines}))[0] == 303
        assert (await patient.post("/notice", NOTICE, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert (await patient.post("/notice", NOTICE | {"text": "x" * 600_000}))[0] == 413
        assert await de.count("outside_notices") == 1


async def test_a_flood_of_notices_is_slowed_down_and_the_text_kept(de: Running) -> None:
    async with Browser(de) as patient:
        assert [(await patient.post("/notice", NOTICE))[0] for _ in range(6)] == [303] * 6
        async with patient.session.post("/notice", data=NOTICE, allow_redirects=False) as response:
            page = await response.text()
            assert response.status == 429 and 0 < int(response.headers["retry-after"]) <= 900
        assert "Too many notices" in page and "It is me." in page and 'value="recognisable" required checked' in page
        assert await de.count("outside_notices") == 6
        assert await patient.login("ada") == 303  # what is counted here is not counted there


async def test_only_operators_see_notices_and_mark_them_as_handled(de: Running) -> None:
    reference = await de.its.outside.take("unlawful", "Line one.\n<script>", "", "fr", "203.0.113.5")
    async with Browser(de) as operator, Browser(de) as ada, Browser(de) as visitor:
        await operator.login("op")
        await ada.login("ada")
        for browser, status in ((ada, 404), (visitor, 303)):
            for path in ("/admin/notices", f"/admin/notices/{reference}", f"/admin/notices?reference={reference}"):
                assert (await browser.get(path))[0] == status
        assert (await ada.post(f"/admin/notices/{reference}", {"note": "Mine."}))[0] == 404
        page = (await operator.get("/admin/notices"))[1]
        assert reference in page and "Something is unlawful" in page and "Line one." not in page
        page = (await operator.get(f"/admin/notices/{reference}"))[1]
        assert 'lang="fr">Line one.\n&lt;script&gt;' in page and "not said" in page
        status, page = await operator.post(f"/admin/notices/{reference}", {"note": "x" * 1001})
        assert status == 400 and 'id="error-note"' in page and "x" * 1001 in page
        assert (await operator.post(f"/admin/notices/{reference}", {"note": "Written to the author."}))[0] == 303
        page = (await operator.get(f"/admin/notices/{reference}"))[1]
        assert "Written to the author." in page and "by op" in page and 'action="/admin/notices/' not in page
        assert (await operator.post(f"/admin/notices/{reference}", {"note": "Again."}))[0] == 409
        assert "Nothing waits" in (await operator.get("/admin/notices"))[1]
        assert reference in (await operator.get("/admin/notices?tab=handled"))[1]
        assert await operator.get(f"/admin/notices?reference={reference.lower()}") == (303, f"/admin/notices/{reference}")
        status, page = await operator.get("/admin/notices?reference=AAAA-AAAA")
        assert status == 404 and "There is no notice AAAA-AAAA." in page
        assert (await operator.get("/admin/notices?before=x"))[0] == 200


async def test_operators_turn_pages_of_notices(de: Running) -> None:
    references = []
    for number in range(32):
        de.its.clock.offset = float(number * 1000)
        references.append(await de.its.outside.take("other", "Text", "", "de", "203.0.113.5"))
    async with Browser(de) as operator:
        await operator.login("op")
        page = (await operator.get("/admin/notices"))[1]
        older = re.search(r'href="(\?before=\d+)" rel="next"', page)
        assert older is not None and references[-1] in page and references[1] not in page
        page = (await operator.get(f"/admin/notices{older[1]}"))[1]
        assert references[1] in page and references[0] in page and 'rel="next"' not in page
        assert "Nothing older" in (await operator.get("/admin/notices?before=1"))[1]


async def test_what_a_patient_writes_stands_in_no_log(de: Running, capfd: pytest.CaptureFixture[str]) -> None:
    async with Browser(de) as patient:
        for change in ({}, {"concern": ""}, {"contact": "planted7c1e" * 30}):
            await patient.post("/notice", {"concern": "other", "text": "planted7c1e", "contact": "planted7c1e"} | change)
    heard = capfd.readouterr()
    assert "planted7c1e" not in heard.out + heard.err


@pytest.fixture
async def fr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A French instance for which there is a German catalogue only: it offers English and German."""
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    async with countries(tmp_path, "fr", worker=False) as (one,):
        yield one


async def test_a_visitor_chooses_a_language_once_for_all_pages_and_for_the_browser_she_signs_in_with(fr: Running) -> None:
    async with Browser(fr) as visitor, Browser(fr) as other:
        for path in ("/login", *PAGES):
            page = (await visitor.get(path))[1]
            assert language_of(page) == "en" and 'href="?lang=de" lang="de"' in page and 'href="?lang=fr"' not in page
        assert language_of((await visitor.get("/terms?lang=de"))[1]) == "de"
        for path in ("/login", "/nothing", *PAGES):
            assert language_of((await visitor.get(path))[1]) == "de"
            assert language_of((await other.get(path))[1]) == "en"
        await visitor.login("ada")
        assert language_of((await visitor.get("/"))[1]) == "de" and "?lang=" not in (await visitor.get("/"))[1]
        assert await fr.count("accounts", "language != ''") == 0


async def test_the_way_on_is_kept_while_a_language_is_chosen(fr: Running) -> None:
    async with Browser(fr) as visitor:
        page = (await visitor.get("/login?next=/mine%3Fbefore%3D1&lang=en"))[1]
        assert 'href="?next=%2Fmine%3Fbefore%3D1&amp;lang=de"' in page
        page = (await visitor.get('/login?next=/"><script>&lang=de'))[1]
        assert 'value="/&#34;&gt;&lt;script&gt;"' in page and '"><script>' not in page


async def test_only_a_language_that_is_offered_is_remembered(fr: Running) -> None:
    name = f"konsil-{fr.its.settings.server.port}-language"
    async with aiohttp.ClientSession(fr.url, headers={"accept": "text/html"}) as bare:
        for asked in ("fr", "xx", "../../etc", "", "de%0d%0aset-cookie:x=1"):
            async with bare.get(f"/login?lang={asked}") as response:
                assert response.status == 200 and "set-cookie" not in response.headers, asked
        for path in ("/livez?lang=de", "/actor?lang=de", "/static/konsil.css?lang=de"):
            async with bare.get(path) as response:
                assert "set-cookie" not in response.headers, path
        async with bare.get("/login?lang=de") as response:
            given = response.headers.getall("set-cookie")
        assert len(given) == 1 and given[0].startswith(f"{name}=de;")
        for attribute in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"):
            assert attribute in given[0]
        async with bare.get("/login", headers={"cookie": f"{name}=../../etc", "accept-language": "de"}) as response:
            assert language_of(await response.text()) == "de"


async def test_where_there_is_tls_the_languages_cookie_is_secure_too(fr: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "_secure", lambda _: True)
    async with aiohttp.ClientSession(fr.url) as bare, bare.get("/login?lang=de") as response:
        assert response.headers["set-cookie"].startswith("__Host-konsil-") and "Secure" in response.headers["set-cookie"]


async def test_an_instance_of_one_language_offers_no_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    async with countries(tmp_path, "de", worker=False, settled=spoken("de")) as (de,), Browser(de) as visitor:
        page = (await visitor.get("/login?lang=en"))[1]
        assert language_of(page) == "de" and "?lang=" not in page
