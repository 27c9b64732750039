"""What counts as an answer to a conversation, and what its author is asked back; corrections as they are stored.

A question back answers nothing, what was recalled counts no more, and what the author of a case writes herself is no answer
to it. That is counted as answers come; where one is erased, recalled or turns out to be something else, it is counted anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from core.database import Tx, marks
from posts.models import Correction, ReplyKind

if TYPE_CHECKING:
    from posts.store import Post

_JSON = msgspec.json.Encoder()
_CORRECTION = msgspec.json.Decoder(Correction)


def count(tx: Tx, replies: Sequence[Post]) -> None:
    """Count new answers at what began their conversations. Whoever began one and writes in it has answered what she was asked
    back."""
    asked = {post.root_id for post in replies if post.reply_kind == ReplyKind.QUESTION or is_recalled(post)}
    if asked:
        recount(tx, asked)
    more = Counter((post.root_id, post.author_id) for post in replies if post.root_id not in asked)
    if more:
        tx.run(f"WITH more (root_id, author_id, n) AS (VALUES {','.join(['(?, ?, ?)'] * len(more))}), sums AS (SELECT p.id,"
               " sum(CASE WHEN p.author_id <> m.author_id THEN m.n ELSE 0 END) AS n, sum(CASE WHEN p.author_id = m.author_id"
               " THEN 1 ELSE 0 END) AS own FROM more m JOIN posts p ON p.id = m.root_id GROUP BY p.id)"
               " UPDATE posts SET answers = answers + sums.n, asked_back = CASE WHEN sums.own > 0 THEN NULL ELSE asked_back END"
               " FROM sums WHERE posts.id = sums.id",
               [value for pair, n in more.items() for value in (*pair, n)])


def recount(tx: Tx, root_ids: Iterable[int]) -> None:
    """Count anew what answers these conversations, and which question to her their authors have not answered: whatever of hers
    is newer than a question has answered it."""
    roots = sorted(root_ids)
    tx.run("UPDATE posts SET answers = (SELECT count(*) FROM posts r WHERE r.root_id = posts.id AND r.parent_id IS NOT NULL"
           " AND r.erased_at IS NULL AND r.author_id <> posts.author_id AND r.reply_kind <> 'question' AND r.recalled = 0),"
           " asked_back = (SELECT min(q.id) FROM posts q JOIN posts a ON a.id = q.parent_id WHERE q.root_id = posts.id"
           " AND q.parent_id IS NOT NULL AND q.erased_at IS NULL AND q.reply_kind = 'question' AND q.recalled = 0"
           " AND q.author_id <> posts.author_id AND a.author_id = posts.author_id"
           " AND q.id > coalesce((SELECT max(o.id) FROM posts o WHERE o.root_id = posts.id AND o.parent_id IS NOT NULL"
           " AND o.erased_at IS NULL AND o.author_id = posts.author_id), 0))"
           f" WHERE id IN ({marks(len(roots))})", roots)


def is_recalled(post: Post) -> bool:
    """Whether its author has withdrawn it as wrong."""
    return post.correction is not None and post.correction.is_recall


def counts_otherwise(old: Post, new: Post) -> bool:
    """Whether another version of an answer counts in another way."""
    return (old.reply_kind, is_recalled(old)) != (new.reply_kind, is_recalled(new))


def said(correction: Correction | None) -> str:
    """A correction as it is stored."""
    return _JSON.encode(correction).decode() if correction is not None else ""


def read(stored: str) -> Correction | None:
    """A correction out of the database."""
    return _CORRECTION.decode(stored) if stored else None
