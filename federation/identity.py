"""Who this instance is on the wire: its origin, its actor and the key that signs for all its people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ACTIVITYSTREAMS = "https://www.w3.org/ns/activitystreams"
CONTEXT: list[Any] = [
    ACTIVITYSTREAMS,
    "https://w3id.org/security/v1",
    {
        "konsil": "https://konsil.example/ns#",
        "badge": "konsil:badge",
        "country": "konsil:country",
        "revision": "konsil:revision",
        "facts": "konsil:facts",
        "state": "konsil:state",
        "Handshake": "konsil:Handshake",
        "nonce": "konsil:nonce",
        "members": {"@id": "konsil:members", "@type": "@id"},
        "discoverable": "http://joinmastodon.org/ns#discoverable",
        "Hashtag": "as:Hashtag",
        "votersCount": "http://joinmastodon.org/ns#votersCount",
        "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
    },
]
BODY_LIMIT = 262_144
"""The most bytes an activity may have: every instance reads this much, so none sends more."""
PUBLIC = frozenset({f"{ACTIVITYSTREAMS}#Public", "as:Public", "Public"})


@dataclass(frozen=True, slots=True)
class Identity:
    """This instance. `origin` is scheme, host and port; `domain` is what stands behind the second @."""

    origin: str
    domain: str
    country: str
    name: str
    key: RSAPrivateKey
    public_pem: str
    fingerprint: str

    @property
    def actor_uri(self) -> str:
        return f"{self.origin}/actor"

    @property
    def key_id(self) -> str:
        return f"{self.origin}/actor#main-key"

    @property
    def inbox(self) -> str:
        return f"{self.origin}/inbox"

    @property
    def outbox(self) -> str:
        return f"{self.origin}/actor/outbox"

    @property
    def members(self) -> str:
        return members_of(self.origin)

    def document(self) -> dict[str, Any]:
        """The instance actor (ActivityPub `Application`): the only object an unsigned request may read."""
        return {
            "@context": CONTEXT,
            "id": self.actor_uri,
            "type": "Application",
            "preferredUsername": self.domain,
            "name": self.name,
            "country": self.country,
            "inbox": self.inbox,
            "outbox": self.outbox,
            "members": self.members,
            "manuallyApprovesFollowers": True,
            "endpoints": {"sharedInbox": self.inbox},
            "publicKey": {"id": self.key_id, "owner": self.actor_uri, "publicKeyPem": self.public_pem},
        }


def members_of(origin: str) -> str:
    """The collection that stands for all members of an instance; it lists nobody."""
    return f"{origin}/members"
