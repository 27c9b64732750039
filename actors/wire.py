"""Doctors on the wire: ActivityPub `Person` with a badge, desks as `Service` with one, and what they send each other as people:
Follow and its answers. Wire type and stored type meet here and nowhere else."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec

from actors.models import ABOUT_LIMIT, SPEAKS_LIMIT, WORKPLACE_LIMIT, Actor, Answering, Badge, Role
from actors.verifications import how_of
from core.clock import parse_rfc3339, rfc3339
from core.errors import InvalidInput
from core.i18n import is_language
from core.ids import public
from core.text import lines, visible
from federation.addresses import domain_of, origin_of, same_origin
from federation.documents import dumps
from federation.identity import CONTEXT, Identity
from federation.lanes import FRESH, URGENT
from federation.signatures.cavage import digest
from federation.store import Outgoing

_SUMMARY_LENGTH = 10_000
PORTRAIT = "image/jpeg"
"""What the picture of a doctor is."""


class _Badge(msgspec.Struct, frozen=True, rename="camel"):
    role: str
    specialties: list[str]
    country: str
    verified_by: str
    verified_on: str
    until: str | None = None
    verified_how: str = ""


class _Answering(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Person(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    type: str
    preferred_username: str
    name: str
    badge: _Badge
    summary: str | None = None
    discoverable: bool | None = None
    alias: bool | None = None
    knows_language: list[str] | None = None
    works_for: str | None = None
    answered_by: _Answering | None = None


def person(actor: Actor, identity: Identity) -> dict[str, Any]:
    """The `Person` document of a local doctor (FEP-2c59 names the handle), or of an alias, which no handle leads to; the
    `Service` document of an editorial desk, which says who answers for it."""
    badge = actor.badge
    return {
        "@context": CONTEXT,
        "id": actor.uri,
        "type": "Service" if actor.desk else "Person",
        "preferredUsername": actor.handle,
        **({"alias": True} if actor.alias else {"webfinger": f"{actor.handle}@{actor.domain}"}),
        "name": actor.name,
        "inbox": identity.inbox,
        "outbox": f"{actor.uri}/outbox",
        "endpoints": {"sharedInbox": identity.inbox},
        "manuallyApprovesFollowers": True,
        "discoverable": actor.discoverable,
        **({"summary": "<p>" + "<br>".join(map(escape, actor.about.splitlines())) + "</p>"} if actor.about else {}),
        **({"knowsLanguage": list(actor.speaks)} if actor.speaks else {}),
        **({"worksFor": actor.workplace} if actor.workplace else {}),
        **({"answeredBy": {"type": "Person", "id": actor.answered_by.uri, "name": actor.answered_by.name}}
           if actor.answered_by is not None else {}),
        **({"icon": {"type": "Image", "mediaType": PORTRAIT, "url": portrait_url(actor)}} if actor.portrait else {}),
        "badge": {
            "type": "Badge", "role": str(badge.role), "specialties": list(badge.specialties), "country": badge.country,
            "verifiedBy": badge.verified_by, "verifiedOn": rfc3339(badge.verified_on),
            **({"verifiedHow": badge.how} if badge.how else {}),
            **({"until": rfc3339(badge.until)} if badge.until is not None else {}),
        },
    }


def actor_of(document: dict[str, Any], *, expected: str, sibling_id: int, country: str, actor_id: int) -> Actor:
    """The actor a sibling's document describes; it must be exactly the one asked for, of the sibling's country."""
    try:
        wire = msgspec.convert(document, _Person)
        badge = Badge(
            Role(wire.badge.role), tuple(code[:60] for code in wire.badge.specialties[:12]), wire.badge.country,
            wire.badge.verified_by[:120], parse_rfc3339(wire.badge.verified_on),
            parse_rfc3339(wire.badge.until) if wire.badge.until is not None else None, how_of(wire.badge.verified_how))
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidInput("This is not a doctor with a badge.", reason="bad-actor", cause=str(error)) from None
    desk = wire.type == "Service"
    if wire.id != expected or not (desk or wire.type == "Person"):
        raise InvalidInput("The document describes somebody else.", reason="bad-actor")
    if desk and (wire.alias or badge.role != Role.EDITOR):
        raise InvalidInput("A desk is an editor, and called by its name.", reason="bad-actor")
    if badge.country != country:
        raise InvalidInput("An instance speaks for doctors of its own country.", reason="bad-actor")
    handle = wire.preferred_username
    if not handle or len(handle) > 60 or not all(letter.isalnum() or letter in "._-" for letter in handle):
        raise InvalidInput("The handle cannot be one.", reason="bad-actor")
    return Actor(actor_id, wire.id, handle, domain_of(origin_of(wire.id)), wire.name[:120] or handle, badge, sibling_id,
                 "" if wire.alias else _about(wire.summary), bool(wire.discoverable) and not wire.alias, bool(wire.alias),
                 () if wire.alias else _spoken(wire.knows_language),
                 "" if wire.alias else " ".join(visible(wire.works_for or "").split())[:WORKPLACE_LIMIT],
                 icon="" if wire.alias else _icon(document), desk=desk, answered_by=_answering(wire) if desk else None)


def _answering(wire: _Person) -> Answering | None:
    """Who answers for a desk: a doctor of its own instance."""
    named = wire.answered_by
    try:
        return Answering(named.id, named.name[:120]) if named is not None and same_origin(named.id, wire.id) else None
    except InvalidInput:
        return None


def _spoken(codes: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for code in codes or () if is_language(code)))[:SPEAKS_LIMIT]


def portrait_url(actor: Actor) -> str:
    """Where siblings find the picture of a local doctor who has one."""
    return f"{origin_of(actor.uri)}/media/portraits/{public(actor.id)}/{actor.portrait}"


def _icon(document: dict[str, Any]) -> str:
    """Where the picture lies that a doctor's document names; empty where it names none, or one of another origin."""
    icon = document.get("icon")
    url = icon.get("url") if isinstance(icon, dict) else None
    try:
        return url if isinstance(url, str) and same_origin(url, document["id"]) else ""
    except InvalidInput:
        return ""


def _about(summary: str | None) -> str:
    """The words of a summary, line by line; nothing where its markup is more than anybody needs to say who she is."""
    try:
        return "\n".join(lines((summary or "")[:_SUMMARY_LENGTH]))[:ABOUT_LIMIT]
    except InvalidInput:
        return ""


def update(actor: Actor, identity: Identity, number: str, lane: int = FRESH) -> Outgoing:
    """`Update` of a local doctor's Person; `number` tells it from others of hers."""
    made = {name: value for name, value in person(actor, identity).items() if name != "@context"}
    return _activity("Update", f"{actor.uri}#update-{number}", actor.uri, made, [], actor.uri, lane)


def delete(actor_uri: str) -> Outgoing:
    """`Delete` of a local doctor who has left; it travels in the urgent lane and carries nothing but her address."""
    made = {"id": actor_uri, "type": "Tombstone", "formerType": "Person"}
    return _activity("Delete", f"{actor_uri}#delete", actor_uri, made, [], actor_uri, URGENT)


def follow(uri: str, follower: Actor, followed: Actor) -> Outgoing:
    """`Follow`: what a local doctor asks of another one."""
    return _between("Follow", uri, follower, followed, followed.uri, follower, followed)


def undo_follow(uri: str, follower: Actor, followed: Actor, again: str = "") -> Outgoing:
    """`Undo` of the Follow at this URI: she withdraws her request, or does not follow any more. `again` makes another activity
    of it, for a sibling that has lost what the first one told."""
    name = f"{uri}#undo-{again}" if again else f"{uri}#undo"
    return _between("Undo", name, follower, followed, _follow(uri, follower, followed), follower, followed)


def answer(kind: str, uri: str, follow_uri: str, follower: Actor, followed: Actor) -> Outgoing:
    """`Accept` or `Reject`: what a local doctor says to a request, or to a follower she has."""
    return _between(kind, uri, followed, follower, _follow(follow_uri, follower, followed), follower, followed)


def _follow(uri: str, follower: Actor, followed: Actor) -> dict[str, Any]:
    return {"id": uri, "type": "Follow", "actor": follower.uri, "object": followed.uri}


def _between(kind: str, uri: str, sender: Actor, receiver: Actor, made: Any, follower: Actor, followed: Actor) -> Outgoing:
    """What one sends to the other. All that concerns one pair is one object, so that it arrives in order."""
    return _activity(kind, uri, sender.uri, made, [receiver.uri], f"{follower.uri} {followed.uri}")


def _activity(kind: str, uri: str, actor_uri: str, made: Any, to: list[str], object_uri: str, lane: int = FRESH) -> Outgoing:
    body = dumps({"@context": CONTEXT, "id": uri, "type": kind, "actor": actor_uri, **({"to": to} if to else {}), "object": made})
    return Outgoing(uri, kind, object_uri, body, digest(body), lane)
