"""What nobody goes on with lapses, and after a decision nothing is kept for longer than an appeal takes."""

from __future__ import annotations

from pathlib import Path

from actors.applications import ApplicationState
from instance.assembly import Assembly, assemble
from instance.pruning import prune
from tests.test_erasures import at_work, holds, kept, lines, put_back
from tests.test_joining import DAY, PERSON, assert_forgotten, began, count, decided, filled, handed_in


async def test_an_address_nobody_has_confirmed_is_gone_after_three_days(its: Assembly) -> None:
    await its.joining.ask("vera@klinik.example", "de", "203.0.113.5")
    its.clock.offset = 3 * DAY - 5
    assert await its.joining.lapsing.prune() == 0
    its.clock.offset = 3 * DAY + 5
    assert await its.joining.lapsing.prune() == 1
    assert await count(its, "applications") == 0 and await count(its, "mails", "application_id IS NOT NULL") == 0


async def test_drafts_and_what_was_asked_for_lapse_after_the_days_of_the_settings_and_what_waits_for_operators_does_not(
        its: Assembly) -> None:
    draft = await filled(its, "a@k.example")
    waits, asked = await handed_in(its, "b@k.example"), await handed_in(its, "c@k.example")
    await decided(its, asked, ApplicationState.ASKED)
    its.clock.offset = its.settings.joining.idle_days * DAY - 60
    await its.joining.say_who(asked, PERSON, "de")  # a step keeps it
    assert await its.joining.lapsing.prune() == 0
    its.clock.offset += 120
    await prune(its)
    for token, state in ((draft, ApplicationState.LAPSED), (waits, ApplicationState.SUBMITTED), (asked, ApplicationState.ASKED)):
        assert (await its.joining.progress(token)).application.state == state
    lapsed = await its.joining.progress(draft)
    assert_forgotten(lapsed.application)
    assert lapsed.documents == 0 and (await its.joining.progress(asked)).documents == 1


async def test_after_a_decision_what_was_said_is_kept_for_the_days_of_the_settings(its: Assembly) -> None:
    states = (ApplicationState.ACCEPTED, ApplicationState.REJECTED)
    tokens = {state: await handed_in(its, f"{state}@k.example") for state in states}
    for state, token in tokens.items():
        await decided(its, token, state)
    its.clock.offset = its.settings.joining.document_days * DAY - 60
    assert await its.joining.lapsing.prune() == 0
    its.clock.offset += 120
    assert await its.joining.lapsing.prune() == 2 and await its.joining.lapsing.prune() == 0
    for state, token in tokens.items():
        progress = await its.joining.progress(token)
        assert progress.application.state == state and progress.appeal_until is None and progress.documents == 0
        assert_forgotten(progress.application)


async def test_many_lapse_at_once(its: Assembly) -> None:
    for place in range(120):
        await its.joining.ask(f"a{place}@k.example", "de", f"203.0.113.{place}")
    await began(its, "b@k.example")
    its.clock.offset = 4 * DAY
    assert await its.joining.lapsing.prune() == 120 and await count(its, "applications") == 1


async def test_what_was_withdrawn_after_a_backup_was_made_does_not_come_back_with_it(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with at_work(tmp_path) as (de, _):
        token = await handed_in(de.its, "planted7c1e@k.example")
        lapsed = await began(de.its, "other@k.example")
        kept(de, backup)
        await de.its.joining.withdraw(token)
        settings = de.its.settings
    put_back(settings, backup)
    assert holds(settings) == ["konsil.db"]
    async with assemble(settings) as its:
        progress = await its.joining.progress(token)
        assert progress.application.state == ApplicationState.WITHDRAWN and progress.documents == 0
        assert_forgotten(progress.application)
        assert (await its.joining.progress(lapsed)).application.address == "other@k.example"
    assert holds(settings) == []


async def test_a_journal_that_is_begun_anew_knows_what_was_forgotten(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (de, _):
        token = await handed_in(de.its, "planted7c1e@k.example")
        reference = (await de.its.joining.progress(token)).application.reference
        await de.its.joining.withdraw(token)
        settings = de.its.settings
    settings.path("erasures.journal").unlink()
    async with assemble(settings):
        pass
    assert [taken.name for taken in lines(settings) if taken.what == "forgotten"] == [reference]
