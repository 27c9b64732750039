"""What a self-test has found, line by line: kept as codes with values, said as what was seen and what to do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from core.database import Database, Row, Tx
from core.errors import NotFound
from core.words import N_, Phrase, Sentence

KEPT = 50
_VALUE_LENGTH = 200


class Subject(StrEnum):
    """What a line is about, in the order in which it is tried."""

    DNS = "dns"
    TLS = "tls"
    CLOCK = "clock"
    ACTOR = "actor"
    UNSIGNED = "unsigned-refused"
    WRONG_KEY = "wrong-key-refused"
    WRONG_TYPE = "wrong-type-refused"
    PING_OUT = "ping-out"
    PING_BACK = "ping-back"
    LISTED = "listed"


TITLES = {
    Subject.DNS: N_("Its name"),
    Subject.TLS: N_("Its certificate"),
    Subject.CLOCK: N_("Its clock"),
    Subject.ACTOR: N_("Its key"),
    Subject.UNSIGNED: N_("It refuses who does not sign"),
    Subject.WRONG_KEY: N_("It refuses a wrong key"),
    Subject.WRONG_TYPE: N_("It refuses a wrong content type"),
    Subject.PING_OUT: N_("Our ping reaches it"),
    Subject.PING_BACK: N_("Its ping reaches us"),
    Subject.LISTED: N_("We are on its list"),
}


class Verdict(StrEnum):
    OK = N_("ok")
    WARN = N_("warn")
    FAILED = N_("failed")
    SKIPPED = N_("skipped")


NOTHING = N_("Nothing has to be done.")
_HOLE = N_("Do not activate it. Tell its operator: whoever is not a sibling may be able to read or write there.")

SENTENCES: dict[str, tuple[Phrase, Phrase]] = {
    "addresses": (N_("Its name leads to %(addresses)s."), NOTHING),
    "no-address": (N_("Its name leads nowhere: %(detail)s"),
                   N_("Ask its operator whether the DNS entry is right, and look whether this machine can reach its resolver.")),
    "special-address": (N_("Its name leads to an address that is never contacted from here."),
                        N_("Ask its operator to correct the DNS entry: private and reserved addresses cannot be siblings.")),
    "on-loopback": (N_("None is used on loopback; nothing leaves this machine."), NOTHING),
    "certificate": (N_("%(issuer)s has issued it; it is valid for %(days)s more days."), NOTHING),
    "certificate-ends": (N_("%(issuer)s has issued it; it is valid for only %(days)s more days."),
                         N_("Ask its operator to renew it: from the day it ends nothing is exchanged.")),
    "no-certificate": (N_("It is not valid: %(detail)s"),
                       N_("Ask its operator to renew or repair it. If it is valid from elsewhere, somebody stands between you.")),
    "clock-right": (N_("It differs from ours by %(seconds)s s."), NOTHING),
    "clock-off": (N_("It differs from ours by %(seconds)s s."),
                  N_("Both sides set their clocks by NTP: from %(window)s s on every request is refused.")),
    "clock-wrong": (N_("It differs from ours by %(seconds)s s; more than %(window)s s are refused."),
                    N_("See which of the two clocks is wrong and set it by NTP.")),
    "no-date": (N_("Its answer does not say what time it has there."),
                N_("Ask its operator whether the proxy takes away the Date header.")),
    "pinned-key": (N_("Its /actor shows the pinned key."), NOTHING),
    "other-key": (N_("Its /actor shows another key than the pinned one: %(fingerprint)s"),
                  N_("Do not activate it, and call its operator on a number you know: somebody else may answer at this address."
                     " If the operator has a new key, revoke it here and propose it anew.")),
    "no-actor": (N_("Its /actor is not the document of an instance; the answer was %(status)s."),
                 N_("Ask its operator whether the proxy passes /actor on to Konsil.")),
    "refuses": (N_("It refused: %(status)s."), NOTHING),
    "lets-in": (N_("It answered %(status)s and did not refuse."), _HOLE),
    "refuses-oddly": (N_("It answered %(status)s, which says neither yes nor no."),
                      N_("Ask its operator what stands in the server's log for this moment, and run the test again.")),
    "pinged": (N_("It took our ping and knew our signature."), NOTHING),
    "ping-unlisted": (N_("It answered %(status)s: its gate does not let us through."),
                      N_("Ask its operator to propose us there, to compare our fingerprint and to confirm us.")),
    "ping-unsigned": (N_("It answered %(status)s: it did not accept our signature (%(reason)s)."),
                      N_("Ask its operator to compare the fingerprint pinned there with ours, and both clocks.")),
    "ping-paused": (N_("It answered %(status)s: it has paused us, or is overloaded."),
                    N_("Ask its operator why, and run the test again when it goes on.")),
    "ping-busy": (N_("It answered %(status)s: another self-test is under way."), N_("Wait ten seconds and run the test again.")),
    "ping-lost": (N_("It answered %(status)s, which is no answer to a ping."),
                  N_("Ask its operator whether the proxy passes /handshake on to Konsil, and which version runs there.")),
    "came-back": (N_("Its ping reached us, and its signature is right."), NOTHING),
    "back-unreachable": (N_("It could not reach us."),
                         N_("See that this server runs, that the DNS entry is right and that its port is open from outside.")),
    "back-no-answer": (N_("It reached us and had no answer in time."),
                       N_("See in the log whether this server is overloaded, and whether the proxy passes /handshake on.")),
    "back-special": (N_("Our name leads it to an address that it never contacts."),
                     N_("Correct the DNS entry of this instance: seen from there it is a private address.")),
    "back-refused": (N_("It reached us and was refused."),
                     N_("See why in the refusal log. Compare the fingerprint pinned here with the one its operator has.")),
    "back-elsewhere": (N_("It says that its ping arrived, and it did not arrive here."),
                       N_("Find out who answers at our address: the DNS entry or the proxy leads somewhere else.")),
    "back-unsaid": (N_("Its ping did not arrive, and it does not say why."),
                    N_("Ask its operator what stands in the log there for this moment.")),
    "listed": (N_("It has us on its list; our state there is “%(state)s”."), NOTHING),
    "not-listed": (N_("It does not have us on its list, or nobody there has confirmed us."),
                   N_("Ask its operator to propose us there, to compare our fingerprint and to confirm us.")),
    "listed-shut": (N_("It has us on its list, but our state there is “%(state)s”."),
                    N_("Ask its operator to let us through, and run the test again.")),
    "unreachable": (N_("It could not be reached: %(detail)s"),
                    N_("Ask its operator whether the server runs and its port is open; look at the firewall here, too.")),
    "no-answer": (N_("It was reached and gave no answer in time."),
                  N_("Ask its operator whether the server is overloaded or the proxy waits for something; then try again.")),
    "not-tried": (N_("Not tried, because something before it failed."),
                  N_("Put right what failed before, then run the test again.")),
}
"""What was seen, and what to do about it, by the code of a finding."""


class Line(msgspec.Struct, frozen=True):
    """One thing that was tried. `code` is a key of `SENTENCES`, `values` are what its sentences name."""

    name: Subject
    verdict: Verdict
    code: str
    values: dict[str, str] = {}

    @property
    def title(self) -> Phrase:
        return TITLES[self.name]

    @property
    def seen(self) -> Sentence:
        """What was seen."""
        return self._sentence(0)

    @property
    def todo(self) -> Sentence:
        """What to do about it."""
        return self._sentence(1)

    def _sentence(self, which: int) -> Sentence:
        values = {name: Phrase(value) if name == "state" else value for name, value in self.values.items()}
        known = SENTENCES.get(self.code)
        return Sentence(known[which], values) if known is not None else Sentence("%(code)s", {"code": self.code})


class Check(NamedTuple):
    """One self-test: when (ms), who ran it, whether nothing failed, and every line of it."""

    id: int
    at: int
    by: str
    passed: bool
    lines: tuple[Line, ...]


def line(name: Subject, verdict: Verdict, code: str, **values: object) -> Line:
    """A line; of what the other side said only so much is kept."""
    return Line(name, verdict, code, {key: str(value)[:_VALUE_LENGTH] for key, value in values.items()})


def store(tx: Tx, sibling_id: int, check: Check) -> None:
    """Keep a check, and of those before the newest."""
    tx.run("INSERT INTO sibling_checks (id, sibling_id, at, by, passed, lines) VALUES (?, ?, ?, ?, ?, ?)",
           (check.id, sibling_id, check.at, check.by, int(check.passed), msgspec.json.encode(check.lines).decode()))
    tx.run("DELETE FROM sibling_checks WHERE sibling_id = ? AND id NOT IN"
           " (SELECT id FROM sibling_checks WHERE sibling_id = ? ORDER BY id DESC LIMIT ?)", (sibling_id, sibling_id, KEPT))


async def kept(database: Database, sibling_id: int) -> tuple[Check, ...]:
    """What is kept of a sibling's checks, newest first."""
    rows = await database.read(lambda tx: tx.rows(
        "SELECT * FROM sibling_checks WHERE sibling_id = ? ORDER BY id DESC LIMIT ?", (sibling_id, KEPT)))
    return tuple(_check(row) for row in rows)


async def one(database: Database, sibling_id: int, check_id: int | None) -> Check:
    """One of a sibling's checks; `NotFound` when it is not kept."""
    row = await database.read(lambda tx: tx.row(
        "SELECT * FROM sibling_checks WHERE sibling_id = ? AND id = ?", (sibling_id, check_id)))
    if row is None:
        raise NotFound("This self-test is not kept any more.")
    return _check(row)


def _check(row: Row) -> Check:
    return Check(row["id"], row["at"], row["by"], bool(row["passed"]), msgspec.json.decode(row["lines"], type=tuple[Line, ...]))
