"""`Offer` of a translation (ActivityStreams, section 3.9.2): a doctor of a sibling's has compared it with a post of ours and
says that both say the same."""

from __future__ import annotations

import msgspec

from core.errors import InvalidInput, Refused
from core.ids import Ids
from inbox.activities.like import meant
from inbox.arrival import Arrival, Held, Ignored, Wanted
from inbox.effects import Effect, TakeTranslation
from inbox.known import Known
from posts.models import Reach
from posts.store import Post
from posts.translated import Translation, digest_of, may_confirm, same_links, words


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it becomes part of the post: who may read it and speaks both languages may confirm, and only what stands there
    now."""
    post = meant(arrival, known)
    if not isinstance(post, Post):
        return post
    if post.sibling_id is not None:
        raise InvalidInput("A translation is offered to the instance of the post.", reason="foreign-object")
    if post.audience.reach == Reach.NAMED:
        raise Refused("A consult is not translated.", reason="named")
    if post.hidden_at is not None:
        return Ignored("hidden meanwhile")
    doctor, made = known.actors.get(arrival.actor), _offered(arrival)
    if doctor is None:
        return Held(arrival.actor, Wanted.ACTOR)
    if not doctor.badge.holds(arrival.now) or not may_confirm(doctor, post.language, made.language):
        raise Refused("A translation is confirmed by a verified doctor who says that she speaks both languages.",
                      reason="may-not-confirm")
    if made.digest != digest_of(post.question, post.html, post.parts):
        return Ignored("a translation of another version")
    if made.language == post.language or bool(made.question) != bool(post.question) or not same_links(
            words(post.question, post.html, post.parts), words(made.question, made.html, made.parts)):
        raise InvalidInput("This is no translation of the post.", reason="bad-object")
    return None


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """It waits for the worker, which tells everybody who can read the post."""
    post, doctor = known.posts[arrival.object_id], known.actors[arrival.actor]
    return [TakeTranslation(post.id, doctor.id, msgspec.structs.replace(_offered(arrival), name=doctor.name))]


def _offered(arrival: Arrival) -> Translation:
    assert arrival.offered is not None
    return arrival.offered
