"""`Update` of a Note, a Question or a Person (ActivityPub, section 7.3); ordered by revision, never widening. And of the sibling
itself, which announces a key by it."""

from __future__ import annotations

import msgspec

from actors.wire import actor_of
from core.errors import InvalidInput, Refused
from core.ids import Ids
from federation import announcements
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.effects import Effect, KeyAnnounced, RevisePost, SaveActor
from inbox.known import Known
from inbox.results import trusted
from posts import wire
from posts.models import Correction, Kind
from posts.store import Post

_PEOPLE = ("Person", "Service")


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may have its effect; an older revision than ours is ignored."""
    note = arrival.note
    if _of_the_instance(arrival):
        if not arrival.by_instance or arrival.object_id != arrival.actor:
            raise Refused("An instance is changed by its own actor.", reason="foreign-author")
        announcements.read(arrival.sibling, arrival.uri, arrival.object)
        return None
    if note is None:
        if isinstance(arrival.object, dict) and arrival.object.get("type") in _PEOPLE:
            if arrival.object_id != arrival.actor:
                raise Refused("A profile is updated by its own actor.", reason="foreign-author")
            if arrival.actor not in known.actors and arrival.object.get("discoverable") is not True:
                return Ignored("nobody here has met her, and she does not want to be found")
            return None
        return Ignored("an object of another type")
    if note.id in known.deleted:
        return Ignored("deleted meanwhile")
    post = known.posts.get(note.id)
    if post is None:
        return Held(note.id, Wanted.POST)
    author = known.actors.get(arrival.actor)
    if author is None or author.id != post.author_id:
        raise Refused("A post is changed by its author.", reason="foreign-author")
    if note.content is None:
        raise InvalidInput("A post has content.", reason="bad-object")
    if (note.type == "Question") != (post.kind == Kind.POLL):
        raise InvalidInput("A poll stays a poll.", reason="kind-changed")
    if not arrival.audience.within(post.audience):
        raise InvalidInput("An update never widens the audience.", reason="wider-audience")
    if note.type == "Question":
        old, new = known.polls[post.id], wire.poll_of(note)
        if old.multiple != new.multiple or [name for name, _ in old.options] != [name for name, _ in new.options]:
            raise InvalidInput("The options of a poll do not change.", reason="poll-changed")
        if note.revision > post.revision:
            trusted(arrival, known, post.id)
    return Ignored("an older revision") if note.revision <= post.revision else None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effects of a verified Update."""
    note = arrival.note
    if _of_the_instance(arrival):
        return [KeyAnnounced(arrival.sibling.id, announcements.read(arrival.sibling, arrival.uri, arrival.object))]
    if note is None:
        return [SaveActor(actor_of(arrival.object, expected=arrival.actor, sibling_id=arrival.sibling.id,
                                   country=arrival.sibling.country, actor_id=ids.new()))]
    old = known.posts[note.id]
    new = msgspec.structs.replace(
        old, question=(note.name or "") if old.kind != Kind.REPLY else "", html=arrival.html, tags=arrival.tags,
        language=wire.language_of(note), facts=wire.facts_of(note),
        state=wire.state_of(note) if old.kind == Kind.CASE else None, revision=note.revision, seal=note.seal,
        parts=arrival.parts, translations=arrival.translations, pictures=arrival.pictures,
        helpful=wire.helpful_of(note) if old.kind == Kind.CASE else (),
        updated_at=min(wire.moment(note.updated), arrival.now) if note.updated else old.updated_at,
        reply_kind=wire.reply_kind_of(note),
        correction=_corrected(old, wire.correction_of(note, arrival.now), forgets=note.forgets_earlier))
    poll = wire.poll_of(note) if note.type == "Question" else None
    closes = poll is not None and poll.closed_at is not None and known.polls[old.id].closed_at is None
    return [RevisePost(old, new, poll, closes, trusted(arrival, known, old.id), note.forgets_earlier)]


def _corrected(old: Post, told: Correction | None, *, forgets: bool) -> Correction | None:
    """What stands at a post from now on: a recall stands for good, and what is known keeps the moment at which it came."""
    known = old.correction
    if known is not None and (known.is_recall or (told is not None and told.revision <= known.revision)):
        return known
    return told if told is not None or forgets else known


def _of_the_instance(arrival: Arrival) -> bool:
    """Whether it is about the sibling itself, whatever it says that is."""
    return arrival.object_id == arrival.sibling.actor_uri or (
        isinstance(arrival.object, dict) and arrival.object.get("type") == "Application")
