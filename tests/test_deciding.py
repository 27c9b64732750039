"""Deciding without a browser: `konsil application`, and ending and resuming with `konsil doctor`."""

from __future__ import annotations

import asyncio

import pytest

from core.settings import load
from instance.assembly import assemble
from tests.applicants import applied_at
from tests.servers import PASSWORD
from tests.test_cli import Konsil, de

__all__ = ["de"]
SEEN = ("--method", "register", "--evidence", "card", "--register-text", "MÜLLER, Clara")

pytestmark = pytest.mark.usefixtures("logs_restored")


def applied(de: Konsil) -> str:
    async def work() -> str:
        async with assemble(load(de.place / "config.toml")) as its:
            return await applied_at(its)

    return asyncio.run(work())


@pytest.fixture
def peopled(de: Konsil) -> Konsil:
    """An instance with two operators and a doctor."""
    for handle in ("olga", "omar"):
        de.run("operator", "add", handle, "--name", handle.title(), "--password-stdin", given=PASSWORD)
    de.run("doctor", "add", "ada", "--name", "Dr Ada", "--method", "register", "--evidence", "seen")
    return de


def test_an_application_is_verified_asked_about_and_rejected(peopled: Konsil) -> None:
    de, reference = peopled, applied(peopled)
    planned = de.json("application", "verify", reference, *SEEN, "--until", "2099-12-31", "--dry-run")
    assert (planned["state"], planned["handle"], planned["until"]) == ("submitted", "clara.mueller", "2099-12-31T22:59:59Z")
    assert de.rows("SELECT count(*) FROM accounts") == [(3,)]
    done = de.json("application", "verify", reference, *SEEN, "--as", "olga", given=PASSWORD)
    assert done["state"] == "accepted" and done["handle"] == "clara.mueller"
    assert de.rows("SELECT by, register_text FROM verifications WHERE application_id IS NOT NULL") == [("olga", "MÜLLER, Clara")]
    other = applied(de)
    assert de.json("application", "ask", other, "--for", "diploma", "--note", "Both sides.")["state"] == "asked"
    assert de.json("application", "reject", other, "--reason", "unanswered", "--dry-run")["state"] == "asked"
    de.run("application", "reject", other, "--reason", "unanswered", given="n\n", exits=1)
    assert de.json("application", "reject", other, "--reason", "unanswered", "--yes")["state"] == "rejected"
    de.refuses("application", "verify", other, *SEEN, saying="nothing is to be decided")
    de.refuses("application", "ask", "NOBODY", "--for", "diploma", saying="There is no application")
    de.refuses("application", "confirm", other, saying="takes two operators")
    third = applied(de)
    de.refuses("application", "verify", third, *SEEN, "--until", "soon", saying="not a day")
    de.refuses("application", "ask", third, saying="Choose what is missing")


def test_a_doctor_is_suspended_resumed_and_her_verification_withdrawn(peopled: Konsil) -> None:
    de = peopled
    would = de.json("doctor", "withdraw", "ada", "--reason", "struck off", "--dry-run")
    assert (would["state"], would["posts"], would["polls"], would["countries"]) == ("verified", 0, 0, 0)
    assert "Nothing was changed" in de.run("doctor", "suspend", "ada", "--reason", "x", "--dry-run").stdout
    assert de.json("doctor", "suspend", "ada", "--reason", "asked to")["state"] == "suspended"
    assert de.json("doctor", "resume", "ada")["state"] == "verified"
    de.run("doctor", "withdraw", "ada", "--reason", "x", given="n\n", exits=1)
    done = de.json("doctor", "withdraw", "ada", "--reason", "struck off", "--yes", "--as", "omar", given=PASSWORD)
    assert done["state"] == "withdrawn"
    assert de.rows("SELECT by, reason FROM verifications WHERE what = 'withdrawn'") == [("omar", "struck off")]
    de.refuses("doctor", "resume", "ada", saying="withdrawn")
    assert de.json("doctor", "approve", "ada", "--method", "card", "--evidence", "seen")["state"] == "verified"
    assert de.rows("SELECT verified_how FROM actors WHERE handle = 'ada'") == [("card",)]


def test_an_operator_who_is_a_doctor_here_is_noted(peopled: Konsil) -> None:
    de = peopled
    assert de.json("operator", "link", "olga", "--doctor", "ada") == {"handle": "olga", "doctor": "ada"}
    assert de.rows("SELECT handle FROM accounts WHERE doctor_id IS NOT NULL") == [("olga",)]
    de.run("operator", "link", "olga", "--doctor", "")
    de.run("operator", "add", "otto", "--name", "Otto", "--doctor", "ada")
    assert de.rows("SELECT handle FROM accounts WHERE doctor_id IS NOT NULL") == [("otto",)]
    de.refuses("operator", "link", "olga", "--doctor", "nobody", saying="There is no doctor")
    de.refuses("operator", "link", "ada", "--doctor", "ada", saying="There is no operator")
