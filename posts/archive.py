"""What a doctor takes with her: her own posts as documents and for reading, and what she has set, voted and kept.

Nothing that others wrote is in it: of what she answered only the title, so that her answer can be understood; of what she keeps,
likes or votes in only its address, with the words of the choices she made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from actors import grants
from actors.attention import attention_of
from actors.models import Account, Actor
from actors.store import by_ids
from actors.wire import person
from core.clock import rfc3339
from core.database import Row, Tx, marks
from core.ids import public
from federation.identity import CONTEXT, Identity
from posts import bases, markers, outgoing, pollstore, readings, store
from posts.degraded import said
from posts.models import Kind, Picture
from posts.store import Poll, Post

POSTS, THREADS = 100, 20
"""How many a piece of the archive holds."""


class Piece(NamedTuple):
    """Some of her posts: their activities, and their earlier versions; where the next piece begins (None: this is the last)."""

    activities: list[dict[str, Any]]
    history: list[dict[str, Any]]
    after: int | None


class Said(msgspec.Struct, frozen=True):
    """A post of hers for reading."""

    html: str
    published: int
    updated: int | None
    options: tuple[tuple[str, int], ...]
    voters: int
    pictures: tuple[Picture, ...] = ()


class Conversation(msgspec.Struct, frozen=True):
    """What she wrote in one conversation; `own` if she began it. Of anybody else's only the title is known."""

    id: str
    title: str
    language: str
    kind: str
    own: bool
    said: tuple[Said, ...]


class Shelf(NamedTuple):
    """Some conversations, and where the next ones begin."""

    conversations: list[Conversation]
    after: int | None


def count(tx: Tx, actor_id: int) -> int:
    """How many posts of hers are not deleted."""
    row = tx.row("SELECT count(*) AS n FROM posts WHERE author_id = ? AND erased_at IS NULL", (actor_id,))
    return int(row["n"]) if row is not None else 0


def piece(tx: Tx, identity: Identity, actor: Actor, after: int) -> Piece:
    """The posts after one, oldest first, each as the `Create` that it was published by, as it is now."""
    found = store.select(tx, "author_id = ? AND erased_at IS NULL AND id > ? ORDER BY id LIMIT ?", (actor.id, after, POSTS))
    parents = {row["id"]: row["uri"] for row in _of(tx, "SELECT id, uri FROM posts WHERE id IN", {
        post.parent_id for post in found if post.parent_id is not None})}
    history = [
        {"post": posts[row["post_id"]].uri, "revision": row["revision"], "name": row["question"],
         "content": said(row["html"], store.facts_from(row), None, store.parts_from(row), posts[row["post_id"]].language),
         "until": rfc3339(row["at"])}
        for posts in ({post.id: post for post in found},)
        for row in _of(tx, "SELECT post_id, revision, question, html, parts, facts, at FROM revisions WHERE post_id IN",
                       set(posts), " ORDER BY post_id, revision")]
    return Piece([_create(tx, identity, actor, post, parents) for post in found], history,
                 found[-1].id if len(found) == POSTS else None)


def shelf(tx: Tx, actor: Actor, after: int) -> Shelf:
    """The conversations after one in which she wrote, in the order in which they began."""
    roots = [row["root_id"] for row in tx.rows(
        "SELECT DISTINCT root_id FROM posts WHERE author_id = ? AND erased_at IS NULL AND root_id > ? ORDER BY root_id LIMIT ?",
        (actor.id, after, THREADS))]
    begun = store.by_many(tx, roots)
    hers: dict[int, list[Post]] = {root: [] for root in roots}
    for post in store.select(tx, f"author_id = ? AND erased_at IS NULL AND root_id IN ({marks(len(roots))}) ORDER BY id",
                             (actor.id, *roots)) if roots else ():
        hers[post.root_id].append(post)
    polls = store.polls(tx, [post.id for some in hers.values() for post in some if post.kind == Kind.POLL])
    return Shelf([_conversation(begun.get(root), root, actor, some, polls) for root, some in hers.items()],
                 roots[-1] if len(roots) == THREADS else None)


def rest(tx: Tx, identity: Identity, account: Account, actor: Actor) -> dict[str, Any]:
    """Everything that is not a post, by the name of its file."""
    mine = (actor.id,)
    badge = actor.badge
    return {
        "actor.json": person(actor, identity),
        "votes.json": [{"poll": row["uri"], "choice": row["name"], "at": rfc3339(row["at"])} for row in tx.rows(
            "SELECT p.uri, o.name, v.at FROM votes v JOIN posts p ON p.id = v.post_id JOIN poll_options o"
            " ON o.post_id = v.post_id AND o.position = v.position WHERE v.voter_id = ? ORDER BY v.at, v.post_id, v.slot", mine)],
        "follows.json": _people(tx, actor.id),
        "bookmarks.json": [row["uri"] for row in tx.rows(
            "SELECT p.uri FROM bookmarks b JOIN posts p ON p.id = b.post_id WHERE b.actor_id = ? ORDER BY b.id", mine)],
        "followed.json": [row["uri"] for row in tx.rows(
            "SELECT p.uri FROM case_follows f JOIN posts p ON p.id = f.post_id WHERE f.actor_id = ? ORDER BY f.id", mine)],
        "muted.json": [row["uri"] for row in tx.rows(
            "SELECT p.uri FROM case_mutes m JOIN posts p ON p.id = m.post_id WHERE m.actor_id = ? ORDER BY m.id", mine)],
        "pinned.json": [row["uri"] for row in tx.rows(
            "SELECT p.uri FROM pins n JOIN posts p ON p.id = n.post_id WHERE n.actor_id = ? ORDER BY n.id", mine)],
        "reactions.json": [{"type": row["type"], "object": row["uri"], "at": rfc3339(row["at"])} for row in tx.rows(
            "SELECT 'Like' AS type, p.uri, l.at FROM likes l JOIN posts p ON p.id = l.post_id WHERE l.actor_id = ?"
            " UNION ALL SELECT 'Announce', p.uri, b.at FROM boosts b JOIN posts p ON p.id = b.post_id WHERE b.actor_id = ?"
            " ORDER BY 3", mine * 2)],
        "drafts.json": [{"what": row["what"], "title": row["title"], "saved": rfc3339(row["updated_at"]),
                         "fields": msgspec.json.decode(row["fields"])} for row in tx.rows(
            "SELECT what, title, fields, updated_at FROM drafts WHERE actor_id = ? ORDER BY version", mine)],
        "bases.json": [{
            "post": uri, "ground": one.ground, "pictures": list(one.sorts), "countries": list(one.countries),
            "noPatientNamed": one.no_name, "at": rfc3339(one.at),
            "withdrawn": rfc3339(one.withdrawn_at) if one.withdrawn_at is not None else None} for uri, one in bases.of_author(
            tx, actor.id)],
        "reading.json": readings.kept(tx, actor.id),
        "apps.json": {"apps": grants.kept(tx, account.id), "markers": markers.kept(tx, actor.id)},
        "settings.json": _settings(tx, account, actor),
        "verification.json": {
            "badge": {"role": str(badge.role), "specialties": list(badge.specialties), "country": badge.country,
                      "verifiedBy": badge.verified_by, "verifiedOn": rfc3339(badge.verified_on) if badge.verified_on else None,
                      "until": rfc3339(badge.until) if badge.until is not None else None},
            "decisions": [{
                "at": rfc3339(row["at"]), "what": row["what"], "role": row["role"], "method": row["method"],
                "evidence": row["evidence"], "register": row["register_text"], "reason": row["reason"],
                "until": rfc3339(row["until"]) if row["until"] is not None else None} for row in tx.rows(
                "SELECT * FROM verifications WHERE account_id = ? OR application_id IN"
                " (SELECT id FROM applications WHERE account_id = ?) ORDER BY id", (account.id, account.id))]},
    }


def _create(tx: Tx, identity: Identity, actor: Actor, post: Post, parents: dict[int, str]) -> dict[str, Any]:
    made = outgoing.document(post, pollstore.whole(tx, post.id), actor.uri, parents.get(post.parent_id or 0), identity.seal)
    return {"id": f"{post.uri}#create", "type": "Create", "actor": actor.uri, "published": made["published"], "to": made["to"],
            "object": made}


def outbox(actor: Actor, total: int) -> dict[str, Any]:
    """The head of the collection (ActivityStreams 2.0, section 5); its items come after."""
    return {"@context": CONTEXT, "id": f"{actor.uri}/outbox", "type": "OrderedCollection", "attributedTo": actor.uri,
            "totalItems": total}


def _conversation(root: Post | None, root_id: int, actor: Actor, hers: list[Post], polls: dict[int, Poll]) -> Conversation:
    first = root if root is not None and root.erased_at is None else None
    return Conversation(
        public(root_id), first.question if first is not None else "", first.language if first is not None else hers[0].language,
        first.kind if first is not None else Kind.REPLY, first is not None and first.author_id == actor.id,
        tuple(Said(said(post.html, post.facts, post.state, post.parts, post.language), post.published_at, post.updated_at,
                   polls[post.id].options if post.id in polls else (), polls[post.id].voters if post.id in polls else 0,
                   post.pictures)
              for post in hers))


def _people(tx: Tx, actor_id: int) -> dict[str, Any]:
    rows = tx.rows("SELECT follower_id, followed_id, state, at FROM follows WHERE follower_id = ?"
                   " UNION SELECT follower_id, followed_id, state, at FROM follows WHERE followed_id = ? ORDER BY at",
                   (actor_id, actor_id))
    shuns = tx.rows("SELECT other_id, kind, until FROM shuns WHERE actor_id = ? ORDER BY at", (actor_id,))
    ids = sorted({row[key] for row in rows for key in ("follower_id", "followed_id")} | {row["other_id"] for row in shuns})
    names = {one: actor.mention for start in range(0, len(ids), POSTS)
             for one, actor in by_ids(tx, ids[start:start + POSTS]).items() if actor.name}

    def side(mine: str, other: str) -> list[dict[str, Any]]:
        return [{"doctor": names[row[other]], "state": row["state"], "since": rfc3339(row["at"])} for row in rows
                if row[mine] == actor_id and row[other] in names]

    return {"following": side("follower_id", "followed_id"), "followers": side("followed_id", "follower_id"),
            "blocked": [names[row["other_id"]] for row in shuns if row["kind"] == "block" and row["other_id"] in names],
            "muted": [names[row["other_id"]] for row in shuns if row["kind"] == "mute" and row["other_id"] in names]}


def _settings(tx: Tx, account: Account, actor: Actor) -> dict[str, Any]:
    box = tx.row("SELECT address, rhythm FROM mailboxes WHERE account_id = ?", (account.id,))
    attention = attention_of(tx, account.id)
    return {"attention": attention._asdict(), "handle": actor.mention, "name": account.name, "language": account.language,
    "about": actor.about,
            "discoverable": actor.discoverable, "mail": box["address"] if box is not None else "",
            "rhythm": box["rhythm"] if box is not None else "none",
            "topics": [row["topic"] for row in tx.rows("SELECT topic FROM topic_follows WHERE actor_id = ? ORDER BY at, topic",
                                                       (actor.id,))]}


def _of(tx: Tx, sql: str, ids: set[int], after: str = "") -> list[Row]:
    wanted = sorted(ids)
    return tx.rows(f"{sql} ({marks(len(wanted))}){after}", wanted) if wanted else []
