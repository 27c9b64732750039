"""Operators' commands: what they do, what they print for programs, and one sentence when they refuse."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pyotp
import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from mnemonic import Mnemonic

from actors.mailboxes import Rhythm
from actors.mails import MailState
from core.settings import load
from core.vault import verify_password
from federation import descriptor
from federation.documents import parse
from federation.signatures.keys import fingerprint_words
from federation.vouchers import vouch
from instance.assembly import assemble
from instance.cli import main
from tests.scripted import scripted

_ROOT = Path(__file__).parent.parent
_FR = "127.0.0.1:8198"
_WORDS = Mnemonic("english").wordlist
_WRONG = "ab" * 32


pytestmark = pytest.mark.usefixtures("logs_restored")


class Konsil:
    """The program, run on one instance."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def run(self, *words: str, given: str | None = None, exits: int = 0, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(main, ["--config", str(self.place / "config.toml"), *words], input=given, env=env)
        assert result.exit_code == exits, (result.stdout, result.stderr, result.exception)
        return result

    def json(self, *words: str, given: str | None = None) -> Any:
        result = self.run(*words, "--json", given=given)
        assert result.stderr == ""
        return json.loads(result.stdout)

    def refuses(self, *words: str, saying: str, given: str | None = None) -> None:
        """One sentence on standard error, nothing on standard output, exit code 1, and no change."""
        before = self.content()
        result = self.run(*words, given=given, exits=1)
        assert result.stdout == "" and re.search(saying, result.stderr), result.stderr
        assert len(result.stderr.splitlines()) == 1 and "Traceback" not in result.stderr
        assert self.content() == before

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.place / "konsil.db")) as database:
            return database.execute(sql).fetchall()

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything the database holds."""
        return {table: self.rows(f"SELECT * FROM {table}") for table, in self.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")}


@pytest.fixture
def de(place: Path) -> Konsil:
    return Konsil(place)


@pytest.fixture(scope="module")
def fr(tmp_path_factory: pytest.TempPathFactory) -> Konsil:
    """The other country, made by the program itself; it has exported its descriptor."""
    made = Konsil(tmp_path_factory.mktemp("fr"))
    CliRunner().invoke(main, ["init", str(made.place), "--country", "fr", "--domain", "127.0.0.1", "--port", "8198"])
    made.run("identity", "--export", str(made.place / "fr.json"))
    return made


def add(fr: Konsil, *, of: str = _FR, country: str = "fr", fingerprint: str | None = None) -> list[str]:
    """The words that add the other country."""
    return ["sibling", "add", of, "--country", country, "--fingerprint",
            fingerprint or fr.json("identity")["fingerprint"], "--file", str(fr.place / "fr.json")]


def documented(command: str) -> set[str]:
    """The keys that docs/operating/commands.md names for a command."""
    text = (_ROOT / "docs" / "operating" / "commands.md").read_text("utf-8")
    found = re.search(rf"^\| `konsil {command}` \|[^|]*\| (.*) \|$", text, re.MULTILINE)
    assert found is not None, command
    keys = found[1].removeprefix("*list*").lstrip(":, ")
    shown = re.fullmatch(r"as `(\w+ show)`", keys)
    return documented(shown[1]) if shown else set(keys.split(", "))


def commands(group: click.Group = main, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


def test_every_command_that_answers_prints_json_when_asked() -> None:
    for words, command in commands():
        takes = any("--json" in option.opts for option in command.params)
        assert takes or words in {("serve",), ("worker",), ("demo",)}, words
    assert {words for words, _ in commands()} >= {
        ("init",), ("identity",), ("migrate",), ("doctor", "add"), ("doctor", "list"), ("operator", "add"), ("refusals", "list"),
        *(("sibling", name) for name in ("activate", "add", "approve", "check", "confirm", "list", "show", "pause", "resume",
                                         "revoke"))}


def test_init_makes_an_instance_once(tmp_path: Path) -> None:
    words = ["init", str(tmp_path / "at"), "--country", "AT", "--domain", "at.example", "--name", "Wien", "--json"]
    result = CliRunner().invoke(main, words)
    made = json.loads(result.stdout)
    assert set(made) == documented("init")
    assert (made["url"], made["country"], made["name"]) == ("https://at.example", "at", "Wien")
    at = Konsil(tmp_path / "at")
    assert at.json("identity")["actor"] == "https://at.example/actor"
    assert {(at.place / name).stat().st_mode & 0o777 for name in ("secret.key", "konsil.db")} == {0o600}
    before = {path: path.read_bytes() for path in at.place.iterdir()}
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1 and "holds an instance already" in again.stderr and again.stdout == ""
    assert {path: path.read_bytes() for path in at.place.iterdir()} == before


def test_init_hints_once_at_who_runs_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path / "at"), "--country", "at", "--domain", "at.example"])
    assert result.exit_code == 0 and result.stdout.count("[imprint]") == 1 and len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(("words", "code"), [
    (("--country", "xx", "--domain", "xx.example"), 1), (("--country", "de", "--domain", "http://de.example"), 1),
    (("--country", "de", "--domain", "10.0.0.1"), 1), (("--country", "de", "--domain", "de.example:8443"), 1),
    (("--country", "de", "--domain", ""), 1), (("--country", "de"), 2), (("--domain", "de.example"), 2),
    (("--country", "de", "--domain", "de.example", "--port", "0"), 2)])
def test_init_refuses_what_cannot_be_an_instance_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path / "new"), *words])
    assert result.exit_code == code and result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()


def test_identity_is_shown_and_exported_signed(fr: Konsil) -> None:
    shown = fr.json("identity")
    assert set(shown) == documented("identity") and shown["domain"] == _FR
    assert shown["words"] == fingerprint_words(shown["fingerprint"])
    text = fr.run("identity").stdout
    assert shown["document_key"].startswith("z6Mk") and shown["document_key"] in text
    assert shown["words"] in text and shown["fingerprint"] in text.replace(" ", "")
    read = descriptor.read(parse((fr.place / "fr.json").read_bytes()))
    assert (read.fingerprint, read.actor, read.country) == (shown["fingerprint"], shown["actor"], "fr")
    assert read.document_key == shown["document_key"]
    fr.refuses("identity", "--export", str(fr.place / "no" / "where.json"), saying="No such file")


def test_a_sibling_goes_from_proposed_to_revoked_and_each_step_is_audited(de: Konsil, fr: Konsil) -> None:
    steps = [(add(fr), "proposed"), (["sibling", "approve", _FR, "--offline"], "active"),
             (["sibling", "pause", _FR, "--reason", "maintenance"], "paused"), (["sibling", "resume", _FR], "active"),
             (["sibling", "revoke", _FR, "--yes", "--reason", "left"], "revoked")]
    for words, state in steps:
        shown = de.json(*words)
        assert set(shown) == documented(" ".join(words[:2])) and (shown["domain"], shown["state"]) == (_FR, state)
        assert de.json("sibling", "show", _FR) == shown and de.json("sibling", "list") == [shown]
        assert state in de.run("sibling", "list").stdout and state in de.run("sibling", "show", _FR).stdout
    assert shown["reason"] == "left"
    assert [row[0] for row in de.rows("SELECT action FROM audit ORDER BY seq")] == [
        "sibling.proposed", "sibling.confirmed", "sibling.active", "sibling.paused", "sibling.active", "sibling.revoked"]
    assert all(row[0].startswith("cli:") for row in de.rows("SELECT by FROM audit"))
    de.refuses("sibling", "resume", _FR, saying="revoked.* cannot become .*active")
    de.refuses("sibling", "show", "it.example", saying="There is no sibling")
    de.refuses("sibling", "approve", "it.example", saying="There is no sibling")
    de.refuses("sibling", "pause", "https://it.example/", saying="cannot be used")


def test_a_sibling_is_added_only_with_the_fingerprint_of_its_key(de: Konsil, fr: Konsil, tmp_path: Path) -> None:
    right = fr.json("identity")["fingerprint"]
    *words, last = fingerprint_words(right).split()
    mistyped = _WORDS[_WORDS.index(last) ^ 1]  # of the same number, so that its check digits are wrong whatever the key
    for typed, saying in ((_WRONG, "not the fingerprint of this key"), (right[:-1], "64 hexadecimal digits or 24 words"),
                          ("zz" * 32, "64 hexadecimal"), (" ".join([*words, mistyped]), "word of the fingerprint"),
                          ("", "64 hexadecimal")):
        command = add(fr)
        command[command.index("--fingerprint") + 1] = typed
        de.refuses(*command, saying=saying)
    assert de.json("sibling", "list") == []
    assert de.json(*add(fr, fingerprint=fingerprint_words(right).upper()))["fingerprint"] == right
    de.refuses(*add(fr), saying="on the list already.*proposed")


def test_a_fingerprint_may_be_typed_in_groups(de: Konsil, fr: Konsil) -> None:
    right = fr.json("identity")["fingerprint"]
    grouped = " ".join(right[start:start + 4].upper() for start in range(0, 64, 4))
    assert de.json(*add(fr, fingerprint=grouped))["fingerprint"] == right


def test_a_descriptor_that_says_something_else_is_refused(de: Konsil, fr: Konsil, tmp_path: Path) -> None:
    de.refuses(*add(fr, country="it"), saying="says it is FR, not IT")
    de.refuses(*add(fr, of="it.example"), saying="not of https://it.example")
    own = de.json("identity")
    de.refuses(*add(fr, of=own["domain"]), saying="its own sibling")
    changed = json.loads((fr.place / "fr.json").read_text())
    for name, value in (("country", "it"), ("inbox", f"http://{_FR}/elsewhere"), ("inbox", "https://evil.example/inbox")):
        forged = tmp_path / "forged.json"
        forged.write_text(json.dumps(changed | {"descriptor": changed["descriptor"] | {name: value}}))
        de.refuses(*add(fr)[:-1], str(forged), saying="changed after it was signed")
    for text in ("", "[]", "{}", '{"descriptor": {}, "signature": ""}', "\ufeff{}"):
        forged.write_text(text)
        de.refuses(*add(fr)[:-1], str(forged), saying="cannot be read|not a descriptor")
    assert de.run(*add(fr)[:-1], str(tmp_path / "missing.json"), exits=2).stdout == ""


async def test_without_a_file_the_key_comes_from_the_domain_and_is_compared_too(de: Konsil, fr: Konsil, place: Path) -> None:
    async with scripted() as other, assemble(load(fr.place / "config.toml", {})) as its:
        document = json.loads(json.dumps(its.identity.document()).replace(its.identity.origin, other.origin))
        documents = its.identity.documents.multibase
        voucher = vouch(its.identity.key, document["publicKey"]["id"], document["id"], documents)
        text = json.dumps(document | {"country": "fr", "voucher": voucher.document()}).encode()
        other.script = lambda _: web.Response(body=text, content_type="application/activity+json")
        words = ["sibling", "add", other.domain, "--country", "fr", "--fingerprint"]
        await asyncio.to_thread(de.refuses, *words, _WRONG, saying="Nothing was added")
        shown = await asyncio.to_thread(de.json, *words, its.identity.fingerprint)
        assert (shown["state"], shown["fingerprint"]) == ("proposed", its.identity.fingerprint)
        assert shown["document_key"] == documents
        assert [one.target for one in other.received] == ["/actor", "/actor"]
    await asyncio.to_thread(de.refuses, "sibling", "add", "127.0.0.1:1", "--country", "fr", "--fingerprint", _WRONG,
                            saying="could not be reached")


def test_revoking_asks_and_a_dry_run_changes_nothing(de: Konsil, fr: Konsil) -> None:
    de.run(*add(fr))
    de.run("sibling", "approve", _FR, "--offline")
    before = de.content()
    for given in ("n\n", "\n", ""):
        result = de.run("sibling", "revoke", _FR, given=given, exits=1)
        assert result.stdout.strip() == "" and "Revoke" in result.stderr and de.content() == before
    assert "active" in de.run("sibling", "revoke", _FR, "--dry-run", "--yes").stdout
    assert de.json("sibling", "revoke", _FR, "--dry-run")["state"] == "active"
    assert de.content() == before
    assert "revoked" in de.run("sibling", "revoke", _FR, given="y\n").stdout
    assert de.json("sibling", "show", _FR)["state"] == "revoked"


def _works(de: Konsil, handle: str, password: str) -> bool:
    (hashed,), = de.rows(f"SELECT password_hash FROM accounts WHERE handle = '{handle}'")
    return verify_password(hashed, password)


def test_doctors_are_added_and_a_password_made_here_is_shown_once(de: Konsil) -> None:
    made = de.json("doctor", "add", "anna", "--name", "Dr Anna", "--specialty", "cardiology", "--specialty", "neurology",
                   "--method", "register", "--evidence", "seen")
    assert set(made) == documented("doctor add") and made["state"] == "verified" and _works(de, "anna", made["password"])
    given = de.json("doctor", "add", "ben", "--name", "Ben", "--role", "student", "--password-stdin", given="battery staple\n")
    assert set(given) == documented("doctor add") - {"password"} and given["state"] == "applicant"
    assert _works(de, "ben", "battery staple")
    result = de.run("doctor", "add", "cleo", "--name", "Cleo")
    assert result.stdout == "@cleo@127.0.0.1:8199 was added as an applicant.\n"
    assert _works(de, "cleo", result.stderr.removeprefix("password: ").strip()) and "password" not in result.stdout
    rows = de.json("doctor", "list")
    assert [(row["handle"], row["role"], row["state"], row["specialties"]) for row in rows] == [
        ("anna", "doctor", "verified", "cardiology,neurology"), ("ben", "student", "applicant", ""),
        ("cleo", "doctor", "applicant", "")]
    assert all(set(row) == documented("doctor list") for row in rows) and "anna" in de.run("doctor", "list").stdout
    assert "password" not in json.dumps(rows)


def test_a_doctor_who_cannot_be_added_is_not(de: Konsil) -> None:
    de.run("doctor", "add", "anna", "--name", "Dr Anna")
    for words, saying in ((("anna", "--name", "A"), "anna is taken"), (("Anna B", "--name", "A"), "lower-case"),
                          (("b", "--name", " "), "name"), (("b", "--name", "B", "--specialty", "magic"), "no specialty magic"),
                          (("b", "--name", "B", "--method", "register"), "both its method and its evidence")):
        de.refuses("doctor", "add", *words, saying=saying)
        de.refuses("doctor", "add", *words, "--json", saying=saying)
    de.refuses("doctor", "add", "b", "--name", "B", "--password-stdin", given="short\n", saying="at least 10")
    de.run("doctor", "add", "b", "--name", "B", "--role", "wizard", exits=2)
    de.run("doctor", "add", "b", exits=2)


def test_an_applicant_is_verified_suspended_and_goes_on(de: Konsil) -> None:
    de.run("doctor", "add", "anna", "--name", "Dr Anna")
    de.run("doctor", "approve", "anna", exits=2)
    de.refuses("doctor", "suspend", "anna", "--reason", "why", saying="anna is .applicant")
    for words, state in ((("approve", "anna", "--method", "diploma", "--evidence", "seen"), "verified"),
                         (("suspend", "anna", "--reason", "left the register"), "suspended"), (("resume", "anna"), "verified")):
        row = de.json("doctor", *words)
        assert row["state"] == state and set(row) == documented(f"doctor {words[0]}") and row == de.json("doctor", "show", "anna")
    de.run("doctor", "add", "ben", "--name", "Ben")
    assert de.json("doctor", "reject", "ben", "--reason", "a forged card")["state"] == "rejected"
    for words in (("show", "nobody"), ("approve", "nobody", "--method", "m", "--evidence", "e"), ("resume", "nobody")):
        de.refuses("doctor", *words, saying="nobody")
    actions = [action for action, target in de.rows("SELECT action, target FROM audit ORDER BY seq") if target == "anna"]
    assert actions == ["doctor.applicant", "doctor.verified", "doctor.suspended", "doctor.verified"]


def test_operators_are_added(de: Konsil) -> None:
    made = de.json("operator", "add", "olga", "--name", "Olga")
    assert set(made) == documented("operator add") and _works(de, "olga", made["password"])
    assert de.json("operator", "add", "omar", "--name", "Omar", "--password-stdin", given="battery staple\n") == {
        "handle": "omar", "name": "Omar"}
    assert de.json("doctor", "list") == []
    de.refuses("operator", "add", "olga", "--name", "O", saying="olga is taken")
    assert [row[:2] for row in de.rows("SELECT action, target FROM audit ORDER BY seq")] == [
        ("operator.added", "olga"), ("operator.added", "omar")]


def test_an_operator_gets_her_second_factor_with_her_password_and_shows_it_at_the_command_line(de: Konsil) -> None:
    made = de.json("operator", "add", "olga", "--name", "Olga", "--second-factor")
    assert set(made) == documented("operator add") | {"second_factor"}
    lines = f"{made['password']}\n{pyotp.TOTP(made['second_factor']).now()}\n"
    for given in (f"{made['password']}\n", f"{made['password']}\n000000\n"):
        assert "code does not count" in de.run("keys", "rotate", "--as", "olga", given=given, exits=1).stderr
    assert de.rows("SELECT action FROM audit WHERE action LIKE 'key.%'") == []
    de.run("keys", "rotate", "--as", "olga", given=lines)
    assert "code does not count" in de.run("keys", "cancel", "--yes", "--as", "olga", given=lines, exits=1).stderr
    assert de.rows("SELECT DISTINCT by FROM audit WHERE action LIKE 'key.%'") == [("olga",)]
    shown = de.run("operator", "add", "omar", "--name", "Omar", "--second-factor")
    assert "key of the app: " in shown.stderr and "key" not in shown.stdout


def test_operators_help_who_has_lost_password_or_factor(de: Konsil) -> None:
    de.json("doctor", "add", "anna", "--name", "Dr Anna", "--method", "register", "--evidence", "seen")
    de.json("operator", "add", "olga", "--name", "Olga", "--second-factor")
    for kind, handle in (("doctor", "anna"), ("operator", "olga")):
        made = de.json(kind, "password", handle)
        assert set(made) == documented(f"{kind} password") and _works(de, handle, made["password"])
        de.run(kind, "password", handle, "--password-stdin", given="several words of hers\n")
        assert _works(de, handle, "several words of hers")
        de.refuses(kind, "password", handle, "--password-stdin", given="password1234\n", saying="tried first")
        de.refuses(kind, "password", "nobody", saying="nobody")
    before = de.content()
    held = de.json("operator", "reset-factor", "olga", "--dry-run")
    assert held == {"handle": "olga", "codes": True, "passkeys": 0, "recovery_codes": 0} and de.content() == before
    assert set(held) == documented("operator reset-factor") == documented("doctor reset-factor")
    de.run("operator", "reset-factor", "olga", given="n\n", exits=1)
    assert de.content() == before
    assert de.json("operator", "reset-factor", "olga", "--yes") == held and de.rows("SELECT * FROM code_keys") == []
    assert de.json("doctor", "reset-factor", "anna", "--yes")["codes"] is False
    de.refuses("doctor", "reset-factor", "olga", "--yes", saying="olga")
    assert [row[0] for row in de.rows("SELECT detail FROM audit WHERE target = 'olga' ORDER BY seq")] == [
        "", "codes-on", "password-given", "password-given", "factors-reset"]


async def test_refusals_are_listed_newest_first(de: Konsil, place: Path) -> None:
    assert await asyncio.to_thread(de.json, "refusals", "list") == []
    async with assemble(load(place / "config.toml", {})) as its:
        for origin in ("https://a.example", "https://b.example", "https://b.example"):
            its.refusals.record(direction="in", origin=origin, purpose="inbox", reason="unlisted", path="/inbox")
    rows = await asyncio.to_thread(de.json, "refusals", "list")
    assert [(row["origin"], row["count"], row["reason"]) for row in rows] == [
        ("https://b.example", 2, "unlisted"), ("https://a.example", 1, "unlisted")]
    assert all(set(row) == documented("refusals list") for row in rows)
    assert len(await asyncio.to_thread(de.json, "refusals", "list", "--limit", "1")) == 1
    await asyncio.to_thread(lambda: de.run("refusals", "list", "--limit", "0", exits=2))
    assert "not on the allowlist" in (await asyncio.to_thread(de.run, "refusals", "list")).stdout


async def test_mail_on_its_way_is_listed_with_its_reason_and_without_an_address(de: Konsil, place: Path) -> None:
    assert await asyncio.to_thread(de.json, "mail", "list") == []
    await asyncio.to_thread(de.json, "doctor", "add", "anna", "--name", "Dr Anna", "--method", "register", "--evidence", "seen")
    async with assemble(load(place / "config.toml", {})) as its:
        anna = await its.accounts.by_handle("anna")
        assert anna is not None
        for address in ("anna@klinik.example", "anna@praxis.example", "anna@home.example"):
            await its.mailboxes.change(anna, address, Rhythm.DAILY)
            [mail] = await its.post_office.due(10)
            if "home" not in address:
                parked = (MailState.PARKED, "The mail server refused the address.")
                await its.post_office.never(mail, *(
                    parked if "klinik" in address else (MailState.DROPPED, "It was not wanted any more.")))
    rows = await asyncio.to_thread(de.json, "mail", "list")
    assert [(row["doctor"], row["kind"], row["state"], row["reason"], row["next_try"] is None) for row in rows] == [
        ("anna", "confirmation", "pending", "", True),
        ("anna", "confirmation", "parked", "The mail server refused the address.", True)]
    assert all(set(row) == documented("mail list") for row in rows) and "@" not in json.dumps(rows)
    assert len(await asyncio.to_thread(de.json, "mail", "list", "--all")) == 3
    assert "refused the address" in (await asyncio.to_thread(de.run, "mail", "list")).stdout
    assert len(await asyncio.to_thread(de.json, "mail", "list", "--limit", "1")) == 1


def test_migrate_says_what_is_pending_and_then_does_it(de: Konsil) -> None:
    assert de.json("migrate") == {"applied": []} and de.json("migrate", "--check") == {"pending": []}
    assert de.run("migrate", "--check").stdout == "Nothing is pending.\n"
    (de.place / "konsil.db").unlink()
    check = de.run("migrate", "--check", "--json", exits=1)
    assert set(json.loads(check.stdout)) == documented("migrate --check") and check.stderr == ""
    assert de.run("migrate", "--check", exits=1).stdout.startswith("0001_")
    applied = de.json("migrate")
    assert set(applied) == documented("migrate") and applied["applied"] == json.loads(check.stdout)["pending"]
    with closing(sqlite3.connect(de.place / "konsil.db")) as database, database:
        database.execute("UPDATE migrations SET digest = 'x' WHERE number = 1")
    de.refuses("migrate", saying=r"0001_\w+\.sql was changed")
    de.refuses("migrate", "--check", saying=r"0001_\w+\.sql was changed")


def test_what_is_wrong_with_the_settings_is_named(de: Konsil, tmp_path: Path) -> None:
    config = de.place / "config.toml"
    elsewhere = {"KONSIL_INSTANCE__URL": "https://elsewhere.example", "KONSIL_INSTANCE__DOMAIN": "elsewhere.example"}
    assert de.run("doctor", "list", env=elsewhere).stdout == ""
    shown = de.run("identity", "--json", env=elsewhere)
    assert json.loads(shown.stdout)["actor"] == "https://elsewhere.example/actor"  # the environment wins
    for name in ("KONSIL_SERVER__PROT", "KONSIL_SEVER__PORT"):
        result = de.run("identity", env={name: "1"}, exits=1)
        assert name in result.stderr and result.stdout == "" and len(result.stderr.splitlines()) == 1
    text = config.read_text()
    config.write_text(text + "prot = 3\n")
    de.refuses("identity", saying="prot")
    config.write_text(text)
    chosen = CliRunner().invoke(main, ["identity", "--json"], env={"KONSIL_CONFIG": str(config)})
    assert json.loads(chosen.stdout)["domain"] == "127.0.0.1:8199"
    nowhere = CliRunner().invoke(main, ["--config", str(tmp_path / "none.toml"), "identity"])
    assert nowhere.exit_code == 1 and "none.toml" in nowhere.stderr and len(nowhere.stderr.splitlines()) == 1


def test_a_missing_key_is_one_sentence_and_a_traceback_only_when_asked(de: Konsil) -> None:
    (de.place / "secret.key").unlink()
    result = de.run("identity", exits=1)
    assert "secret.key" in result.stderr and len(result.stderr.splitlines()) == 1 and result.stdout == ""
    debugged = CliRunner().invoke(main, ["--debug", "--config", str(de.place / "config.toml"), "identity"])
    assert debugged.exit_code == 1 and debugged.exception is not None and not isinstance(debugged.exception, SystemExit)


@pytest.mark.parametrize("words", [("nonsense",), ("sibling", "nonsense"), ("sibling", "add"), ("sibling", "show"),
                                   ("sibling", "revoke", "--sure", _FR), ("identity", "--export"), ("doctor", "add", "a")])
def test_wrong_usage_is_told_apart_from_an_error(de: Konsil, words: tuple[str, ...]) -> None:
    before = de.content()
    result = de.run(*words, exits=2)
    assert result.stdout == "" and "Error: " in result.stderr and "Traceback" not in result.stderr
    assert de.content() == before


def test_both_names_of_the_program_behave_the_same(de: Konsil) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KONSIL_", "PYTHON"))}
    for program in ([str(Path(sys.executable).parent / "konsil")], [sys.executable, "-m", "instance"]):
        right, wrong = (subprocess.run([*program, "--config", str(de.place / name), "identity", "--json"], cwd=_ROOT,
                                       env=environ, capture_output=True, text=True) for name in ("config.toml", "no.toml"))
        assert (right.returncode, right.stderr) == (0, "") and set(json.loads(right.stdout)) == documented("identity")
        assert (wrong.returncode, wrong.stdout) == (1, "") and len(wrong.stderr.splitlines()) == 1


def _befriend(de: Konsil, fr: Konsil) -> None:
    de.run(*add(fr))
    de.run("sibling", "approve", _FR, "--offline")


def test_pausing_and_revoking_say_first_what_they_concern(de: Konsil, fr: Konsil) -> None:
    _befriend(de, fr)
    for act in ("pause", "revoke"):
        found = json.loads(de.run("sibling", act, _FR, "--dry-run", "--json").stdout)
        assert found == {"domain": _FR, "state": "active", "accounts": 0, "posts": 0, "shared": 0, "following": 0, "followers": 0,
                         "threads": 0, "consults": 0, "queued": 0, "undeleted": 0,
                         "unconfirmable": 0}
        assert "Nothing was changed." in de.run("sibling", act, _FR, "--dry-run").stdout
    assert de.json("sibling", "show", _FR)["state"] == "active"


def test_an_order_to_erase_that_nobody_takes_does_not_keep_a_sibling(de: Konsil, fr: Konsil) -> None:
    _befriend(de, fr)
    result = de.run("sibling", "revoke", _FR, "--erase", "--yes", "--reason", "left", "--json")
    assert json.loads(result.stdout)["state"] == "revoked"
    assert "could not be handed over and can no longer be confirmed. It could not be reached" in result.stderr


def test_what_left_is_printed_as_a_table_csv_and_json_and_each_is_audited(de: Konsil, fr: Konsil) -> None:
    _befriend(de, fr)
    assert de.run("disclosures", _FR).stdout == ""
    assert json.loads(de.run("disclosures", _FR, "--json", "--from", "2026-01-01").stdout) == []
    assert de.run("disclosures", _FR, "--csv").stdout.strip() == "when,kind,uri,way,acknowledged,times"
    assert "Write a day as" in de.run("disclosures", _FR, "--from", "soon", exits=1).stderr
    assert "Choose one" in de.run("disclosures", _FR, "--csv", "--json", exits=1).stderr
    assert [line["action"] for line in de.json("audit", "list")].count("disclosures.exported") == 3


def test_a_doctor_takes_her_archive_and_is_deleted_once_somebody_is_sure(de: Konsil, tmp_path: Path) -> None:
    de.run("doctor", "add", "ada", "--name", "Dr Ada", "--method", "register", "--evidence", "seen", "--password-stdin",
           given="correct horse battery\n")
    made = de.json("doctor", "export", "ada", str(tmp_path))
    assert set(made) == documented("doctor export")
    with zipfile.ZipFile(made["file"]) as box:
        assert "outbox.json" in box.namelist() and Path(made["file"]).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    de.refuses("doctor", "export", "ada", str(tmp_path), saying="File exists")
    de.refuses("doctor", "export", "nobody", str(tmp_path), saying="There is no doctor nobody")
    before = de.content()
    ahead = de.json("doctor", "delete", "ada", "--dry-run")
    assert set(ahead) == documented("doctor delete") and ahead["done"] is None and de.content() == before
    de.run("doctor", "delete", "ada", given="n\n", exits=1)
    assert de.content() == before
    assert de.json("doctor", "delete", "ada", "--yes")["done"] is not None
    assert de.rows("SELECT name, state FROM accounts") == [("", "departed")] and de.rows("SELECT name FROM actors") == [("",)]
    de.refuses("doctor", "delete", "ada", "--yes", saying="There is no doctor ada")
    de.refuses("doctor", "add", "ada", "--name", "Other", "--password-stdin", given="correct horse battery\n", saying="is taken")
