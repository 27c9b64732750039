"""Aliases: what doctors of this instance are called in threads that they sign by role only.

An alias is an actor of its own, one per doctor and thread. Its number is a keyed digest of the two: nobody else can tell whose
it is, and an instance that has lost its database recognises it again. Its badge says a role, one specialty and the country; what
day it gives is that of the thread, and it ends when hers does, without saying when hers does. Only the instances that may read
the thread are told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from actors.models import Actor, Badge
from actors.store import COLUMNS, actor_from, by_ids, save
from actors.wire import update
from core.countries import specialty_title
from core.database import Tx, marks
from core.ids import Ids, number, public
from federation.identity import Identity
from federation.lanes import BACKLOG, URGENT
from federation.listed import SENT_TO, listed
from federation.store import enqueue

_DAY_MS = 86_400_000
_ORIGINS = msgspec.json.Decoder(tuple[str, ...])
_ENDED = "(o.verified_until IS NOT NULL AND o.verified_until <= ?)"
_HERS = ("SELECT a.actor_id, a.origins, o.id AS owner_id FROM aliases a JOIN actors o ON o.id = a.owner_id"
         " JOIN actors w ON w.id = a.actor_id WHERE w.gone_at IS NULL")


def alias_of(identity: Identity, doctor: Actor, root_uri: str, at: int) -> Actor:
    """What a doctor is called in the thread that begins with this post, written at `at` (ms)."""
    message = "\0".join(("alias", doctor.uri, root_uri)).encode()
    made = int.from_bytes(identity.seal(message)[:8]) >> 1
    day = at // _DAY_MS * _DAY_MS
    badge = Badge(doctor.badge.role, doctor.badge.specialties[:1], doctor.badge.country, doctor.badge.verified_by, day)
    return Actor(made, f"{identity.origin}/actors/{public(made)}", f"role-{public(made)}", identity.domain, _called(badge), badge,
                 alias=True)


def _called(badge: Badge) -> str:
    """The name for software that has no words of its own for it."""
    titles = [specialty_title(code, "en") for code in badge.specialties]
    return ", ".join((str(badge.role).capitalize(), *titles, badge.country.upper()))


def attach(tx: Tx, alias: Actor, owner_id: int, root_id: int, origins: Sequence[str]) -> None:
    """Keep whose alias it is, once the thread's first post is stored."""
    tx.run("INSERT INTO aliases (actor_id, owner_id, root_id, origins) VALUES (?, ?, ?, ?)",
           (alias.id, owner_id, root_id, msgspec.json.encode(origins).decode()))


def in_threads(tx: Tx, owner_id: int, root_ids: Iterable[int]) -> dict[int, int]:
    """A doctor's aliases in these threads, by thread."""
    wanted = sorted(set(root_ids))
    return {row["root_id"]: row["actor_id"] for row in tx.rows(
        f"SELECT root_id, actor_id FROM aliases WHERE owner_id = ? AND root_id IN ({marks(len(wanted))})",
        (owner_id, *wanted))} if wanted else {}


def speaking(tx: Tx, doctor: Actor, root_id: int) -> Actor:
    """As whom a doctor speaks in a thread: her alias, where she has signed it by role only, else herself."""
    found = in_threads(tx, doctor.id, [root_id])
    return by_ids(tx, found.values())[found[root_id]] if found else doctor


def owners(tx: Tx, actor_ids: Iterable[int]) -> dict[int, int]:
    """Whose aliases those among these actors are that are some, by alias."""
    wanted = sorted(set(actor_ids))
    return {row["actor_id"]: row["owner_id"] for row in tx.rows(
        f"SELECT actor_id, owner_id FROM aliases WHERE actor_id IN ({marks(len(wanted))})", wanted)} if wanted else {}


def writers(tx: Tx, actor_ids: Iterable[int]) -> dict[int, int]:
    """Which doctor of this instance writes as those among these actors that are no persons: whose alias it is, and who answers
    for the desk."""
    wanted = sorted(set(actor_ids))
    return owners(tx, wanted) | {row["actor_id"]: row["owner_id"] for row in tx.rows(
        "SELECT a.actor_id, d.actor_id AS owner_id FROM accounts a JOIN accounts d ON d.id = a.doctor_id"
        f" WHERE a.kind = 'desk' AND a.actor_id IN ({marks(len(wanted))})", wanted)} if wanted else {}


def is_hers(tx: Tx, author_id: int, doctor: Actor) -> bool:
    """Whether a doctor writes as this author: by name, under an alias, or for a desk she answers for."""
    return author_id == doctor.id or writers(tx, [author_id]).get(author_id) == doctor.id


def all_of(tx: Tx, owner_id: int) -> frozenset[int]:
    """All aliases of a doctor."""
    return frozenset(row["actor_id"] for row in tx.rows("SELECT actor_id FROM aliases WHERE owner_id = ?", (owner_id,)))


def shown_to(tx: Tx, actor_id: int, origin: str) -> Actor | None:
    """An alias of this instance, for an instance that may read its thread."""
    row = tx.row("SELECT origins FROM aliases WHERE actor_id = ?", (actor_id,))
    alias = by_ids(tx, [actor_id]).get(actor_id) if row is not None and origin in _ORIGINS.decode(row["origins"]) else None
    return alias if alias is not None and alias.name else None


def recognise(tx: Tx, identity: Identity, uri: str, root_uri: str, at: int) -> tuple[Actor, int] | None:
    """An alias that is lost here, and whose it is: found by trying every doctor of this instance."""
    wanted = number(uri.removeprefix(f"{identity.origin}/actors/"))
    if wanted is None:
        return None
    for row in tx.rows(f"SELECT {COLUMNS} FROM actors WHERE sibling_id IS NULL AND alias = 0 AND gone_at IS NULL"):
        alias = alias_of(identity, actor_from(row), root_uri, at)
        if alias.id == wanted and alias.uri == uri:
            return alias, row["id"]
    return None


def keep_pace(tx: Tx, identity: Identity, ids: Ids, now: int, owner_id: int | None = None) -> int:
    """End the badges of aliases whose doctor's has ended, let those hold again whose doctor's does, and tell who may read them;
    how many there were. Of one doctor, or of all."""
    chosen, values = ("", ()) if owner_id is None else (" AND o.id = ?", (owner_id,))
    rows = tx.rows(f"{_HERS} AND {_ENDED} <> (w.verified_until IS NOT NULL){chosen}", (now, *values))
    aliases = by_ids(tx, [row["actor_id"] for row in rows])
    for row in rows:
        badge = aliases[row["actor_id"]].badge
        until = badge.verified_on if badge.until is None else None  # no moment of hers
        alias = msgspec.structs.replace(aliases[row["actor_id"]], badge=msgspec.structs.replace(badge, until=until))
        save(tx, alias, now)
        _tell(tx, identity, ids, alias, row["origins"], URGENT, now)
    return len(rows)


def is_behind(tx: Tx, now: int) -> bool:
    """Whether some badge has run out, and not yet for its bearer's aliases."""
    return tx.row("SELECT 1 FROM actors o WHERE o.sibling_id IS NULL AND o.alias = 0 AND o.verified_until <= ? AND EXISTS"
                  " (SELECT 1 FROM aliases a JOIN actors w ON w.id = a.actor_id WHERE a.owner_id = o.id AND w.gone_at IS NULL"
                  " AND w.verified_until IS NULL) LIMIT 1", (now,)) is not None


def catch_up(tx: Tx, identity: Identity, ids: Ids, sibling_id: int, now: int) -> None:
    """Tell a sibling that is let in again of the aliases it has met whose badges have ended or were told of before."""
    origin = next((one.origin for one in listed(tx) if one.id == sibling_id), "")
    rows = tx.rows(f"{_HERS} AND (w.verified_until IS NOT NULL OR EXISTS (SELECT 1 FROM deliveries d"
                   " WHERE d.object_key = w.uri_key AND d.sibling_id = ?))", (sibling_id,))
    hers = [row for row in rows if origin in _ORIGINS.decode(row["origins"])]
    aliases = by_ids(tx, [row["actor_id"] for row in hers])
    for row in hers:
        made = ids.new()
        enqueue(tx, made, update(aliases[row["actor_id"]], identity, public(made), BACKLOG), [sibling_id], now)


def let_go(tx: Tx, owner_id: int) -> list[int]:
    """Forget whose aliases these were, when a doctor has left. They stay what they are until what was written under them is
    erased too."""
    ids = sorted(all_of(tx, owner_id))
    tx.run("DELETE FROM aliases WHERE owner_id = ?", (owner_id,))
    return ids


def _tell(tx: Tx, identity: Identity, ids: Ids, alias: Actor, origins: str, lane: int, now: int) -> None:
    readers = frozenset(_ORIGINS.decode(origins))
    made = ids.new()
    enqueue(tx, made, update(alias, identity, public(made), lane),
            [one.id for one in listed(tx) if one.origin in readers and one.state in SENT_TO], now)
