"""What becomes of an application when nobody needs it any more: nothing of it is left but that there was one.

An address nobody has confirmed goes after three days; an application whose applicant is not heard of lapses; after a decision
it stays for as long as she may appeal. What was decided, how and by whom stands in `verifications`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors import identities
from actors.applications import APPLICATION_STATES, COLUMNS, Application, ApplicationState, application_from, by_reference
from core.clock import Clock
from core.database import Database, Tx
from core.settings import Joining
from federation import due

_DAY_MS = 86_400_000
_UNCONFIRMED_DAYS = 3
_INVITATION_DAYS = 90
_AT_A_TIME = 100


class Lapsing:
    """Looks once a day. `forget_documents` deletes an application's documents within a transaction."""

    def __init__(self, database: Database, clock: Clock, settings: Joining,
                 forget_documents: Callable[[Tx, int], object]) -> None:
        self._database, self._clock, self._settings = database, clock, settings
        self._forget_documents = forget_documents

    def forget(self, tx: Tx, application: Application) -> None:
        """Delete what an applicant has said and handed in, on the disk as well, and have it written down, so that no backup
        brings it back."""
        self._forget_documents(tx, application.id)
        identities.forget(tx, application.id)
        tx.run("UPDATE applications SET address = '', name = '', birth_name = '', specialties = '[]', register = '',"
               " chamber = '', number = '', number_key = NULL, answers = '{}', consents = '{}', appeal = '' WHERE id = ?",
               (application.id,))
        tx.run("UPDATE application_requests SET note = '' WHERE application_id = ?", (application.id,))
        tx.run("DELETE FROM application_proposals WHERE application_id = ?", (application.id,))
        due.add(tx, due.FORGOTTEN, application.reference, self._clock.ms())
        tx.scrub()

    def farewell(self, tx: Tx, account_id: int, actor_id: int, now: int) -> None:
        """Of whoever leaves nothing stays that she applied with."""
        for row in tx.rows(f"SELECT {COLUMNS} FROM applications WHERE account_id = ?", (account_id,)):
            self.forget(tx, application_from(row))

    async def prune(self) -> int:
        """Forget what is due; how many applications that were."""
        done = 0
        while gone := await self._database.write(self._some):
            done += gone
        return done

    async def forget_again(self, references: Sequence[str]) -> None:
        """Forget applications that were forgotten before, and are back with a backup."""
        def write(tx: Tx) -> None:
            for reference in references:
                found = by_reference(tx, reference)
                if found is None or not (found.address or found.name):
                    continue
                if APPLICATION_STATES.allows(found.state, ApplicationState.WITHDRAWN):
                    self._end(tx, found, ApplicationState.WITHDRAWN)
                self.forget(tx, found)

        if references:
            await self._database.write(write)

    def _some(self, tx: Tx) -> int:
        now = self._clock.ms()
        unasked = _where(tx, "state = 'draft' AND confirmed_at IS NULL AND touched_at < ?", now - _UNCONFIRMED_DAYS * _DAY_MS)
        for one in unasked:
            tx.run("DELETE FROM mails WHERE application_id = ?", (one.id,))
            tx.run("DELETE FROM applications WHERE id = ?", (one.id,))
            tx.scrub()
        idle = _where(tx, "state IN ('draft', 'asked') AND touched_at < ?", now - self._settings.idle_days * _DAY_MS)
        for one in idle:
            self._end(tx, one, ApplicationState.LAPSED)
            self.forget(tx, one)
        decided = _where(tx, "state IN ('accepted', 'rejected') AND name <> '' AND decided_at < ?",
                         now - self._settings.document_days * _DAY_MS)
        for one in decided:
            self.forget(tx, one)
        tx.run("DELETE FROM invitations WHERE expires_at < ? AND NOT EXISTS"
               " (SELECT 1 FROM applications a WHERE a.invitation_id = invitations.id)", (now - _INVITATION_DAYS * _DAY_MS,))
        return len(unasked) + len(idle) + len(decided)

    def _end(self, tx: Tx, application: Application, state: ApplicationState) -> None:
        APPLICATION_STATES.check(application.state, state)
        tx.run("UPDATE applications SET state = ?, decided_at = ? WHERE id = ?", (state, self._clock.ms(), application.id))


def _where(tx: Tx, where: str, before: int) -> list[Application]:
    return [application_from(row) for row in tx.rows(
        f"SELECT {COLUMNS} FROM applications WHERE {where} ORDER BY id LIMIT ?", (before, _AT_A_TIME))]
