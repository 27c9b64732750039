"""What has to be written into the erasure journal, noted in the transaction that takes it back; and how far it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.database import Tx, marks
from core.errors import Unavailable
from core.ids import uri_key
from federation.listed import damage, listed
from federation.siblings import SiblingChange

ERASED = "erased"
ORDERED = "ordered"
FORGOTTEN = "forgotten"
LEFT = "left"
CHANGED = "changed"
TOPIC = "journal"


class Due(NamedTuple):
    """`what` is ERASED for the post `name`, ORDERED for the instance actor `name` that wants all of its own erased, FORGOTTEN
    for the application of the reference `name`, LEFT for the doctor whose actor `name` is, CHANGED for the post `name` of which
    nothing earlier is kept, or the state of a sibling or an account, as core.journal says; `at` in ms."""

    key: bytes
    what: str
    name: str
    at: int


class Place(NamedTuple):
    """Where a database stands: the journal's name, the byte up to which it is done, and when a backup was restored (ms)."""

    name: str
    read_to: int
    restored_at: int | None


def place(tx: Tx) -> Place:
    """Where this database stands."""
    [row] = tx.rows("SELECT name, read_to, restored_at FROM journal")
    return Place(*row)


def stands_at(tx: Tx, name: str, upto: int) -> None:
    """Everything up to this byte of the journal of this name is done."""
    tx.run("UPDATE journal SET name = ?, read_to = ?", (name, upto))


def restored(tx: Tx, now: int) -> None:
    """This database has come out of a backup."""
    tx.run("UPDATE journal SET restored_at = ?", (now,))


def settled(tx: Tx) -> None:
    """What that asks for has been done."""
    tx.run("UPDATE journal SET restored_at = NULL")


def add(tx: Tx, what: str, name: str, now: int) -> None:
    """Note something; of a sibling or an account only its latest state."""
    tx.run("INSERT INTO journal_due (name_key, what, name, at) VALUES (?, ?, ?, ?)"
           " ON CONFLICT (name_key) DO UPDATE SET what = excluded.what, at = excluded.at", (uri_key(name), what, name, now))
    tx.wake(TOPIC)


def sibling_changed(tx: Tx, change: SiblingChange) -> None:
    """A sibling's state has changed."""
    add(tx, change.new, change.origin, change.now)


def some(tx: Tx, limit: int) -> list[Due]:
    """What waits, oldest first."""
    return [Due(*row) for row in tx.rows("SELECT name_key, what, name, at FROM journal_due ORDER BY at LIMIT ?", (limit,))]


def written(tx: Tx, done: Sequence[Due]) -> None:
    """These stand in the journal. What has changed since waits on."""
    for one in done:
        tx.run("DELETE FROM journal_due WHERE name_key = ? AND what = ? AND at = ?", (one.key, one.what, one.at))


def known(tx: Tx, uris: Sequence[str]) -> None:
    """These posts stand there already."""
    tx.run(f"DELETE FROM journal_due WHERE what = ? AND name_key IN ({marks(len(uris))})", (ERASED, *map(uri_key, uris)))


def everything(tx: Tx) -> None:
    """A journal is begun anew: whatever was taken back has to be written into it, and in which state each sibling is."""
    tx.run("INSERT INTO journal_due (name_key, what, name, at) SELECT uri_key, ?, uri, at FROM tombstones WHERE true"
           " ON CONFLICT (name_key) DO NOTHING", (ERASED,))
    for row in tx.rows("SELECT s.actor_uri, max(e.ordered_at) AS at FROM ordered_erasures e"
                       " JOIN siblings s ON s.id = e.sibling_id GROUP BY s.actor_uri"):
        add(tx, ORDERED, row["actor_uri"], row["at"])
    for row in tx.rows("SELECT reference, decided_at FROM applications WHERE decided_at IS NOT NULL AND name = ''"):
        add(tx, FORGOTTEN, row["reference"], row["decided_at"])
    for row in tx.rows("SELECT a.uri, d.begun_at FROM departures d JOIN actors a ON a.id = d.actor_id"
                       " WHERE d.begun_at IS NOT NULL"):
        add(tx, LEFT, row["uri"], row["begun_at"])
    for one in listed(tx):
        add(tx, one.state, one.origin, one.changed_at)


def origins(tx: Tx, keys: Sequence[bytes]) -> dict[bytes, tuple[str, ...]]:
    """The siblings that were ever sent something of these objects, by their origins. `Unavailable` where the list cannot be
    read: what is written down without them would be forgotten."""
    if keys and damage(tx).whole:
        raise Unavailable("The list of siblings cannot be read.", reason="list-unreadable")
    names = {one.id: one.origin for one in listed(tx)} if keys else {}
    found: dict[bytes, tuple[str, ...]] = {}
    for row in tx.rows(f"SELECT DISTINCT object_key, sibling_id FROM deliveries WHERE object_key IN ({marks(len(keys))})", keys):
        if origin := names.get(row["sibling_id"]):
            found[row["object_key"]] = tuple(sorted((*found.get(row["object_key"], ()), origin)))
    return found
