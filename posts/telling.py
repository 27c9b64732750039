"""Rows that tell doctors of this instance what concerns them: gathered when they are written, taken back when the deed is.

Whoever does something calls `posts.concerns` in the transaction that does it; that decides whom it concerns and hands the
events to `tell`. No text of a post is stored here, only which post it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import NamedTuple

from actors import aliases
from actors.relations import shunning
from core.database import Tx, marks
from core.ids import Ids

_AT_A_TIME = 200  # keeps a statement within the engine's number of parameters
_OPEN = "ON CONFLICT (actor_id, kind, about_id) WHERE read_at IS NULL"


class Told(StrEnum):
    """What somebody is told of."""

    ANSWER = "answer"
    MENTION = "mention"
    CONSULT = "consult"
    FOLLOW = "follow"
    ACCEPTED = "accepted"
    CLOSED = "closed"
    CHANGED = "changed"
    HELPFUL = "helpful"
    """Who asked has marked an answer of hers as helpful."""
    OUTCOME = "outcome"
    """How a case that she answered or follows has ended."""
    LIKE = "like"
    BOOST = "boost"
    TRANSLATED = "translated"
    """A colleague has confirmed a translation of a post of hers."""
    UNMASKED = "unmasked"
    REPORT = "report"
    """What she has reported was decided about."""
    JUDGED = "judged"
    """Operators have decided about a post of hers that was reported."""
    OPENED = "opened"
    """Operators have read a post of hers without a report."""
    ASKED_BACK = "asked-back"
    """Somebody asks her for more, before answering what she wrote."""
    FOLLOWED = "followed"
    """Something was written in a conversation that she follows."""
    EDITED = "edited"
    """An answer that she has opened has other words now."""
    CORRECTED = "corrected"
    """The advice in a post that concerns her, or that she has opened, was changed."""
    RECALLED = "recalled"
    """An answer that concerns her, or that she has opened, was withdrawn as wrong."""


NEWS = "news"
"""What wakes whoever waits for something new: posts, answers, and what somebody is told."""
QUIET = frozenset({Told.LIKE, Told.BOOST, Told.EDITED, Told.TRANSLATED})
"""What waits on the page and is neither counted beside it nor told by mail."""
CHANGES = frozenset({Told.CHANGED, Told.EDITED, Told.CORRECTED})
"""What is read by looking at the difference."""
PRESSING = frozenset({Told.CORRECTED, Told.RECALLED})
"""What every page says until it is read."""
_UNMUTED = PRESSING | {Told.UNMASKED, Told.REPORT, Told.JUDGED, Told.OPENED}
"""What is told of a muted conversation as well: what somebody could go wrong without, and what operators do."""


class Event(NamedTuple):
    """One deed that one doctor is told of. While she has not read it, it stands with others of its kind about the same post
    `about_id` (0: none; of what concerns reports, the matter). `root_id` is the conversation (0: none), `named` whether that is
    a consult, `by_id` who did it (None: nobody did), `post_id` where it leads to, and `revision`, of an edit, which version it
    made."""

    actor_id: int
    kind: Told
    by_id: int | None
    about_id: int = 0
    root_id: int = 0
    named: bool = False
    post_id: int | None = None
    revision: int | None = None


def tell(tx: Tx, ids: Ids, events: Sequence[Event], now: int) -> None:
    """Tell doctors of this instance, but for their own deeds, those of whoever they shun, and most of what happens in
    conversations that they have muted. What concerns an alias or a desk is told to the doctor who writes in its name."""
    if not events:
        return
    owners = aliases.writers(tx, {one for event in events for one in (event.actor_id, event.by_id) if one is not None})
    hers = [event._replace(actor_id=owners.get(event.actor_id, event.actor_id)) for event in events]
    others = [event for event in hers if event.by_id is None or owners.get(event.by_id, event.by_id) != event.actor_id]
    pairs = {(event.actor_id, event.by_id) for event in others if event.by_id is not None}
    shunned = shunning(tx, pairs, now) if pairs else frozenset()
    muted = _muting(tx, {event.root_id for event in others if event.kind not in _UNMUTED and event.root_id})
    wanted = [(ids.new(), event) for event in others if (event.actor_id, event.by_id) not in shunned
              and (event.kind in _UNMUTED or (event.actor_id, event.root_id) not in muted)]
    for start in range(0, len(wanted), _AT_A_TIME):
        _write(tx, wanted[start:start + _AT_A_TIME], now)


def _write(tx: Tx, events: Sequence[tuple[int, Event]], now: int) -> None:
    tx.wake(NEWS)
    groups: dict[tuple[int, Told, int], list[tuple[int, Event]]] = {}
    for event_id, event in events:
        groups.setdefault((event.actor_id, event.kind, event.about_id), []).append((event_id, event))
    tx.insert("notifications (id, actor_id, kind, about_id, root_id, named, newest, count, first_at, last_at)", 10, [
        (found[0][0], *group, found[0][1].root_id, int(found[0][1].named), found[-1][0], len(found), now, now)
        for group, found in groups.items()],
        f"{_OPEN} DO UPDATE SET newest = excluded.newest, count = notifications.count + excluded.count,"
        " last_at = excluded.last_at")
    tx.run("WITH e (id, actor_id, kind, about_id, by_id, post_id, revision) AS"
           f" (VALUES {','.join(['(?, ?, ?, ?, ?, ?, ?)'] * len(events))})"
           " INSERT INTO notification_events (id, notification_id, by_id, post_id, revision, at)"
           " SELECT e.id, n.id, e.by_id, e.post_id, e.revision, ? FROM e JOIN notifications n"
           " ON n.actor_id = e.actor_id AND n.kind = e.kind AND n.about_id = e.about_id AND n.read_at IS NULL",
           (*(value for event_id, event in events for value in (
               event_id, event.actor_id, event.kind, event.about_id, event.by_id, event.post_id, event.revision)), now))


def _muting(tx: Tx, root_ids: Collection[int]) -> frozenset[tuple[int, int]]:
    """Who has muted which of these conversations."""
    return frozenset((row["actor_id"], row["post_id"]) for row in tx.rows(
        f"SELECT actor_id, post_id FROM case_mutes WHERE post_id IN ({marks(len(root_ids))})", sorted(root_ids))
    ) if root_ids else frozenset()


def forget(tx: Tx, post_id: int) -> None:
    """A post is erased: what has been told of it goes."""
    _take_out(tx, "post_id = ?", (post_id,))


def take_back(tx: Tx, event: Event) -> None:
    """Somebody has undone what she did: nobody is told of it any more."""
    actor_id = aliases.writers(tx, [event.actor_id]).get(event.actor_id, event.actor_id)
    _take_out(tx, "by_id = ? AND notification_id IN"
              " (SELECT id FROM notifications WHERE actor_id = ? AND kind = ? AND about_id = ?)",
              (event.by_id, actor_id, event.kind, event.about_id))


def take_out(tx: Tx, event_ids: Sequence[int]) -> None:
    """These deeds are not told any more."""
    if event_ids:
        _take_out(tx, f"id IN ({marks(len(event_ids))})", event_ids)


def part(tx: Tx, sibling_id: int) -> None:
    """The follows between our doctors and a sibling's are about to be cut: nobody is told any more that one was asked for or
    accepted."""
    peers = ("SELECT f.followed_id FROM actors a JOIN follows f ON f.follower_id = a.id WHERE a.sibling_id = ?"
             " UNION SELECT f.follower_id FROM actors a JOIN follows f ON f.followed_id = a.id WHERE a.sibling_id = ?")
    _take_out(tx, "by_id IN (SELECT id FROM actors WHERE sibling_id = ?) AND notification_id IN"
                  f" (SELECT id FROM notifications WHERE kind IN (?, ?) AND actor_id IN ({peers}))",
              (sibling_id, Told.FOLLOW, Told.ACCEPTED, sibling_id, sibling_id))


def _take_out(tx: Tx, which: str, values: Sequence[object]) -> None:
    """Take events out of their groups; a group that holds no other goes with them."""
    if tx.row(f"SELECT 1 FROM notification_events WHERE {which} LIMIT 1", values) is None:
        return
    groups = f"id IN (SELECT notification_id FROM notification_events WHERE {which})"
    left = f"FROM notification_events WHERE notification_id = notifications.id AND ({which}) IS NOT TRUE"
    tx.run(f"DELETE FROM notifications WHERE {groups} AND NOT EXISTS (SELECT 1 {left})", (*values, *values))
    tx.run(f"UPDATE notifications SET (newest, count, first_at, last_at) = (SELECT max(id), count(*), min(at), max(at) {left})"
           f" WHERE {groups}", (*values, *values))
    tx.run(f"DELETE FROM notification_events WHERE {which}", values)
