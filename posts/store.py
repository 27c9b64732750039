"""Posts in SQL: written by local authors and by what arrives, read by pages and by the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import msgspec

from core.database import Row, Tx, marks
from core.ids import uri_hash
from posts.models import Audience, CaseFacts, Kind, Reach, State

_COLUMNS = ("id, uri, author_id, sibling_id, kind, root_id, parent_id, question, source, html, language, facts, state, reach,"
            " audience, country, published_at, updated_at, revision, replies, erased_at")
_INSERTED = ("id, uri, uri_hash, author_id, sibling_id, kind, root_id, parent_id, question, source, html, language, facts,"
             " state, reach, audience, country, published_at, updated_at, revision")


class Post(msgspec.Struct, frozen=True):
    """A post as it is stored; `sibling_id` None for one written here, `source` only there."""

    id: int
    uri: str
    author_id: int
    sibling_id: int | None
    kind: Kind
    root_id: int
    parent_id: int | None
    question: str
    source: str
    html: str
    language: str
    facts: CaseFacts
    state: State | None
    audience: Audience
    country: str
    published_at: int
    updated_at: int | None = None
    revision: int = 1
    replies: int = 0
    erased_at: int | None = None


class Poll(msgspec.Struct, frozen=True):
    """A poll's standing: options are (name, votes) by position."""

    multiple: bool
    ends_at: int
    closed_at: int | None
    voters: int
    options: tuple[tuple[str, int], ...]


def insert(tx: Tx, posts: Sequence[Post]) -> set[int]:
    """Insert posts in one statement; those whose URI is known already are left alone. Returns the ids inserted."""
    rows = [
        (post.id, post.uri, uri_hash(post.uri), post.author_id, post.sibling_id, post.kind, post.root_id, post.parent_id,
         post.question, post.source, post.html, post.language, _facts_out(post.facts), post.state, post.audience.reach,
         json.dumps(post.audience.origins), post.country, post.published_at, post.updated_at, post.revision)
        for post in posts]
    inserted = tx.insert(f"posts ({_INSERTED})", 20, rows, "ON CONFLICT (uri_hash) DO NOTHING RETURNING id")
    done = {row["id"] for row in inserted}
    answered: dict[int, int] = {}
    for post in posts:
        if post.id in done and post.parent_id is not None:
            answered[post.parent_id] = answered.get(post.parent_id, 0) + 1
            if post.root_id != post.parent_id:
                answered[post.root_id] = answered.get(post.root_id, 0) + 1
    for post_id, count in answered.items():
        tx.run("UPDATE posts SET replies = replies + ? WHERE id = ?", (count, post_id))
    return done


def insert_poll(tx: Tx, post_id: int, poll: Poll) -> None:
    tx.run("INSERT INTO polls (post_id, multiple, ends_at, closed_at, voters) VALUES (?, ?, ?, ?, ?)",
           (post_id, int(poll.multiple), poll.ends_at, poll.closed_at, poll.voters))
    tx.insert("poll_options (post_id, position, name, votes)", 4,
              [(post_id, position, name, votes) for position, (name, votes) in enumerate(poll.options)])


def by_uris(tx: Tx, uris: Iterable[str]) -> dict[str, Post]:
    """The posts of these URIs, erased ones among them."""
    hashes = [uri_hash(uri) for uri in set(uris)]
    rows = tx.rows(f"SELECT {_COLUMNS} FROM posts WHERE uri_hash IN ({marks(len(hashes))})", hashes) if hashes else []
    return {row["uri"]: post_from(row) for row in rows}


def by_id(tx: Tx, post_id: int) -> Post | None:
    row = tx.row(f"SELECT {_COLUMNS} FROM posts WHERE id = ?", (post_id,))
    return post_from(row) if row is not None else None


def select(tx: Tx, where: str, parameters: Sequence[object]) -> list[Post]:
    """Posts by a condition written in this package; values only through `parameters`."""
    return [post_from(row) for row in tx.rows(f"SELECT {_COLUMNS} FROM posts WHERE {where}", parameters)]


def post_from(row: Row) -> Post:
    return Post(
        row["id"], row["uri"], row["author_id"], row["sibling_id"], Kind(row["kind"]), row["root_id"], row["parent_id"],
        row["question"], row["source"], row["html"], row["language"], msgspec.json.decode(row["facts"], type=CaseFacts),
        State(row["state"]) if row["state"] else None,
        Audience(Reach(row["reach"]), tuple(json.loads(row["audience"]))), row["country"], row["published_at"],
        row["updated_at"], row["revision"], row["replies"], row["erased_at"])


def polls(tx: Tx, post_ids: Sequence[int]) -> dict[int, Poll]:
    """The polls among these posts."""
    if not post_ids:
        return {}
    inside = marks(len(post_ids))
    options: dict[int, list[tuple[str, int]]] = {}
    for row in tx.rows(f"SELECT post_id, name, votes FROM poll_options WHERE post_id IN ({inside}) ORDER BY post_id, position",
                       post_ids):
        options.setdefault(row["post_id"], []).append((row["name"], row["votes"]))
    return {
        row["post_id"]: Poll(bool(row["multiple"]), row["ends_at"], row["closed_at"], row["voters"],
                             tuple(options.get(row["post_id"], ())))
        for row in tx.rows(f"SELECT * FROM polls WHERE post_id IN ({inside})", post_ids)}


def choices(tx: Tx, post_ids: Sequence[int], voter_id: int) -> dict[int, set[int]]:
    """What one voter has chosen in these polls."""
    found: dict[int, set[int]] = {}
    if post_ids:
        for row in tx.rows(f"SELECT post_id, position FROM votes WHERE voter_id = ? AND post_id IN ({marks(len(post_ids))})",
                           (voter_id, *post_ids)):
            found.setdefault(row["post_id"], set()).add(row["position"])
    return found


def insert_votes(tx: Tx, votes: Sequence[tuple[int, int, int, int, int]]) -> set[tuple[int, int, int]]:
    """Insert (post, voter, slot, position, at); one voter, one vote by the unique index. Returns the new (post, voter, slot)."""
    rows = tx.insert("votes (post_id, voter_id, slot, position, at)", 5, votes,
                     "ON CONFLICT (post_id, voter_id, slot) DO NOTHING RETURNING post_id, voter_id, slot")
    return {(row["post_id"], row["voter_id"], row["slot"]) for row in rows}


def recount(tx: Tx, post_id: int, now: int) -> None:
    """Bring a local poll's counts up to its votes and mark it as not announced."""
    tx.run("UPDATE poll_options SET votes = (SELECT count(*) FROM votes v WHERE v.post_id = poll_options.post_id"
           " AND v.position = poll_options.position) WHERE post_id = ?", (post_id,))
    tx.run("UPDATE polls SET voters = (SELECT count(DISTINCT voter_id) FROM votes WHERE post_id = ?),"
           " stale_since = coalesce(stale_since, ?) WHERE post_id = ?", (post_id, now, post_id))
    tx.wake("polls")


def revise(tx: Tx, old: Post, new: Post) -> None:
    """Replace a post's text, keeping the old one in its history."""
    if (old.question, old.html) != (new.question, new.html):
        tx.run("INSERT INTO revisions (post_id, revision, question, html, at) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (post_id, revision) DO NOTHING",
               (old.id, old.revision, old.question, old.html, old.updated_at or old.published_at))
    tx.run("UPDATE posts SET question = ?, source = ?, html = ?, language = ?, facts = ?, state = ?, updated_at = ?, revision = ?"
           " WHERE id = ? AND revision < ? AND erased_at IS NULL",
           (new.question, new.source, new.html, new.language, _facts_out(new.facts), new.state, new.updated_at, new.revision,
            old.id, new.revision))


def revisions(tx: Tx, post_id: int) -> list[Row]:
    return tx.rows("SELECT revision, question, html, at FROM revisions WHERE post_id = ? ORDER BY revision", (post_id,))


def erase(tx: Tx, uri: str, origin: str, now: int) -> Post | None:
    """Take a post's text out of every table and leave a tombstone, also when the post was never seen.

    Replies of others stay; an erased post keeps its place in the thread with nothing in it.
    """
    tx.run("INSERT INTO tombstones (uri_hash, uri, origin, at) VALUES (?, ?, ?, ?) ON CONFLICT (uri_hash) DO NOTHING",
           (uri_hash(uri), uri, origin, now))
    tx.run("DELETE FROM held WHERE object_hash = ?", (uri_hash(uri),))
    post = by_uris(tx, [uri]).get(uri)
    if post is None or post.erased_at is not None:
        return post
    for table in ("votes", "poll_options", "polls", "revisions"):
        tx.run(f"DELETE FROM {table} WHERE post_id = ?", (post.id,))
    tx.run("UPDATE posts SET question = '', source = '', html = '', facts = '{}', state = NULL, erased_at = ? WHERE id = ?",
           (now, post.id))
    for post_id in {post.parent_id, post.root_id} - {None, post.id}:
        tx.run("UPDATE posts SET replies = max(replies - 1, 0) WHERE id = ?", (post_id,))
    return post


def tombstoned(tx: Tx, uris: Iterable[str]) -> set[str]:
    """Which of these URIs have been deleted for good."""
    hashes = [uri_hash(uri) for uri in set(uris)]
    if not hashes:
        return set()
    return {row["uri"] for row in tx.rows(f"SELECT uri FROM tombstones WHERE uri_hash IN ({marks(len(hashes))})", hashes)}


def _facts_out(facts: CaseFacts) -> str:
    return msgspec.json.encode(facts).decode()
