"""Deciding about applications: what each decision means, who may take it, and what stays of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.applications import ApplicationState
from actors.decisions import Acceptance, Rejection
from actors.links import Purpose
from actors.mails import MailKind
from actors.models import Role
from actors.verifications import Method
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.settings import Settings
from core.vault import token_hash
from tests.applicants import applied
from tests.servers import PASSWORD, Running, countries

SEEN = Acceptance(Role.DOCTOR, ("cardiology",), None, Method.REGISTER, "card beside her face", "MÜLLER, Clara", "clara.mueller")
NO = Rejection("not-found", "Wir fanden Sie nicht.", Method.REGISTER, "asked two chambers")


def four_eyes(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, joining=msgspec.structs.replace(settings.joining, four_eyes=True))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        yield de


@pytest.fixture
async def careful(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False, settled=four_eyes) as (de,):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        yield de


async def row(at: Running, sql: str, *values: object) -> dict[str, Any]:
    found = await at.its.database.read(lambda tx: tx.row(sql, values))
    assert found is not None
    return dict(found)


async def state(at: Running, reference: str) -> str:
    return str((await row(at, "SELECT state FROM applications WHERE reference = ?", reference))["state"])


async def test_verifying_makes_account_and_actor_sends_a_link_and_is_written_down(de: Running) -> None:
    reference = await applied(de, language="fr")
    assert await de.its.decisions.decide(reference, SEEN, "olga") == ApplicationState.ACCEPTED
    account = await row(de, "SELECT * FROM accounts WHERE handle = 'clara.mueller'")
    actor = await row(de, "SELECT * FROM actors WHERE id = ?", account["actor_id"])
    assert (account["state"], account["kind"], account["language"]) == ("verified", "doctor", "fr")
    assert (actor["verified_how"], actor["verified_until"], actor["role"]) == ("register", None, "doctor")
    assert (await row(de, "SELECT address, rhythm FROM mailboxes WHERE account_id = ?", account["id"]))["rhythm"] == "none"
    mail = await row(de, "SELECT * FROM mails WHERE kind = ? AND account_id = ?", MailKind.ACCEPTED, account["id"])
    link = await row(de, "SELECT * FROM account_links WHERE id = ?", mail["about_id"])
    assert link["purpose"] == Purpose.WELCOME and link["token_hash"] == token_hash(de.its.signing.links.token(mail["about_id"]))
    kept = await row(de, "SELECT * FROM verifications WHERE account_id = ?", account["id"])
    assert (kept["what"], kept["method"], kept["register_text"], kept["by"]) == ("verified", "register", "MÜLLER, Clara", "olga")
    assert kept["number_key"] is not None
    noted = await row(de, "SELECT * FROM audit WHERE action = 'application.accepted'")
    assert (noted["by"], noted["target"], noted["detail"]) == ("olga", reference, "@clara.mueller")
    assert (await row(de, "SELECT account_id FROM applications WHERE reference = ?", reference))["account_id"] == account["id"]
    with pytest.raises(Conflict):
        await de.its.decisions.decide(reference, NO, "omar")


async def test_a_resident_is_verified_until_a_day_and_not_without_one(de: Running) -> None:
    reference, now = await applied(de), de.its.clock.ms()
    resident = msgspec.structs.replace(SEEN, role=Role.RESIDENT)
    for wrong in (resident, msgspec.structs.replace(resident, until=now - 1)):
        with pytest.raises(InvalidInput) as refused:
            await de.its.decisions.decide(reference, wrong, "olga")
        assert refused.value.field == "until"
    await de.its.decisions.decide(reference, msgspec.structs.replace(resident, until=now + 86_400_000), "olga")
    actor = await row(de, "SELECT * FROM actors WHERE handle = 'clara.mueller'")
    assert (actor["role"], actor["verified_until"]) == ("resident", now + 86_400_000)


@pytest.mark.parametrize(("field", "wrong"), [
    ("evidence", SEEN.__class__(Role.DOCTOR, (), None, Method.CARD, " ", "", "clara")),
    ("register_text", SEEN.__class__(Role.DOCTOR, (), None, Method.REGISTER, "seen", "", "clara")),
    ("handle", SEEN.__class__(Role.DOCTOR, (), None, Method.CARD, "seen", "", "ada")),
    ("handle", SEEN.__class__(Role.DOCTOR, (), None, Method.CARD, "seen", "", "Not A Handle")),
    ("role", SEEN.__class__(Role.EDITOR, (), None, Method.CARD, "seen", "", "clara")),
    ("specialty", SEEN.__class__(Role.DOCTOR, ("nothing",), None, Method.CARD, "seen", "", "clara")),
    ("evidence", SEEN.__class__(Role.DOCTOR, (), None, Method.CARD, "x" * 2_001, "", "clara")),
])
async def test_a_decision_that_cannot_be_checked_later_is_none(de: Running, field: str, wrong: Acceptance) -> None:
    reference = await applied(de)
    with pytest.raises(InvalidInput) as refused:
        await de.its.decisions.decide(reference, wrong, "olga")
    assert refused.value.field == field
    assert await state(de, reference) == "submitted" and await de.count("accounts") == 4 and await de.count("mails") == 0
    assert await de.count("verifications", "application_id IS NOT NULL") == 0


async def test_what_is_missing_is_asked_for_and_the_mail_holds_no_word_of_it(de: Running) -> None:
    reference = await applied(de)
    with pytest.raises(InvalidInput):
        await de.its.decisions.ask(reference, (), " ", "olga")
    with pytest.raises(InvalidInput):
        await de.its.decisions.ask(reference, ("a-pony",), "", "olga")
    await de.its.decisions.ask(reference, ("diploma", "name"), "Auch die Rückseite.", "olga")
    assert await state(de, reference) == "asked"
    asked = await row(de, "SELECT * FROM application_requests")
    assert (asked["wanted"], asked["note"], asked["by"]) == ('["diploma","name"]', "Auch die Rückseite.", "olga")
    mail = await row(de, "SELECT * FROM mails")
    assert (mail["kind"], mail["facts"], mail["account_id"]) == (MailKind.ASKED, "{}", None)
    with pytest.raises(Conflict):
        await de.its.decisions.ask(reference, ("number",), "", "olga")
    assert await de.its.decisions.decide(reference, SEEN, "olga") == ApplicationState.ACCEPTED  # it came by another way


async def test_rejecting_gives_a_reason_and_an_appeal_goes_to_another_operator(de: Running) -> None:
    reference = await applied(de)
    with pytest.raises(InvalidInput):
        await de.its.decisions.decide(reference, Rejection("because"), "olga")
    assert await de.its.decisions.decide(reference, NO, "olga") == ApplicationState.REJECTED
    assert (await row(de, "SELECT kind FROM mails"))["kind"] == MailKind.REJECTED
    assert await de.count("accounts", "kind = 'doctor'") == 2
    await de.its.database.write(lambda tx: tx.run("UPDATE applications SET state = 'submitted', appeal = 'Doch!'"))
    with pytest.raises(Refused) as refused:
        await de.its.decisions.decide(reference, NO, "olga")
    assert refused.value.reason == "partial" and await state(de, reference) == "submitted"
    assert await de.its.decisions.decide(reference, SEEN, "omar") == ApplicationState.ACCEPTED


async def test_where_there_is_no_other_operator_an_appeal_is_decided_by_the_same(de: Running) -> None:
    reference = await applied(de)
    await de.its.decisions.decide(reference, NO, "olga")
    await de.its.database.write(lambda tx: tx.run("UPDATE applications SET state = 'submitted', appeal = 'Doch!'"))
    await de.its.database.write(lambda tx: tx.run("DELETE FROM accounts WHERE handle = 'omar'"))
    assert await de.its.decisions.decide(reference, SEEN, "olga") == ApplicationState.ACCEPTED


async def test_a_referee_and_whoever_it_is_about_do_not_decide(de: Running) -> None:
    ada, now = de.doctors["ada"], de.its.clock.ms()
    await de.its.accounts.link_operator("olga", "ada", "test")
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO invitations (id, account_id, token_hash, created_at, expires_at) VALUES (7, ?, ?, ?, ?)",
        (ada.id, b"x", now, now + 1)))
    invited = await applied(de, invitation_id=7)
    herself = await applied(de, kind="renewal", account_id=ada.id, number="")
    for reference in (invited, herself):
        with pytest.raises(Refused) as refused:
            await de.its.decisions.decide(reference, SEEN, "olga")
        assert refused.value.reason == "partial" and await state(de, reference) == "submitted"
        with pytest.raises(Refused):
            await de.its.decisions.ask(reference, ("number",), "", "olga")
    assert await de.its.decisions.decide(invited, SEEN, "omar") == ApplicationState.ACCEPTED
    assert await de.its.decisions.decide(herself, SEEN, "omar") == ApplicationState.ACCEPTED
    with pytest.raises(NotFound):
        await de.its.accounts.link_operator("ada", "ben", "test")
    with pytest.raises(NotFound):
        await de.its.accounts.link_operator("olga", "omar", "test")


async def test_where_four_eyes_are_wanted_a_second_operator_confirms_or_refuses(careful: Running) -> None:
    de = careful
    reference = await applied(de)
    assert await de.its.decisions.decide(reference, SEEN, "olga") == ApplicationState.SUBMITTED
    assert await de.count("accounts", "handle = 'clara.mueller'") == 0
    with pytest.raises(Refused) as refused:
        await de.its.decisions.confirm(reference, "olga")
    assert refused.value.reason == "four-eyes"
    with pytest.raises(Refused):
        await de.its.decisions.confirm(reference, "cli:root")
    with pytest.raises(Conflict):
        await de.its.decisions.decide(reference, NO, "omar")
    with pytest.raises(InvalidInput):
        await de.its.decisions.decline(reference, " ", "omar")
    await de.its.decisions.decline(reference, "The name is another one.", "omar")
    assert await state(de, reference) == "submitted"
    await de.its.decisions.decide(reference, SEEN, "olga")
    assert await de.its.decisions.confirm(reference, "omar") == ApplicationState.ACCEPTED
    kept = await row(de, "SELECT * FROM verifications WHERE what = 'verified' AND application_id IS NOT NULL")
    assert (kept["proposed_by"], kept["by"]) == ("olga", "omar")
    with pytest.raises(Conflict):
        await de.its.decisions.confirm(reference, "omar")
    with pytest.raises(Refused):
        await de.its.decisions.decide(await applied(de), NO, "cli:root")


async def test_what_the_applicant_has_changed_meanwhile_is_looked_at_once_more(de: Running) -> None:
    reference = await applied(de, touched_at=5)
    with pytest.raises(Conflict) as refused:
        await de.its.decisions.decide(reference, SEEN, "olga", seen=4)
    assert refused.value.reason == "changed" and await state(de, reference) == "submitted"
    assert await de.its.decisions.decide(reference, SEEN, "olga", seen=5) == ApplicationState.ACCEPTED


async def test_nobody_decides_about_what_was_not_handed_in(de: Running) -> None:
    for somewhere in ("draft", "lapsed"):
        with pytest.raises(NotFound):
            await de.its.decisions.decide(await applied(de, state=somewhere), SEEN, "olga")
    with pytest.raises(NotFound):
        await de.its.decisions.ask("NOBODY", ("number",), "", "olga")


async def test_a_renewal_changes_the_badge_and_keeps_the_account(de: Running) -> None:
    ada, now = de.doctors["ada"], de.its.clock.ms()
    reference = await applied(de, kind="renewal", account_id=ada.id, address="", name="Dr Ada")
    until = now + 400 * 86_400_000
    renewed = msgspec.structs.replace(SEEN, role=Role.RESIDENT, until=until, method=Method.CARD, handle="")
    assert await de.its.decisions.decide(reference, renewed, "olga") == ApplicationState.ACCEPTED
    actor = await row(de, "SELECT * FROM actors WHERE id = ?", ada.actor_id)
    assert (actor["verified_until"], actor["verified_how"], actor["role"]) == (until, "card", "resident")
    assert await de.count("accounts", "kind = 'doctor'") == 2
    await de.its.accounts.suspend("ada", "asked to", "olga")
    again = await applied(de, kind="renewal", account_id=ada.id)
    with pytest.raises(Conflict):
        await de.its.decisions.decide(again, renewed, "olga")
    assert await state(de, again) == "submitted"
