"""Applications: somebody asks to be verified, hands in proof and waits for a decision. An application is no account: nothing of
it can sign in, and nobody is told whether there is one."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.database import Row, Tx
from core.states import StateGraph
from core.vault import token_hash
from core.words import N_


class ApplicationKind(StrEnum):
    """To join, or to renew a badge that runs out."""

    JOINING = "joining"
    RENEWAL = "renewal"


class ApplicationState(StrEnum):
    """`asked`: the operators have asked for more; `withdrawn` by the applicant; `lapsed`: nothing was heard of her for long, and
    what she had handed in is deleted."""

    DRAFT = N_("draft")
    SUBMITTED = N_("submitted")
    ASKED = N_("asked")
    ACCEPTED = N_("accepted")
    REJECTED = N_("rejected")
    WITHDRAWN = N_("withdrawn")
    LAPSED = N_("lapsed")


APPLICATION_STATES = StateGraph(
    name="application",
    states=tuple(ApplicationState),
    edges={
        "draft": ("submitted", "withdrawn", "lapsed"),
        "submitted": ("asked", "accepted", "rejected", "withdrawn"),
        "asked": ("submitted", "accepted", "rejected", "withdrawn", "lapsed"),
        "rejected": ("submitted",),
    },
    initial="draft",
)


class Application(msgspec.Struct, frozen=True):
    """An application as it is stored; the columns are explained in migration 0019. Times in milliseconds."""

    id: int
    reference: str
    kind: ApplicationKind
    state: ApplicationState
    account_id: int | None
    language: str
    address: str
    confirmed_at: int | None
    name: str
    birth_name: str
    role: str
    specialties: tuple[str, ...]
    register: str
    chamber: str
    number: str
    number_key: bytes | None
    answers: dict[str, str]
    consents: dict[str, int]
    invitation_id: int | None
    appeal: str
    created_at: int
    touched_at: int
    submitted_at: int | None
    decided_at: int | None


COLUMNS = ("id, reference, kind, state, account_id, language, address, confirmed_at, name, birth_name, role, specialties,"
           " register, chamber, number, number_key, answers, consents, invitation_id, appeal, created_at, touched_at,"
           " submitted_at, decided_at")


def by_id(tx: Tx, application_id: int) -> Application | None:
    """The application of this id."""
    return _one(tx, "id = ?", application_id)


def by_reference(tx: Tx, reference: str) -> Application | None:
    """The application that people call so."""
    return _one(tx, "reference = ?", reference.strip().upper())


def by_token(tx: Tx, token: str) -> Application | None:
    """The application whose link this is."""
    return _one(tx, "token_hash = ?", token_hash(token))


def listed(tx: Tx, state: ApplicationState, limit: int) -> list[Application]:
    """Applications in a state, longest waiting first."""
    return [application_from(row) for row in tx.rows(
        f"SELECT {COLUMNS} FROM applications WHERE state = ? ORDER BY coalesce(submitted_at, created_at), id LIMIT ?",
        (state, limit))]


def application_from(row: Row) -> Application:
    """The application in a row of `COLUMNS`."""
    given = dict(zip(Application.__struct_fields__, row, strict=True))
    for name, kind in (("specialties", tuple[str, ...]), ("answers", dict[str, str]), ("consents", dict[str, int])):
        given[name] = msgspec.json.decode(given[name], type=kind)
    return Application(**given | {"kind": ApplicationKind(given["kind"]), "state": ApplicationState(given["state"])})


def _one(tx: Tx, where: str, value: object) -> Application | None:
    row = tx.row(f"SELECT {COLUMNS} FROM applications WHERE {where}", (value,))
    return application_from(row) if row is not None else None
