"""Posts of our own that are lost here, or lie here in an older version, back out of a sibling's copy: only what our seal proves.

What nothing proves is not taken from it: counts of votes, likes, when it was written (its id says when it was made). A poll's
result is, because we have signed it. What was deleted stays so, whoever still holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import msgspec

from actors import aliases
from actors.models import Actor
from actors.store import by_ids, by_uri, save
from core.database import Tx
from core.errors import InvalidInput
from core.ids import Ids, made_at, number, public, uri_key
from federation.addresses import origin_of
from federation.identity import Identity
from federation.store import arrived, enqueue
from posts import ballots, counts, modes, outgoing, pollstore, seals, shelves, store, wire
from posts.counts import Result
from posts.editing import announce
from posts.models import Kind, Tags
from posts.network import network
from posts.outgoing import hashtags_of
from posts.parts import htmls
from posts.sources import markdown_of
from posts.store import LEAP, Poll, Post
from posts.wire import Note
from posts.wire_parts import parts_out

_NEAR_MS = 600_000


class Recovered(StrEnum):
    """What became of a sibling's copy of a post of ours."""

    BACK = "back"
    KNOWN = "known"
    """It lies here like that, or newer."""
    GONE = "gone"
    """It is deleted."""
    UNPROVEN = "unproven"
    """Nothing shows that this instance has ever said that."""
    NOBODY = "nobody"
    """Its author is not known here: her account came after the backup."""
    NO_PARENT = "no-parent"
    """What it answers is not here."""


def look(tx: Tx, identity: Identity, uri: str, document: Mapping[str, Any]) -> Recovered:
    """What would become of this copy; `BACK` if it may be taken in."""
    note = _proven(identity, uri, document)
    if note is None:
        return Recovered.UNPROVEN
    key = uri_key(uri)
    if store.tombstoned(tx, [key]):
        return Recovered.GONE
    before = store.by_keys(tx, [key]).get(uri)
    if before is not None:
        if before.erased_at is not None or before.sibling_id is not None:
            return Recovered.KNOWN
        return Recovered.BACK if _newer(before, note) or _result(tx, identity, before, note) is not None else Recovered.KNOWN
    parent = _parent(tx, note)
    if note.in_reply_to is not None and parent is None:
        return Recovered.NO_PARENT
    return Recovered.BACK if _author(tx, identity, note, parent) is not None else Recovered.NOBODY


def recover(tx: Tx, ids: Ids, identity: Identity, uri: str, document: Mapping[str, Any], sibling_id: int, now: int) -> Recovered:
    """Take a sibling's copy of a post of ours in, if our seal is on it. It has arrived at that sibling; its other readers are
    told of it, who may have lost it or never had it."""
    found = look(tx, identity, uri, document)
    note = _proven(identity, uri, document)
    if found != Recovered.BACK or note is None:
        return found
    before = store.by_keys(tx, [uri_key(uri)]).get(uri)
    if before is not None:
        _renew(tx, ids, identity, before, note, now)
    else:
        _bring_back(tx, ids, identity, note, document, sibling_id, now)
    return found


def _proven(identity: Identity, uri: str, document: Mapping[str, Any]) -> Note | None:
    """The post in a document, if it is the one that was asked for and this instance has said exactly that."""
    try:
        note = wire.note(document)
        if note.id != uri or number(uri.rpartition("/")[2]) is None or not seals.holds(document, identity.seal) \
                or note.content is None:
            return None
        said = wire.said_of(note)
        wire.pictures_of(note)
        taken = parts_out(said.html, said.parts) if note.parts is not None else said.html
        return note if taken == (note.parts if note.parts is not None else note.content) else None
    except InvalidInput:
        return None


def _renew(tx: Tx, ids: Ids, identity: Identity, old: Post, note: Note, now: int) -> None:
    """A later version of a post that lies here, which goes on from there: beyond both, for whoever has seen either."""
    author = by_ids(tx, [old.author_id])[old.author_id]
    if (kept := _result(tx, identity, old, note)) is not None:
        pollstore.bring_back_result(tx, old.id, *kept, now)
    if not _newer(old, note):
        return
    new = _said(msgspec.structs.replace(old, updated_at=_updated(note, old.id, now) or now), note)
    beyond = max(old.revision, note.revision) // LEAP * LEAP + note.revision % LEAP
    if _words(new) == _words(old) and (new.correction and new.correction.revision) == (
            old.correction and old.correction.revision):  # only counts had changed
        store.revise(tx, old, msgspec.structs.replace(old, revision=beyond))
        if old.kind == Kind.POLL:
            _tell_counts(tx, old.id, note, now)
        return
    new = msgspec.structs.replace(new, revision=beyond + 1)
    shelves.clear(tx, old.id, now, but=new.pictures)
    store.revise(tx, old, new)
    announce(tx, identity, ids, new, author.uri, now, repeats=True)


def _bring_back(tx: Tx, ids: Ids, identity: Identity, note: Note, document: Mapping[str, Any], sibling_id: int, now: int) -> None:
    parent = _parent(tx, note)
    found = _author(tx, identity, note, parent)
    post_id = number(note.id.rpartition("/")[2])
    assert found is not None and post_id is not None
    author, owner_id = found
    if owner_id is not None:
        save(tx, author, now)
    post = _said(Post(
        post_id, note.id, author.id, None, wire.kind_of(note), parent.root_id if parent else post_id,
        parent.id if parent else None,
        "", "", "", wire.language_of(note), wire.facts_of(note), None, wire.audience_of(note, identity.origin), identity.country,
        _published(note, post_id), _updated(note, post_id, now), note.revision + LEAP), note)
    store.insert(tx, [post])
    if owner_id is not None:
        aliases.attach(tx, author, owner_id, post.root_id, post.audience.origins)
        aliases.keep_pace(tx, identity, ids, now, owner_id)
    poll, places = None, network(tx, identity)
    if post.kind == Kind.POLL:
        told = wire.poll_of(note)
        poll = msgspec.structs.replace(told, closed_at=None, voters=0, options=tuple((name, 0) for name, _ in told.options))
        ended, result = counts.own_result(identity, note.result, post.uri, poll) or (poll, None)
        modes.resume(tx, places, post, ended)
        if result is not None:
            pollstore.store_result(tx, post.id, result)
        else:
            _tell_counts(tx, post.id, note, now)
        poll = pollstore.whole(tx, post.id)
    activity = outgoing.create(post, poll, author.uri, parent.uri if parent else None, identity.seal, again=public(ids.new()))
    arrived(tx, ids.new(), post.uri, sibling_id, now)
    others = [other for other in places.recipients(post.audience.origins) if other != sibling_id]
    enqueue(tx, ids.new(), activity, others, now)


def _parent(tx: Tx, note: Note) -> Post | None:
    """What a note answers, if that is here."""
    return store.by_keys(tx, [uri_key(note.in_reply_to)]).get(note.in_reply_to) if note.in_reply_to is not None else None


def _author(tx: Tx, identity: Identity, note: Note, parent: Post | None) -> tuple[Actor, int | None] | None:
    """Who has written a note of ours; with whoever that is, where it is an alias that was lost with the thread."""
    known = by_uri(tx, note.attributed_to)
    if known is not None:
        return (known, None) if known.local else None
    root = store.by_id(tx, parent.root_id) if parent is not None else None
    return aliases.recognise(tx, identity, note.attributed_to, root.uri if root is not None else note.id,
                             root.published_at if root is not None else _published(note, number(note.id.rpartition("/")[2]) or 0))


def _newer(old: Post, note: Note) -> bool:
    return note.revision % LEAP > old.revision % LEAP


def _result(tx: Tx, identity: Identity, old: Post, note: Note) -> tuple[Poll, Result] | None:
    """The signed result of a poll that lies here without one, with the poll as it ended."""
    poll = store.polls(tx, [old.id]).get(old.id) if note.result is not None else None
    return counts.own_result(identity, note.result, old.uri, poll) if poll is not None and poll.result_at is None else None


def _tell_counts(tx: Tx, post_id: int, note: Note, now: int) -> None:
    """Where the copy shows other counts than there are here (votes were lost with the backup), its readers are told ours."""
    here, there = store.polls(tx, [post_id])[post_id], wire.poll_of(note)
    if (here.voters, here.options) != (there.voters, there.options):
        ballots.recount(tx, post_id, now)


def _said(post: Post, note: Note) -> Post:
    """A post with what a note says."""
    html, parts = wire.said_of(note)
    outcome = parts.outcome
    return msgspec.structs.replace(
        post, question=(note.name or "") if post.kind != Kind.REPLY else "", html=html, source=markdown_of(html),
        facts=wire.facts_of(note), helpful=wire.helpful_of(note) if post.kind == Kind.CASE else (),
        parts=msgspec.structs.replace(
            parts, sections=tuple(msgspec.structs.replace(one, source=markdown_of(one.html)) for one in parts.sections),
            outcome=msgspec.structs.replace(outcome, source=markdown_of(outcome.html)) if outcome is not None else None),
        pictures=wire.pictures_of(note), tags=_tags_in(note, "".join((html, *htmls(parts))), origin_of(note.id)),
        state=wire.state_of(note) if post.kind == Kind.CASE else None,
        reply_kind=wire.reply_kind_of(note),
        correction=wire.correction_of(note, post.updated_at or post.published_at) or post.correction)


def _words(post: Post) -> tuple[object, ...]:
    """What a post says."""
    return (post.question, post.facts, post.state, post.helpful, post.reply_kind, post.pictures,
            parts_out(post.html, post.parts))


def _tags_in(note: Note, html: str, home: str) -> Tags:
    """The tags of a note that its text shows: they are not sealed, the text is."""
    found = wire.tags_of(note)
    return Tags(tuple(mention for mention in found.mentions if f'href="{mention.uri}"' in html),
                tuple(name for name in found.hashtags if f'href="{hashtags_of(home)}{quote(name)}"' in html))


def _published(note: Note, post_id: int) -> int:
    """When it was written: as the copy says where its id was made then, else when that was."""
    made, said = made_at(post_id), wire.moment(note.published) if note.published else 0
    return said if abs(said - made) < _NEAR_MS else made


def _updated(note: Note, post_id: int, now: int) -> int | None:
    """When it was changed, if the copy says a moment at which that can have been."""
    said = wire.moment(note.updated) if note.updated else 0
    return said if made_at(post_id) <= said <= now else None

