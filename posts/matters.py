"""A matter: a post that was reported, who has said what about it, and how far its author's instance is with it.

The author's instance decides; every other one that has reported the post keeps a matter of its own, which follows what it is
told. Here are the rows and what moves them, always in the transaction of whoever does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from core.database import Row, Tx
from core.ids import Ids, uri_key
from core.states import StateGraph
from core.words import N_
from posts import changes
from posts.telling import Event, Told, tell

TEXT_LIMIT = 2_000
"""The most characters of what a report, a decision or an appeal says."""
_PIECE = 200


class Category(StrEnum):
    """What a post is reported for, gravest first."""

    RECOGNISABLE = "recognisable"
    SECRECY = "secrecy"
    INSULT = "insult"
    ADVERTISING = "advertising"
    FALSE = "false"
    OTHER = "other"


CATEGORIES = {
    Category.RECOGNISABLE: N_("A patient can be recognised"),
    Category.SECRECY: N_("Secrecy is broken in another way"),
    Category.INSULT: N_("It insults somebody"),
    Category.ADVERTISING: N_("It is advertising, or not medical"),
    Category.FALSE: N_("It is false and could do harm"),
    Category.OTHER: N_("Something else"),
}
"""What a post is reported for, in words."""

_GRAVITY = {str(category): place for place, category in enumerate(Category)}


class MatterState(StrEnum):
    """`deleted`: its author has deleted the post before anything was decided; `overturned`: it should not have been taken
    down."""

    OPEN = "open"
    TAKEN_DOWN = "taken-down"
    KEPT = "kept"
    CHANGED = "changed"
    APPEALED = "appealed"
    OVERTURNED = "overturned"
    DELETED = "deleted"


STATES = {
    MatterState.OPEN: N_("waits for a decision"),
    MatterState.TAKEN_DOWN: N_("taken down"),
    MatterState.KEPT: N_("kept"),
    MatterState.CHANGED: N_("kept, since its author has changed it"),
    MatterState.APPEALED: N_("taken down, appealed against"),
    MatterState.OVERTURNED: N_("should not have been taken down"),
    MatterState.DELETED: N_("deleted by its author"),
}
"""Each state in words."""

MATTER_STATES = StateGraph("a reported post", tuple(MatterState), {
    MatterState.OPEN: (MatterState.TAKEN_DOWN, MatterState.KEPT, MatterState.CHANGED, MatterState.DELETED),
    MatterState.TAKEN_DOWN: (MatterState.APPEALED,),
    MatterState.APPEALED: (MatterState.TAKEN_DOWN, MatterState.OVERTURNED),
    MatterState.DELETED: (MatterState.TAKEN_DOWN,),
}, MatterState.OPEN)


class Said(NamedTuple):
    """What a report says: its category, a text, the language of that, and whether the author's instance may read the text."""

    category: Category
    text: str
    language: str
    shared: bool = False


class Verdict(NamedTuple):
    """What an instance has decided about its own post, as `round` of it; the reason is plain text in a language."""

    state: MatterState
    round: int
    reason: str
    language: str


class Decision(NamedTuple):
    """A decision as it is kept: `by` is an operator here, '' where it was made elsewhere; `at` in ms."""

    result: MatterState
    reason: str
    language: str
    by: str
    at: int


class Reported(NamedTuple):
    """A report that a sibling has been sent, and the matter it belongs to."""

    id: int
    matter_id: int
    sibling_id: int | None


def file(tx: Tx, ids: Ids, post_id: int, said: Said, now: int, *, reporter_id: int | None = None, sibling_id: int | None = None,
         operator: str = "", uri: str = "") -> tuple[int, int]:
    """Write down a report of a post, with the others about it while nothing is decided; its matter's id and its own. It is of a
    doctor or of an operator here, or of a sibling, which has sent it as the Flag `uri`."""
    row = tx.row("SELECT id, category FROM matters WHERE post_id = ? AND state = ?", (post_id, MatterState.OPEN))
    if row is None:
        matter_id = ids.new()
        tx.run("INSERT INTO matters (id, post_id, state, category, opened_at) VALUES (?, ?, ?, ?, ?)",
               (matter_id, post_id, MatterState.OPEN, said.category, now))
    else:
        matter_id = int(row["id"])
        if _GRAVITY[said.category] < _GRAVITY[row["category"]]:
            tx.run("UPDATE matters SET category = ? WHERE id = ?", (said.category, matter_id))
    report_id = ids.new()
    tx.run("INSERT INTO reports (id, matter_id, reporter_id, sibling_id, operator, uri, uri_key, category, text, language,"
           " shared, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
           (report_id, matter_id, reporter_id, sibling_id, operator, uri, uri_key(uri) if uri else None, said.category, said.text,
            said.language, int(said.shared), now))
    return matter_id, report_id


def name(tx: Tx, report_id: int, uri: str) -> None:
    """The Flag that a report goes out with."""
    tx.run("UPDATE reports SET uri = ?, uri_key = ? WHERE id = ?", (uri, uri_key(uri), report_id))


def hide(tx: Tx, post_id: int, now: int) -> None:
    """Hide a post from the doctors of this instance, unless it is hidden already."""
    if tx.run("UPDATE posts SET hidden_at = ? WHERE id = ? AND hidden_at IS NULL AND erased_at IS NULL", (now, post_id)):
        changes.note(tx, post_id)


def show(tx: Tx, post_id: int, now: int) -> None:
    """Operators of this instance have looked at a post and let it be seen here: until it changes, no report hides it again."""
    if tx.run("UPDATE posts SET hidden_at = NULL WHERE id = ? AND hidden_at IS NOT NULL", (post_id,)):
        changes.note(tx, post_id)
    tx.run("UPDATE matters SET looked_at = ? WHERE post_id = ?", (now, post_id))


def looked_at(tx: Tx, post_id: int) -> int:
    """When operators of this instance have last let a reported post be seen (ms); 0 for never."""
    row = tx.row("SELECT max(looked_at) AS at FROM matters WHERE post_id = ?", (post_id,))
    return (row["at"] or 0) if row is not None else 0


def flagged(tx: Tx, uris: Sequence[str]) -> dict[str, Reported]:
    """Our own reports by the Flags they went out with."""
    found: dict[str, Reported] = {}
    for uri in uris:
        row = tx.row("SELECT r.id, r.matter_id, p.sibling_id FROM reports r JOIN matters m ON m.id = r.matter_id JOIN posts p"
                     " ON p.id = m.post_id WHERE r.uri_key = ? AND r.sibling_id IS NULL", (uri_key(uri),))
        if row is not None:
            found[uri] = Reported(*row)
    return found


def step(tx: Tx, matter_id: int, verdict: Verdict, by: str, now: int) -> None:
    """Take a matter to its next state and write down what was decided; an appeal decides nothing."""
    tx.run("UPDATE matters SET state = ?, round = ?, decided_at = CASE WHEN ? = ? THEN decided_at ELSE ? END WHERE id = ?",
           (verdict.state, verdict.round, verdict.state, MatterState.APPEALED, now, matter_id))
    if verdict.state != MatterState.APPEALED:
        tx.run("INSERT INTO matter_decisions (matter_id, round, result, reason, language, by, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
               " ON CONFLICT (matter_id, round) DO NOTHING",
               (matter_id, verdict.round, verdict.state, verdict.reason, verdict.language, by, now))


def heard(tx: Tx, ids: Ids, matter_id: int, verdict: Verdict, now: int) -> None:
    """The author's instance tells how far it is; what it has said before, and what is older, changes nothing."""
    row = tx.row("SELECT state, round FROM matters WHERE id = ?", (matter_id,))
    if row is None or row["round"] >= verdict.round:
        return
    step(tx, matter_id, verdict, "", now)
    if verdict.state != MatterState.APPEALED:
        tell_reporters(tx, ids, matter_id, now)


def tell_reporters(tx: Tx, ids: Ids, matter_id: int, now: int) -> None:
    """Tell the doctors of this instance who have reported it that something was decided."""
    tell(tx, ids, [Event(row["reporter_id"], Told.REPORT, None, matter_id) for row in tx.rows(
        "SELECT DISTINCT reporter_id FROM reports WHERE matter_id = ? AND reporter_id IS NOT NULL", (matter_id,))], now)


def tell_author(tx: Tx, ids: Ids, matter_id: int, author_id: int, now: int) -> None:
    """Tell the author, a doctor of this instance, what was decided about her post."""
    tell(tx, ids, [Event(author_id, Told.JUDGED, None, matter_id)], now)


def forget(tx: Tx, post_id: int, now: int) -> None:
    """A post is erased: what is undecided about it has come to an end, unless operators are just doing that."""
    tx.run("UPDATE matters SET state = ?, decided_at = ? WHERE post_id = ? AND state = ?",
           (MatterState.DELETED, now, post_id, MatterState.OPEN))


def decisions(tx: Tx, matter_id: int) -> tuple[Decision, ...]:
    """What was decided, in its order."""
    return tuple(_decision(row) for row in tx.rows(
        "SELECT result, reason, language, by, at FROM matter_decisions WHERE matter_id = ? ORDER BY round", (matter_id,)))


def _decision(row: Row) -> Decision:
    return Decision(MatterState(row["result"]), row["reason"], row["language"], row["by"], row["at"])


def forget_sibling(tx: Tx, sibling_id: int, until: int, most: int) -> int:
    """What a sibling has reported up to a moment (ms) goes, and what it has said about reports of its posts; how many of its
    reports there were, at most `most`."""
    tx.run("UPDATE matter_decisions SET reason = '' WHERE by = '' AND at <= ? AND matter_id IN (SELECT m.id FROM matters m"
           " JOIN posts p ON p.id = m.post_id WHERE p.sibling_id = ?)", (until, sibling_id))
    return tx.run("DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE sibling_id = ? AND at <= ? LIMIT ?)",
                  (sibling_id, until, most))


def prune(tx: Tx, decided_before: int, appealable_from: int) -> int:
    """What was taken down before `appealable_from` (ms) and not appealed against is kept no longer; of what was decided before
    `decided_before`, nothing stays that somebody wrote, nor who reported it. Returns how many matters lost something."""
    gone = tx.run("UPDATE matters SET kept = NULL WHERE kept IS NOT NULL AND state <> ? AND decided_at < ?",
                  (MatterState.APPEALED, appealable_from))
    old = [row["id"] for row in tx.rows(
        "SELECT id FROM matters WHERE decided_at < ? AND state <> ? AND EXISTS (SELECT 1 FROM reports r WHERE r.matter_id"
        " = matters.id) ORDER BY decided_at LIMIT ?", (decided_before, MatterState.APPEALED, _PIECE))]
    for matter_id in old:
        tx.run("DELETE FROM reports WHERE matter_id = ?", (matter_id,))
        tx.run("UPDATE matter_decisions SET reason = '' WHERE matter_id = ?", (matter_id,))
        tx.run("UPDATE matters SET appeal = '', kept = NULL WHERE id = ?", (matter_id,))
    if gone or old:
        tx.scrub()
    return gone + len(old)


def farewell(tx: Tx, account_id: int, actor_id: int, now: int) -> None:
    """What somebody who leaves has written in her reports goes; that there was one stays."""
    tx.run("UPDATE reports SET text = '' WHERE reporter_id = ?", (actor_id,))
    tx.run("UPDATE matters SET kept = NULL, appeal = '' WHERE post_id IN (SELECT id FROM posts WHERE author_id = ?)", (actor_id,))
