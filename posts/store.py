"""Posts in SQL: written by local authors and by what arrives, read by pages and by the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from core.database import Row, Tx, marks
from core.ids import uri_key
from federation import due
from federation.store import forget
from posts import answers, bases, changes, indexed, matters, shelves, telling
from posts.models import (
    NO_FACTS,
    NO_TAGS,
    Audience,
    CaseFacts,
    Correction,
    Kind,
    Picture,
    Reach,
    ReplyKind,
    Shelf,
    State,
    Tags,
    shelf_of,
)
from posts.parts import NO_PARTS, Parts
from posts.telling import NEWS
from posts.translated import Translation, base, digest_of, holding

_COLUMNS = ("id, uri, author_id, sibling_id, kind, root_id, parent_id, question, source, html, language, facts, state, reach,"
            " audience, country, published_at, updated_at, revision, replies, erased_at, readers, tags, likes, boosts,"
            " asked_from, seal, hidden_at, taken_down, parts, helpful, reply_kind, answers, asked_back, correction, pictures,"
            " translations")
_INSERTED = ("id, uri, uri_key, author_id, sibling_id, kind, root_id, parent_id, question, source, html, language, facts,"
             " state, reach, audience, country, published_at, updated_at, revision, readers, tags, asked_from, seal, parts,"
             " helpful, reply_kind, correction, recalled, pictures, translations")
LISTED = "parent_id IS NULL AND erased_at IS NULL AND reach <> 'named'"
"""What lists of posts hold, as the partial indexes say it."""
_OF_POLLS = ("poll_modes", "tallies", "tally_counts", "poll_lapses", "kept_polls", "poll_snapshots", "poll_results",
             "poll_checks")
OF_TRANSLATIONS = ("machine_translations", "offered_translations")
LEAP = 1_000_000
"""By how much the revisions of our posts grow when a backup is restored."""
_SOME = 500
_JSON = msgspec.json.Encoder()
_FACTS = msgspec.json.Decoder(CaseFacts)
_NO_FACTS = _JSON.encode(NO_FACTS).decode()
_TAGS = msgspec.json.Decoder(Tags)
_PICTURES = msgspec.json.Decoder(tuple[Picture, ...])
_URIS = msgspec.json.Decoder(tuple[str, ...])
_PARTS = msgspec.json.Decoder(Parts)
_TRANSLATIONS = msgspec.json.Decoder(tuple[Translation, ...])


READ = "/read"
"""The topic of all that is to be read and asks nobody: news, studies, congresses."""


def on_shelf(code: str, shelf: Shelf) -> str:
    """The topic of what a specialty has on a shelf."""
    return f"{code}/{shelf}"


class Post(msgspec.Struct, frozen=True):
    """A post as it is stored; `sibling_id` None for one written here, `source` only there. `html` is its text alone, without
    `parts`; `helpful` are the URIs of the answers to a case that its author has marked, `translations`
    those that a colleague has confirmed. `hidden_at`: since when (ms) only its
    author and operators see it here; `taken_down`: why operators have erased it, a `posts.matters.Category`, else ''. `answers`
    and `asked_back` are those of a conversation, at what began it (`posts.answers`)."""

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
    tags: Tags = NO_TAGS
    likes: int = 0
    boosts: int = 0
    asked_from: int | None = None
    seal: str = ""
    hidden_at: int | None = None
    taken_down: str = ""
    parts: Parts = NO_PARTS
    helpful: tuple[str, ...] = ()
    reply_kind: ReplyKind = ReplyKind.ANSWER
    answers: int = 0
    asked_back: int | None = None
    correction: Correction | None = None
    pictures: tuple[Picture, ...] = ()
    translations: tuple[Translation, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """The lists by topic it stands in: specialties, each with its shelf, `READ` where it asks nobody, and hashtags with their
        '#'. Answers and consults stand in none."""
        if self.parent_id is not None or self.audience.reach == Reach.NAMED:
            return ()
        codes, shelf = self.facts.specialties, shelf_of(self.kind, self.facts.aim)
        shelved = tuple(on_shelf(code, shelf) for code in codes) if shelf is not None else ()
        read = (READ,) if shelf is not None and shelf != Shelf.CASES else ()
        return (*dict.fromkeys((*codes, *shelved, *read, *(f"#{tag}" for tag in self.tags.hashtags))),)


class Poll(msgspec.Struct, frozen=True):
    """A poll's standing: options are (name, votes) by position. `tallies` are the instance actors whose votes stay at home;
    `counts_until` (ms) is set while a closed poll of ours waits for its result; `result_at` is when that was made, `missing`
    how many instances are not wholly in it, `result` the signed document, where somebody has asked for it (`posts.pollstore`).
    `lapsed` of those who have voted are no longer verified.
    """

    multiple: bool
    ends_at: int
    closed_at: int | None
    voters: int
    options: tuple[tuple[str, int], ...]
    tallies: tuple[str, ...] = ()
    counts_until: int | None = None
    result_at: int | None = None
    missing: int = 0
    result: str = ""
    lapsed: int = 0


def insert(tx: Tx, posts: Sequence[Post]) -> None:
    """Insert new posts in one statement and count them at what they answer; a URI that is here already is an `IntegrityError`."""
    tx.insert(f"posts ({_INSERTED})", 31, [
        (post.id, post.uri, uri_key(post.uri), post.author_id, post.sibling_id, post.kind, post.root_id, post.parent_id,
         post.question, post.source, post.html, post.language, _facts_out(post.facts), post.state, post.audience.reach,
         _origins_out(post.audience.origins), post.country, post.published_at, post.updated_at, post.revision,
         _origins_out(post.audience.readers), _tags_out(post.tags), post.asked_from, post.seal,
         _parts_out(post.parts), _helpful_out(post.helpful), _kind_out(post.reply_kind), answers.said(post.correction),
         int(answers.is_recalled(post)), _pictures_out(post.pictures), _translations_out(post.translations))
        for post in posts])
    tx.wake(NEWS)
    topics = [(topic, post.id) for post in posts for topic in post.topics]
    if topics:
        tx.insert("topic_posts (topic, post_id)", 2, topics)
    for post in posts:
        if post.audience.reach == Reach.NAMED:
            _consult(tx, post)
    indexed.came(tx, posts)
    answered = Counter(post_id for post in posts if post.parent_id is not None for post_id in {post.parent_id, post.root_id})
    if answered:
        indexed.answers_count(tx, answered)
        tx.run(f"WITH more (id, n) AS (VALUES {','.join(['(?, ?)'] * len(answered))})"
               " UPDATE posts SET replies = replies + more.n FROM more WHERE posts.id = more.id",
               [value for pair in answered.items() for value in pair])
        answers.count(tx, [post for post in posts if post.parent_id is not None])


def _consult(tx: Tx, post: Post) -> None:
    """Put a consult before the doctors of this instance who are in it, but for those who have blocked its author."""
    keys = [uri_key(uri) for uri in post.audience.readers]
    tx.run("INSERT INTO consults (actor_id, root_id, newest) SELECT id, ?, ? FROM actors"
           f" WHERE uri_key IN ({marks(len(keys))}) AND sibling_id IS NULL AND NOT EXISTS"
           " (SELECT 1 FROM shuns WHERE shuns.actor_id = actors.id AND shuns.other_id = ? AND shuns.kind = 'block')"
           " ON CONFLICT (actor_id, root_id) DO UPDATE SET newest = excluded.newest",
           (post.root_id, post.id, *keys, post.author_id))


def sent_before(tx: Tx, author_id: int, once: bytes) -> int | None:
    """The id of the post that this author's form, sent with this text, has made already; also of one that is erased."""
    row = tx.row("SELECT id FROM posts WHERE (author_id = ? OR author_id IN (SELECT actor_id FROM aliases WHERE owner_id = ?))"
                 " AND sent_once = ?", (author_id, author_id, once))
    return int(row["id"]) if row is not None else None


def mark_sent(tx: Tx, post_id: int, once: bytes) -> None:
    tx.run("UPDATE posts SET sent_once = ? WHERE id = ?", (once, post_id))


def insert_polls(tx: Tx, polls: Sequence[tuple[int, Poll]]) -> None:
    """Insert new polls by their post's id."""
    tx.insert("polls (post_id, multiple, ends_at, closed_at, voters, tallies, lapsed)", 7, [
        (post_id, int(poll.multiple), poll.ends_at, poll.closed_at, poll.voters,
         _origins_out(poll.tallies) if poll.tallies else "", poll.lapsed)
        for post_id, poll in polls])
    tx.insert("poll_options (post_id, position, name, votes)", 4, [
        (post_id, position, name, votes)
        for post_id, poll in polls for position, (name, votes) in enumerate(poll.options)])


def by_keys(tx: Tx, keys: Sequence[bytes]) -> dict[str, Post]:
    """The posts of these URI keys by their URI, erased ones among them."""
    rows = tx.rows(f"SELECT {_COLUMNS} FROM posts WHERE uri_key IN ({marks(len(keys))})", keys) if keys else []
    return {row["uri"]: post_from(row) for row in rows}


def by_id(tx: Tx, post_id: int) -> Post | None:
    row = tx.row(f"SELECT {_COLUMNS} FROM posts WHERE id = ?", (post_id,))
    return post_from(row) if row is not None else None


def by_many(tx: Tx, ids: Sequence[int]) -> dict[int, Post]:
    """The posts of these ids by id."""
    rows = tx.rows(f"SELECT {_COLUMNS} FROM posts WHERE id IN ({marks(len(ids))})", ids) if ids else []
    return {row["id"]: post_from(row) for row in rows}


def select(tx: Tx, where: str, parameters: Sequence[object]) -> list[Post]:
    """Posts by a condition written in this package; values only through `parameters`."""
    return [post_from(row) for row in tx.rows(f"SELECT {_COLUMNS} FROM posts WHERE {where}", parameters)]


def post_from(row: Row) -> Post:
    return Post(
        row["id"], row["uri"], row["author_id"], row["sibling_id"], Kind(row["kind"]), row["root_id"], row["parent_id"],
        row["question"], row["source"], row["html"], row["language"], facts_from(row),
        State(row["state"]) if row["state"] else None,
        _audience(row["reach"], row["audience"], row["readers"]), row["country"],
        row["published_at"], row["updated_at"], row["revision"], row["replies"], row["erased_at"],
        _TAGS.decode(row["tags"]) if row["tags"] else NO_TAGS, row["likes"], row["boosts"], row["asked_from"], row["seal"],
        row["hidden_at"], row["taken_down"], parts_from(row), _URIS.decode(row["helpful"]) if row["helpful"] else (),
        ReplyKind(row["reply_kind"] or ReplyKind.ANSWER), row["answers"], row["asked_back"], answers.read(row["correction"]),
        pictures_from(row), _TRANSLATIONS.decode(row["translations"]) if row["translations"] else ())


def parts_from(row: Row) -> Parts:
    """What a post or one of its versions holds beside its text."""
    return _PARTS.decode(row["parts"]) if row["parts"] else NO_PARTS


def pictures_from(row: Row) -> tuple[Picture, ...]:
    """The pictures of a post."""
    return _PICTURES.decode(row["pictures"]) if row["pictures"] else ()


def facts_from(row: Row) -> CaseFacts:
    """The coded part of a post or of one of its versions."""
    return _FACTS.decode(row["facts"])


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
                             tuple(options.get(row["post_id"], ())), _URIS.decode(row["tallies"]) if row["tallies"] else (),
                             row["counts_until"], row["published_at"], row["missing"] or 0, lapsed=row["lapsed"])
        for row in tx.rows("SELECT p.*, r.published_at, r.missing FROM polls p LEFT JOIN poll_results r ON r.post_id = p.post_id"
                           f" WHERE p.post_id IN ({inside})", post_ids)}


class Touched(NamedTuple):
    """What one doctor has liked, passed on, kept and pinned among some posts, by their ids, and the conversations she follows or
    has muted."""

    liked: frozenset[int]
    boosted: frozenset[int]
    bookmarked: frozenset[int]
    followed: frozenset[int]
    muted: frozenset[int]
    pinned: frozenset[int]


def touched(tx: Tx, post_ids: Sequence[int], actor_ids: Sequence[int]) -> Touched:
    """What a doctor has done with these posts, by name or under her aliases."""
    inside = marks(len(post_ids))
    found: dict[str, set[int]] = {table: set() for table in (
        "likes", "boosts", "bookmarks", "case_follows", "case_mutes", "pins")}
    for row in tx.rows(" UNION ALL ".join(
            f"SELECT '{table}' AS what, post_id FROM {table} WHERE actor_id IN ({marks(len(actor_ids))})"
            f" AND post_id IN ({inside})" for table in found), (*actor_ids, *post_ids) * len(found)):
        found[row["what"]].add(row["post_id"])
    return Touched(*map(frozenset, found.values()))


def revise(tx: Tx, old: Post, new: Post) -> None:
    """Replace what a post says, keeping what it said in its history. Translations of what it said go."""
    kept = holding(new.translations, new.question, new.html, new.parts)
    digest = digest_of(new.question, new.html, new.parts)
    outdated = sum([tx.run(f"DELETE FROM {table} WHERE post_id = ? AND digest <> ?", (old.id, digest))
                    for table in OF_TRANSLATIONS])
    for one in kept if kept != old.translations else ():
        outdated += tx.run("DELETE FROM machine_translations WHERE post_id = ? AND language = ?", (old.id, base(one.language)))
    if outdated or not {*old.translations} <= {*kept}:
        tx.scrub()
    said, says = [(post.question, post.html, post.parts, post.facts) for post in (old, new)]
    if said != says and said[:3] != ("", "", NO_PARTS):
        tx.run("INSERT INTO revisions (post_id, revision, question, html, parts, facts, at, correction)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (post_id, revision) DO NOTHING",
               (old.id, old.revision, old.question, old.html, _parts_out(old.parts), _facts_out(old.facts),
                old.updated_at or old.published_at, answers.said(old.correction)))
    changed = tx.run(
        "UPDATE posts SET question = ?, source = ?, html = ?, language = ?, facts = ?, state = ?, tags = ?, updated_at = ?,"
        " revision = ?, seal = ?, parts = ?, helpful = ?, reply_kind = ?, correction = ?, recalled = ?, pictures = ?,"
        " translations = ? WHERE id = ? AND revision < ? AND erased_at IS NULL",
        (new.question, new.source, new.html, new.language, _facts_out(new.facts), new.state, _tags_out(new.tags),
         new.updated_at, new.revision, new.seal, _parts_out(new.parts), _helpful_out(new.helpful), _kind_out(new.reply_kind),
         answers.said(new.correction), int(answers.is_recalled(new)), _pictures_out(new.pictures), _translations_out(kept),
         old.id, new.revision))
    if changed and old.parent_id is not None and answers.counts_otherwise(old, new):
        answers.recount(tx, [old.root_id])
        indexed.again(tx, old.root_id)
    if changed:
        indexed.changed(tx, old, new)
        changes.note(tx, old.id)
    if changed and old.topics != new.topics:
        tx.run("DELETE FROM topic_posts WHERE post_id = ?", (old.id,))
        tx.insert("topic_posts (topic, post_id)", 2, [(topic, old.id) for topic in new.topics])


def unsay(tx: Tx, post: Post, revision: int) -> bool:
    """Keep nothing of a post that is older than a revision: not in its history, and not as its text, which is empty until a later
    one comes. Returns whether its text has gone."""
    tx.run("DELETE FROM revisions WHERE post_id = ? AND revision % ? < ?", (post.id, LEAP, revision % LEAP))
    older = post.revision % LEAP < revision % LEAP
    if older:
        indexed.emptied(tx, post)
        tx.run("UPDATE posts SET question = '', source = '', html = '', parts = '', tags = '', correction = '', recalled = 0,"
               " pictures = '', translations = '' WHERE id = ?", (post.id,))
        for table in OF_TRANSLATIONS:
            tx.run(f"DELETE FROM {table} WHERE post_id = ?", (post.id,))
        tx.run("DELETE FROM topic_posts WHERE post_id = ?", (post.id,))
    tx.scrub()
    return older


def forget_earlier(tx: Tx, post_id: int) -> None:
    """Of what stood in a post before, nothing is kept, and of why its advice was changed neither."""
    gone = tx.run("DELETE FROM revisions WHERE post_id = ?", (post_id,))
    if tx.run("UPDATE posts SET correction = '' WHERE id = ? AND correction <> '' AND recalled = 0", (post_id,)) or gone:
        tx.scrub()


def revisions(tx: Tx, post_id: int, before: int | None, limit: int) -> list[Row]:
    """Earlier versions, newest first: those older than a revision, or all; with the last correction of each, as it is stored."""
    return tx.rows("SELECT revision, question, html, parts, facts, at, correction FROM revisions"
                   " WHERE post_id = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
                   (post_id, before if before is not None else (1 << 63) - 1, limit))


def overtake(tx: Tx, after: int) -> int | None:
    """Give some of the posts that were written here a much later revision, by their ids; the last of them, or None when there
    are no more."""
    ids = [row["id"] for row in tx.rows(
        "SELECT id FROM posts WHERE sibling_id IS NULL AND erased_at IS NULL AND id > ? ORDER BY id LIMIT ?", (after, _SOME))]
    tx.run(f"UPDATE posts SET revision = revision + ? WHERE id IN ({marks(len(ids))})", (LEAP, *ids))
    return ids[-1] if ids else None


def erase(tx: Tx, uri: str, origin: str, now: int) -> None:
    """Take a post's text out of every table, and what is on its way about it out of the outbox, and leave a tombstone, also
    when the post was never seen.

    Replies of others stay; an erased post keeps its place in the thread with nothing in it.
    """
    bury(tx, uri, origin, now)
    forget(tx, uri, now)
    tx.scrub()
    post = by_keys(tx, [uri_key(uri)]).get(uri)
    if post is None or post.erased_at is not None:
        return
    indexed.gone(tx, post)
    for table in (*_OF_POLLS, *OF_TRANSLATIONS, "votes", "poll_options", "polls", "revisions", "topic_posts", "likes", "boosts",
                  "bookmarks", "case_follows", "case_mutes", "pins", "thread_reads", "asks"):
        tx.run(f"DELETE FROM {table} WHERE post_id = ?", (post.id,))
    tx.run("DELETE FROM drafts WHERE what IN ('edit', 'outcome') AND about = ? AND (actor_id = ? OR actor_id IN"
           " (SELECT owner_id FROM aliases WHERE actor_id = ?))", (post.id, post.author_id, post.author_id))
    tx.run("UPDATE posts SET question = '', source = '', html = '', facts = '{}', parts = '', helpful = '', tags = '', seal = '',"
           " pictures = '', state = NULL, likes = 0, boosts = 0, answers = 0, asked_back = NULL, correction = '',"
           " translations = '', erased_at = ?, hidden_at = NULL WHERE id = ?", (now, post.id))
    shelves.clear(tx, post.id, now)
    bases.forget(tx, post.id)
    matters.forget(tx, post.id, now)
    telling.forget(tx, post.id)
    changes.note(tx, post.id)
    above = [post_id for post_id in {post.parent_id, post.root_id} if post_id is not None and post_id != post.id]
    tx.run(f"UPDATE posts SET replies = replies - 1 WHERE replies > 0 AND id IN ({marks(len(above))})", above)
    if post.parent_id is not None:
        answers.recount(tx, [post.root_id])
        indexed.again(tx, post.root_id)


def mark_taken_down(tx: Tx, uri: str, category: str) -> None:
    """It was operators who erased it, and why."""
    tx.run("UPDATE posts SET taken_down = ? WHERE uri_key = ? AND erased_at IS NOT NULL", (category, uri_key(uri)))


def bury(tx: Tx, uri: str, origin: str, now: int) -> None:
    """Leave a tombstone: whatever is called so can never come again, nor for the first time."""
    if tx.run("INSERT INTO tombstones (uri_key, uri, origin, at) VALUES (?, ?, ?, ?) ON CONFLICT (uri_key) DO NOTHING",
              (uri_key(uri), uri, origin, now)):
        due.add(tx, due.ERASED, uri, now)


def tombstoned(tx: Tx, keys: Sequence[bytes]) -> set[str]:
    """The URIs among these keys that have been deleted for good."""
    rows = tx.rows(f"SELECT uri FROM tombstones WHERE uri_key IN ({marks(len(keys))})", keys) if keys else []
    return {row["uri"] for row in rows}


def _facts_out(facts: CaseFacts) -> str:
    return _JSON.encode(facts).decode() if facts is not NO_FACTS else _NO_FACTS


def _parts_out(parts: Parts) -> str:
    return _JSON.encode(parts).decode() if parts != NO_PARTS else ""


def _helpful_out(uris: tuple[str, ...]) -> str:
    return _JSON.encode(uris).decode() if uris else ""


def _translations_out(translations: tuple[Translation, ...]) -> str:
    return _JSON.encode(translations).decode() if translations else ""


def _tags_out(tags: Tags) -> str:
    return _JSON.encode(tags).decode() if tags != NO_TAGS else ""


def _kind_out(kind: ReplyKind) -> str:
    return kind if kind != ReplyKind.ANSWER else ""


def _pictures_out(pictures: tuple[Picture, ...]) -> str:
    return _JSON.encode(pictures).decode() if pictures else ""


@lru_cache(maxsize=1024)
def _origins_out(uris: tuple[str, ...]) -> str:
    return _JSON.encode(uris).decode()


def origins_of(tx: Tx, author_id: int) -> tuple[str, ...]:
    """The instances that may read something of an author's, deleted posts among it."""
    rows = tx.rows("SELECT DISTINCT audience FROM posts WHERE author_id = ?", (author_id,))
    return tuple(sorted({origin for row in rows for origin in _URIS.decode(row["audience"])}))


@lru_cache(maxsize=1024)
def _audience(reach: str, origins: str, readers: str) -> Audience:
    """Audiences are few, and many posts have the same."""
    return Audience(Reach(reach), _URIS.decode(origins), _URIS.decode(readers))
