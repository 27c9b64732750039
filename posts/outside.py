"""What people outside tell the operators: a patient who finds herself in a post, content that is unlawful, anything else.

A notice may hold what nobody may read. Only operators see it, no log and no audit line quotes it, and it is deleted some
days after it was handled.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, TooMany
from core.ids import Ids
from core.throttle import count, network_of
from core.words import N_

TEXT_LIMIT, CONTACT_LIMIT, NOTE_LIMIT = 5_000, 200, 1_000
"""The most characters of a notice, of how to reach its sender, and of what operators note about it."""

_PAGE = 30
_DAY_MS = 86_400_000
_PER_NETWORK = 6  # a household's, a ward's
_IN_ALL = 120  # what a flood from everywhere may leave behind
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that could be read as something else


class Concern(StrEnum):
    RECOGNISABLE = "recognisable"
    UNLAWFUL = "unlawful"
    OTHER = "other"


CONCERNS = {
    Concern.RECOGNISABLE: N_("I, or another patient, can be recognised"),
    Concern.UNLAWFUL: N_("Something is unlawful"),
    Concern.OTHER: N_("Something else"),
}
"""What a notice is about, in words."""


class OutsideNotice(NamedTuple):
    """A notice as operators see it; times in milliseconds, `handled` None while it waits."""

    id: int
    reference: str
    concern: Concern
    text: str
    contact: str
    language: str
    received: int
    handled: int | None
    handled_by: str
    note: str


class NoticePage(NamedTuple):
    """Some notices, newest first; `before` is the next page's cursor, `waiting` counts all that wait."""

    notices: tuple[OutsideNotice, ...]
    waiting: int
    before: int | None


class OutsideNotices:
    """Takes notices in, shows them to operators and forgets them."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, audit: Audit, window_seconds: int) -> None:
        self._database, self._clock, self._ids, self._audit = database, clock, ids, audit
        self._window = window_seconds * 1000

    async def take(self, concern: str, text: str, contact: str, language: str, address: str) -> str:
        """Store a notice and return its reference. `InvalidInput` names the field; `TooMany` when its network sent too many."""
        text, contact = _clean(text), _clean(contact)
        if concern not in tuple(Concern):
            raise InvalidInput("Say what this is about.", field="concern")
        if not text:
            raise InvalidInput("Please write a few lines.", field="text")
        if len(text) > TEXT_LIMIT:
            raise InvalidInput("A notice has at most %(most)s characters.", values={"most": TEXT_LIMIT}, field="text")
        if len(contact) > CONTACT_LIMIT:
            raise InvalidInput("Please give one way to reach you, in at most %(most)s characters.",
                               values={"most": CONTACT_LIMIT}, field="contact")
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        reference = f"{letters[:4]}-{letters[4:]}"
        limits = {f"notice:{network_of(address)}": _PER_NETWORK, "notices": _IN_ALL}

        def store(tx: Tx) -> int | None:
            now = self._clock.ms()
            wait = count(tx, limits, now, self._window)
            if wait is None:
                tx.run("INSERT INTO outside_notices (id, reference, kind, text, contact, language, received_at)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?)", (self._ids.new(), reference, concern, text, contact, language, now))
            return wait

        wait = await self._database.write(store)
        if wait is not None:
            raise TooMany("Too many notices came in a short time. Please send yours again in a while.", retry_after=wait)
        return reference

    async def page(self, *, handled: bool, before: int) -> NoticePage:
        """The notices that wait, or those that were handled, with an id below `before`."""
        def look(tx: Tx) -> NoticePage:
            rows = tx.rows(f"SELECT * FROM outside_notices WHERE handled_at IS {'NOT NULL' if handled else 'NULL'} AND id < ?"
                           " ORDER BY id DESC LIMIT ?", (before, _PAGE + 1))
            [waiting] = tx.rows("SELECT count(*) AS n FROM outside_notices WHERE handled_at IS NULL")
            shown = tuple(_notice(row) for row in rows[:_PAGE])
            return NoticePage(shown, waiting["n"], shown[-1].id if len(rows) > _PAGE else None)

        return await self._database.read(look)

    async def one(self, reference: str) -> OutsideNotice:
        """The notice with this reference, however it is typed; `NotFound` when there is none, or none any more."""
        row = await self._database.read(lambda tx: _row(tx, reference))
        if row is None:
            raise NotFound("There is no notice %(reference)s.", values={"reference": reference[:20]}, field="reference")
        return _notice(row)

    async def handle(self, reference: str, how: str, by: str) -> None:
        """Mark a notice as handled and note how; from now on its days are counted."""
        how = _clean(how)
        if not 0 < len(how) <= NOTE_LIMIT:
            raise InvalidInput("Note in 1 to %(most)s characters what was done.", values={"most": NOTE_LIMIT}, field="note")

        def work(tx: Tx) -> None:
            row = _row(tx, reference)
            if row is None:
                raise NotFound("There is no notice %(reference)s.", values={"reference": reference[:20]}, field="reference")
            if row["handled_at"] is not None:
                raise Conflict("%(who)s has handled this notice already.", values={"who": row["handled_by"]})
            tx.run("UPDATE outside_notices SET handled_at = ?, handled_by = ?, note = ? WHERE id = ?",
                   (self._clock.ms(), by, how, row["id"]))
            self._audit.note(tx, by=by, action="notice.handled", target=row["reference"], detail=row["kind"])

        await self._database.write(work)

    async def prune(self, days: int) -> int:
        """Delete what was handled more than `days` ago, on the disk as well; returns how many there were."""
        limit = self._clock.ms() - days * _DAY_MS

        def work(tx: Tx) -> int:
            gone = tx.run("DELETE FROM outside_notices WHERE handled_at < ?", (limit,))
            if gone:
                tx.scrub()
            return gone

        return await self._database.write(work)


def _row(tx: Tx, reference: str) -> Row | None:
    letters = "".join(letter for letter in reference.upper() if letter in _ALPHABET)
    return tx.row("SELECT * FROM outside_notices WHERE reference = ?", (f"{letters[:4]}-{letters[4:]}",))


def _notice(row: Row) -> OutsideNotice:
    return OutsideNotice(row["id"], row["reference"], Concern(row["kind"]), row["text"], row["contact"], row["language"],
                         row["received_at"], row["handled_at"], row["handled_by"], row["note"])


def _clean(text: str) -> str:
    """The text without a frame of space, lines ending one way, and without what no database takes."""
    return text.replace("\0", "").replace("\r\n", "\n").strip()
