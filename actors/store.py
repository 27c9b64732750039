"""Actors in SQL: doctors of this instance and of its siblings in one table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from actors.models import Actor, Badge, Role
from core.database import Row, Tx, marks
from core.ids import uri_key

COLUMNS = ("id, uri, sibling_id, handle, domain, name, role, specialties, country, verified_by, verified_on, verified_until")

_SHOWN = ("sibling_id IS NULL AND gone_at IS NULL AND EXISTS"
          " (SELECT 1 FROM accounts a WHERE a.actor_id = actors.id AND a.state IN ('verified', 'suspended'))")


def actor_from(row: Row) -> Actor:
    """The actor in a row of `COLUMNS`."""
    return Actor(
        row["id"], row["uri"], row["handle"], row["domain"], row["name"],
        Badge(Role(row["role"]), tuple(json.loads(row["specialties"])), row["country"], row["verified_by"],
              row["verified_on"], row["verified_until"]),
        row["sibling_id"])


def by_ids(tx: Tx, ids: Iterable[int]) -> dict[int, Actor]:
    """The actors of these ids."""
    wanted = sorted(set(ids))
    rows = tx.rows(f"SELECT {COLUMNS} FROM actors WHERE id IN ({marks(len(wanted))})", wanted) if wanted else []
    return {row["id"]: actor_from(row) for row in rows}


def by_uri(tx: Tx, uri: str) -> Actor | None:
    row = tx.row(f"SELECT {COLUMNS} FROM actors WHERE uri_key = ? AND gone_at IS NULL", (uri_key(uri),))
    return actor_from(row) if row is not None else None


def by_uris(tx: Tx, uris: Sequence[str]) -> dict[str, Actor]:
    """The actors at these URIs, as far as they are known here."""
    rows = tx.rows(f"SELECT {COLUMNS} FROM actors WHERE uri_key IN ({marks(len(uris))})", [uri_key(uri) for uri in uris])
    return {row["uri"]: actor_from(row) for row in rows}


def shown_by_id(tx: Tx, actor_id: int) -> Actor | None:
    """The doctor of this instance whom others may see: her account is verified, or was until it was suspended."""
    return _shown(tx, "id = ?", actor_id)


def shown_by_handle(tx: Tx, handle: str) -> Actor | None:
    """The same by handle."""
    return _shown(tx, "handle = ?", handle)


def shown_among(tx: Tx, keys: Sequence[bytes]) -> set[str]:
    """Which of these URI keys are those of doctors of this instance whom others may see; their URIs."""
    rows = tx.rows(f"SELECT uri FROM actors WHERE uri_key IN ({marks(len(keys))}) AND {_SHOWN}", keys) if keys else []
    return {row["uri"] for row in rows}


def _shown(tx: Tx, where: str, value: object) -> Actor | None:
    row = tx.row(f"SELECT {COLUMNS} FROM actors WHERE {where} AND {_SHOWN}", (value,))
    return actor_from(row) if row is not None else None


def save(tx: Tx, actor: Actor, now: int) -> None:
    """Insert an actor, or bring what is known of it up to date; its id, URI and home never change."""
    badge = actor.badge
    values = (actor.handle, actor.domain, actor.name, badge.role, json.dumps(badge.specialties), badge.country,
              badge.verified_by, badge.verified_on, badge.until, now)
    tx.run(
        "INSERT INTO actors (id, uri, uri_key, sibling_id, handle, domain, name, role, specialties, country, verified_by,"
        " verified_on, verified_until, fetched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (uri_key) DO UPDATE SET handle = excluded.handle, domain = excluded.domain, name = excluded.name,"
        " role = excluded.role, specialties = excluded.specialties, country = excluded.country,"
        " verified_by = excluded.verified_by, verified_on = excluded.verified_on, verified_until = excluded.verified_until,"
        " fetched_at = excluded.fetched_at WHERE actors.gone_at IS NULL",
        (actor.id, actor.uri, uri_key(actor.uri), actor.sibling_id, *values))
