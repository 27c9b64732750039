"""Doctors on the wire: ActivityPub `Person` with a badge. Wire type and stored type meet here and nowhere else."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.models import Actor, Badge, Role
from core.clock import parse_rfc3339, rfc3339
from core.errors import InvalidInput
from federation.addresses import domain_of, origin_of
from federation.identity import CONTEXT, Identity


class _Badge(msgspec.Struct, frozen=True, rename="camel"):
    role: str
    specialties: list[str]
    country: str
    verified_by: str
    verified_on: str
    until: str | None = None


class _Person(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    type: str
    preferred_username: str
    name: str
    badge: _Badge


def person(actor: Actor, identity: Identity) -> dict[str, Any]:
    """The `Person` document of a local doctor (FEP-2c59 names the handle)."""
    badge = actor.badge
    return {
        "@context": CONTEXT,
        "id": actor.uri,
        "type": "Person",
        "preferredUsername": actor.handle,
        "webfinger": f"{actor.handle}@{actor.domain}",
        "name": actor.name,
        "inbox": identity.inbox,
        "outbox": f"{actor.uri}/outbox",
        "endpoints": {"sharedInbox": identity.inbox},
        "manuallyApprovesFollowers": True,
        "badge": {
            "type": "Badge", "role": str(badge.role), "specialties": list(badge.specialties), "country": badge.country,
            "verifiedBy": badge.verified_by, "verifiedOn": rfc3339(badge.verified_on),
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
            parse_rfc3339(wire.badge.until) if wire.badge.until is not None else None)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidInput("This is not a doctor with a badge.", reason="bad-actor", cause=str(error)) from None
    if wire.id != expected or wire.type != "Person":
        raise InvalidInput("The document describes somebody else.", reason="bad-actor")
    if badge.country != country:
        raise InvalidInput("An instance speaks for doctors of its own country.", reason="bad-actor")
    handle = wire.preferred_username
    if not handle or len(handle) > 60 or not all(letter.isalnum() or letter in "._-" for letter in handle):
        raise InvalidInput("The handle cannot be one.", reason="bad-actor")
    return Actor(actor_id, wire.id, handle, domain_of(origin_of(wire.id)), wire.name[:120] or handle, badge, sibling_id)
