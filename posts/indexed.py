"""What of a post is searched for, and what happens to it there when the post comes, changes or goes.

What comes in is entered by the worker (`posts.indexing`); what is taken back goes out of the index in the transaction that takes
it back, word by word. So a post may be found a moment late and never a moment too long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from core.database import Tx, marks
from core.terms import FOLDED_BY, terms
from core.text import spoken
from posts import postings
from posts.models import Picture, Reach, State
from posts.parts import NO_PARTS, Parts, htmls

if TYPE_CHECKING:
    from posts.store import Post

VERSION = f"1; words {FOLDED_BY}"
"""How `words_of` takes a post apart: where this changes, the whole index is made anew (`posts.indexing`)."""
ANSWERED, QUESTION = "is:answered", "is:question"
STATES = tuple(f"state:{state}" for state in State)
"""What may change without anybody having changed the post."""


def words_of(post: Post, options: Sequence[str], codes: Collection[str]) -> frozenset[str]:
    """Everything a post is found by: the words of its texts and, as words with a colon in them, its coded facts and the codes of
    the conditions it names."""
    words = {word for text in texts_of(post.question, post.html, options, post.parts, post.pictures) for word in terms(text)}
    return frozenset((*words, *_facts(post), *(f"code:{code}" for code in codes)))


def texts_of(question: str, html: str, options: Sequence[str], parts: Parts, pictures: Sequence[Picture]) -> tuple[str, ...]:
    """What a post says in words, piece by piece."""
    said = (*(row.what for row in parts.timeline), parts.sponsor or "", parts.study.funding if parts.study is not None else "",
            parts.congress.place if parts.congress is not None else "")
    return (question, spoken(html), *options, *map(spoken, htmls(parts)), *filter(None, said),
            *(picture.alt for picture in pictures))


def _facts(post: Post) -> list[str]:
    facts = post.facts
    found = [f"kind:{post.kind}", f"lang:{post.language[:2].lower()}", f"from:{post.country}",
             f"month:{month_of(post.published_at)}"]
    found += [f"for:{code}" for code in facts.specialties]
    found += [f"{name}:{value}" for name, value in (("age", facts.age_band), ("sex", facts.sex), ("aim", facts.aim)) if value]
    if post.parent_id is None:
        found.append(QUESTION)
        if post.answers:
            found.append(ANSWERED)
    if post.state is not None:
        found.append(f"state:{State.ANSWERED if post.state == State.OPEN and post.answers else post.state}")
    return found


def month_of(ms: int) -> str:
    """The month (`2026-11`, UTC) a moment is in."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m")


def options_of(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[str]]:
    """The options of those of some posts that are polls, by their ids."""
    found: dict[int, list[str]] = {}
    for row in tx.rows(f"SELECT post_id, name FROM poll_options WHERE post_id IN ({marks(len(post_ids))})"
                       " ORDER BY post_id, position", post_ids):
        found.setdefault(row["post_id"], []).append(row["name"])
    return found


def codes_of(tx: Tx, post_ids: Sequence[int]) -> dict[int, list[str]]:
    """The codes of conditions these posts are in the index with, by their ids."""
    found: dict[int, list[str]] = {}
    for row in tx.rows(f"SELECT post_id, code FROM post_conditions WHERE post_id IN ({marks(len(post_ids))})", post_ids):
        found.setdefault(row["post_id"], []).append(row["code"])
    return found


def came(tx: Tx, posts: Sequence[Post]) -> None:
    """New posts are to be entered."""
    tx.insert("unindexed (post_id)", 1, [(post.id,) for post in posts])


def answers_count(tx: Tx, post_ids: Collection[int]) -> None:
    """These posts are answered now: those of them that had no answer are entered anew."""
    if post_ids:
        tx.run(f"INSERT INTO unindexed (post_id) SELECT id FROM posts WHERE id IN ({marks(len(post_ids))}) AND answers = 0"
               " ON CONFLICT (post_id) DO NOTHING", (*post_ids,))


def again(tx: Tx, post_id: int) -> None:
    """How many answers a post has may be another number now: it is entered anew."""
    tx.run("INSERT INTO unindexed (post_id) VALUES (?) ON CONFLICT (post_id) DO NOTHING", (post_id,))


def changed(tx: Tx, old: Post, new: Post) -> None:
    """What stands in a post no longer is not found any more from now on; what is new in it is to be entered."""
    place = postings.places_of(tx, [old.id]).get(old.id)
    if place is not None:
        options = options_of(tx, [old.id]).get(old.id, ())
        codes = codes_of(tx, [old.id]).get(old.id, ())
        tx.run("DELETE FROM post_conditions WHERE post_id = ?", (old.id,))
        postings.take_out(tx, place, words_of(old, options, codes).union(STATES) - words_of(new, options, ()))
    tx.run("INSERT INTO unindexed (post_id) VALUES (?) ON CONFLICT (post_id) DO NOTHING", (old.id,))


def emptied(tx: Tx, post: Post) -> None:
    """A post stays, and nothing of its text."""
    changed(tx, post, msgspec.structs.replace(post, question="", html="", parts=NO_PARTS, pictures=()))


def gone(tx: Tx, post: Post) -> None:
    """A post is about to be erased, with all it is found by. It comes before the rest is."""
    tx.run("DELETE FROM unindexed WHERE post_id = ?", (post.id,))
    place = postings.places_of(tx, [post.id]).get(post.id)
    if place is not None:
        words = words_of(post, options_of(tx, [post.id]).get(post.id, ()), codes_of(tx, [post.id]).get(post.id, ()))
        tx.run("DELETE FROM post_conditions WHERE post_id = ?", (post.id,))
        postings.take_out(tx, place, words.union(STATES, (ANSWERED,)))
        postings.give_up(tx, place)


def is_consult(post: Post) -> bool:
    """Whether a post has its place among those only some may read."""
    return post.audience.reach == Reach.NAMED
