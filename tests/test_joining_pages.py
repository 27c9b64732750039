"""Joining as an applicant meets it, over real HTTP and real mail, without a script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.applications import ApplicationState
from actors.mailboxes import Rhythm
from core.countries import pack
from core.settings import Joining, Settings
from tests.mailserver import MailServer, mailserver
from tests.servers import Running, countries, until
from tests.test_joining import decided
from tests.test_pages import Browser

PERSON = {"name": "Dr. Vera Beispiel", "birth_name": "Müster", "role": "doctor", "specialties": "cardiology"}
REGISTER = {"chamber": "be", "register": "efn", "number": "802760107654328", "answer-university": "Charité",
            "answer-licence-year": "2009", "answer-licence-authority": "LAGeSo"}
CONSENTS = {"consents": ["privacy", "truth", "secrecy"]}


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mailserver() as made:
        yield made


@pytest.fixture
async def de(tmp_path: Path, mail: MailServer) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=mail.used()) as (one,):
        yield one


def link(text: str) -> str:
    """The path of the link in a mail."""
    found = re.search(r"(/join/[\w-]+)\?lang=\w\w", text)
    assert found is not None, text
    return found[1]


async def begun(at: Running, mail: MailServer, visitor: Browser, address: str = "vera@klinik.example") -> str:
    """The path of an application whose address is confirmed."""
    before = len(mail.taken)
    assert (await visitor.post("/join", {"address": address, "language": "de"}))[:2] == (303, "/join?sent=1")
    await until(lambda: len(mail.taken) > before)
    path = link(mail.taken[-1].text)
    assert (await visitor.post(path, {})) == (303, f"{path}/person")
    return path


async def with_document(at: Running, path: str) -> None:
    """Have a document lie with an application."""
    found = await at.its.joining.progress(path.removeprefix("/join/"))
    await at.its.database.write(lambda tx: tx.run(
        "INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at)"
        " VALUES (?, ?, 'approbation', 'application/pdf', 1, 1, ?, ?)",
        (at.its.ids.new(), found.application.id, b"x", at.its.clock.ms())))


async def handed_in(at: Running, mail: MailServer, visitor: Browser, address: str = "vera@klinik.example") -> str:
    """The path of an application that was handed in."""
    path = await begun(at, mail, visitor, address)
    for step, said in (("person", PERSON), ("register", REGISTER), ("consents", CONSENTS)):
        assert (await visitor.post(f"{path}/{step}", said))[0] == 303
    await with_document(at, path)
    assert await visitor.post(f"{path}/check", {}) == (303, path)
    return path


async def test_a_doctor_applies_by_a_link_step_by_step_and_sees_how_it_stands(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        page = (await visitor.get("/join"))[1]
        assert "Approbation certificate" in page and "Training number EFN" in page and 'action="/join"' in page
        path = await begun(de, mail, visitor)
        taken = mail.taken[-1]
        assert taken.to == "vera@klinik.example" and "Konsil Germany" in taken.text and link(taken.html) == path
        assert await visitor.post(f"{path}/person", PERSON) == (303, f"{path}/register")
        assert await visitor.post(f"{path}/register", REGISTER) == (303, f"{path}/documents")
        await with_document(de, path)
        assert await visitor.post(f"{path}/consents", CONSENTS) == (303, f"{path}/check")
        page = (await visitor.get(f"{path}/check"))[1]
        for said in ("Dr. Vera Beispiel", "Müster", "Cardiology", "Ärztekammer Berlin", "802760107654328", "Charité", "2009",
                     "LAGeSo", "1 document", "vera@klinik.example"):
            assert said in page, (said, page[page.index("<dl>"):page.index("</dl>")])
        assert await visitor.post(f"{path}/check", {}) == (303, path)
        page = (await visitor.get(path))[1]
        assert "The operators look at it" in page and "Dr. Vera" not in page
    async with Browser(de) as elsewhere:  # the link is all it takes to come back
        assert "The operators look at it" in (await elsewhere.get(path))[1]
    assert await de.count("applications", "state = 'submitted' AND submitted_at > 0 AND number_key IS NOT NULL") == 1


async def answer(visitor: Browser, path: str, said: dict[str, str]) -> tuple[int, dict[str, str], str]:
    async with visitor.session.post(path, data=said, allow_redirects=False) as response:
        headers = {name.lower(): value for name, value in response.headers.items() if name.lower() != "date"}
        return response.status, headers, await response.text()


async def test_whoever_asks_for_a_link_is_answered_the_same_and_the_page_names_nobody(de: Running, mail: MailServer) -> None:
    ada = de.doctors["ada"]
    await de.its.mailboxes.change(ada, "ada@klinik.example", Rhythm.DAILY)
    await until(lambda: mail.taken)
    async with Browser(de) as visitor:
        await begun(de, mail, visitor, "begun@klinik.example")
        answers = [await answer(visitor, "/join", {"address": address, "language": "en"}) for address in (
            "ada@klinik.example", "begun@klinik.example", "nobody@klinik.example", "@ada@127.0.0.1")]
        assert answers[0] == answers[1] == answers[2] and answers[0][0] == 303
        assert answers[3][0] == 400
        page = (await visitor.get("/join?sent=1"))[1]
        assert "Look at your mail" in page and "klinik.example" not in page
        for path in ("/join", "/join?sent=1", "/join?invitation=x", f"/join/{'x' * 43}"):
            page = (await visitor.get(path))[1]
            assert not [name for name in ("Dr Ada", "Dr Ben", "@ada", "klinik.example") if name in page], path
    await until(lambda: {one.to for one in mail.taken} == {
        "ada@klinik.example", "begun@klinik.example", "nobody@klinik.example"})


async def test_a_link_does_nothing_before_a_click_and_a_form_from_elsewhere_is_refused(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        await visitor.post("/join", {"address": "vera@klinik.example", "language": "de"})
        await until(lambda: mail.taken)
        path = link(mail.taken[-1].text)
        for _ in range(2):
            assert "Confirm my address and begin" in (await visitor.get(path))[1]
        for step in ("person", "register", "consents", "check", "withdraw"):
            assert await visitor.get(f"{path}/{step}") == (303, path) or step == "withdraw"
        assert (await visitor.post(f"{path}/person", PERSON))[0] == 409
        assert (await visitor.post(path, {}, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert await de.count("applications", "confirmed_at IS NOT NULL") == 0
        assert (await visitor.post(path, {}))[0] == 303 and await de.count("applications", "confirmed_at IS NOT NULL") == 1


@pytest.mark.parametrize(("number", "said"), [
    ("12345", "15 digits that begin with 80276"), ("802760107654320", "The check digit does not fit"),
    ("802760012345673", "printed as an example")])
async def test_what_is_wrong_with_a_number_is_told_at_once_and_she_goes_on(
        de: Running, mail: MailServer, number: str, said: str) -> None:
    async with Browser(de) as visitor:
        path = await begun(de, mail, visitor)
        await visitor.post(f"{path}/person", PERSON)
        assert await visitor.post(f"{path}/register", REGISTER | {"number": number}) == (303, f"{path}/register?told=1")
        page = (await visitor.get(f"{path}/register?told=1"))[1]
        assert said in page and "nobody is turned away because of it" in page and f'value="{number}"' in page
        assert f'href="{path}/documents">The number is right, go on' in page
        await with_document(de, path)
        await visitor.post(f"{path}/consents", CONSENTS)
        assert "somebody looks at it more closely" in (await visitor.get(f"{path}/check"))[1]
        assert await visitor.post(f"{path}/check", {}) == (303, path)


async def test_what_cannot_be_taken_comes_back_with_what_was_typed(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        status, page = await visitor.post("/join", {"address": "vera@klinik", "language": "fr"})
        assert status == 400 and 'id="error-address"' in page and 'value="vera@klinik"' in page
        path = await begun(de, mail, visitor)
        for step, said, field, kept in (
                ("person", PERSON | {"role": ""}, "role", "Dr. Vera Beispiel"),
                ("person", PERSON | {"name": ""}, "name", "Müster"),
                ("register", REGISTER | {"answer-licence-year": "bald"}, "licence-year", "Charité"),
                ("register", REGISTER | {"chamber": ""}, "chamber", "LAGeSo"),
                ("register", REGISTER | {"number": ""}, "number", "2009"),
                ("consents", {"consents": ["truth"], "invitation": "x"}, "consents", 'value="truth" required checked'),
                ("consents", CONSENTS | {"invitation": "wrong"}, "invitation", 'value="wrong"'), ("check", {}, "", "")):
            status, page = await visitor.post(f"{path}/{step}", said)
            assert status == 400 and kept in page and (not field or f'id="error-{field}"' in page), (step, field)
        found = (await de.its.joining.progress(path.removeprefix("/join/"))).application
        assert (found.name, found.number, found.consents) == ("", "", {})


async def test_what_was_handed_in_is_shown_and_changed_no_more(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        path = await handed_in(de, mail, visitor)
        for step in ("person", "register", "consents", "check"):
            assert await visitor.get(f"{path}/{step}") == (303, path)
            assert (await visitor.post(f"{path}/{step}", PERSON | REGISTER | CONSENTS))[0] == 409
        assert "Withdraw this application" in (await visitor.get(path))[1]
        assert "deleted at once" in (await visitor.get(f"{path}/withdraw"))[1]
        assert await visitor.post(f"{path}/withdraw", {}) == (303, path)
        page = (await visitor.get(path))[1]
        assert "You have withdrawn this application" in page and await visitor.get(f"{path}/withdraw") == (303, path)
        assert (await visitor.post(f"{path}/withdraw", {}))[0] == 409


async def test_a_rejection_gives_its_reason_and_a_way_to_appeal(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        path = await handed_in(de, mail, visitor)
        await decided(de.its, path.removeprefix("/join/"), ApplicationState.REJECTED, "Not in the register.")
        page = (await visitor.get(path))[1]
        assert "Not in the register." in page and f'action="{path}/appeal"' in page
        status, page = await visitor.post(f"{path}/appeal", {"appeal": "x" * 2001})
        assert status == 400 and 'id="error-appeal"' in page and "x" * 2001 in page
        assert await visitor.post(f"{path}/appeal", {"appeal": "Look at the <b>back</b>."}) == (303, path)
        page = (await visitor.get(path))[1]
        assert "Look at the &lt;b&gt;back&lt;/b&gt;." in page and "The operators look at it" in page


async def test_where_nobody_can_apply_the_page_says_so_and_who_has_begun_goes_on(tmp_path: Path, mail: MailServer) -> None:
    def closed(settings: Settings) -> Settings:
        return msgspec.structs.replace(mail.used()(settings), joining=Joining(open=False))

    async with countries(tmp_path, "de", settled=closed) as (de,), Browser(de) as visitor:
        status, page = await visitor.get("/join")
        assert status == 200 and "Nobody can apply at the moment" in page and 'name="address"' not in page
        assert (await visitor.get("/join?sent=1"))[1].count("Nobody can apply at the moment") == 1
        status, page = await visitor.post("/join", {"address": "vera@klinik.example"})
        assert status == 409 and "Nobody can apply at the moment" in page and await de.count("applications") == 0
        await de.its.joining.ask("vera@klinik.example", "de", "203.0.113.5")
        await until(lambda: mail.taken)
        path = link(mail.taken[-1].text)
        assert await visitor.post(path, {}) == (303, f"{path}/person")
        assert await visitor.post(f"{path}/person", PERSON) == (303, f"{path}/register")
    async with countries(tmp_path / "mute", "fr", worker=False) as (fr,), Browser(fr) as visitor:  # it sends no mail
        assert "Nobody can apply at the moment" in (await visitor.get("/join"))[1]


async def test_a_flood_of_addresses_is_slowed_down_and_the_address_kept(de: Running) -> None:
    async with Browser(de) as visitor:
        for place in range(10):
            assert (await visitor.post("/join", {"address": f"a{place}@klinik.example"}))[0] == 303
        status, headers, page = await answer(visitor, "/join", {"address": "vera@klinik.example"})
        assert status == 429 and 0 < int(headers["retry-after"]) <= 900 and 'value="vera@klinik.example"' in page
        assert await visitor.login("ada") == 303  # what is counted here is not counted there


async def test_on_a_full_disk_nothing_is_begun_and_withdrawing_goes_on(
        de: Running, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Browser(de) as visitor:
        path = await begun(de, mail, visitor)
        monkeypatch.setattr(type(de.its.space), "low", True)
        for where, said in (("/join", {"address": "b@klinik.example"}), (f"{path}/person", PERSON)):
            status, page = await visitor.post(where, said)
            assert status == 503 and "almost full" in page
        assert await visitor.post(f"{path}/withdraw", {}) == (303, path)


async def test_the_mail_and_the_pages_speak_the_language_that_was_chosen(de: Running, mail: MailServer) -> None:
    async with Browser(de) as visitor:
        for language in ("fr", "de"):
            before = len(mail.taken)
            await visitor.post("/join", {"address": f"{language}@klinik.example", "language": language})
            await until(lambda before=before: len(mail.taken) > before)  # type: ignore[misc]
            assert f"?lang={language}" in mail.taken[-1].text and f'<html lang="{language}"' in mail.taken[-1].html
        path = link(mail.taken[-1].text)
        assert '<html lang="de"' in (await visitor.get(f"{path}?lang=de"))[1]
        await visitor.post(path, {})
        assert "Kardiologie" in (await visitor.get(f"{path}/person"))[1]
        await visitor.get(f"{path}/person?lang=it")
        await visitor.post(f"{path}/person", PERSON)
        assert (await de.its.joining.progress(path.removeprefix("/join/"))).application.language == "it"


async def test_each_country_asks_what_its_pack_says(tmp_path: Path, mail: MailServer) -> None:
    async with countries(tmp_path, "fr", "ch", friends=False, settled=mail.used()) as running:
        for one in running:
            async with Browser(one) as visitor:
                path = await begun(one, mail, visitor)
                await visitor.post(f"{path}/person", PERSON)
                page = (await visitor.get(f"{path}/register"))[1]
                own = one.its.pack.identifiers[0]
                assert f'value="{own.id}"' in page and own.title_in("en") in page and 'value="pwz"' in page
                assert ('name="chamber"' in page) == bool(one.its.pack.chambers)
                for code in ("fr", "ch"):
                    law = pack(code).secrecy_law
                    assert (law in (await visitor.get(f"{path}/consents"))[1]) == (code == one.country)


async def test_a_doctor_invites_and_who_comes_with_it_is_hinted_at_and_nobody_named(de: Running, mail: MailServer) -> None:
    async with Browser(de) as ada, Browser(de) as visitor:
        await ada.login("ada")
        assert 'href="/invite"' in (await ada.get("/directory"))[1]
        assert await ada.post("/invite", {}) == (303, "/invite")
        page = (await ada.get("/invite"))[1]
        found = re.search(r'value="http://[^"/]*(/join\?invitation=([\w-]+))" readonly', page)
        assert found is not None and "not used yet" in page
        page = (await visitor.get(found[1]))[1]
        assert "You come with an invitation" in page and "Ada" not in page
        await visitor.post("/join", {"address": "vera@klinik.example", "invitation": found[2]})
        await until(lambda: mail.taken)
        path = link(mail.taken[-1].text)
        await visitor.post(path, {})
        page = (await visitor.get(f"{path}/consents"))[1]
        assert "invitation belongs to this application" in page and "Ada" not in page
        assert "in use" in (await ada.get("/invite"))[1] and "vera" not in (await ada.get("/invite"))[1].lower()
        for _ in range(4):
            await ada.post("/invite", {})
        status, page = await ada.post("/invite", {})
        assert status == 429 and "all invitations of this week" in page
