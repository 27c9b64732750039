"""Our own keys: one that signs, and while it is being changed the one that comes next.

A key is made, announced to the siblings under the key before it, and taken into use when their operators have confirmed it; all
the while requests are signed with one key, and each step is one transaction, so that a process may end at any moment.
Processes that are running look into the database every second and change the key they hold without a pause.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import NamedTuple

from core.audit import Audit
from core.clock import Clock
from core.database import Database, Row, Tx
from core.errors import Conflict, Misconfigured, NotFound, Refused
from core.ids import Ids, public
from core.states import StateGraph
from core.telemetry import get_logger
from core.vault import KeyVault
from core.words import N_
from federation import announcements, store
from federation.addresses import domain_of
from federation.allowlist import SiblingState
from federation.identity import Identity, Pair, PublicKey, Ring
from federation.listed import SENT_TO, sent_to
from federation.siblings import SiblingChange, check_named
from federation.signatures.keys import fingerprint, generate_rsa, load_private
from federation.signatures.proofs import DocumentKey

log = get_logger("keyring")
PURPOSE = "http-signature"
_LOOK_SECONDS = 1.0
_SHOWN = 50


class KeyState(StrEnum):
    PROPOSED = N_("proposed")
    ANNOUNCED = N_("announced")
    CURRENT = N_("current")
    RETIRED = N_("retired")
    DROPPED = N_("dropped")


KEY_STATES = StateGraph(
    name="key",
    states=tuple(KeyState),
    edges={
        "proposed": ("announced", "dropped"),
        "announced": ("current", "dropped"),
        "current": ("retired",),
    },
    initial="proposed",
)


class KeyAnswer(StrEnum):
    """What a sibling's operators have said to a key we announced; WAITING is what we say while they have said nothing."""

    CONFIRMED = N_("confirmed")
    REFUSED = N_("refused")
    WAITING = N_("not confirmed yet")


class OwnKey(NamedTuple):
    """One of our keys; times in milliseconds. `answers` is what each sibling that is sent to has said to it, by domain, for
    one that was announced."""

    id: int
    key_id: str
    state: KeyState
    fingerprint: str
    created: int
    changed: int
    proposed_by: str
    answers: dict[str, KeyAnswer]

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """The siblings that would refuse what is signed with it."""
        return tuple(domain for domain, said in self.answers.items() if said != KeyAnswer.CONFIRMED)


async def load_ring(database: Database, vault: KeyVault, documents: DocumentKey, origin: str, *,
                    changed_after: int | None = None) -> Ring:
    """The keys as they stand at this moment, beside the one for documents; `Misconfigured` where there is none. Opening one takes
    some 40 ms, in a thread.

    Where the present key has come into use after `changed_after` (ms), the one before is still named."""
    rows = await database.read(lambda tx: tx.rows(
        "SELECT * FROM instance_keys WHERE purpose = ? AND state IN ('current', 'announced', 'retired')"
        " ORDER BY changed_at DESC, id DESC", (PURPOSE,)))
    by_state: dict[str, Row] = {}
    for row in rows:
        by_state.setdefault(row["state"], row)
    current = by_state.get(KeyState.CURRENT)
    if current is None:
        raise Misconfigured("This instance has no key; `konsil init` makes one.")
    opened = await asyncio.to_thread(lambda: load_private(vault.open(current["sealed_private"], PURPOSE).decode()))
    before = by_state.get(KeyState.RETIRED)
    settles = before is not None and changed_after is not None and current["changed_at"] > changed_after
    announced = by_state.get(KeyState.ANNOUNCED)
    return Ring(Pair(opened, _public(current, origin)), documents,
                _public(before, origin) if before is not None and settles else None,
                _public(announced, origin) if announced is not None else None)


class Keyring:
    """Changes the key this instance signs with, and has this process follow."""

    def __init__(self, database: Database, vault: KeyVault, identity: Identity, clock: Clock, ids: Ids, audit: Audit, *,
                 four_eyes: bool, settle_seconds: float) -> None:
        self._database, self._vault, self._identity = database, vault, identity
        self._clock, self._ids, self._audit, self._four_eyes = clock, ids, audit, four_eyes
        self._settle_ms = int(1000 * (settle_seconds + 2 * _LOOK_SECONDS))

    async def keys(self) -> tuple[OwnKey, ...]:
        """Our keys, newest first."""
        def look(tx: Tx) -> tuple[OwnKey, ...]:
            rows = tx.rows("SELECT * FROM instance_keys WHERE purpose = ? ORDER BY id DESC LIMIT ?", (PURPOSE, _SHOWN))
            return tuple(self._seen(tx, row) for row in rows)

        return await self._database.read(look)

    async def rotate(self, by: str) -> OwnKey:
        """Make a new key and announce it; where four eyes are wanted it waits until another operator confirms it."""
        self._check_named(by)
        before, number = self._identity.fingerprint, self._ids.new()
        sealed, key, proof = await asyncio.to_thread(self._made, f"key-{public(number)}")

        def make(tx: Tx) -> None:
            if _next(tx) is not None:
                raise Conflict("A new key is on its way already; take it into use, or cancel it, first.", reason="key-pending")
            if fingerprint(_current(tx)["public_pem"]) != before:
                raise Conflict("Meanwhile the keys have changed.", reason="key-pending")
            now = self._clock.ms()
            tx.run("INSERT INTO instance_keys (id, purpose, public_pem, sealed_private, created_at, key_id, state, proposed_by,"
                   " changed_at, proof) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (number, PURPOSE, key.public_pem, sealed, now, _fragment(key), KeyState.PROPOSED, by, now, proof))
            self._audit.note(tx, by=by, action="key.proposed", target=self._identity.origin, detail=key.fingerprint)
            if not self._four_eyes:
                self._announce(tx, by)

        await self._database.write(make)
        return await self._settled(number)

    async def confirm(self, by: str) -> OwnKey:
        """Announce the key that another operator has proposed."""
        self._check_named(by)

        def announce(tx: Tx) -> int:
            found = _expected(tx)
            if self._four_eyes and by == found["proposed_by"]:
                raise Refused("You proposed this key yourself: another operator confirms it.", reason="four-eyes")
            return self._announce(tx, by)

        return await self._settled(await self._database.write(announce))

    async def coming(self) -> OwnKey:
        """The key that is proposed or announced; `NotFound` when none is."""
        return await self._database.read(lambda tx: self._seen(tx, _expected(tx)))

    async def switch(self, key: int, by: str) -> OwnKey:
        """Sign with the announced key from now on, `key` being its id. The one before is retired and its private half erased;
        who has not confirmed the new one refuses us until it has."""
        self._check_named(by)

        def change(tx: Tx) -> int:
            found, current = _expected(tx), _current(tx)
            if found["id"] != key:
                raise Conflict("Meanwhile the keys have changed.", reason="key-pending")
            self._step(tx, current, KeyState.RETIRED)  # before the other one: there is one that signs, and no second
            self._step(tx, found, KeyState.CURRENT)
            self._audit.note(tx, by=by, action="key.switched", target=self._identity.origin,
                             detail=f"{fingerprint(current['public_pem'])} to {fingerprint(found['public_pem'])}")
            return int(found["id"])

        return await self._settled(await self._database.write(change))

    async def cancel(self, by: str) -> OwnKey:
        """Drop the key that was to come; siblings that were told of it are told that it will not."""
        def drop(tx: Tx) -> int:
            found = _expected(tx)
            if found["state"] == KeyState.ANNOUNCED:
                self._send(tx, announcements.withdraw(self._identity, _public(found, self._identity.origin)), sent_to(tx))
            self._step(tx, found, KeyState.DROPPED)
            self._audit.note(tx, by=by, action="key.dropped", target=self._identity.origin,
                             detail=fingerprint(found["public_pem"]))
            return int(found["id"])

        return await self._settled(await self._database.write(drop))

    def sibling_changed(self, tx: Tx, change: SiblingChange) -> None:
        """A sibling that is let in while a new key is announced hears of it as the others have."""
        found = _next(tx) if change.new == SiblingState.ACTIVE and change.old != SiblingState.PAUSED else None
        if found is not None and found["state"] == KeyState.ANNOUNCED:
            self._send(tx, self._announcement(found), [change.sibling_id])

    def answered(self, tx: Tx, key: int, sibling_id: int, answer: KeyAnswer, now: int) -> None:
        """A sibling has answered the announcement of a key. What it refused meanwhile is tried at once when it has confirmed."""
        tx.run("INSERT INTO key_answers (key_id, sibling_id, answer, at) VALUES (?, ?, ?, ?)"
               " ON CONFLICT (key_id, sibling_id) DO UPDATE SET answer = excluded.answer, at = excluded.at",
               (key, sibling_id, answer, now))
        row = tx.row("SELECT s.origin, d.alarm FROM siblings s JOIN delivery_lines d ON d.sibling_id = s.id WHERE s.id = ?",
                     (sibling_id,))
        if row is not None:
            self._audit.note(tx, by=domain_of(row["origin"]), action=f"key.{answer}", target=self._identity.origin)
            if answer == KeyAnswer.CONFIRMED and row["alarm"]:
                store.retry(tx, sibling_id)

    async def follow(self) -> None:
        """Keep this process's keys those of the database, until cancelled. A key that cannot be opened leaves the one before."""
        told = ""
        while True:
            try:
                await self.refresh()
                told = ""
            except Exception as error:
                if str(error) != told:
                    told = str(error)
                    log.exception("the instance's key could not be loaded; the one before goes on signing")
            await asyncio.sleep(_LOOK_SECONDS)

    async def refresh(self) -> None:
        """Take over what has changed. Nearly always nothing has, and that costs one look at the index."""
        ring, now = self._identity.ring, self._clock.ms()
        found = self._database.glance(
            "SELECT c.key_id, c.changed_at, n.key_id FROM instance_keys c LEFT JOIN instance_keys n"
            " ON n.purpose = c.purpose AND n.state = 'announced' WHERE c.purpose = ? AND c.state = 'current'", (PURPOSE,))
        if found is None:
            raise Misconfigured("This instance has no key; `konsil init` makes one.")
        here = (_fragment(ring.pair.public), _fragment(ring.announced) if ring.announced is not None else None)
        limit = now - self._settle_ms
        settling, names_before = limit < found[1] <= now, ring.named != ring.pair.public
        if here != (found[0], found[2]) or settling != names_before:
            fresh = await load_ring(self._database, self._vault, ring.documents, self._identity.origin,
                                    changed_after=limit if settling else None)
            ring.turn(fresh.pair, fresh.named, fresh.announced)
            log.info("keys", signing=fresh.pair.public.fingerprint, named=fresh.named.fingerprint)

    async def _settled(self, number: int) -> OwnKey:
        await self.refresh()
        return next(key for key in await self.keys() if key.id == number)

    def _made(self, fragment: str) -> tuple[bytes, PublicKey, str]:
        """A new key under this id, its private half sealed, and its proof; a second of work, for a thread."""
        private_pem, public_pem = generate_rsa()
        key = PublicKey(f"{self._identity.actor_uri}#{fragment}", public_pem, fingerprint(public_pem))
        return (self._vault.seal(private_pem.encode(), PURPOSE), key,
                announcements.prove(self._identity, key, load_private(private_pem)))

    def _announce(self, tx: Tx, by: str) -> int:
        """Tell every sibling that is sent to, in the transaction that makes the step; returns the key's id."""
        found = _expected(tx)
        self._step(tx, found, KeyState.ANNOUNCED)
        self._send(tx, self._announcement(found), sent_to(tx))
        self._audit.note(tx, by=by, action="key.announced", target=self._identity.origin, detail=fingerprint(found["public_pem"]))
        return int(found["id"])

    def _announcement(self, row: Row) -> store.Outgoing:
        return announcements.announce(self._identity, _public(row, self._identity.origin), row["proof"])

    def _send(self, tx: Tx, activity: store.Outgoing, siblings: list[int]) -> None:
        store.enqueue(tx, self._ids.new(), activity, siblings, self._clock.ms())

    def _step(self, tx: Tx, row: Row, to: KeyState) -> None:
        KEY_STATES.check(row["state"], to)
        now, ends = self._clock.ms(), to in (KeyState.RETIRED, KeyState.DROPPED)
        tx.run("UPDATE instance_keys SET state = ?, changed_at = ? WHERE id = ?", (to, now, row["id"]))
        if ends:
            tx.run("UPDATE instance_keys SET sealed_private = x'', retired_at = ? WHERE id = ?", (now, row["id"]))
            tx.scrub()

    def _seen(self, tx: Tx, row: Row) -> OwnKey:
        state, answers = KeyState(row["state"]), dict[str, KeyAnswer]()
        if state in (KeyState.ANNOUNCED, KeyState.CURRENT) and row["proof"]:
            told = tx.rows(
                "SELECT s.origin, a.answer FROM siblings s LEFT JOIN key_answers a ON a.sibling_id = s.id AND a.key_id = ?"
                " WHERE s.state IN (?, ?) AND (a.answer IS NOT NULL OR ? = 'announced' OR s.activated_at < ?)"
                " ORDER BY s.country, s.origin", (row["id"], *SENT_TO, state, row["changed_at"]))
            answers = {domain_of(one["origin"]): KeyAnswer(one["answer"] or KeyAnswer.WAITING) for one in told}
        return OwnKey(row["id"], f"{self._identity.actor_uri}#{row['key_id']}", state, fingerprint(row["public_pem"]),
                      row["created_at"], row["changed_at"] or row["created_at"], row["proposed_by"], answers)

    def _check_named(self, by: str) -> None:
        if self._four_eyes:
            check_named(by)


def answerable(tx: Tx, actor_uri: str) -> dict[str, int]:
    """The announcements of ours that a sibling can still answer, and which key each is about: also after it is in use."""
    rows = tx.rows("SELECT id, key_id FROM instance_keys WHERE purpose = ? AND state IN (?, ?)",
                   (PURPOSE, KeyState.ANNOUNCED, KeyState.CURRENT))
    return {announcements.announcement_uri(f"{actor_uri}#{row['key_id']}"): row["id"] for row in rows}


def _next(tx: Tx) -> Row | None:
    return tx.row("SELECT * FROM instance_keys WHERE purpose = ? AND state IN (?, ?)",
                  (PURPOSE, KeyState.PROPOSED, KeyState.ANNOUNCED))


def _expected(tx: Tx) -> Row:
    row = _next(tx)
    if row is None:
        raise NotFound("No new key is on its way; `konsil keys rotate` makes one.")
    return row


def _current(tx: Tx) -> Row:
    row = tx.row("SELECT * FROM instance_keys WHERE purpose = ? AND state = ?", (PURPOSE, KeyState.CURRENT))
    if row is None:
        raise Misconfigured("This instance has no key; `konsil init` makes one.")
    return row


def _public(row: Row, origin: str) -> PublicKey:
    return PublicKey(f"{origin}/actor#{row['key_id']}", row["public_pem"], fingerprint(row["public_pem"]))


def _fragment(key: PublicKey) -> str:
    return key.key_id.partition("#")[2]
