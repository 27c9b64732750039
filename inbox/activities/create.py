"""`Create` of a Note, a Question, a reply or a vote (ActivityPub, section 7.2)."""

from __future__ import annotations

import unicodedata

from core.errors import Conflict, InvalidInput, Refused
from core.ids import Ids
from federation.addresses import origin_of
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.authority import may_read
from inbox.effects import CountVote, Effect, StorePost
from inbox.known import Known
from inbox.results import trusted
from posts import wire
from posts.counts import Mode
from posts.models import Audience, Reach
from posts.store import Poll, Post
from posts.wire import Note


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """Decide whether it may have its effect: None, or what it waits for; a broken rule is an error that names it."""
    note = arrival.note
    if note is None:
        return Ignored("an object of another type")
    if note.id in known.deleted:
        return Ignored("deleted meanwhile")
    if note.is_vote:
        return _verify_vote(arrival, note, known, grace_ms)
    if note.content is None:
        raise InvalidInput("A post has content.", reason="bad-object")
    if not _addressed(arrival.audience, known):
        raise Refused("This was not addressed to us.", reason="not-addressed")
    if note.in_reply_to is not None:
        parent = known.posts.get(note.in_reply_to)
        if parent is None:
            return _without_parent(note.in_reply_to, known)
        if not may_read(arrival, parent):  # not theirs and not there are the same answer
            if parent.sibling_id is None:
                return known.not_there(parent.uri, no_such_parent())
            return Ignored("its parent is not for its sender")
        if not arrival.audience.within(parent.audience):
            raise InvalidInput("A reply is not wider than what it answers.", reason="wider-than-parent")
    if arrival.result is not None:
        trusted(arrival, known)
    if arrival.actor not in known.actors:
        return Held(arrival.actor, Wanted.ACTOR)
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effects of a verified Create; remembers in `known` what the rest of the batch has to see."""
    note, author = arrival.note, known.actors[arrival.actor]
    if note is None or note.id in known.posts:
        return []
    if note.is_vote:
        post = known.posts[note.in_reply_to or ""]
        asked = known.polls[post.id]
        position = _position(note, asked)
        slot = position + 1 if asked.multiple else 0
        known.voted.add((post.id, author.id, slot))
        return [CountVote(post.id, author.id, slot, position)]
    parent = known.posts.get(note.in_reply_to) if note.in_reply_to is not None else None
    number = ids.new()
    published = min(wire.moment(note.published), arrival.now) if note.published else arrival.now
    post = Post(
        number, note.id, author.id, arrival.sibling.id, wire.kind_of(note), parent.root_id if parent else number,
        parent.id if parent else None, "" if parent else (note.name or ""), "", arrival.html,
        wire.language_of(note), wire.facts_of(note), wire.state_of(note) if parent is None else None,
        arrival.audience, arrival.sibling.country, published,
        min(wire.moment(note.updated), arrival.now) if note.updated else None, note.revision, tags=arrival.tags,
        seal=note.seal, parts=arrival.parts, helpful=wire.helpful_of(note) if parent is None else (),
        reply_kind=wire.reply_kind_of(note), correction=wire.correction_of(note, published), pictures=arrival.pictures,
        translations=arrival.translations)
    poll = wire.poll_of(note) if note.type == "Question" else None
    known.posts[post.uri] = post
    if poll is not None:
        known.polls[post.id] = poll
    keeps = poll is not None and f"{known.home}/actor" in poll.tallies
    return [StorePost(post, poll, keeps, trusted(arrival, known))]


def _verify_vote(arrival: Arrival, note: Note, known: Known, grace_ms: int) -> Held | None:
    post = known.posts.get(note.in_reply_to or "")
    poll = known.polls.get(post.id) if post is not None else None
    if post is None or not may_read(arrival, post):
        return known.not_there(note.in_reply_to or "", no_such_poll())
    if poll is None or post.sibling_id is not None or post.erased_at is not None:
        raise no_such_poll()
    if known.modes.get((post.id, arrival.sibling.id)) == Mode.TALLY:
        raise Refused("In this poll your instance sends a tally, and no votes.", reason="tally-expected")
    if poll.result_at is not None or arrival.now > max(poll.ends_at + grace_ms, poll.counts_until or 0):
        raise Conflict("The poll has closed.", reason="poll-closed")
    position = _position(note, poll)
    voter = known.actors.get(arrival.actor)
    if voter is None:
        return Held(arrival.actor, Wanted.ACTOR)
    if (post.id, voter.id, position + 1 if poll.multiple else 0) in known.voted:
        raise Conflict("One voter, one vote; the first one stands.", reason="voted")
    return None


def _addressed(audience: Audience, known: Known) -> bool:
    """Whether it is for this instance's members, or for a doctor who is here."""
    if audience.reach != Reach.NAMED:
        return known.home in audience.origins
    return not known.here.isdisjoint(audience.readers)


def _position(note: Note, poll: Poll) -> int:
    """The option a vote names, exactly, in NFC."""
    name = unicodedata.normalize("NFC", note.name or "")
    for position, (option, _) in enumerate(poll.options):
        if option == name:
            return position
    raise InvalidInput("The poll has no such option.", reason="no-such-option")


def _without_parent(parent_uri: str, known: Known) -> Held | Ignored:
    """What a reply to something unknown does: waits where the parent can be fetched, else has no effect."""
    if parent_uri in known.deleted:
        return Ignored("its parent is deleted", for_good=True)  # nobody here has seen it: there is nothing to stand under
    origin = origin_of(parent_uri)
    if origin == known.home:
        return known.not_there(parent_uri, no_such_parent())
    return Held(parent_uri, Wanted.POST) if known.admits(origin) else Ignored("its parent lies outside our network")


def no_such_parent() -> InvalidInput:
    return InvalidInput("It answers something that is not there.", reason="no-such-parent")


def no_such_poll() -> InvalidInput:
    """Of a vote, and of a tally."""
    return InvalidInput("There is no such poll here.", reason="no-such-poll")
