"""The ledger: which activities have been seen, and what waits. Digests stay; a body lives here only while it is held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.database import Tx, marks
from core.ids import uri_key
from federation.listed import listed
from inbox import lines
from inbox.arrival import Arrival, Held, Ignored, Outcome, Wanted

_FIRST_MS = 2_000
_LIMIT_MS = 3_600_000


class Waiting(NamedTuple):
    """A held activity: `wanted` says what `missing` has to be, `origin` who sent it; times in milliseconds."""

    key: bytes
    origin: str
    missing: str
    wanted: Wanted
    body: bytes
    received_at: int
    tries: int


class Parked(NamedTuple):
    """A held activity that is not tried any more; `missing` is what it waited for, `reason` a sentence, the time in ms."""

    missing: str
    reason: str
    received_at: int


class HeldOf(NamedTuple):
    """What is held of one sibling: how much waits, and what is parked, newest first."""

    waiting: int
    parked: tuple[Parked, ...]


def seen(tx: Tx, arrivals: Sequence[Arrival]) -> dict[str, bytes]:
    """The digests under which these activities came before, by their id."""
    asked = {uri_key(arrival.uri): arrival.uri for arrival in arrivals}
    rows = tx.rows(f"SELECT uri_key, digest FROM ledger WHERE uri_key IN ({marks(len(asked))})", list(asked))
    return {asked[row["uri_key"]]: row["digest"] for row in rows}


def record(tx: Tx, decided: Sequence[tuple[Arrival, Outcome]]) -> None:
    """Enter activities that `seen` did not know. Held ones are kept with their body."""
    tx.insert("ledger (uri_key, sibling_id, digest, outcome, received_at)", 5, [
        (uri_key(arrival.uri), arrival.sibling.id, arrival.digest, _word(outcome), arrival.now)
        for arrival, outcome in decided])
    held = [
        (uri_key(arrival.uri), arrival.sibling.id, uri_key(arrival.about), outcome.missing, uri_key(outcome.missing),
         outcome.wanted, arrival.body, arrival.now, arrival.now, arrival.sequence, arrival.uri)
        for arrival, outcome in decided if isinstance(outcome, Held)]
    if held:
        tx.insert("held (activity_key, sibling_id, about_key, missing, missing_key, wanted, body, received_at, next_try,"
                  " sequence, activity)", 11, held)
        tx.wake("held")


def due(tx: Tx, now: int, limit: int) -> list[Waiting]:
    """What may be tried now, longest waiting first."""
    origins = {one.id: one.origin for one in listed(tx)}
    return [
        Waiting(row["activity_key"], origins[row["sibling_id"]], row["missing"], Wanted(row["wanted"]), row["body"],
                row["received_at"], row["tries"])
        for row in tx.rows(
            f"SELECT * FROM held WHERE sibling_id IN ({marks(len(origins))}) AND state = 'waiting' AND next_try <= ?"
            " ORDER BY received_at LIMIT ?", (*origins, now, limit))]


def waiting_of(tx: Tx, sibling_id: int, most: int) -> int:
    """How much of a sibling's waits, counted no further than `most`."""
    found = tx.row("SELECT count(*) AS n FROM (SELECT 1 FROM held WHERE sibling_id = ? AND state = 'waiting' LIMIT ?) AS some",
                   (sibling_id, most))
    return found["n"] if found is not None else 0


def held_of(tx: Tx, sibling_id: int, limit: int) -> HeldOf:
    """What of a sibling's waits, and the newest that is not tried any more."""
    waits = tx.row("SELECT count(*) AS n FROM held WHERE sibling_id = ? AND state = 'waiting'", (sibling_id,))
    parked = tx.rows("SELECT missing, reason, received_at FROM held WHERE sibling_id = ? AND state = 'parked'"
                     " ORDER BY received_at DESC LIMIT ?", (sibling_id, limit))
    return HeldOf(waits["n"] if waits is not None else 0, tuple(Parked(*row) for row in parked))


def is_held(tx: Tx, arrival: Arrival) -> bool:
    """Whether it still waits; a deletion or a revocation may have ended that."""
    return tx.row("SELECT 1 FROM held WHERE activity_key = ? AND state = 'waiting'", (uri_key(arrival.uri),)) is not None


def still_held(tx: Tx, arrivals: Sequence[Arrival]) -> dict[int, Held]:
    """Of activities that have come before and come again under a number: those that have had no effect yet, by that number, under
    which their sender will hear what becomes of them. Of one that is not tried any more it hears that at once."""
    asked = {uri_key(arrival.uri): arrival for arrival in arrivals}
    found: dict[int, Held] = {}
    for row in tx.rows("SELECT activity_key, missing, wanted, state, reason FROM held"
                       f" WHERE activity_key IN ({marks(len(asked))})", list(asked)):
        key, arrival = row["activity_key"], asked[row["activity_key"]]
        if arrival.sequence is None:
            continue
        tx.run("UPDATE held SET sequence = ?, activity = ? WHERE activity_key = ?", (arrival.sequence, arrival.uri, key))
        found[arrival.sequence] = Held(row["missing"], Wanted(row["wanted"]))
        if row["state"] == "parked":
            lines.came_later(tx, [key], "refused", row["reason"])
    return found


def settle(tx: Tx, arrival: Arrival, outcome: Outcome, now: int) -> None:
    """A held activity has been decided: its body goes, or it waits for the next thing that is missing."""
    key = uri_key(arrival.uri)
    if isinstance(outcome, Held):
        tx.run("UPDATE held SET missing = ?, missing_key = ?, wanted = ? WHERE activity_key = ?",
               (outcome.missing, uri_key(outcome.missing), outcome.wanted, key))
        postpone(tx, [key], now, "")
        return
    lines.came_later(tx, [key], "stored")
    tx.run("DELETE FROM held WHERE activity_key = ?", (key,))
    tx.run("UPDATE ledger SET outcome = ? WHERE uri_key = ?", (_word(outcome), key))


def postpone(tx: Tx, keys: Sequence[bytes], now: int, reason: str) -> None:
    """Try these again later: after two seconds, then twice as long each time, at most an hour."""
    if keys:
        tx.run(f"UPDATE held SET next_try = ? + CASE WHEN tries < 11 THEN {_FIRST_MS} << tries ELSE {_LIMIT_MS} END,"
               f" tries = tries + 1, reason = ? WHERE state = 'waiting' AND activity_key IN ({marks(len(keys))})",
               (now, reason, *keys))


def park(tx: Tx, keys: Sequence[bytes], reason: str) -> None:
    """These are not tried again; they stay where an operator can read why."""
    if keys:
        lines.came_later(tx, keys, "refused", reason)
        tx.run(f"UPDATE held SET state = 'parked', reason = ? WHERE state = 'waiting' AND activity_key IN ({marks(len(keys))})",
               (reason, *keys))


def forget(tx: Tx, uri: str) -> None:
    """A post is deleted: what is held about it goes, text and all."""
    about = (uri_key(uri),)
    lines.came_later(tx, [row["activity_key"] for row in tx.rows("SELECT activity_key FROM held WHERE about_key = ?", about)],
                     "stored")
    tx.run("UPDATE ledger SET outcome = 'ignored: deleted meanwhile' WHERE uri_key IN"
           " (SELECT activity_key FROM held WHERE about_key = ?)", about)
    tx.run("DELETE FROM held WHERE about_key = ?", about)


def forget_sibling(tx: Tx, sibling_id: int, until: int, most: int) -> int:
    """What a sibling has sent up to a moment (ms) and is held goes, text and all; returns how many there were, at most `most`."""
    keys = [row["activity_key"] for row in tx.rows(
        "SELECT activity_key FROM held WHERE sibling_id = ? AND received_at <= ? LIMIT ?", (sibling_id, until, most))]
    tx.run(f"UPDATE ledger SET outcome = 'ignored: erased meanwhile' WHERE uri_key IN ({marks(len(keys))})", keys)
    tx.run(f"DELETE FROM held WHERE activity_key IN ({marks(len(keys))})", keys)
    return len(keys)


def withdraw(tx: Tx, uri: str) -> bool:
    """An activity is taken back by who sent it: if it is held, it goes. Whether it has ever come."""
    key = (uri_key(uri),)
    lines.came_later(tx, key, "stored")
    if tx.run("DELETE FROM held WHERE activity_key = ?", key):
        tx.run("UPDATE ledger SET outcome = 'ignored: taken back' WHERE uri_key = ?", key)
    return tx.row("SELECT 1 FROM ledger WHERE uri_key = ?", key) is not None


def release(tx: Tx, uris: Sequence[str], now: int) -> None:
    """These are here now: what was held for them can be tried. Nearly always nothing is held at all."""
    if tx.row("SELECT 1 FROM held LIMIT 1") is None:
        return
    keys = [uri_key(uri) for uri in uris]
    if tx.run(f"UPDATE held SET next_try = ?, tries = 0 WHERE missing_key IN ({marks(len(keys))}) AND state = 'waiting'",
              (now, *keys)):
        tx.wake("held")


def release_sibling(tx: Tx, sibling_id: int, origin: str, now: int) -> None:
    """A sibling is back: what it sent and what waits for something of its own is tried at once, parked or not."""
    tx.run("UPDATE held SET state = 'waiting', next_try = ?, tries = 0, reason = ''"
           " WHERE sibling_id = ? OR substr(missing, 1, ?) = ?", (now, sibling_id, len(origin) + 1, f"{origin}/"))
    tx.wake("held")


def park_sibling(tx: Tx, sibling_id: int, reason: str) -> None:
    """Nothing that this sibling sent is tried any more."""
    tx.run("UPDATE held SET state = 'parked', reason = ? WHERE sibling_id = ?", (reason, sibling_id))


def _word(outcome: Outcome) -> str:
    return f"ignored: {outcome.why}" if isinstance(outcome, Ignored) else type(outcome).__name__.lower()
