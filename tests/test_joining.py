"""Whoever asks for a link learns nothing about anybody; an application goes along its graph, and a number never rejects it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors.applications import Application, ApplicationKind, ApplicationState, by_reference
from actors.joining import APPEAL_LIMIT
from actors.mailboxes import Rhythm
from actors.models import Role
from actors.statements import CONSENTS, NO_NUMBER, VERSION, Entry, Person
from core.database import Tx
from core.errors import Conflict, InvalidInput, NotFound, TooMany
from instance.assembly import Assembly
from tests.test_notifications import doctor

ADDRESS = "vera@klinik.example"
DAY = 86_400
PERSON = Person("Dr. Vera Beispiel", "", "doctor", ("cardiology",))
ANSWERS = {"university": "Charité", "licence-year": "2009", "licence-authority": "LAGeSo"}
ENTRY = Entry("efn", "be", "802760107654328", ANSWERS)
ALL = frozenset(CONSENTS)


async def began(its: Assembly, address: str = ADDRESS) -> str:
    """The token of a confirmed application."""
    await its.joining.ask(address, "de", "203.0.113.5")
    row = await its.database.read(lambda tx: tx.row(
        "SELECT id FROM applications WHERE address = ? ORDER BY id DESC LIMIT 1", (address,)))
    assert row is not None
    token = its.joining.token(row["id"])
    await its.joining.confirm(token)
    return token


async def with_document(its: Assembly, token: str) -> None:
    application = (await its.joining.progress(token)).application
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at)"
        " VALUES (?, ?, 'approbation', 'application/pdf', 1, 1, ?, ?)",
        (its.ids.new(), application.id, b"x", its.clock.ms())))


async def filled(its: Assembly, address: str = ADDRESS) -> str:
    """The token of an application that may be handed in."""
    token = await began(its, address)
    await its.joining.say_who(token, PERSON, "de")
    await its.joining.say_number(token, ENTRY, "de")
    await its.joining.consent(token, ALL, "", "de")
    await with_document(its, token)
    return token


async def handed_in(its: Assembly, address: str = ADDRESS) -> str:
    token = await filled(its, address)
    await its.joining.hand_in(token)
    return token


async def decided(its: Assembly, token: str, state: ApplicationState, said: str = "") -> Application:
    """Bring an application into a state, as a decision does."""
    application = (await its.joining.progress(token)).application

    def write(tx: Tx) -> None:
        tx.run("UPDATE applications SET state = ?, decided_at = ? WHERE id = ?", (state, its.clock.ms(), application.id))
        tx.run("INSERT INTO verifications (id, application_id, what, reason, by, at) VALUES (?, ?, ?, ?, 'op', ?)",
               (its.ids.new(), application.id, state, said, its.clock.ms()))

    await its.database.write(write)
    return application


async def count(its: Assembly, table: str, where: str = "1 = 1") -> int:
    row = await its.database.read(lambda tx: tx.row(f"SELECT count(*) FROM {table} WHERE {where}"))
    assert row is not None
    return int(row[0])


async def test_asking_for_a_link_does_the_same_work_whoever_has_an_account_or_an_application(
        its: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    await doctor(its, "ada")
    account = await its.accounts.by_handle("ada")
    assert account is not None
    await its.mailboxes.change(account, "ada@klinik.example", Rhythm.DAILY)
    row = await its.database.read(lambda tx: tx.row("SELECT id FROM mail_confirmations"))
    assert row is not None and await its.mailboxes.confirm(its.mailboxes.confirm_token(row["id"]))
    await filled(its, "draft@klinik.example")
    await decided(its, await handed_in(its, "rejected@klinik.example"), ApplicationState.REJECTED)
    await its.database.write(lambda tx: tx.run("UPDATE mails SET state = 'sent', settled_at = 1"))
    said: list[str] = []

    def heard(name: str) -> Callable[..., Any]:
        inner = getattr(Tx, name)

        def call(self: Tx, sql: str, parameters: Any = ()) -> Any:
            said.append(sql)
            return inner(self, sql, parameters)

        return call

    for name in ("run", "row", "rows"):
        monkeypatch.setattr(Tx, name, heard(name))
    work = []
    for address in ("nobody@klinik.example", "ada@klinik.example", "draft@klinik.example", "rejected@klinik.example"):
        before = await count(its, "mails")
        said.clear()
        await its.joining.ask(address, "en", "203.0.113.6")
        work.append(list(said))
        assert await count(its, "mails") == before + 1
    assert len(work[0]) > 3 and all(one == work[0] for one in work)


async def test_an_address_gets_the_link_of_its_application_again_and_at_most_five_a_day(its: Assembly) -> None:
    token = await began(its)
    await its.joining.ask(f"  {ADDRESS} ", "fr", "203.0.113.5")  # while the first mail still waits
    assert await count(its, "mails") == 1
    for _ in range(8):
        await its.database.write(lambda tx: tx.run("UPDATE mails SET state = 'sent', settled_at = 1"))
        await its.joining.ask(ADDRESS, "fr", f"203.0.113.{_}")
    assert await count(its, "mails") == 5 and await count(its, "applications") == 1
    its.clock.offset = DAY + 1
    await its.joining.ask(ADDRESS, "fr", "203.0.113.5")
    assert await count(its, "mails") == 6
    assert (await its.joining.progress(token)).application.language == "de"  # others cannot change it


async def test_too_many_links_from_one_network_are_refused_whomever_they_are_for(its: Assembly) -> None:
    for number in range(10):
        await its.joining.ask(f"a{number}@klinik.example", "de", "2001:db8::1")
    with pytest.raises(TooMany) as caught:
        await its.joining.ask("b@klinik.example", "de", "2001:db8::2")
    assert 0 < (caught.value.retry_after or 0) <= 900 and await count(its, "applications") == 10
    await its.joining.ask("b@klinik.example", "de", "203.0.113.5")


async def test_what_is_no_address_is_told_and_nothing_begins(its: Assembly) -> None:
    with pytest.raises(InvalidInput) as caught:
        await its.joining.ask("vera@klinik", "de", "203.0.113.5")
    assert caught.value.field == "address" and await count(its, "applications") == 0


async def test_nothing_is_said_before_the_address_is_confirmed_and_a_wrong_link_leads_nowhere(its: Assembly) -> None:
    await its.joining.ask(ADDRESS, "de", "203.0.113.5")
    row = await its.database.read(lambda tx: tx.row("SELECT id FROM applications"))
    assert row is not None
    token = its.joining.token(row["id"])
    with pytest.raises(Conflict):
        await its.joining.say_who(token, PERSON, "de")
    for wrong in (token[:-1], "", token + "x", "x" * 43):
        for attempt in (its.joining.progress(wrong), its.joining.confirm(wrong), its.joining.hand_in(wrong),
                        its.joining.withdraw(wrong), its.joining.say_who(wrong, PERSON, "de")):
            with pytest.raises(NotFound):
                await attempt
    await its.joining.confirm(token)
    first = (await its.joining.progress(token)).application.confirmed_at
    its.clock.offset = 60
    await its.joining.confirm(token)
    assert (await its.joining.progress(token)).application.confirmed_at == first


async def test_it_can_be_handed_in_when_every_step_is_done_and_not_before(its: Assembly) -> None:
    token = await began(its)
    for step, do in (("person", its.joining.say_who(token, PERSON, "de")),
                     ("register", its.joining.say_number(token, ENTRY, "de")), ("documents", with_document(its, token)),
                     ("consents", its.joining.consent(token, ALL, "", "de"))):
        assert (await its.joining.progress(token)).missing == step
        with pytest.raises(InvalidInput) as caught:
            await its.joining.hand_in(token)
        assert caught.value.field == step
        await do
    await its.joining.hand_in(token)
    progress = await its.joining.progress(token)
    application = progress.application
    assert application.state == ApplicationState.SUBMITTED and application.submitted_at and not progress.edited
    assert application.answers == ANSWERS and application.consents[VERSION] == its.pack.consents
    assert set(application.consents) == {*CONSENTS, VERSION}
    for attempt in (its.joining.say_who(token, PERSON, "de"), its.joining.say_number(token, ENTRY, "de"),
                    its.joining.consent(token, ALL, "", "de"), its.joining.hand_in(token)):
        with pytest.raises(Conflict):
            await attempt


async def test_consents_to_other_words_have_to_be_given_anew(its: Assembly) -> None:
    token = await filled(its)
    await its.database.write(lambda tx: tx.run("UPDATE applications SET consents = '{\"version\": 20010101}'"))
    assert (await its.joining.progress(token)).missing == "consents"


@pytest.mark.parametrize("number", ["10003461033", "802760107654320", "802760012345673", "x"])
async def test_a_number_that_does_not_fit_is_kept_and_never_rejects(its: Assembly, number: str) -> None:
    token = await filled(its)
    await its.joining.say_number(token, ENTRY._replace(number=number), "de")
    await its.joining.hand_in(token)
    assert (await its.joining.progress(token)).application.number == number


async def test_the_same_number_has_the_same_key_however_it_is_typed_and_in_no_other_register(its: Assembly) -> None:
    keys = []
    for place, entry in enumerate((ENTRY, ENTRY._replace(number=" 80276-01076 54328"), ENTRY._replace(register="lanr"),
                                   ENTRY._replace(register=NO_NUMBER))):
        token = await began(its, f"a{place}@klinik.example")
        await its.joining.say_who(token, PERSON, "de")
        await its.joining.say_number(token, entry, "de")
        keys.append((await its.joining.progress(token)).application.number_key)
    assert keys[0] == keys[1] != keys[2] and keys[0] and keys[3] is None
    assert b"802760107654328" not in keys[0]


async def test_what_operators_ask_for_is_shown_and_it_can_be_changed_and_handed_in_again(its: Assembly) -> None:
    token = await handed_in(its)
    await decided(its, token, ApplicationState.ASKED, "The back, please.")
    progress = await its.joining.progress(token)
    assert progress.edited and progress.said == "The back, please." and progress.missing == ""
    await its.joining.say_who(token, PERSON._replace(birth_name="Müster"), "fr")
    await its.joining.hand_in(token)
    progress = await its.joining.progress(token)
    assert progress.application.state == ApplicationState.SUBMITTED and progress.said == ""
    assert (progress.application.birth_name, progress.application.language) == ("Müster", "fr")


async def test_a_rejection_can_be_appealed_against_once_and_for_some_days(its: Assembly) -> None:
    token = await handed_in(its)
    await decided(its, token, ApplicationState.REJECTED, "Not in the register.")
    progress = await its.joining.progress(token)
    assert progress.said == "Not in the register." and progress.appeal_until is not None and not progress.edited
    for text in ("", " ", "x" * (APPEAL_LIMIT + 1)):
        with pytest.raises(InvalidInput) as caught:
            await its.joining.appeal(token, text)
        assert caught.value.field == "appeal"
    its.clock.offset = its.settings.joining.document_days * DAY + 1
    with pytest.raises(Conflict):
        await its.joining.appeal(token, "I am.")
    its.clock.offset = 0
    await its.joining.appeal(token, "I am.\r\nLook again.")
    found = (await its.joining.progress(token)).application
    assert (found.state, found.appeal, found.decided_at) == (ApplicationState.SUBMITTED, "I am.\nLook again.", None)
    await decided(its, token, ApplicationState.REJECTED)
    with pytest.raises(Conflict):
        await its.joining.appeal(token, "Once more.")


async def test_whoever_withdraws_leaves_nothing_but_that_there_was_an_application(its: Assembly) -> None:
    for make in (began, filled, handed_in):
        token = await make(its, f"{make.__name__}@klinik.example")
        await its.joining.withdraw(token)
        progress = await its.joining.progress(token)
        assert progress.application.state == ApplicationState.WITHDRAWN and progress.documents == 0
        assert_forgotten(progress.application)
        with pytest.raises(Conflict):
            await its.joining.withdraw(token)
        with pytest.raises(Conflict):
            await its.joining.say_who(token, PERSON, "de")
    await its.joining.ask("filled@klinik.example", "de", "203.0.113.5")
    assert await count(its, "applications") == 4  # she may apply again


def assert_forgotten(application: Application) -> None:
    found = {name: getattr(application, name) for name in (
        "address", "name", "birth_name", "specialties", "register", "chamber", "number", "number_key", "answers", "consents",
        "appeal")}
    assert not any(found.values()), found


async def test_a_renewal_begins_with_what_is_known_and_is_there_once(its: Assembly) -> None:
    ada = await doctor(its, "ada")
    account = await its.accounts.by_handle("ada")
    assert account is not None
    token = await its.joining.renew(account, ada.actor)
    assert await its.joining.renew(account, ada.actor) == token and await count(its, "applications") == 1
    progress = await its.joining.progress(token)
    application = progress.application
    assert (application.kind, application.account_id, application.name) == (ApplicationKind.RENEWAL, account.id, ada.actor.name)
    assert application.confirmed_at and progress.missing == "register" and application.role == Role.DOCTOR
    await its.joining.withdraw(token)
    assert await its.joining.renew(account, ada.actor) != token


async def test_a_reference_finds_its_application_however_it_is_typed(its: Assembly) -> None:
    application = (await its.joining.progress(await began(its))).application
    for typed in (application.reference, f" {application.reference.lower()} "):
        assert await its.database.read(lambda tx, typed=typed: by_reference(tx, typed)) == application  # type: ignore[misc]


async def test_two_clicks_at_once_hand_in_once(its: Assembly) -> None:
    token = await filled(its)
    done = await asyncio.gather(*[its.joining.hand_in(token) for _ in range(2)], return_exceptions=True)
    assert [type(one) for one in done].count(type(None)) == 1 and any(isinstance(one, Conflict) for one in done)
