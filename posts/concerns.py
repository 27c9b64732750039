"""Whom it concerns when something is written, changed, closed, liked, passed on or followed: doctors of this instance only,
and of posts only those who may read them. Each function runs in the transaction of the deed itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors import aliases
from actors.models import Actor
from actors.store import by_uris
from core.database import Row, Tx, marks
from core.ids import Ids, uri_key
from posts.asking import let_through
from posts.following import admitted, followers, told
from posts.models import Reach, ReplyKind
from posts.readings import readers
from posts.store import Post
from posts.telling import PRESSING, Event, Told, part, take_back, tell


def written(tx: Tx, ids: Ids, posts: Sequence[Post], now: int) -> None:
    """New posts concern whom they name, whom they answer and who follows their conversation. A post that does nothing of it
    costs one look at it.

    One post is told once to one doctor: that it answers what she wrote herself or asks back about it, else that it mentions
    her, else that it stands in the conversation she began, else that it stands in one she follows, or in a consult of hers.
    """
    concerned = [post for post in posts
                 if post.parent_id is not None or post.audience.reach == Reach.NAMED or post.tags.mentions]
    if not concerned:
        return
    authors = _authors_here(tx, concerned)
    named = {uri for post in concerned for uri in _named(post)}
    here = {uri: actor for uri, actor in by_uris(tx, sorted(named)).items() if actor.local} if named else {}
    following = followers(tx, {post.root_id for post in concerned if post.parent_id is not None})
    events = [event for post in concerned for event in _of(post, authors, here, following.get(post.root_id, ()))]
    tell(tx, ids, let_through(tx, concerned, events, now), now)


def changed(tx: Tx, ids: Ids, old: Post, new: Post, now: int) -> None:
    """A new version of an answer concerns whom the answer concerned, the author of what it answers and whoever began, and
    quietly everybody who has opened it. One whose advice was corrected or recalled, or that of a question, concerns all of
    these just so, and who follows the conversation; of a question also those who have answered it. A new version of a case
    concerns whose answer it now names as helpful, and once it says how the case ended, everybody who is told of it."""
    if old.hidden_at is not None:
        return
    if old.parent_id is None:
        _case_changed(tx, ids, old, new, now)
    kind = _what_changed(old, new)
    if kind is None:
        return
    authors = _authors_here(tx, [old])
    asked = {authors[post_id] for post_id in (old.root_id, old.parent_id) if post_id in authors}
    opened = set(readers(tx, old)) - asked
    if kind in PRESSING:
        opened |= {*followers(tx, [old.root_id]).get(old.root_id, ()), *(told(tx, old) if old.parent_id is None else ())}
        asked, opened = asked | opened, set()
    tell(tx, ids, [
        Event(actor_id, kind if actor_id in asked else Told.EDITED, old.author_id, old.id, old.root_id, _is_named(old), old.id,
              new.revision)
        for actor_id in admitted(tx, old, sorted(asked | opened))], now)


def _what_changed(old: Post, new: Post) -> Told | None:
    """What has become of a post; None where nobody needs to be told. Of a question only a correction of its substance is."""
    if new.correction is not None and (old.correction is None or new.correction.revision > old.correction.revision):
        return Told.RECALLED if new.correction.is_recall else Told.CORRECTED
    return Told.CHANGED if old.parent_id is not None and old.html != new.html else None


def _case_changed(tx: Tx, ids: Ids, old: Post, new: Post, now: int) -> None:
    events = []
    if old.helpful != new.helpful:
        for answer in _answers_here(tx, old, set(old.helpful) ^ set(new.helpful)):
            event = Event(answer["author_id"], Told.HELPFUL, old.author_id, answer["id"], old.id, _is_named(old), answer["id"])
            if answer["uri"] in new.helpful:
                events.append(event)
            else:
                take_back(tx, event)
    if old.parts.outcome is None and new.parts.outcome is not None:
        events += [Event(actor_id, Told.OUTCOME, old.author_id, old.id, old.id, _is_named(old), old.id)
                   for actor_id in told(tx, old)]
    tell(tx, ids, events, now)


def _answers_here(tx: Tx, case: Post, uris: set[str]) -> list[Row]:
    """Those of these answers to a case that doctors of this instance have written."""
    keys = [uri_key(uri) for uri in sorted(uris)]
    return tx.rows(f"SELECT id, uri, author_id FROM posts WHERE uri_key IN ({marks(len(keys))}) AND root_id = ?"
                   " AND sibling_id IS NULL AND parent_id IS NOT NULL AND erased_at IS NULL ORDER BY id", (*keys, case.id))


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
    """Who of this instance wrote what these answer, or began the conversation, be it under an alias or for a desk: doctor by
    post. Nobody, where it is erased."""
    above = sorted({post_id for post in answers if post.parent_id is not None for post_id in (post.parent_id, post.root_id)})
    authors = {row["id"]: row["author_id"] for row in tx.rows(
        f"SELECT id, author_id FROM posts WHERE id IN ({marks(len(above))}) AND sibling_id IS NULL AND erased_at IS NULL",
        above)} if above else {}
    owners = aliases.writers(tx, authors.values())
    return {post_id: owners.get(author_id, author_id) for post_id, author_id in authors.items()}


def _named(post: Post) -> Iterable[str]:
    """The URIs of the doctors a post names: in its audience, and in its text."""
    yield from post.audience.readers
    yield from (mention.uri for mention in post.tags.mentions)


def _of(post: Post, authors: dict[int, int], here: dict[str, Actor], following: Sequence[int]) -> Iterable[Event]:
    """One post's events; `authors` are those of this instance by post, `here` its doctors by URI, `following` who follows its
    conversation. What is said later wins."""
    events: dict[int, Event] = {}
    answers = Told.ASKED_BACK if post.reply_kind == ReplyKind.QUESTION else Told.ANSWER

    def say(actor_id: int, kind: Told, about_id: int) -> None:
        events[actor_id] = Event(actor_id, kind, post.author_id, about_id, post.root_id, _is_named(post), post.id)

    for actor_id in following:
        say(actor_id, Told.FOLLOWED, post.root_id)
    members = {actor.id for uri in post.audience.readers if (actor := here.get(uri)) is not None}
    for actor_id in sorted(members):
        say(actor_id, Told.CONSULT, post.root_id)
    asker, answered = (authors.get(post.root_id), authors.get(post.parent_id)) if post.parent_id is not None else (None, None)
    if asker is not None:
        say(asker, answers, post.root_id)
    for mention in post.tags.mentions:
        mentioned = here.get(mention.uri)
        if mentioned is not None and post.audience.admits(mentioned):
            say(mentioned.id, Told.MENTION, post.root_id)
    if answered is not None and post.parent_id is not None:
        say(answered, answers, post.root_id if answered == asker else post.parent_id)
    return [event for event in events.values() if not _is_named(post) or event.actor_id in members]


def _is_named(post: Post) -> bool:
    return post.audience.reach == Reach.NAMED
