"""Actors in SQL: doctors of this instance and of its siblings in one table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec

from actors.models import Actor, Answering, Badge, Role
from core.database import Database, Row, Tx, marks
from core.ids import uri_key
from core.text import folded

_CODES = msgspec.json.Decoder(tuple[str, ...])
_ANSWERING = msgspec.json.Decoder(Answering)
COLUMNS = ("id, uri, sibling_id, handle, domain, name, role, specialties, country, verified_by, verified_on, verified_until,"
           " about, discoverable, verified_how, alias, speaks, workplace, portrait, desk, answered_by")
SHOWN = ("sibling_id IS NULL AND gone_at IS NULL AND EXISTS"
         " (SELECT 1 FROM accounts a WHERE a.actor_id = actors.id AND a.state IN ('verified', 'suspended', 'withdrawn'))")
"""The doctors of this instance whom others may see: verified ones, and those who were until that was suspended or taken back."""
BADGES = "badges"
"""What wakes whoever looks at votes when a badge ends or holds again."""
SESSIONS = "sessions"
"""What wakes whoever serves somebody for as long as her session lives."""
_TITLES = frozenset((
    "dott", "dr", "dra", "dre", "med", "miss", "mr", "mrs", "ms", "pd", "pr", "priv", "prof", "professor", "ssa", "univ"))


def actor_from(row: Row) -> Actor:
    """The actor in a row that begins with `COLUMNS`."""
    (number, uri, sibling_id, handle, domain, name, role, codes, country, by, on, until, about, discoverable, how, alias, speaks,
     workplace, portrait, desk, answered_by, *_) = row
    return Actor(number, uri, handle, domain, name, Badge(Role(role), _CODES.decode(codes), country, by, on, until, how),
                 sibling_id, about, bool(discoverable), bool(alias), _CODES.decode(speaks), workplace, portrait, desk=bool(desk),
                 answered_by=_ANSWERING.decode(answered_by) if answered_by else None)


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
    rows = tx.rows(f"SELECT uri FROM actors WHERE uri_key IN ({marks(len(keys))}) AND {SHOWN}", keys) if keys else []
    return {row["uri"] for row in rows}


def _shown(tx: Tx, where: str, value: object) -> Actor | None:
    row = tx.row(f"SELECT {COLUMNS} FROM actors WHERE {where} AND {SHOWN}", (value,))
    return actor_from(row) if row is not None else None


def known_by_mention(tx: Tx, handle: str, domain: str) -> Actor | None:
    """The doctor of a sibling who was last heard of under this name; a sibling may give a handle to somebody new."""
    row = tx.row(f"SELECT {COLUMNS} FROM actors WHERE handle IN (?, ?) AND domain = ? AND sibling_id IS NOT NULL"
                 " AND alias = 0 AND gone_at IS NULL ORDER BY fetched_at DESC, id DESC LIMIT 1", (handle, handle.lower(), domain))
    return actor_from(row) if row is not None else None


def save(tx: Tx, actor: Actor, now: int) -> None:
    """Insert an actor, or bring what is known of it up to date; its id, URI and home never change, nor whether it is an alias or
    a desk, and its picture is kept by `actors.portraits`. One that was forgotten is known again: her instance was let in anew and
    speaks of her. One that has left stays so for good."""
    if tx.row("SELECT 1 FROM tombstones WHERE uri_key = ?", (uri_key(actor.uri),)) is not None:
        return
    badge = actor.badge
    values = (actor.handle, actor.domain, actor.name, badge.role, json.dumps(badge.specialties), badge.country,
              badge.verified_by, badge.verified_on, badge.until, now, actor.about, int(actor.discoverable),
              sort_name(actor.name, actor.handle), badge.how, json.dumps(actor.speaks), actor.workplace,
              msgspec.json.encode(actor.answered_by).decode() if actor.answered_by is not None else "")
    _note_change(tx, actor)
    tx.run(
        "INSERT INTO actors (id, uri, uri_key, sibling_id, handle, domain, name, role, specialties, country, verified_by,"
        " verified_on, verified_until, fetched_at, about, discoverable, sort_name, verified_how, speaks, workplace, answered_by,"
        " alias, desk) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (uri_key) DO UPDATE SET handle = excluded.handle, domain = excluded.domain, name = excluded.name,"
        " role = excluded.role, specialties = excluded.specialties, country = excluded.country,"
        " verified_by = excluded.verified_by, verified_on = excluded.verified_on, verified_until = excluded.verified_until,"
        " fetched_at = excluded.fetched_at, about = excluded.about, discoverable = excluded.discoverable,"
        " sort_name = excluded.sort_name, verified_how = excluded.verified_how, speaks = excluded.speaks,"
        " workplace = excluded.workplace, answered_by = excluded.answered_by, gone_at = NULL"
        " WHERE actors.gone_at IS NULL OR actors.name = ''",
        (actor.id, actor.uri, uri_key(actor.uri), actor.sibling_id, *values, int(actor.alias), int(actor.desk)))
    row = tx.row("SELECT id FROM actors WHERE uri_key = ?", (uri_key(actor.uri),))
    if row is not None and not actor.alias:
        if not actor.local:
            _want_portrait(tx, row["id"], actor.icon, now)
        tx.run("DELETE FROM actor_specialties WHERE actor_id = ?", (row["id"],))
        tx.insert("actor_specialties (specialty, actor_id)", 2, [(code, row["id"]) for code in dict.fromkeys(badge.specialties)])


def _note_change(tx: Tx, actor: Actor) -> None:
    """Where a badge that is known here ends at another moment from now on, have the votes of its bearer looked at."""
    if tx.run("INSERT INTO badge_changes (actor_id) SELECT id FROM actors WHERE uri_key = ? AND coalesce(verified_until, 0) <> ?"
              " ON CONFLICT (actor_id) DO NOTHING", (uri_key(actor.uri), actor.badge.until or 0)):
        tx.wake(BADGES)


def _want_portrait(tx: Tx, actor_id: int, url: str, now: int) -> None:
    """Have the picture of a sibling's doctor fetched, if it is another one than before; one she has taken away goes at once."""
    if url:
        tx.run("INSERT INTO portraits (actor_id, url, next_try) VALUES (?, ?, ?) ON CONFLICT (actor_id) DO UPDATE SET"
               " url = excluded.url, tries = 0, next_try = excluded.next_try WHERE portraits.url <> excluded.url",
               (actor_id, url, now))
        tx.wake("portraits")
    else:
        tx.run("DELETE FROM portraits WHERE actor_id = ?", (actor_id,))
        tx.run("UPDATE actors SET portrait = '' WHERE id = ? AND portrait <> ''", (actor_id,))


def forget_people(tx: Tx, sibling_id: int, until: int, most: int, now: int) -> int:
    """Take what a sibling said about its doctors up to a moment (ms) out of everything but their addresses, which other rows
    point to; returns how many there were, at most `most`."""
    ids = [row["id"] for row in tx.rows("SELECT id FROM actors WHERE sibling_id = ? AND gone_at IS NULL AND fetched_at <= ?"
                                        " ORDER BY id LIMIT ?", (sibling_id, until, most))]
    scrub(tx, ids, now)
    return len(ids)


def scrub(tx: Tx, ids: Sequence[int], now: int) -> None:
    """Take everything about these people out of their rows, of which only the address stays."""
    tx.run("UPDATE actors SET gone_at = ?, handle = '', name = '', specialties = '[]', verified_by = '', verified_how = '',"
           " verified_on = 0, verified_until = NULL, about = '', discoverable = 0, speaks = '[]', workplace = '', portrait = '',"
           " answered_by = '', sort_name = '-'"
           f" WHERE id IN ({marks(len(ids))})", (now, *ids))
    for table in ("actor_specialties", "portraits"):
        tx.run(f"DELETE FROM {table} WHERE actor_id IN ({marks(len(ids))})", ids)


def sort_name(name: str, handle: str) -> str:
    """What a doctor is found and sorted by: her name folded, without the titles it begins with; never empty."""
    words = folded(name).split()
    while len(words) > 1 and words[0] in _TITLES:
        del words[0]
    return " ".join(words) or handle


async def sort_names(database: Database) -> None:
    """Make the sorted names that are missing: of actors that came before there were any."""
    if database.glance("SELECT 1 FROM actors WHERE sort_name = '' LIMIT 1") is None:
        return

    def store(tx: Tx) -> None:
        for row in tx.rows("SELECT id, name, handle FROM actors WHERE sort_name = ''"):
            tx.run("UPDATE actors SET sort_name = ? WHERE id = ?", (sort_name(row["name"], row["handle"]), row["id"]))

    await database.write(store)
