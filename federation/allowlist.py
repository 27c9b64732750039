"""The gate. One table, one function: `admit` returns a `Sibling` or refuses; there is no other way to get one.

No state is kept between calls: each asks the database, so a revocation holds from the very next request in every
process, and an empty, missing or unreadable table admits nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from core.database import Database, DatabaseError, Row, Tx
from core.errors import Refused, Unavailable
from core.states import StateGraph
from core.words import N_
from federation.listed import SiblingState as SiblingState
from federation.listed import is_sound, states, unreadable
from federation.refusals import RefusalLog

SIBLING_STATES = StateGraph(
    name="sibling",
    states=tuple(SiblingState),
    edges={
        "proposed": ("confirmed", "revoked"),
        "confirmed": ("active", "revoked"),
        "active": ("paused", "revoked"),
        "paused": ("active", "revoked"),
        "revoked": ("proposed",),
    },
    initial="proposed",
)


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Purpose(StrEnum):
    """What somebody wants at the gate; every path that exists names one."""

    INBOX = N_("inbox")
    OBJECT = N_("object")
    COLLECTION = N_("collection")
    WEBFINGER = N_("webfinger")
    DELIVERY = N_("delivery")
    FETCH = N_("fetch")
    HANDSHAKE = N_("handshake")
    ERASURE = N_("erasure order")
    TALLY = N_("tally of votes")
    RECONCILIATION = N_("comparison")
    MEDIA = N_("picture")


_OPEN = {purpose: frozenset({SiblingState.ACTIVE}) for purpose in Purpose} | {
    Purpose.HANDSHAKE: frozenset({SiblingState.CONFIRMED, SiblingState.ACTIVE}),
    Purpose.ERASURE: frozenset({SiblingState.PAUSED}),
}
"""In which states a sibling is let through, by what is wanted. Two that are confirmed try each other out before anything
else; the order to erase what it holds is sent when everything else has been stopped, and before it is revoked."""


def reachable() -> frozenset[SiblingState]:
    """The states in which a sibling is let through for at least one purpose: in any other nothing is sent to it at all."""
    return frozenset().union(*_OPEN.values())


_SEAL = object()
CLOSED = frozenset({"paused", "not-admitted"})
"""The reasons of errors by which the gate says no."""


class Sibling:
    """An instance the gate has let through just now, for one purpose. Only `Allowlist.admit` can make one.

    `keys` are the pinned ones, PEM by key id: one, and while it changes its key a second. `document_key` (a Multikey) is what
    it signs documents with, `bundle_inbox` where it takes bundles; '' while that is not known.
    """

    __slots__ = ("_again", "actor_uri", "bundle_inbox", "country", "document_key", "fingerprint", "id", "inbox", "keys",
                 "members", "name", "origin", "purpose", "state")

    def __init__(self, seal: object, row: Row, purpose: Purpose, again: Callable[[], object]) -> None:
        if seal is not _SEAL:
            raise TypeError("a Sibling comes from Allowlist.admit and from nowhere else")
        self._again = again
        self.id: int = row["id"]
        self.origin: str = row["origin"]
        self.country: str = row["country"]
        self.name: str = row["name"]
        self.actor_uri: str = row["actor_uri"]
        self.purpose = purpose
        self.state = SiblingState(row["state"])
        self.keys: dict[str, str] = {row["key_id"]: row["public_pem"]}
        if row["next_key_id"]:
            self.keys[row["next_key_id"]] = row["next_public_pem"]
        self.fingerprint: str = row["fingerprint"]
        self.inbox: str = row["inbox"]
        self.members: str = row["members"]
        self.document_key: str = row["document_key"]
        self.bundle_inbox: str = row["bundle_inbox"]

    def ask_again(self) -> None:
        """Raise as `admit` does if the gate has closed since: for who has waited between being let through and going."""
        self._again()


class Allowlist:
    """The list in operators' hands, asked anew each time."""

    def __init__(self, database: Database, refusals: RefusalLog) -> None:
        self._database = database
        self._refusals = refusals

    def admit(self, origin: str, direction: Direction, purpose: Purpose, *, path: str = "") -> Sibling:
        """The sibling at exactly this canonical origin, if its state lets this through: active, and what else `_OPEN` says.

        Raises `Refused` (unlisted, proposed, confirmed, revoked) or `Unavailable` (paused, 503), and logs either. Which
        it is stands in the log only: at this point anybody can have named the origin. `Unavailable` also where the list
        cannot be read: then nobody is on it.
        """
        try:
            row = self._database.glance("SELECT * FROM siblings WHERE origin = ?", (origin,))
        except DatabaseError as error:
            unreadable(error)
            self._refusals.record(direction=direction, origin=origin, purpose=purpose, reason="list-unreadable", path=path)
            raise Unavailable("This instance exchanges nothing with anybody at the moment.", reason="list-unreadable",
                              retry_after=300) from None
        state = "unlisted" if row is None else row["state"] if is_sound(row) else "damaged"
        if row is not None and state in _OPEN[purpose]:
            return Sibling(_SEAL, row, purpose, lambda: self.admit(origin, direction, purpose, path=path))
        self._refusals.record(direction=direction, origin=origin, purpose=purpose, reason=state, path=path)
        if state == SiblingState.PAUSED:
            raise Unavailable("This instance is paused here; everything waits.", reason="paused", retry_after=300)
        raise Refused("This instance does not exchange anything with you.", reason="not-admitted", cause=state)


def sibling_states(tx: Tx) -> dict[str, str]:
    """Every sibling's state by origin, inside the transaction that depends on it."""
    return states(tx)
