"""Whom it concerns when something is written, changed, closed, liked, passed on or followed: doctors of this instance only,
and of posts only those who may read them. Each function runs in the transaction of the deed itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors import aliases
from actors.models import Actor
from actors.store import by_ids, by_uris
from core.database import Tx, marks
from core.ids import Ids
from posts.asking import let_through
from posts.models import Reach
from posts.store import Post
from posts.telling import Event, Told, part, take_back, tell


def written(tx: Tx, ids: Ids, posts: Sequence[Post], now: int) -> None:
    """New posts concern whom they name and whom they answer. A post that does neither costs one look at it.

    One post is told once to one doctor: that it answers what she wrote herself, else that it mentions her, else that it
    stands in the conversation she began, else, in a consult, that it was written there.
    """
    concerned = [post for post in posts
                 if post.parent_id is not None or post.audience.reach == Reach.NAMED or post.tags.mentions]
    if not concerned:
        return
    authors = _authors_here(tx, concerned)
    named = {uri for post in concerned for uri in _named(post)}
    here = {uri: actor for uri, actor in by_uris(tx, sorted(named)).items() if actor.local} if named else {}
    events = [event for post in concerned for event in _of(post, authors, here)]
    tell(tx, ids, let_through(tx, concerned, events, now), now)


def changed(tx: Tx, ids: Ids, old: Post, new: Post, now: int) -> None:
    """A new version of an answer concerns whom the answer concerned: the author of what it answers and whoever began."""
    if old.parent_id is None or old.html == new.html:
        return
    authors = _authors_here(tx, [old])
    asked = {authors[post_id] for post_id in (old.root_id, old.parent_id) if post_id in authors}
    tell(tx, ids, [
        Event(actor_id, Told.CHANGED, old.author_id, old.id, old.root_id, _is_named(old), old.id, new.revision)
        for actor_id in _who_may_read(tx, old, asked)], now)


def closed(tx: Tx, ids: Ids, post: Post, now: int) -> None:
    """A poll's end concerns who asked and who voted."""
    voters = {row["voter_id"] for row in tx.rows(
        "SELECT DISTINCT v.voter_id FROM votes v JOIN actors a ON a.id = v.voter_id WHERE v.post_id = ? AND a.sibling_id IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM shuns s WHERE s.actor_id = v.voter_id AND s.other_id = ?"
        " AND (s.until IS NULL OR s.until > ?))", (post.id, post.author_id, now))}
    asker = {post.author_id} if post.sibling_id is None else set()
    tell(tx, ids, [Event(actor_id, Told.CLOSED, None, post.id, post.root_id, _is_named(post), post.id)
                   for actor_id in sorted(voters | asker)], now)


def touched(tx: Tx, ids: Ids, kind: Told, pairs: Sequence[tuple[int, int]], now: int) -> None:
    """Likes (`Told.LIKE`) of posts, or passing them on (`Told.BOOST`), concern their authors; `pairs` are (post, who did it)."""
    posts = {row["id"]: row for row in tx.rows(
        f"SELECT id, author_id, root_id, reach FROM posts WHERE id IN ({marks(len(pairs))}) AND sibling_id IS NULL"
        " AND erased_at IS NULL", [post_id for post_id, _ in pairs])}
    tell(tx, ids, [
        Event(post["author_id"], kind, actor_id, post_id, post["root_id"], post["reach"] == Reach.NAMED, post_id)
        for post_id, actor_id in pairs if (post := posts.get(post_id)) is not None], now)


def untouched(tx: Tx, kind: Told, post_id: int, actor_id: int) -> None:
    """A like or passing on was taken back: its author is not told of it any more."""
    post = tx.row("SELECT author_id FROM posts WHERE id = ? AND sibling_id IS NULL", (post_id,))
    if post is not None:
        take_back(tx, Event(post["author_id"], kind, actor_id, post_id))


def asked_to_follow(tx: Tx, ids: Ids, follower: Actor, followed: Actor, now: int) -> None:
    """A request to follow somebody concerns her."""
    if followed.local:
        tell(tx, ids, [Event(followed.id, Told.FOLLOW, follower.id)], now)


def follow_accepted(tx: Tx, ids: Ids, follower: Actor, followed: Actor, now: int) -> None:
    """That a request was accepted concerns who made it."""
    if follower.local:
        tell(tx, ids, [Event(follower.id, Told.ACCEPTED, followed.id)], now)


def unfollowed(tx: Tx, follower: Actor, followed: Actor) -> None:
    """A request to follow, or its acceptance, was taken back: neither of the two is told of it any more."""
    take_back(tx, Event(followed.id, Told.FOLLOW, follower.id))
    take_back(tx, Event(follower.id, Told.ACCEPTED, followed.id))


def parted(tx: Tx, sibling_id: int) -> None:
    """All follows between our doctors and a sibling's are being cut: what was told of them goes, unread or not."""
    part(tx, sibling_id)


def _authors_here(tx: Tx, answers: Sequence[Post]) -> dict[int, int]:
    """Who of this instance wrote what these answer, or began the conversation, be it under an alias: doctor by post. Nobody,
    where it is erased."""
    above = sorted({post_id for post in answers if post.parent_id is not None for post_id in (post.parent_id, post.root_id)})
    authors = {row["id"]: row["author_id"] for row in tx.rows(
        f"SELECT id, author_id FROM posts WHERE id IN ({marks(len(above))}) AND sibling_id IS NULL AND erased_at IS NULL",
        above)} if above else {}
    owners = aliases.owners(tx, authors.values())
    return {post_id: owners.get(author_id, author_id) for post_id, author_id in authors.items()}


def _named(post: Post) -> Iterable[str]:
    """The URIs of the doctors a post names: in its audience, and in its text."""
    yield from post.audience.readers
    yield from (mention.uri for mention in post.tags.mentions)


def _of(post: Post, authors: dict[int, int], here: dict[str, Actor]) -> Iterable[Event]:
    """One post's events; `authors` are those of this instance by post, `here` its doctors by URI. What is said later wins."""
    told: dict[int, Event] = {}

    def say(actor_id: int, kind: Told, about_id: int) -> None:
        told[actor_id] = Event(actor_id, kind, post.author_id, about_id, post.root_id, _is_named(post), post.id)

    readers = {actor.id for uri in post.audience.readers if (actor := here.get(uri)) is not None}
    for actor_id in sorted(readers):
        say(actor_id, Told.CONSULT, post.root_id)
    asker, answered = (authors.get(post.root_id), authors.get(post.parent_id)) if post.parent_id is not None else (None, None)
    if asker is not None:
        say(asker, Told.ANSWER, post.root_id)
    for mention in post.tags.mentions:
        mentioned = here.get(mention.uri)
        if mentioned is not None and post.audience.admits(mentioned):
            say(mentioned.id, Told.MENTION, post.root_id)
    if answered is not None and post.parent_id is not None:
        say(answered, Told.ANSWER, post.root_id if answered == asker else post.parent_id)
    return [event for event in told.values() if not _is_named(post) or event.actor_id in readers]


def _who_may_read(tx: Tx, post: Post, actor_ids: set[int]) -> list[int]:
    """Those among doctors of this instance who may read a post; outside a consult that is everybody."""
    if not _is_named(post):
        return sorted(actor_ids)
    return [actor.id for actor in by_ids(tx, actor_ids).values() if post.audience.admits(actor)]


def _is_named(post: Post) -> bool:
    return post.audience.reach == Reach.NAMED
