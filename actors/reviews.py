"""Applications as operators look at them: the queue, and one of them with all that is known that bears on it.

Everything here is read in one go, and nothing of it decides: a number or a document that came before, another spelling of a name,
an invitation are hints.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors import decisions, verifications
from actors.applications import COLUMNS, Application, ApplicationKind, ApplicationState, application_from, by_reference
from actors.decisions import Asked, Proposal, refuse_partial
from actors.models import Actor
from actors.names import Likeness, compared, spellings, suggested_handle
from actors.papers import Document, documents_of, twins
from actors.store import by_ids
from actors.verifications import Verification
from core.clock import Clock
from core.database import Database, Tx, marks
from core.errors import NotFound, Refused

PAGE = 50


class Tab(StrEnum):
    """Which applications: those that wait for us, those that wait for the applicant, those that are decided."""

    WAITING = "waiting"
    ASKED = "asked"
    DECIDED = "decided"


class Flag(StrEnum):
    """What about an application is worth a look, before it is opened."""

    APPEAL = "appeal"
    PROPOSED = "proposed"
    PARTIAL = "partial"
    NUMBER = "number"
    DOCUMENT = "document"
    INVITED = "invited"


class QueueRow(NamedTuple):
    """One line of the queue; `since` (ms) is when it was handed in, or decided."""

    application: Application
    since: int
    flags: tuple[Flag, ...]


class Queue(NamedTuple):
    """A page of it, how many there are of each kind, and the cursor of the next page."""

    rows: tuple[QueueRow, ...]
    counts: dict[Tab, int]
    after: str | None


class Before(NamedTuple):
    """Where the same register number came before: an application by its reference, or a doctor by her handle; and how the names
    are like each other."""

    reference: str
    handle: str
    name: str
    state: str
    at: int
    likeness: Likeness


class Review(msgspec.Struct, frozen=True):
    """All that an operator sees of one application. `twins`: the references of other applications with the same file, by
    document. `refused`: why this operator does not decide about her."""

    application: Application
    documents: tuple[Document, ...]
    twins: dict[int, tuple[str, ...]]
    history: tuple[Verification, ...]
    asked: Asked | None
    proposal: Proposal | None
    before: tuple[Before, ...]
    spellings: tuple[str, ...]
    inviter: Actor | None
    doctor: Actor | None
    handle: str
    refused: Refused | None
    rejected_for: str


class Reviews:
    """Reads the queue for an operator."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def queue(self, tab: Tab, operator: str, after: tuple[int, int] | None = None) -> Queue:
        """The applications of a tab: those that wait oldest first, those that are decided newest first."""
        return await self._database.read(lambda tx: _queue(tx, tab, operator, after))

    async def one(self, reference: str, operator: str) -> Review:
        """One application; `NotFound` for one that was not handed in yet, too."""
        def look(tx: Tx) -> Review:
            application = by_reference(tx, reference)
            if application is None or application.state in (ApplicationState.DRAFT, ApplicationState.LAPSED):
                raise NotFound("There is no application %(reference)s.", values={"reference": reference.strip().upper()[:20]})
            return _review(tx, application, operator)

        return await self._database.read(look)


_WHERE = {Tab.WAITING: "state = 'submitted'", Tab.ASKED: "state = 'asked'",
          Tab.DECIDED: "state IN ('accepted', 'rejected') AND decided_at IS NOT NULL"}
_SINCE = {Tab.WAITING: "coalesce(submitted_at, created_at)", Tab.ASKED: "touched_at", Tab.DECIDED: "decided_at"}


def _queue(tx: Tx, tab: Tab, operator: str, after: tuple[int, int] | None) -> Queue:
    falls = tab == Tab.DECIDED
    since, way = _SINCE[tab], "DESC" if falls else "ASC"
    at, number = after or ((1 << 62, 1 << 62) if falls else (-1, -1))
    rows = tx.rows(
        f"SELECT {COLUMNS} FROM applications WHERE {_WHERE[tab]} AND ({since}, id) {'<' if falls else '>'} (?, ?)"
        f" ORDER BY {since} {way}, id {way} LIMIT ?", (at, number, PAGE + 1))
    found = [application_from(row) for row in rows[:PAGE]]
    flags = _flags(tx, found, operator)
    made = tuple(QueueRow(one, _since(one, tab), flags[one.id]) for one in found)
    counts = {row["state"]: row["n"] for row in tx.rows(
        "SELECT state, count(*) AS n FROM applications WHERE state IN ('submitted', 'asked') GROUP BY state")}
    return Queue(made, {Tab.WAITING: counts.get("submitted", 0), Tab.ASKED: counts.get("asked", 0)},
                 f"{made[-1].since}-{found[-1].id}" if len(rows) > PAGE else None)


def _since(one: Application, tab: Tab) -> int:
    if tab == Tab.DECIDED:
        return one.decided_at or one.touched_at
    return one.touched_at if tab == Tab.ASKED else one.submitted_at or one.created_at


def _flags(tx: Tx, found: list[Application], operator: str) -> dict[int, tuple[Flag, ...]]:
    """The flags by application, with one statement for each kind of them."""
    inside, ids = marks(len(found)), [one.id for one in found]
    if not found:
        return {}
    numbers = {row["id"] for row in tx.rows(
        f"SELECT a.id FROM applications a WHERE a.id IN ({inside}) AND a.number_key IS NOT NULL AND (EXISTS (SELECT 1 FROM"
        " applications b WHERE b.number_key = a.number_key AND b.id <> a.id AND b.state <> 'draft') OR EXISTS (SELECT 1 FROM"
        " verifications v WHERE v.number_key = a.number_key AND v.application_id <> a.id))", ids)}
    papers = {row["application_id"] for row in tx.rows(
        f"SELECT d.application_id FROM documents d WHERE d.application_id IN ({inside}) AND EXISTS (SELECT 1 FROM documents e"
        " WHERE e.digest = d.digest AND e.application_id <> d.application_id)", ids)}
    proposed = {row["application_id"] for row in tx.rows(
        f"SELECT application_id FROM application_proposals WHERE application_id IN ({inside})", ids)}
    own = {one.id: one.kind == ApplicationKind.RENEWAL for one in found}

    def partial(one: Application) -> bool:
        try:
            refuse_partial(tx, one, operator)
        except Refused:
            return True
        return False

    tests: tuple[tuple[Flag, Callable[[Application], bool]], ...] = (
        (Flag.APPEAL, lambda one: bool(one.appeal)), (Flag.PROPOSED, lambda one: one.id in proposed), (Flag.PARTIAL, partial),
        (Flag.NUMBER, lambda one: one.id in numbers and not own[one.id]), (Flag.DOCUMENT, lambda one: one.id in papers),
        (Flag.INVITED, lambda one: one.invitation_id is not None))
    return {one.id: tuple(flag for flag, holds in tests if holds(one)) for one in found}


def _review(tx: Tx, application: Application, operator: str) -> Review:
    invited = tx.row("SELECT a.actor_id FROM invitations i JOIN accounts a ON a.id = i.account_id WHERE i.id = ?",
                     (application.invitation_id,))
    hers = tx.row("SELECT actor_id FROM accounts WHERE id = ?", (application.account_id,))
    people = by_ids(tx, [row["actor_id"] for row in (invited, hers) if row is not None and row["actor_id"] is not None])
    refused = None
    try:
        refuse_partial(tx, application, operator)
    except Refused as error:
        refused = error
    begins = suggested_handle(application.name, ())
    taken = [row["handle"] for row in tx.rows(
        "SELECT handle FROM accounts WHERE handle >= ? AND handle < ?", (begins, f"{begins}\x7f"))]
    return Review(
        application, documents_of(tx, application.id), twins(tx, application.id),
        tuple(verifications.of_application(tx, application.id)),
        decisions.asked(tx, application.id), decisions.proposal(tx, application.id), _before(tx, application),
        spellings(application.name, application.birth_name),
        people.get(invited["actor_id"]) if invited is not None else None,
        people.get(hers["actor_id"]) if hers is not None else None,
        suggested_handle(application.name, taken), refused, decisions.rejected_for(tx, application.id))


def _before(tx: Tx, application: Application) -> tuple[Before, ...]:
    """Where this register number came before, newest first: in applications that were handed in, and in decisions of which
    nothing else is left. What is about the account that is to be renewed is no news."""
    if application.number_key is None:
        return ()
    rows = tx.rows(
        "SELECT f.application_id, f.account_id, max(f.at) AS at, a.reference, a.name, a.state, c.handle, c.name AS called,"
        " c.state AS stands FROM (SELECT id AS application_id, account_id, touched_at AS at FROM applications"
        " WHERE number_key = ? AND state <> 'draft' UNION ALL SELECT application_id, account_id, at FROM verifications"
        " WHERE number_key = ?) AS f"
        " LEFT JOIN applications a ON a.id = f.application_id LEFT JOIN accounts c ON c.id = coalesce(f.account_id, a.account_id)"
        " WHERE f.application_id IS NULL OR f.application_id <> ? GROUP BY f.application_id, f.account_id, a.reference, a.name,"
        " a.state, c.handle, c.name, c.state ORDER BY 3 DESC LIMIT ?",
        (application.number_key, application.number_key, application.id, PAGE))
    found: dict[int | None, Before] = {}
    for row in rows:
        if application.account_id is not None and row["account_id"] == application.account_id:
            continue
        name = row["called"] or row["name"] or ""
        one = Before(row["reference"] or "", row["handle"] or "", name, row["stands"] or row["state"] or "", row["at"],
                     compared(application.name, name))
        known = found.get(row["application_id"])
        if known is None or not known.handle:
            found[row["application_id"]] = one
    return tuple(found.values())
