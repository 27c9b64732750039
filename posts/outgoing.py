"""What is sent about posts: `Note` and `Question` with their seals, and the activities around them. `posts.wire` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from core.clock import rfc3339
from core.errors import InvalidInput
from core.text import clean
from federation.addresses import origin_of
from federation.documents import dumps
from federation.identity import BODY_LIMIT, CONTEXT, members_of
from federation.lanes import BACKLOG, FRESH, URGENT
from federation.signatures.cavage import digest
from federation.store import Outgoing
from posts import attachments, degraded, seals, wire_parts, wire_translations
from posts.linter import gate
from posts.models import NO_FACTS, Reach, ReplyKind
from posts.parts import NO_PARTS
from posts.seals import Seal
from posts.store import Poll, Post
from posts.wire_parts import CLEAN_LENGTH

_RESULT_ROOM, _NAME_ROOM, _TALLY_ROOM = 2048, 64, 512


def recipients_of(post: Post, speaker_uri: str) -> list[str]:
    """Whom a doctor of this instance addresses when she writes a post or does something about one: its other countries'
    members, or the other doctors it names."""
    if post.audience.reach == Reach.NAMED:
        return [uri for uri in post.audience.readers if uri != speaker_uri]
    home = origin_of(speaker_uri)
    return [members_of(origin) for origin in post.audience.origins if origin != home]


def hashtags_of(origin: str) -> str:
    """Where the hashtags of an instance's posts lead: their names follow, percent-encoded."""
    return f"{origin}/tags/"


def _tags(post: Post, author_uri: str) -> list[dict[str, str]]:
    """The tags of a local post. The doctors of a consult are among them without their names: that is how other software
    tells a message to some people from one to a whole instance."""
    home, mentions = hashtags_of(origin_of(post.uri)), post.tags.mentions
    named = {mention.uri for mention in mentions}
    return [
        *({"type": "Mention", "href": mention.uri, "name": mention.name} for mention in mentions),
        *({"type": "Mention", "href": uri} for uri in post.audience.readers if uri != author_uri and uri not in named),
        *({"type": "Hashtag", "href": home + quote(name), "name": f"#{name}"} for name in post.tags.hashtags)]


def document(post: Post, poll: Poll | None, author_uri: str, parent_uri: str | None, seal: Seal | None) -> dict[str, Any]:
    """A post as siblings may read it: one of our own, with its seal; without `seal` a sibling's, for that sibling, with the
    one that came with it."""
    content = degraded.content(post.question, post.html, post.facts, post.state, post.parts, post.language)
    made: dict[str, Any] = {
        "id": post.uri,
        "type": "Question" if poll is not None else "Note",
        "attributedTo": author_uri,
        "content": content,
        "contentMap": {post.language: content},
        "to": recipients_of(post, author_uri),
        "published": rfc3339(post.published_at),
        "revision": post.revision,
    }
    if post.question:
        made["name"] = post.question
    if parent_uri is not None:
        made["inReplyTo"] = parent_uri
    if post.updated_at is not None:
        made["updated"] = rfc3339(post.updated_at)
    if post.state is not None:
        made["state"] = str(post.state)
    if post.facts != NO_FACTS:
        made["facts"] = wire_parts.facts_out(post.facts)
    if content != post.html or post.parts != NO_PARTS:
        made["parts"] = wire_parts.parts_out(post.html, post.parts)
    if post.helpful:
        made["helpful"] = list(post.helpful)
    if post.reply_kind != ReplyKind.ANSWER:
        made["replyKind"] = str(post.reply_kind)
    if post.correction is not None:
        made["correction"] = {"kind": str(post.correction.kind), "reason": post.correction.reason,
                              "revision": post.correction.revision}
        if post.correction.is_recall:  # other software folds a text with a summary behind it
            made["summary"] = f"\u26a0 {post.correction.reason}"
    if post.pictures:
        made["attachment"] = attachments.document(post.pictures)
        made["sensitive"] = any(picture.warning for picture in post.pictures)
    wire_translations.add(made, post)
    if found := _tags(post, author_uri):
        made["tag"] = found
    if poll is not None:
        made["anyOf" if poll.multiple else "oneOf"] = [
            {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": votes}}
            for name, votes in poll.options]
        made["endTime"] = rfc3339(poll.ends_at)
        made["votersCount"] = poll.voters
        if poll.closed_at is not None:
            made["closed"] = rfc3339(poll.closed_at)
        if poll.tallies:
            made["tallies"] = list(poll.tallies)
        if poll.lapsed:
            made["lapsedVoters"] = poll.lapsed
        if poll.result:
            made["result"] = msgspec.json.decode(poll.result)
    if kept := seals.sealed(made, seal) if seal is not None else post.seal:
        made["seal"] = kept
    return made


def _room(poll: Poll | None) -> int:
    """How many bytes a poll's result will need in a later Update: they are kept free from the first."""
    if poll is None or poll.result:
        return 0
    return (_RESULT_ROOM + sum(len(name.encode()) + _NAME_ROOM for name, _ in poll.options) + _TALLY_ROOM * len(poll.tallies))


def create(post: Post, poll: Poll | None, author_uri: str, parent_uri: str | None, seal: Seal, again: str = "") -> Outgoing:
    """`Create` of a new post; `again` makes another activity of it, for a sibling that has lost what the first one told.
    `InvalidInput` where something in it stands for one person (`posts.linter.gate`); what is sent again has passed that."""
    _check_length(post)
    made = document(post, poll, author_uri, parent_uri, seal)
    if not again:
        gate.check_document(made)
    return _activity("Create", _named(f"{post.uri}#create", again), author_uri, made, post.uri, BACKLOG if again else FRESH,
                     room=_room(poll))


def update(post: Post, poll: Poll | None, author_uri: str, parent_uri: str | None, seal: Seal, again: str = "",
           lane: int = FRESH, *, forgets: bool = False, repeats: bool = False) -> Outgoing:
    """`Update` to a later revision; `again` and `InvalidInput` as above. `forgets`: of what stood there before, nothing is to be
    kept. `repeats`: no word in it is new, only counts or who reads it, so it is sent as it stands."""
    _check_length(post)
    made = document(post, poll, author_uri, parent_uri, seal)
    if not again and not repeats:
        gate.check_document(made)
    if forgets:
        made["forgetsEarlier"] = True
    return _activity("Update", _named(f"{post.uri}#update-{post.revision}", again), author_uri, made, post.uri,
                     BACKLOG if again else lane, room=_room(poll))


def delete(post: Post, author_uri: str) -> Outgoing:
    """`Delete` with a tombstone; it travels in the urgent lane and carries nothing but names."""
    made = {"id": post.uri, "type": "Tombstone", "to": recipients_of(post, author_uri)}
    return _activity("Delete", f"{post.uri}#delete", author_uri, made, post.uri, URGENT)


def take_down(post: Post, author_uri: str, instance_uri: str, category: str) -> Outgoing:
    """`Delete` of a post by the operators of its own instance: as the author's, and with what it was reported for."""
    made = {"id": post.uri, "type": "Tombstone", "to": recipients_of(post, author_uri), "takenDown": category}
    return _activity("Delete", f"{post.uri}#delete", instance_uri, made, post.uri, URGENT)


def delete_again(uri: str, author_uri: str, origins: Sequence[str], again: str = "") -> Outgoing:
    """`Delete` of a post that is in no table any more, to the instances that were sent it: its id is another, because what it
    was addressed to is not known, and so it is not the same activity; `again` as above."""
    made = {"id": uri, "type": "Tombstone", "to": [members_of(origin) for origin in origins]}
    return _activity("Delete", _named(f"{uri}#delete-again", again), author_uri, made, uri, URGENT)


def vote(uri: str, voter_uri: str, question_uri: str, question_author: str, name: str) -> Outgoing:
    """One vote as every ActivityPub server writes it: a named Note without content, to the asker alone."""
    made = {"id": uri, "type": "Note", "attributedTo": voter_uri, "name": name, "inReplyTo": question_uri,
            "to": [question_author]}
    return _activity("Create", f"{uri}#create", voter_uri, made, uri, about=question_uri)


def reaction(kind: str, uri: str, actor_uri: str, post: Post, order: str) -> Outgoing:
    """`Like` or `Announce` of a post, by reference: it holds nothing of it, and is for those who can read it already.

    `order` names what one doctor does so with one post: a second `Like` must not come before the `Undo` of the first.
    """
    body = dumps({"@context": CONTEXT, **_reference(kind, uri, actor_uri, post), "to": recipients_of(post, actor_uri)})
    return Outgoing(uri, kind, order, body, digest(body), about_uri=post.uri)


def undo(kind: str, uri: str, actor_uri: str, post: Post, order: str) -> Outgoing:
    """`Undo` of such a `Like` or `Announce`, which comes with it as it was sent."""
    made = {**_reference(kind, uri, actor_uri, post), "to": recipients_of(post, actor_uri)}
    return _activity("Undo", f"{uri}#undo", actor_uri, made, order, about=post.uri)


def _reference(kind: str, uri: str, actor_uri: str, post: Post) -> dict[str, Any]:
    return {"id": uri, "type": kind, "actor": actor_uri, "object": post.uri}


def _named(uri: str, again: str) -> str:
    return f"{uri}-{again}" if again else uri


def _check_length(post: Post) -> None:
    """What says all of a post has to pass every sibling's gate, also of one that reads nothing else."""
    content = degraded.content(post.question, post.html, post.facts, post.state, post.parts, post.language)
    if len(clean(content)) > CLEAN_LENGTH:
        raise _too_large(f"{len(content)} characters of HTML")


def _too_large(cause: str) -> InvalidInput:
    return InvalidInput("With its formatting this is too large to be sent; please shorten it.", reason="too-large", cause=cause,
                        field="text")


def _activity(kind: str, uri: str, actor: str, made: dict[str, Any], object_uri: str, lane: int = FRESH,
              about: str | None = None, room: int = 0) -> Outgoing:
    to: Sequence[str] = made["to"]
    body = dumps({"@context": CONTEXT, "id": uri, "type": kind, "actor": actor, "to": to, "object": made})
    if len(body) + room > BODY_LIMIT:
        raise _too_large(f"{len(body)} bytes")
    return Outgoing(uri, kind, object_uri, body, digest(body), lane, about)


