"""What becomes of an application when nobody needs it any more: nothing of it is left but that there was one.

An address nobody has confirmed goes after three days; an application whose applicant is not heard of lapses; after a decision
it stays for as long as she may appeal. What was decided, how and by whom stands in `verifications`.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.applications import APPLICATION_STATES, ApplicationState
from core.clock import Clock
from core.database import Database, Tx
from core.settings import Joining

_DAY_MS = 86_400_000
_UNCONFIRMED_DAYS = 3
_AT_A_TIME = 100


def forget(tx: Tx, application_id: int, forget_documents: Callable[[Tx, int], object]) -> None:
    """Delete what an applicant has said and handed in, on the disk as well."""
    forget_documents(tx, application_id)
    tx.run("UPDATE applications SET address = '', name = '', birth_name = '', specialties = '[]', register = '', chamber = '',"
           " number = '', number_key = NULL, answers = '{}', consents = '{}', appeal = '' WHERE id = ?", (application_id,))
    tx.scrub()


def documents_gone(tx: Tx, application_id: int) -> None:
    """Mark the documents of an application as deleted."""
    tx.run("UPDATE documents SET deleted_at = uploaded_at WHERE application_id = ? AND deleted_at IS NULL", (application_id,))


class Lapsing:
    """Looks once a day. `forget_documents` deletes an application's documents within a transaction."""

    def __init__(self, database: Database, clock: Clock, settings: Joining,
                 forget_documents: Callable[[Tx, int], object]) -> None:
        self._database, self._clock, self._settings = database, clock, settings
        self._forget_documents = forget_documents

    async def prune(self) -> int:
        """Forget what is due; how many applications that were."""
        done = 0
        while gone := await self._database.write(self._some):
            done += gone
        return done

    def _some(self, tx: Tx) -> int:
        now = self._clock.ms()
        unasked = [row["id"] for row in tx.rows(
            "SELECT id FROM applications WHERE state = 'draft' AND confirmed_at IS NULL AND touched_at < ? LIMIT ?",
            (now - _UNCONFIRMED_DAYS * _DAY_MS, _AT_A_TIME))]
        for number in unasked:
            tx.run("DELETE FROM mails WHERE application_id = ?", (number,))
            tx.run("DELETE FROM applications WHERE id = ?", (number,))
        idle = tx.rows("SELECT id, state FROM applications WHERE state IN ('draft', 'asked') AND touched_at < ? LIMIT ?",
                       (now - self._settings.idle_days * _DAY_MS, _AT_A_TIME))
        for row in idle:
            APPLICATION_STATES.check(row["state"], ApplicationState.LAPSED)
            tx.run("UPDATE applications SET state = ?, decided_at = ? WHERE id = ?", (ApplicationState.LAPSED, now, row["id"]))
            forget(tx, row["id"], self._forget_documents)
        decided = tx.rows("SELECT id FROM applications WHERE state IN ('accepted', 'rejected') AND decided_at < ? AND name <> ''"
                          " LIMIT ?", (now - self._settings.document_days * _DAY_MS, _AT_A_TIME))
        for row in decided:
            forget(tx, row["id"], self._forget_documents)
        if unasked:
            tx.scrub()
        return len(unasked) + len(idle) + len(decided)
