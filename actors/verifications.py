"""What was decided about somebody, for good: each decision with its method, its evidence and what stood in the register."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors.models import Role
from core.database import Row, Tx
from core.errors import InvalidInput
from core.ids import Ids
from core.settings import Joining

_MONTH_MS = 86_400_000 * 365.25 / 12


class Method(StrEnum):
    """How it was seen that somebody is a doctor; it stands in her badge."""

    REGISTER = "register"
    DIPLOMA = "diploma"
    CARD = "card"
    ELECTRONIC = "electronic"
    OTHER = "other"


class Step(StrEnum):
    """What was decided, or what happened by itself."""

    VERIFIED = "verified"
    RENEWED = "renewed"
    ASKED = "asked"
    PROPOSED = "proposed"
    DECLINED = "declined"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Verification(msgspec.Struct, frozen=True):
    """One line of it; the columns are explained in migration 0019. `until` and `at` in milliseconds; `reason` is a code of
    `actors.decisions.REASONS`, or an operator's words about an account."""

    id: int
    account_id: int | None
    application_id: int | None
    what: str
    role: str = ""
    method: str = ""
    evidence: str = ""
    register_text: str = ""
    number_key: bytes | None = None
    until: int | None = None
    reason: str = ""
    proposed_by: str = ""
    by: str = ""
    at: int = 0


class Seen(NamedTuple):
    """How something was verified: the method, what was seen, and the register's own words where there are any."""

    method: str
    evidence: str
    register_text: str = ""


NOTHING = Seen("", "")
_COLUMNS = ("id, account_id, application_id, what, role, method, evidence, register_text, number_key, until, reason, proposed_by,"
            " by, at")


def record(tx: Tx, ids: Ids, step: Step, *, by: str, at: int, account_id: int | None = None, application_id: int | None = None,
           role: str = "", seen: Seen = NOTHING, number_key: bytes | None = None, until: int | None = None, reason: str = "",
           proposed_by: str = "") -> None:
    """Add a line, in the transaction of the decision itself."""
    tx.run(f"INSERT INTO verifications ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
           (ids.new(), account_id, application_id, step, role, seen.method, seen.evidence.strip(),
            seen.register_text.strip(), number_key, until, reason, proposed_by, by, at))


def of_account(tx: Tx, account_id: int) -> list[Verification]:
    """All about an account, newest first."""
    return [_from(row) for row in tx.rows(
        f"SELECT {_COLUMNS} FROM verifications WHERE account_id = ? ORDER BY id DESC", (account_id,))]


def of_application(tx: Tx, application_id: int) -> list[Verification]:
    """All about an application, newest first."""
    return [_from(row) for row in tx.rows(
        f"SELECT {_COLUMNS} FROM verifications WHERE application_id = ? ORDER BY id DESC", (application_id,))]


def begun(tx: Tx, account_id: int) -> Verification | None:
    """The decision that holds: the last one that gave a badge or renewed it."""
    row = tx.row(f"SELECT {_COLUMNS} FROM verifications WHERE account_id = ? AND what IN ('verified', 'renewed')"
                 " ORDER BY at DESC, id DESC LIMIT 1", (account_id,))
    return _from(row) if row is not None else None


def how_of(method: str) -> str:
    """A method as a badge says it; what was written in words of one's own is `other`."""
    word = method.strip().lower()
    return str(Method(word)) if word in frozenset(map(str, Method)) else str(Method.OTHER) if word else ""


def term(role: Role, settings: Joining, now: int) -> int | None:
    """Until when a badge of this role holds where nothing else is decided (ms); None: no end."""
    months = {Role.RESIDENT: settings.resident_months, Role.STUDENT: settings.student_months}.get(role, settings.doctor_months)
    return now + int(months * _MONTH_MS) if months else None


def end_of_day(text: str, zone: tzinfo) -> int:
    """The last second (ms) of a day `YYYY-MM-DD` on the country's clock; `InvalidInput` for what is none."""
    try:
        day = date.fromisoformat(text.strip())
        if not 2000 < day.year < 2199:
            raise ValueError(day)
    except ValueError:
        raise InvalidInput("This is not a day.", field="until") from None
    return int(datetime.combine(day, time(23, 59, 59), zone).timestamp() * 1000)


def _from(row: Row) -> Verification:
    return Verification(*row)
