"""Enters posts into the index, behind their coming: the worker's part of search.

Entering a text costs about twice as much as checking and storing an activity, so what arrives does not wait for it. What is to
be entered is a row that came with the post itself; here it is taken apart by a reader, and written by the writer unless it has
changed meanwhile. Whoever kills this in the middle loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.database import Database, Tx, marks
from posts import indexed, postings, store
from posts.models import Kind
from posts.sought import Conditions
from posts.store import Post

AT_ONCE = 128
"""How many posts a step enters, where nothing else is said."""
_MANY = 1000
_ROWS = 2000
_EMPTIED = (("postings", "block, word"), ("post_conditions", "post_id, code"), ("places", "place"))


class _Entry(NamedTuple):
    """A post as it was read, what it is found by, and which conditions it names."""

    post: Post
    words: frozenset[str]
    codes: frozenset[str]


class Indexing:
    """Brings the index up to date."""

    def __init__(self, database: Database, conditions: Conditions) -> None:
        self._database, self._conditions = database, conditions

    async def step(self, most: int = AT_ONCE) -> int:
        """Enter some of what waits, oldest first; how many posts that were."""
        if self._database.glance("SELECT 1 FROM unindexed LIMIT 1") is None:
            return 0
        entries, gone = await self._database.read(lambda tx: self._look(tx, most))
        await self._database.write(lambda tx: _enter(tx, entries, gone))
        return len(entries) + len(gone)

    async def begin(self) -> None:
        """Make the index anew where another release has made it."""
        while not await self._database.write(_renewed):
            pass

    def is_behind(self) -> bool:
        """Whether so many posts wait that somebody may miss one."""
        row = self._database.glance("SELECT count(*) AS n FROM (SELECT 1 FROM unindexed LIMIT ?) AS some", (_MANY,))
        return row is not None and row["n"] == _MANY

    def _look(self, tx: Tx, most: int = AT_ONCE) -> tuple[list[_Entry], list[int]]:
        ids = [row["post_id"] for row in tx.rows("SELECT post_id FROM unindexed ORDER BY post_id LIMIT ?", (most,))]
        posts = store.by_many(tx, ids)
        options = indexed.options_of(tx, [post.id for post in posts.values() if post.kind == Kind.POLL])
        entries = []
        for post_id in ids:
            post = posts.get(post_id)
            if post is not None and post.erased_at is None:
                texts = indexed.texts_of(post.question, post.html, options.get(post_id, ()), post.parts, post.pictures)
                codes = frozenset((*post.facts.conditions, *(code for text in texts for code in self._conditions.named_in(text))))
                entries.append(_Entry(post, indexed.words_of(post, options.get(post_id, ()), codes), codes))
        known = {entry.post.id for entry in entries}
        return entries, [post_id for post_id in ids if post_id not in known]


def _enter(tx: Tx, entries: Sequence[_Entry], gone: Sequence[int]) -> None:
    now = _as_they_are(tx, [entry.post.id for entry in entries])
    same = [entry for entry in entries if now.get(entry.post.id) == _state(entry.post)]
    places = postings.places_of(tx, [entry.post.id for entry in same])
    for consults in (False, True):
        postings.append(tx, [(entry.post.id, entry.post.author_id, entry.words) for entry in same
                             if entry.post.id not in places and indexed.is_consult(entry.post) == consults], consults=consults)
    for entry in same:
        if (place := places.get(entry.post.id)) is not None:
            postings.take_out(tx, place, {*indexed.STATES, indexed.ANSWERED} - entry.words)
            postings.add(tx, place, entry.words)
    tx.insert("post_conditions (post_id, code)", 2, [(entry.post.id, code) for entry in same for code in sorted(entry.codes)],
              "ON CONFLICT (post_id, code) DO NOTHING")
    done = [*(entry.post.id for entry in same), *gone]
    tx.run(f"DELETE FROM unindexed WHERE post_id IN ({marks(len(done))})", done)


def _as_they_are(tx: Tx, ids: Sequence[int]) -> Mapping[int, tuple[object, ...]]:
    """What tells whether posts have changed since they were read; erased ones are not among them."""
    return {row["id"]: (row["revision"], row["state"], row["replies"] > 0) for row in tx.rows(
        f"SELECT id, revision, state, replies FROM posts WHERE id IN ({marks(len(ids))}) AND erased_at IS NULL", ids)}


def _state(post: Post) -> tuple[object, ...]:
    return post.revision, post.state, post.replies > 0


def _renewed(tx: Tx) -> bool:
    """Whether the index is of this release; else some of it is taken away, and in the end everything is to be entered again."""
    row = tx.row("SELECT version FROM indexed_by WHERE id = 1")
    if row is not None and row["version"] == indexed.VERSION:
        return True
    for table, keys in _EMPTIED:
        if tx.run(f"DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} LIMIT ?)", (_ROWS,)):
            return False
    tx.run("INSERT INTO unindexed (post_id) SELECT id FROM posts WHERE true ON CONFLICT (post_id) DO NOTHING")
    tx.run("INSERT INTO indexed_by (id, version) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
           (indexed.VERSION,))
    tx.scrub()
    return True
