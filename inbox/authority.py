"""Who may speak about which id: everything that claims authority lies on the signer's own origin. And about whose posts: those
that the signer may read."""

from __future__ import annotations

from core.errors import InvalidInput, Refused
from federation.addresses import origin_of
from inbox.arrival import Arrival
from posts.models import Reach
from posts.store import Post

_OWN = frozenset({"Create", "Update", "Delete", "Undo", "Count"})
"""Activities whose object is the sender's; the others (Follow, Like, Announce ...) are about somebody else's."""


def check_authority(arrival: Arrival) -> None:
    """`Refused` unless activity, actor, object and author lie on the signer's origin, and the author is the actor."""
    origin = arrival.sibling.origin
    for uri in (arrival.uri, arrival.actor):
        if not _lies_on(uri, origin):
            raise Refused("An instance speaks for its own actors and activities only.", reason="foreign-actor")
    if arrival.type in _OWN:
        if not arrival.object_id:
            raise InvalidInput("The object has no id.", reason="bad-object")
        if not _lies_on(arrival.object_id, origin):
            raise Refused("An instance speaks for its own objects only.", reason="foreign-object")
    if arrival.note is not None and arrival.note.attributed_to != arrival.actor:
        raise Refused("A post is attributed to the actor that sends it.", reason="foreign-author")


def may_read(arrival: Arrival, post: Post) -> bool:
    """Whether the sibling, and where doctors are named its doctor, is in the audience of a post."""
    return arrival.sibling.origin in post.audience.origins and (
        post.audience.reach != Reach.NAMED or arrival.actor in post.audience.readers)


def _lies_on(uri: str, origin: str) -> bool:
    # the cheap comparison decides nearly always; what does not begin with the origin gets the careful one, and so does what has
    # something in it that no address has: in that place it is a fault of its own
    if uri.startswith(origin) and uri[len(origin):len(origin) + 1] == "/":
        return (uri.isprintable() and " " not in uri and "\\" not in uri) or origin_of(uri) == origin
    try:
        return origin_of(uri) == origin
    except InvalidInput:
        return False
