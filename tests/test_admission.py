"""Letting a sibling in: not untried, not by the one who proposed it where four eyes are wanted, and never by the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Conflict, InvalidInput, NotFound
from core.settings import Settings
from tests.servers import PASSWORD, Running, countries
from tests.test_cli import Konsil

pytestmark = pytest.mark.usefixtures("logs_restored")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    """Germany has proposed France, which has Germany on its list already."""
    async with countries(tmp_path, "de", "fr", worker=False, friends=False) as (de, fr):
        await _propose(de, fr, "olga")
        await _propose(fr, de, "claire")
        await fr.its.siblings.confirm(de.domain, "claire")
        yield de, fr


async def _propose(one: Running, other: Running, by: str) -> None:
    await one.its.siblings.add(other.domain, other.country, other.its.identity.fingerprint, by=by)


async def actions(de: Running) -> list[tuple[str, str, str]]:
    return [(entry.by, entry.action, entry.detail) for entry in reversed(await de.its.audit.list(50, about="")) if
            entry.action.startswith("sibling.")]


async def test_a_confirmed_sibling_that_passes_its_self_test_is_let_in(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    row, check = await de.its.admission.approve(fr.domain, "omar")
    assert row.state == "active" and check is not None and check.passed
    assert [(by, action) for by, action, _ in await actions(de)] == [
        ("olga", "sibling.proposed"), ("omar", "sibling.confirmed"), ("omar", "sibling.checked"), ("omar", "sibling.active")]
    assert "passed its self-test" in (await actions(de))[-1][2]


async def test_one_that_fails_stays_confirmed_and_the_lines_say_why(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await fr.its.siblings.revoke(de.domain, "claire", "test")
    row, check = await de.its.admission.approve(fr.domain, "omar")
    assert row.state == "confirmed" and check is not None and not check.passed
    assert {line.code for line in check.lines if line.verdict == "failed"} == {"ping-unlisted", "not-listed"}
    assert await de.count("siblings", "state = 'active'") == 0


async def test_a_passed_test_counts_for_a_day_and_for_the_key_that_was_confirmed(
        pair: tuple[Running, Running], monkeypatch: pytest.MonkeyPatch) -> None:
    de, fr = pair
    await de.its.siblings.confirm(fr.domain, "omar")
    check = await de.its.selftest.run(fr.domain, "omar")
    row = await de.its.siblings.row(fr.domain)
    assert await de.its.admission.passed(row) == check
    for column, value in (("at", "at - 90000000"), ("passed", "0")):
        before = await de.its.database.read(lambda tx: tx.row("SELECT at, passed FROM sibling_checks"))
        assert before is not None
        await de.its.database.write(lambda tx, change=f"{column} = {value}": tx.run(f"UPDATE sibling_checks SET {change}"))
        assert await de.its.admission.passed(row) is None
        await de.its.database.write(lambda tx, before=before: tx.run(
            "UPDATE sibling_checks SET at = ?, passed = ?", (before["at"], before["passed"])))
    confirmed_later = row._replace(admission=row.admission._replace(confirmed=check.at + 1))
    assert await de.its.admission.passed(confirmed_later) is None
    assert (await de.its.admission.activate(fr.domain, "omar")).check == check  # and is not repeated
    assert await de.count("sibling_checks") == 1


async def test_only_what_is_confirmed_is_activated_and_going_on_is_no_way_around_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for work in (de.its.admission.activate(fr.domain, "omar"), de.its.admission.activate_untested(fr.domain, "omar", "why"),
                 de.its.siblings.resume(fr.domain, "omar")):
        with pytest.raises(Conflict):
            await work
    await de.its.siblings.confirm(fr.domain, "omar")
    with pytest.raises(Conflict, match="not waiting for this"):
        await de.its.siblings.resume(fr.domain, "omar")
    assert (await de.its.siblings.row(fr.domain)).state == "confirmed" and await de.count("sibling_checks") == 0
    with pytest.raises(NotFound):
        await de.its.admission.activate("127.0.0.1:1", "omar")


async def test_without_a_self_test_it_takes_a_reason_and_the_audit_log_has_it(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await de.its.siblings.confirm(fr.domain, "omar")
    for reason in ("", "  "):
        with pytest.raises(InvalidInput, match="Say why"):
            await de.its.admission.activate_untested(fr.domain, "omar", reason)
    row = await de.its.admission.activate_untested(fr.domain, "omar", "its server comes up tomorrow")
    assert row.state == "active" and (await actions(de))[-1] == (
        "omar", "sibling.active", "from confirmed; approved without self-test: its server comes up tomorrow")


# The same at the command line, beside the running server.


@pytest.fixture
async def eyes(tmp_path: Path) -> AsyncIterator[tuple[Running, Running, Konsil]]:
    """Two operators in Germany, four eyes wanted; France has Germany on its list."""
    def wanted(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, four_eyes=True))

    async with countries(tmp_path, "de", "fr", worker=False, friends=False, settled=wanted) as (de, fr):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        await _propose(fr, de, "claire")
        await fr.its.siblings.confirm(de.domain, "chloe", fingerprint=de.its.identity.fingerprint)
        config = tmp_path / "de" / "config.toml"
        config.write_text(config.read_text("utf-8") + "\n[federation]\nfour_eyes = true\n", "utf-8")
        yield de, fr, Konsil(tmp_path / "de")


async def at(work: Any, *words: str, **given: Any) -> Any:
    return await asyncio.to_thread(work, *words, **given)


def given(password: str = PASSWORD) -> dict[str, Any]:
    return {"given": f"{password}\n"}


async def test_two_operators_do_the_whole_of_it_at_the_command_line(eyes: tuple[Running, Running, Konsil]) -> None:
    de, fr, konsil = eyes
    typed = ("--fingerprint", fr.its.identity.fingerprint)
    add = ("sibling", "add", fr.domain, "--country", "fr", *typed)

    async def refused(saying: str, *words: str, **given: Any) -> None:
        before = await de.count("audit")
        result = await at(konsil.run, *words, exits=1, **given)
        assert result.stdout == "" and saying in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr
        assert await de.count("audit") == before

    await refused("--as HANDLE", *add)
    assert (await at(konsil.json, *add, "--as", "olga", **given()))["proposed_by"] == "olga"
    for words in (("confirm", fr.domain, *typed), ("approve", fr.domain, *typed), ("approve", fr.domain, "--offline", *typed)):
        await refused("another operator confirms it", "sibling", *words, "--as", "olga", **given())
        await refused("--as HANDLE", "sibling", *words)
    for words in (("confirm", fr.domain), ("approve", fr.domain, "--offline"), ("approve", fr.domain)):
        await refused("Type the fingerprint", "sibling", *words, "--as", "omar", **given())
        await refused("not the pinned one", "sibling", *words, "--fingerprint", "ab" * 32, "--as", "omar", **given())
    confirmed = await at(konsil.json, "sibling", "confirm", fr.domain, *typed, "--as", "omar", **given())
    assert (confirmed["state"], confirmed["confirmed_by"]) == ("confirmed", "omar")
    check = await at(konsil.json, "sibling", "check", fr.domain, "--as", "omar", **given())
    assert check["passed"] and check["by"] == "omar" and len(check["lines"]) == 10
    assert set(check["lines"][0]) == {"name", "verdict", "code", "values", "seen", "todo"}
    active = await at(konsil.json, "sibling", "activate", fr.domain, "--as", "olga", **given())
    assert active["state"] == "active" and await de.count("sibling_checks") == 1
    for words in (("pause", fr.domain, "--reason", "x"), ("resume", fr.domain), ("revoke", fr.domain, "--yes", "--reason", "x")):
        await at(konsil.run, "sibling", *words, "--as", "omar", **given())
    assert [by for by, _, _ in (await actions(de))[-3:]] == ["omar"] * 3


async def test_who_is_no_operator_or_does_not_know_her_password_does_nothing(eyes: tuple[Running, Running, Konsil]) -> None:
    de, fr, konsil = eyes
    words = ("sibling", "add", fr.domain, "--country", "fr", "--fingerprint", fr.its.identity.fingerprint, "--as")

    async def refused(handle: str, password: str, saying: str) -> None:
        result = await at(konsil.run, *words, handle, exits=1, **given(password))
        assert result.stdout == "" and saying in result.stderr and len(result.stderr.splitlines()) == 1
        assert await de.count("siblings") == 0

    await refused("olga", "wrong", "do not belong together")
    await refused("nobody", PASSWORD, "do not belong together")
    await refused("ada", PASSWORD, "ada is no operator.")
    for _ in range(de.its.settings.accounts.login_attempts):
        await refused("omar", "guess", "")
    await refused("omar", PASSWORD, "Too many attempts")


async def test_a_failed_test_leaves_it_confirmed_prints_its_lines_and_exits_with_1(
        pair: tuple[Running, Running], tmp_path: Path) -> None:
    de, fr = pair
    konsil = Konsil(tmp_path / "de")
    await fr.its.siblings.revoke(de.domain, "claire", "test")
    result = await at(konsil.run, "sibling", "approve", fr.domain, exits=1)
    assert "Ask its operator to propose us there" in result.stdout and "failed   We are on its list" in result.stdout
    assert result.stderr == f"{fr.domain} stays confirmed.\n"
    check = json.loads((await at(konsil.run, "sibling", "check", fr.domain, "--json", exits=1)).stdout)
    assert not check["passed"] and check["lines"][-1]["name"] == "listed"
    assert (await at(konsil.json, "sibling", "show", fr.domain))["state"] == "confirmed"
    assert (await at(konsil.json, "sibling", "approve", fr.domain, "--offline"))["state"] == "active"
    assert "approved without self-test" in (await actions(de))[-1][2]
