"""The keys of siblings while they are being changed. A key is pinned by our operators, never by a message.

What a sibling announces is kept apart until somebody has typed the fingerprint that its operator read out; from then on both keys
are valid, until our own look at its `/actor` finds the new one in use. Then that is the pinned one, and the old one is refused.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.ids import Ids, public
from core.telemetry import get_logger
from core.words import Phrase
from federation import announcements, overview, store
from federation.addresses import domain_of, origin_for_domain
from federation.allowlist import SiblingState
from federation.announcements import Announcement
from federation.descriptor import Descriptor
from federation.identity import Identity
from federation.listed import SENT_TO
from federation.overview import SiblingRow
from federation.siblings import SiblingChange, check_named
from federation.signatures.keys import fingerprint, read_fingerprint
from federation.troubles import KEY_UNANNOUNCED, KEY_UNCONFIRMED, reason

log = get_logger("keys")


class Sight(Enum):
    """What a sibling's `/actor` has shown."""

    PINNED = auto()
    CHANGED = auto()
    STRANGE = auto()


class Seen(NamedTuple):
    """What a look has found, and the reason to pause where the key is a strange one."""

    sight: Sight
    reason: str = ""


class SiblingKeys:
    """Hears announcements, and does what our operators decide about them."""

    def __init__(self, database: Database, identity: Identity, clock: Clock, ids: Ids, audit: Audit, *, four_eyes: bool) -> None:
        self._database, self._identity = database, identity
        self._clock, self._ids, self._audit, self._four_eyes = clock, ids, audit, four_eyes

    def heard(self, tx: Tx, sibling_id: int, announced: Announcement | None, now: int) -> None:
        """A sibling has announced a key (None: that it will keep the one it has). A new key waits for our operators; that one
        will not come takes back what they have confirmed."""
        row = _row(tx, "s.id = ?", sibling_id)
        if announced is None:
            self._let_go(tx, row, by=domain_of(row["origin"]), how="withdrawn")
            return
        key = announced.key
        tx.run("INSERT INTO announced_keys (sibling_id, key_id, public_pem, fingerprint, announced_at, activity, compared_by)"
               " VALUES (?, ?, ?, ?, ?, ?, '') ON CONFLICT (sibling_id) DO UPDATE SET key_id = excluded.key_id,"
               " public_pem = excluded.public_pem, fingerprint = excluded.fingerprint, announced_at = excluded.announced_at,"
               " activity = excluded.activity, compared_by = ''", (sibling_id, *key, now, announced.uri))
        self._audit.note(tx, by=domain_of(row["origin"]), action="sibling.key-announced", target=row["origin"],
                         detail=key.key_id)
        log.warning("a sibling announces a new key: compare its fingerprint with its operators", sibling=row["origin"])

    async def confirm(self, domain: str, by: str, typed: str) -> SiblingRow:
        """Pin the announced key beside the present one, if it has the fingerprint that its operator read out and ours typed.
        Where four eyes are wanted, two of our operators each compare and type it."""
        origin, compared = origin_for_domain(domain), read_fingerprint(typed)
        if self._four_eyes:
            check_named(by)

        def pin(tx: Tx) -> None:
            row = _row(tx, "s.origin = ?", origin)
            if row["announced"] is None:
                raise NotFound("%(domain)s has not announced a key that waits for you.", values={"domain": domain_of(origin)})
            if row["state"] not in SENT_TO:
                raise Conflict("%(domain)s is not waiting for this; its state is “%(state)s”.",
                               values={"domain": domain_of(origin), "state": Phrase(row["state"])})
            if row["announced"] != compared:
                raise InvalidInput("The fingerprint you typed is not that of the announced key. Nothing was changed.",
                                   reason="fingerprint", field="fingerprint")
            if row["next_key_id"]:
                raise Conflict("Its last change of keys is not over yet; look at its key first.", reason="key-pending")
            if self._four_eyes and row["compared_by"] in ("", by):
                if row["compared_by"]:
                    raise Refused("You have compared this key already: another operator confirms it.", reason="four-eyes")
                tx.run("UPDATE announced_keys SET compared_by = ? WHERE sibling_id = ?", (by, row["id"]))
                self._audit.note(tx, by=by, action="sibling.key-compared", target=origin, detail=compared)
                return
            self._pin(tx, row, by)

        await self._database.write(pin)
        return await overview.row(self._database, domain)

    async def refuse(self, domain: str, by: str) -> SiblingRow:
        """Do not take the announced key, or not any longer the one that was confirmed; its operators are told."""
        origin = origin_for_domain(domain)

        def drop(tx: Tx) -> None:
            row = _row(tx, "s.origin = ?", origin)
            if not self._let_go(tx, row, by=by, how="refused"):
                raise NotFound("%(domain)s has not announced a key that waits for you.", values={"domain": domain_of(origin)})
            if row["activity"]:
                self._answer(tx, "Reject", row)

        await self._database.write(drop)
        return await overview.row(self._database, domain)

    def seen(self, tx: Tx, sibling_id: int, found: Descriptor) -> Seen | None:
        """Compare what a sibling's `/actor` names with what is pinned; None where it is not active any more. The confirmed next
        key becomes the pinned one; what else is not pinned is a reason to pause, and the caller does.
        What a pinned key vouches for is taken over: the document key, and with it where bundles are taken."""
        row = _row(tx, "s.id = ?", sibling_id)
        if row["state"] != SiblingState.ACTIVE:
            return None
        now, mark = self._clock.ms(), found.fingerprint
        tx.run("UPDATE sibling_details SET seen_key = ?, seen_key_at = ? WHERE sibling_id = ?", (mark, now, sibling_id))
        if mark == row["fingerprint"]:
            self._learn(tx, row, found)
            return Seen(Sight.PINNED)
        if row["next_key_id"] and mark == fingerprint(row["next_public_pem"]):
            tx.run("UPDATE siblings SET key_id = next_key_id, public_pem = next_public_pem, fingerprint = ?, next_key_id = '',"
                   " next_public_pem = '' WHERE id = ?", (mark, sibling_id))
            tx.run("UPDATE sibling_details SET pinned_at = ?, confirmed_by = next_by, confirmed_at = next_at, next_by = '',"
                   " next_at = NULL WHERE sibling_id = ?", (now, sibling_id))
            self._audit.note(tx, by="konsil", action="sibling.key-changed", target=row["origin"],
                             detail=f"{row['fingerprint']} to {mark}")
            self._learn(tx, row, found)
            return Seen(Sight.CHANGED)
        self._audit.note(tx, by="konsil", action="sibling.key-strange", target=row["origin"], detail=mark)
        return Seen(Sight.STRANGE, reason(KEY_UNCONFIRMED if mark == row["announced"] else KEY_UNANNOUNCED, mark))

    def sibling_changed(self, tx: Tx, change: SiblingChange) -> None:
        """What a revoked sibling has announced means nothing any more."""
        if change.new == SiblingState.REVOKED:
            self._let_go(tx, _row(tx, "s.id = ?", change.sibling_id), by="konsil", how="dropped")

    def _learn(self, tx: Tx, row: Row, found: Descriptor) -> None:
        """Take over what the key that was seen, a pinned one, vouches for. What is missing changes nothing: whoever leaves it
        out could else silence a sibling."""
        if found.document_key and (found.document_key, found.bundle_inbox) != (row["document_key"], row["bundle_inbox"]):
            tx.run("UPDATE siblings SET document_key = ?, bundle_inbox = ? WHERE id = ?",
                   (found.document_key, found.bundle_inbox, row["id"]))
        if found.document_key and found.document_key != row["document_key"]:
            self._audit.note(tx, by="konsil", action="sibling.document-key", target=row["origin"],
                             detail=f"{row['document_key'] or 'none'} to {found.document_key}")
            log.warning("a sibling signs its documents with another key than was known", sibling=row["origin"],
                        before=row["document_key"], now=found.document_key)

    def _pin(self, tx: Tx, row: Row, by: str) -> None:
        tx.run("UPDATE siblings SET next_key_id = ?, next_public_pem = ? WHERE id = ?",
               (row["announced_id"], row["announced_pem"], row["id"]))
        tx.run("UPDATE sibling_details SET next_by = ?, next_at = ? WHERE sibling_id = ?", (by, self._clock.ms(), row["id"]))
        tx.run("DELETE FROM announced_keys WHERE sibling_id = ?", (row["id"],))
        self._audit.note(tx, by=by, action="sibling.key-confirmed", target=row["origin"], detail=row["announced"])
        self._answer(tx, "Accept", row)

    def _let_go(self, tx: Tx, row: Row, *, by: str, how: str) -> bool:
        """Forget the announced and the confirmed key; whether there was one."""
        marks = [row["announced"]] if row["announced"] is not None else []
        marks += [fingerprint(row["next_public_pem"])] if row["next_key_id"] else []
        if not marks:
            return False
        tx.run("DELETE FROM announced_keys WHERE sibling_id = ?", (row["id"],))
        tx.run("UPDATE siblings SET next_key_id = '', next_public_pem = '' WHERE id = ?", (row["id"],))
        self._audit.note(tx, by=by, action=f"sibling.key-{how}", target=row["origin"], detail=", ".join(marks))
        return True

    def _answer(self, tx: Tx, kind: str, row: Row) -> None:
        """Tell the sibling what its announcement has come to."""
        number = self._ids.new()
        uri = f"{self._identity.actor_uri}#answer-{public(number)}"
        store.enqueue(tx, number, announcements.answer(self._identity, kind, uri, row["activity"]), [row["id"]], self._clock.ms())


def _row(tx: Tx, where: str, value: object) -> Row:
    row = tx.row("SELECT s.id, s.origin, s.state, s.fingerprint, s.next_key_id, s.next_public_pem,"
                 " s.document_key, s.bundle_inbox, a.key_id AS announced_id,"
                 " a.public_pem AS announced_pem, a.fingerprint AS announced, a.activity, a.compared_by"
                 f" FROM siblings s LEFT JOIN announced_keys a ON a.sibling_id = s.id WHERE {where}", (value,))
    if row is None:
        raise NotFound("There is no such sibling.")
    return row
