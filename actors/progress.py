"""How far an application has come, as its applicant sees it: which steps are done, what she may do next, what she was told."""

from __future__ import annotations

from typing import NamedTuple

from actors.applications import APPLICATION_STATES, Application, ApplicationState
from actors.decisions import REASONS, WANTED, asked
from actors.statements import Statements
from core.database import Tx
from core.words import Phrase

STEPS = ("person", "register", "documents", "consents")
"""What has to be done before an application can be handed in, in the order it is asked."""


class Progress(NamedTuple):
    """How many documents there are, which steps are done, what the operators have last asked for or given as their reason
    (`told`: sentences of ours, `said`: in their own words), and until when she may appeal (ms)."""

    application: Application
    documents: int
    done: frozenset[str]
    said: str
    appeal_until: int | None
    told: tuple[Phrase, ...] = ()

    @property
    def edited(self) -> bool:
        """Whether she may change what she has said."""
        return is_edited(self.application.state)

    @property
    def may_withdraw(self) -> bool:
        return APPLICATION_STATES.allows(self.application.state, ApplicationState.WITHDRAWN)

    @property
    def missing(self) -> str:
        """The first step that is not done, else ''."""
        return next((step for step in STEPS if step not in self.done), "")


def is_edited(state: ApplicationState) -> bool:
    """Whether an application in this state is its applicant's to change."""
    return state in (ApplicationState.DRAFT, ApplicationState.ASKED)


def progress_of(tx: Tx, application: Application, statements: Statements, appeal_ms: int, now: int) -> Progress:
    """How far an application has come; a rejected one may be appealed against for `appeal_ms`, once."""
    [papers] = tx.rows("SELECT count(*) AS n FROM documents WHERE application_id = ? AND deleted_at IS NULL", (application.id,))
    last = tx.row("SELECT what, reason FROM verifications WHERE application_id = ? AND what IN ('asked', 'rejected')"
                  " ORDER BY id DESC LIMIT 1", (application.id,))
    matches = last is not None and last["what"] == application.state
    reason = last["reason"] if last is not None and matches else ""
    words = asked(tx, application.id) if matches else None
    told = tuple(WANTED[code] for code in reason.split() if code in WANTED) or tuple(filter(None, (REASONS.get(reason),)))
    said = words.note if words is not None else "" if told else reason
    until = None
    if application.state == ApplicationState.REJECTED and application.name and not application.appeal:
        until = (application.decided_at or 0) + appeal_ms
    done = statements.done(application) | ({"documents"} if papers["n"] else set())
    return Progress(application, papers["n"], frozenset(done), said, until if until is not None and until > now else None, told)
