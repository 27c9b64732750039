"""The list as it is read: the one place that asks the table `siblings` who is there, for all who depend on it.

A list that cannot be read has nobody on it, and an entry that cannot be read is not there: nothing is sent, fetched, accepted
or served because of something that nobody understands. Work at home goes on. The log raises an alarm, and operators read
what is wrong on the page of siblings (`damage`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from core.database import DatabaseError, Row, Tx
from core.errors import InvalidInput
from core.telemetry import get_logger
from core.words import N_
from federation.addresses import origin_of

log = get_logger("siblings")
_ALARM_SECONDS = 60.0
_last: dict[str, float] = {}


class SiblingState(StrEnum):
    PROPOSED = N_("proposed")
    CONFIRMED = N_("confirmed")
    ACTIVE = N_("active")
    PAUSED = N_("paused")
    REVOKED = N_("revoked")


SENT_TO = (SiblingState.ACTIVE, SiblingState.PAUSED)
"""The states of a sibling that is sent to, now or later."""
_STATES = frozenset(map(str, SiblingState))
_WORDS = ("country", "name", "actor_uri", "key_id", "public_pem", "fingerprint", "inbox", "members")
_OWN = ("actor_uri", "key_id", "inbox", "members")


class Entry(NamedTuple):
    """A sibling on the list, whatever its state; `changed_at` in milliseconds. `signs` says that it signs documents and takes
    bundles: what is agreed between instances of this kind can be asked of it."""

    id: int
    origin: str
    country: str
    name: str
    state: SiblingState
    changed_at: int
    actor_uri: str = ""
    signs: bool = False


class Damage(NamedTuple):
    """What of the list cannot be read: all of it, or so many entries."""

    whole: bool
    entries: int


def listed(tx: Tx) -> tuple[Entry, ...]:
    """Everybody on the list, by country; nobody where it cannot be read."""
    return _read(tx)[0]


def states(tx: Tx) -> dict[str, str]:
    """Every state by origin, for whom the gate has looked at the whole entry a moment ago: once for each batch that arrives,
    so nothing else is read."""
    try:
        rows = tx.rows("SELECT origin, state FROM siblings")
    except DatabaseError as error:
        unreadable(error)
        return {}
    return {origin: state for origin, state in rows if state in _STATES}


def entry(tx: Tx, sibling_id: int) -> Entry | None:
    """One sibling."""
    return next((one for one in listed(tx) if one.id == sibling_id), None)


def sent_to(tx: Tx) -> list[int]:
    """The siblings that are sent to, now (active) or later (paused)."""
    return [one.id for one in listed(tx) if one.state in SENT_TO]


def still_there(tx: Tx, sibling_ids: Sequence[int]) -> list[int]:
    """Those of some siblings that have an entry, sound or not; all of them where nobody can tell. Something can be owed to
    them: an entry that has been taken out of the table by hand is nobody any more, and the log says so."""
    try:
        known = {row["id"] for row in tx.rows("SELECT id FROM siblings")}
    except DatabaseError as error:
        unreadable(error)
        return list(sibling_ids)
    if gone := [one for one in sibling_ids if one not in known]:
        _alarm("entries are gone from the list of siblings: what is deleted here they are not told", entries=str(gone))
    return [one for one in sibling_ids if one in known]


def damage(tx: Tx) -> Damage:
    """What is wrong with the list, for operators."""
    return _read(tx)[1]


def _read(tx: Tx) -> tuple[tuple[Entry, ...], Damage]:
    try:
        rows = tx.rows("SELECT * FROM siblings ORDER BY country, origin")
    except DatabaseError as error:
        unreadable(error)
        return (), Damage(True, 0)
    found = tuple(one for row in rows if (one := _entry(row)) is not None)
    return found, Damage(False, len(rows) - len(found))


def unreadable(error: Exception) -> None:
    """Raise the alarm that the list cannot be read."""
    _alarm("the list of siblings cannot be read: nothing is exchanged with anybody", error=str(error))


def is_sound(row: Row) -> bool:
    """Whether everything in an entry is what it has to be; the alarm is raised if not."""
    return _entry(row) is not None


def _entry(row: Row) -> Entry | None:
    found = _checked(row["id"], row["origin"], row["state"], row["changed_at"], tuple(row[word] for word in _WORDS))
    if not _may_be_empty(row["origin"], row["bundle_inbox"], row["next_key_id"], row["next_public_pem"], row["document_key"]):
        found = None
    if found is None:
        _alarm("an entry of the list of siblings cannot be read: nothing is exchanged with it", entry=str(row["id"]))
        return None
    return found._replace(signs=True) if row["document_key"] and row["bundle_inbox"] else found


@lru_cache(maxsize=1024)
def _checked(number: object, origin: object, state: object, changed_at: object, words: Sequence[object]) -> Entry | None:
    if not isinstance(number, int) or not isinstance(origin, str) or not isinstance(changed_at, int) or state not in _STATES:
        return None
    said = dict(zip(_WORDS, words, strict=True))
    try:
        if origin_of(origin) != origin or any(not isinstance(word, str) or not word for word in words):
            return None
        if any(origin_of(str(said[name])) != origin for name in _OWN):
            return None
    except InvalidInput:
        return None
    return Entry(number, origin, str(said["country"]), str(said["name"]), SiblingState(str(state)), changed_at,
                 str(said["actor_uri"]))


@lru_cache(maxsize=1024)
def _may_be_empty(origin: object, bundle_inbox: object, *words: object) -> bool:
    """Whether these are words, or empty, and the address is one of this origin."""
    if not isinstance(bundle_inbox, str) or any(not isinstance(word, str) for word in words):
        return False
    try:
        return not bundle_inbox or origin_of(bundle_inbox) == origin
    except InvalidInput:
        return False


def _alarm(what: str, **facts: str) -> None:
    """Into the log, and not more often than somebody reads it."""
    now = time.monotonic()
    if now - _last.get(what, -_ALARM_SECONDS) >= _ALARM_SECONDS:
        _last[what] = now
        log.error(what, **facts)
