"""Counting in SQL: how each sibling's votes come, the tallies that came and those that are owed, snapshots, results.

Of a poll of ours `poll_modes` and `tallies` are by sibling; of a sibling's poll whose votes stay here there is a row in
`kept_polls`. A result is inserted once and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from core.database import Tx, marks
from posts import ballots, store
from posts.counts import Counted, Mode, Result, Sums, Tally, tally_key
from posts.store import Poll

_ROWS = msgspec.json.Decoder(dict[str, tuple[int, ...]])
_PAIRS = msgspec.json.Decoder(tuple[tuple[int, int], ...])
_CODES = msgspec.json.Decoder(tuple[str, ...])
_FRESH = 1_000


class Kept(NamedTuple):
    """A sibling's poll whose votes stay here: the number and digest of the last tally sent, whether that was the final one,
    the cells by specialty that were told, when so many had voted, and whether another tally is about to be sent; how many of
    ours who have voted in it are no longer verified, as we have said it (-1: to be said anew), and when (ms)."""

    post_id: int
    epoch: int
    sequence: int
    digest: str
    final: bool
    shown: dict[str, tuple[int, ...]]
    shown_voters: int
    stale: bool = False
    lapsed: int = 0
    lapsed_at: int = 0


class Snapshot(NamedTuple):
    """What the author of a poll may see of it, by origin and by specialty, as it was when so many had voted."""

    at: int
    voters: int
    countries: dict[str, tuple[int, ...]]
    specialties: dict[str, tuple[int, ...]]


class Standing(NamedTuple):
    """The last tally of a sibling: which one, whether it was the final one, what it counts."""

    epoch: int
    sequence: int
    final: bool
    digest: str
    sums: Sums
    specialties: dict[str, tuple[int, ...]]


def whole(tx: Tx, post_id: int) -> Poll | None:
    """A poll with its signed result, if it has one."""
    poll = store.polls(tx, [post_id]).get(post_id)
    if poll is None or poll.result_at is None:
        return poll
    row = tx.row("SELECT document FROM poll_results WHERE post_id = ?", (post_id,))
    return msgspec.structs.replace(poll, result=row["document"]) if row is not None else poll


def fix_modes(tx: Tx, post_id: int, modes: Mapping[int, Mode]) -> None:
    """Write down, once, how the votes of each sibling (by id) in a new poll will come."""
    tx.insert("poll_modes (post_id, sibling_id, mode)", 3, [(post_id, one, mode) for one, mode in modes.items()])


def modes(tx: Tx, post_ids: Sequence[int]) -> dict[tuple[int, int], Mode]:
    """The modes by (post, sibling); who is not in it sends votes."""
    rows = tx.rows(f"SELECT * FROM poll_modes WHERE post_id IN ({marks(len(post_ids))})", post_ids) if post_ids else []
    return {(row["post_id"], row["sibling_id"]): Mode(row["mode"]) for row in rows}


def numbers(tx: Tx, post_ids: Sequence[int]) -> dict[tuple[int, int], tuple[int, int, bool]]:
    """Epoch and sequence of the last tally by (post, sibling), and whether it was final."""
    rows = tx.rows("SELECT post_id, sibling_id, epoch, sequence, final FROM tallies WHERE post_id IN"
                   f" ({marks(len(post_ids))})", post_ids) if post_ids else []
    return {(row["post_id"], row["sibling_id"]): (row["epoch"], row["sequence"], bool(row["final"])) for row in rows}


def take(tx: Tx, post_id: int, sibling_id: int, tally: Tally, now: int) -> None:
    """A sibling's tally takes the place of the one before."""
    tx.run("INSERT INTO tallies (post_id, sibling_id, epoch, sequence, final, voters, specialties, document, digest, received_at)"
           " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (post_id, sibling_id) DO UPDATE SET epoch = excluded.epoch,"
           " sequence = excluded.sequence, final = excluded.final, voters = excluded.voters,"
           " specialties = excluded.specialties, document = excluded.document, digest = excluded.digest,"
           " received_at = excluded.received_at",
           (post_id, sibling_id, tally.epoch, tally.sequence, int(tally.final), tally.sums.voters, _out(tally.specialties),
            tally.document, tally.digest, now))
    tx.run("DELETE FROM tally_counts WHERE post_id = ? AND sibling_id = ?", (post_id, sibling_id))
    tx.insert("tally_counts (post_id, position, sibling_id, votes)", 4,
              [(post_id, position, sibling_id, votes) for position, (_, votes) in enumerate(tally.sums.options)])
    ballots.recount(tx, post_id, now)


def standings(tx: Tx, post_id: int, poll: Poll) -> dict[int, Standing]:
    """The last tally of each sibling, by its id."""
    votes: dict[int, dict[int, int]] = {}
    for row in tx.rows("SELECT sibling_id, position, votes FROM tally_counts WHERE post_id = ?", (post_id,)):
        votes.setdefault(row["sibling_id"], {})[row["position"]] = row["votes"]
    return {row["sibling_id"]: Standing(
        row["epoch"], row["sequence"], bool(row["final"]), row["digest"],
        Sums(tuple((name, votes.get(row["sibling_id"], {}).get(at, 0)) for at, (name, _) in enumerate(poll.options)),
              row["voters"]), _ROWS.decode(row["specialties"]))
        for row in tx.rows("SELECT * FROM tallies WHERE post_id = ?", (post_id,))}


def take_out(tx: Tx, post_id: int, sibling_id: int, now: int) -> None:
    """A sibling wants nothing of its own kept: its tally goes, out of the counts of an open poll too, and with it what was
    shown of its country. A result stands; it names nobody."""
    for table in ("tallies", "tally_counts", "poll_lapses"):
        tx.run(f"DELETE FROM {table} WHERE post_id = ? AND sibling_id = ?", (post_id, sibling_id))
    ballots.recount(tx, post_id, now)


def tallied_by(tx: Tx, sibling_id: int, until: int, most: int) -> list[int]:
    """Polls of ours that have a tally of a sibling's which came up to a moment (ms), some of them."""
    return [row["post_id"] for row in tx.rows(
        "SELECT post_id FROM tallies WHERE sibling_id = ? AND received_at <= ? LIMIT ?", (sibling_id, until, most))]


def local_votes(tx: Tx, post_id: int) -> dict[int, dict[int, int]]:
    """The votes that lie here, by sibling (0: this instance) of the voter and by option."""
    found: dict[int, dict[int, int]] = {}
    for row in tx.rows("SELECT coalesce(a.sibling_id, 0) AS of_sibling, v.position, count(*) AS n FROM votes v"
                       " JOIN actors a ON a.id = v.voter_id WHERE v.post_id = ? GROUP BY 1, 2", (post_id,)):
        found.setdefault(row["of_sibling"], {})[row["position"]] = row["n"]
    return found


def votes_by_specialty(tx: Tx, post_id: int, options: int) -> dict[str, tuple[int, ...]]:
    """The votes that lie here by the first specialty of who voted ('' without one): per specialty one number per option."""
    found: dict[str, list[int]] = {}
    for row in tx.rows("SELECT a.specialties, v.position, count(*) AS n FROM votes v JOIN actors a ON a.id = v.voter_id"
                       " WHERE v.post_id = ? GROUP BY 1, 2", (post_id,)):
        first = (*_CODES.decode(row["specialties"]), "")[0]
        found.setdefault(first, [0] * options)[row["position"]] += row["n"]
    return {code: tuple(votes) for code, votes in found.items()}


def own_count(tx: Tx, post_id: int, poll: Poll) -> Sums:
    """What the votes of this instance's doctors in a poll come to, those among them who have left since they were told."""
    votes = {row["position"]: row["n"] for row in tx.rows(
        "SELECT position, count(*) AS n FROM votes WHERE post_id = ? GROUP BY position", (post_id,))}
    row = tx.row("SELECT count(DISTINCT voter_id) AS n FROM votes WHERE post_id = ?", (post_id,))
    left, voters = _left(tx, post_id)
    return Sums(tuple((name, votes.get(at, 0) + left.get(at, 0)) for at, (name, _) in enumerate(poll.options)),
                (row["n"] if row is not None else 0) + voters)


def left(tx: Tx, post_id: int, positions: Sequence[int]) -> None:
    """Somebody leaves whose vote, with these choices, is in the last tally of a sibling's poll: it stays in the sums, without
    her."""
    votes, voters = _left(tx, post_id)
    for at in positions:
        votes[at] = votes.get(at, 0) + 1
    tx.run("UPDATE kept_polls SET left_voters = ?, left_votes = ? WHERE post_id = ?",
           (voters + 1, msgspec.json.encode([*votes.items()]).decode(), post_id))


def _left(tx: Tx, post_id: int) -> tuple[dict[int, int], int]:
    row = tx.row("SELECT left_votes, left_voters FROM kept_polls WHERE post_id = ?", (post_id,))
    return (dict(_PAIRS.decode(row["left_votes"])), row["left_voters"]) if row is not None else ({}, 0)


def keep(tx: Tx, questions: Mapping[int, str], now: int) -> None:
    """The votes of our doctors in these polls, URIs by post, stay here. The epoch is the moment, so that it is later than any
    that was told about the same poll before a backup was restored."""
    tx.insert("kept_polls (post_id, name, epoch)", 3, [(post_id, tally_key(uri), now) for post_id, uri in questions.items()])


def kept(tx: Tx, post_id: int) -> Kept | None:
    row = tx.row("SELECT * FROM kept_polls WHERE post_id = ?", (post_id,))
    return None if row is None else Kept(
        row["post_id"], row["epoch"], row["sequence"], row["digest"], row["final_at"] is not None, _ROWS.decode(row["shown"]),
        row["shown_voters"], row["stale_since"] is not None, row["lapsed"], row["lapsed_at"])


def kept_by(tx: Tx, name: str, sibling_id: int) -> int | None:
    """The poll of a sibling that is called so in the address of its tally."""
    row = tx.row("SELECT k.post_id FROM kept_polls k JOIN posts p ON p.id = k.post_id WHERE k.name = ? AND p.sibling_id = ?",
                 (name, sibling_id))
    return int(row["post_id"]) if row is not None else None


def voted_here(tx: Tx, post_id: int, now: int) -> None:
    """A doctor of ours has voted in such a poll: its tally is out of date."""
    tx.run("UPDATE kept_polls SET stale_since = coalesce(stale_since, ?) WHERE post_id = ?", (now, post_id))


def tallies_due(tx: Tx, now: int, counted_before: int) -> list[int]:
    """Kept polls whose tally has been out of date since before a moment, or that have ended and want their final one."""
    return [row["post_id"] for row in tx.rows(
        "SELECT post_id FROM kept_polls WHERE stale_since <= ? UNION SELECT k.post_id FROM kept_polls k"
        " JOIN polls p ON p.post_id = k.post_id WHERE k.final_at IS NULL AND p.ends_at <= ? LIMIT ?",
        (counted_before, now, _FRESH))]


def told(tx: Tx, one: Kept, tally: Tally, now: int) -> None:
    """A tally was put on its way; `one` says what has been told by specialty with it."""
    tx.run("UPDATE kept_polls SET epoch = ?, sequence = ?, digest = ?, stale_since = NULL, final_at = ?, shown = ?,"
           " shown_voters = ? WHERE post_id = ?",
           (tally.epoch, tally.sequence, tally.digest, now if tally.final else None, _out(one.shown), one.shown_voters,
            one.post_id))


def tell_anew(tx: Tx, one: Kept, beyond: int, now: int) -> None:
    """A tally that was sent does not count at the asker's, or that knows a later one than is known here: it is told anew, in an
    epoch later than both."""
    tx.run("UPDATE kept_polls SET epoch = ?, sequence = 0, digest = '', stale_since = ?, final_at = NULL,"
           " lapsed = CASE lapsed WHEN 0 THEN 0 ELSE -1 END WHERE post_id = ?",
           (max(now, one.epoch + 1, beyond + 1), now, one.post_id))


def needless(tx: Tx, post_id: int, final_at: int | None) -> None:
    """No tally of this poll is wanted now; since it is over (ms), none ever."""
    tx.run("UPDATE kept_polls SET stale_since = NULL, final_at = coalesce(final_at, ?) WHERE post_id = ?", (final_at, post_id))


def restart(tx: Tx, now: int, grace_ms: int) -> None:
    """This database came out of a backup: tallies of polls without a result are told anew in a later epoch, and what siblings
    have said since is waited for."""
    tx.run("UPDATE kept_polls SET epoch = CASE WHEN epoch < ? THEN ? ELSE epoch + 1 END, sequence = 0, digest = '',"
           " stale_since = ?, final_at = NULL WHERE post_id NOT IN (SELECT post_id FROM poll_results)", (now, now, now))
    tx.run("UPDATE polls SET counts_until = ? WHERE counts_until IS NOT NULL", (now + grace_ms,))
    tx.run("UPDATE kept_polls SET lapsed = -1 WHERE EXISTS (SELECT 1 FROM votes v WHERE v.post_id = kept_polls.post_id)")


def voted_in(tx: Tx, actor_id: int) -> list[int]:
    """The polls that somebody's votes are known of here."""
    return [row["post_id"] for row in tx.rows("SELECT DISTINCT post_id FROM votes WHERE voter_id = ?", (actor_id,))]


def own_lapsed(tx: Tx, post_id: int, now: int) -> int:
    """How many of this instance's doctors who have voted in a poll are no longer verified."""
    row = tx.row("SELECT count(DISTINCT v.voter_id) AS n FROM votes v JOIN actors a ON a.id = v.voter_id WHERE v.post_id = ?"
                 " AND a.sibling_id IS NULL AND a.verified_until <= ?", (post_id, now))
    return int(row["n"]) if row is not None else 0


def lapses_untold(tx: Tx) -> list[int]:
    """Kept polls of which that number is to be said anew."""
    return [row["post_id"] for row in tx.rows("SELECT post_id FROM kept_polls WHERE lapsed < 0 LIMIT ?", (_FRESH,))]


def lapse_told(tx: Tx, post_id: int, lapsed: int, at: int) -> None:
    """That number was put on its way to the poll's author."""
    tx.run("UPDATE kept_polls SET lapsed = ?, lapsed_at = ? WHERE post_id = ?", (lapsed, at, post_id))


def take_lapse(tx: Tx, post_id: int, sibling_id: int, lapsed: int, at: int, now: int) -> None:
    """What a sibling says of its own doctors in a poll of ours; the later word counts."""
    tx.run("INSERT INTO poll_lapses (post_id, sibling_id, lapsed, at) VALUES (?, ?, ?, ?) ON CONFLICT (post_id, sibling_id)"
           " DO UPDATE SET lapsed = excluded.lapsed, at = excluded.at WHERE poll_lapses.at < excluded.at",
           (post_id, sibling_id, lapsed, at))
    ballots.count_lapsed(tx, post_id, now)
    tx.wake("polls")


def lapse_untold(tx: Tx, post_id: int) -> bool:
    """Whether the audience of a poll of ours does not know that number yet; from now on it does."""
    return tx.run("UPDATE polls SET lapsed_told = lapsed WHERE post_id = ? AND lapsed_told <> lapsed", (post_id,)) > 0


def counting(tx: Tx) -> list[int]:
    """The polls of ours that have closed and have no result yet."""
    return [row["post_id"] for row in tx.rows("SELECT post_id FROM polls WHERE counts_until IS NOT NULL")]


def unfinished(tx: Tx, now: int) -> list[int]:
    """The polls of ours that have ended and have no result yet, closed or not."""
    return [row["post_id"] for row in tx.rows(
        "SELECT p.post_id FROM polls p JOIN posts o ON o.id = p.post_id WHERE o.sibling_id IS NULL"
        " AND (p.counts_until IS NOT NULL OR (p.closed_at IS NULL AND p.ends_at <= ?))", (now,))]


def store_result(tx: Tx, post_id: int, found: Result) -> bool:
    """Keep a result; False where there is one already, which stands."""
    tx.run("UPDATE polls SET counts_until = NULL WHERE post_id = ?", (post_id,))
    return tx.run("INSERT INTO poll_results (post_id, document, digest, published_at, missing) VALUES (?, ?, ?, ?, ?)"
                  " ON CONFLICT (post_id) DO NOTHING",
                  (post_id, found.document, found.digest, found.published, len(found.missing))) > 0


def bring_back_result(tx: Tx, post_id: int, ended: Poll, found: Result, now: int) -> None:
    """The result of a poll of ours was lost here and has come back: it stands, and its readers are told."""
    if store_result(tx, post_id, found):
        for position, (_, votes) in enumerate(ended.options):
            tx.run("UPDATE poll_options SET votes = ? WHERE post_id = ? AND position = ?", (votes, post_id, position))
        tx.run("UPDATE polls SET voters = ?, closed_at = ?, stale_since = ? WHERE post_id = ?",
               (ended.voters, ended.closed_at, now, post_id))


def results(tx: Tx, post_ids: Sequence[int]) -> dict[int, str]:
    """The digests of the results of these polls."""
    rows = tx.rows(f"SELECT post_id, digest FROM poll_results WHERE post_id IN ({marks(len(post_ids))})", post_ids) \
        if post_ids else []
    return {row["post_id"]: row["digest"] for row in rows}


def snapshot(tx: Tx, post_id: int) -> Snapshot | None:
    row = tx.row("SELECT * FROM poll_snapshots WHERE post_id = ?", (post_id,))
    return None if row is None else Snapshot(
        row["at"], row["voters"], _ROWS.decode(row["countries"]), _ROWS.decode(row["specialties"]))


def keep_snapshot(tx: Tx, post_id: int, made: Snapshot) -> None:
    tx.run("INSERT INTO poll_snapshots (post_id, at, voters, countries, specialties) VALUES (?, ?, ?, ?, ?)"
           " ON CONFLICT (post_id) DO UPDATE SET at = excluded.at, voters = excluded.voters, countries = excluded.countries,"
           " specialties = excluded.specialties",
           (post_id, made.at, made.voters, _out(made.countries), _out(made.specialties)))


def counted(standing: Standing, actor_uri: str) -> Counted:
    """A sibling's tally as a result names it."""
    return Counted(actor_uri, standing.epoch, standing.sequence, standing.final, standing.digest)


def keep_checks(tx: Tx, post_id: int, now: int, found: Sequence[tuple[int, str, Sums, Sums | None]]) -> None:
    """Keep what siblings attested: per sibling the outcome, what was counted, what it said."""
    tx.insert("poll_checks (post_id, at, sibling_id, outcome, counted, attested)", 6, [
        (post_id, now, sibling_id, outcome, msgspec.json.encode(counted).decode(),
         msgspec.json.encode(attested).decode() if attested is not None else "")
        for sibling_id, outcome, counted, attested in found], "ON CONFLICT (post_id, at, sibling_id) DO NOTHING")


def last_check(tx: Tx, post_id: int) -> int | None:
    """When siblings were last asked (ms)."""
    row = tx.row("SELECT max(at) AS at FROM poll_checks WHERE post_id = ?", (post_id,))
    return row["at"] if row is not None else None


def checks(tx: Tx, post_id: int, at: int) -> dict[int, str]:
    """What came of asking then, by sibling."""
    return {row["sibling_id"]: row["outcome"] for row in tx.rows(
        "SELECT sibling_id, outcome FROM poll_checks WHERE post_id = ? AND at = ?", (post_id, at))}


def _out(rows: Mapping[str, tuple[int, ...]]) -> str:
    return msgspec.json.encode(rows).decode()
