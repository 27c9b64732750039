"""Who this instance is on the wire: its origin, its actor and the key that signs for all its people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from federation.signatures.proofs import DocumentKey
from federation.vouchers import Voucher, described, vouch

ACTIVITYSTREAMS = "https://www.w3.org/ns/activitystreams"
CONTEXT: list[Any] = [
    ACTIVITYSTREAMS,
    "https://w3id.org/security/v1",
    {
        "konsil": "https://konsil.example/ns#",
        "badge": "konsil:badge",
        "alias": "konsil:alias",
        "country": "konsil:country",
        "revision": "konsil:revision",
        "facts": {"@id": "konsil:facts", "@type": "@json"},
        "parts": {"@id": "konsil:parts", "@type": "@json"},
        "helpful": {"@id": "konsil:helpful", "@type": "@id"},
        "translations": {"@id": "konsil:translations", "@type": "@json"},
        "translates": "konsil:translates",
        "state": "konsil:state",
        "Handshake": "konsil:Handshake",
        "nonce": "konsil:nonce",
        "tallies": {"@id": "konsil:tallies", "@type": "@id"},
        "Count": "konsil:Count",
        "result": "konsil:result",
        "category": "konsil:category",
        "takenDown": "konsil:takenDown",
        "members": {"@id": "konsil:members", "@type": "@id"},
        "nextKey": "konsil:nextKey",
        "proof": "konsil:proof",
        "seal": "konsil:seal",
        "replyKind": "konsil:replyKind",
        "correction": "konsil:correction",
        "imageClass": "konsil:imageClass",
        "contentWarning": "konsil:contentWarning",
        "film": "konsil:film",
        "frames": "konsil:frames",
        "columns": "konsil:columns",
        "milliseconds": "konsil:milliseconds",
        "digestMultibase": "https://w3id.org/security#digestMultibase",
        "sensitive": "as:sensitive",
        "discoverable": "http://joinmastodon.org/ns#discoverable",
        "Hashtag": "as:Hashtag",
        "votersCount": "http://joinmastodon.org/ns#votersCount",
        "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
    },
]
ACTOR_CONTEXT: list[Any] = [
    *CONTEXT[:-1],
    "https://w3id.org/security/multikey/v1",
    CONTEXT[-1] | {
        "assertionMethod": {"@id": "https://w3id.org/security#assertionMethod", "@type": "@id"},
        "voucher": "konsil:voucher",
        "bundleInbox": {"@id": "konsil:bundleInbox", "@type": "@id"},
    },
]
"""The context of the instance actor, which has more to say than what is sent all day."""
BODY_LIMIT = 262_144
"""The most bytes an activity may have: every instance reads this much, so none sends more."""
PUBLIC = frozenset({f"{ACTIVITYSTREAMS}#Public", "as:Public", "Public"})


class PublicKey(NamedTuple):
    """A key as others see it; `fingerprint` is that of `public_pem`."""

    key_id: str
    public_pem: str
    fingerprint: str


class Pair(NamedTuple):
    """A key with its private half: what signs, and the id it signs under, never of two different keys."""

    private: RSAPrivateKey
    public: PublicKey


class Ring:
    """The instance's keys as this process holds them. They change while requests are being signed: whoever needs more than one
    part of the key that signs takes `pair`, which changes in one assignment, once.

    `named` is the key that `/actor` names: for a moment after a change still the one before, since requests signed with it
    may be under way. `announced` is the one that will come next. `documents` signs documents, and does not change.
    """

    __slots__ = ("_vouchers", "announced", "documents", "named", "pair")

    def __init__(self, pair: Pair, documents: DocumentKey, named: PublicKey | None = None,
                 announced: PublicKey | None = None) -> None:
        self.documents, self._vouchers = documents, dict[str, Voucher]()
        self.turn(pair, named, announced)

    def turn(self, pair: Pair, named: PublicKey | None = None, announced: PublicKey | None = None) -> None:
        """Sign with this key from now on."""
        actor_uri, key_id = self.documents.id.partition("#")[0], pair.public.key_id
        before = {key: voucher for key, voucher in self._vouchers.items() if named is not None and key == named.key_id}
        self._vouchers = before | {key_id: vouch(pair.private, key_id, actor_uri, self.documents.multibase)}
        self.pair, self.named, self.announced = pair, named or pair.public, announced

    @property
    def voucher(self) -> Voucher | None:
        """What the named key says of the document key; None in a process that has begun just after a change, when the private
        half of the key that is still named has been erased."""
        return self._vouchers.get(self.named.key_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """This instance. `origin` is scheme, host and port; `domain` is what stands behind the second @; `seal` makes of a message
    what nobody else can make, the same each time, also after a restore."""

    origin: str
    domain: str
    country: str
    name: str
    ring: Ring
    seal: Callable[[bytes], bytes]

    @property
    def actor_uri(self) -> str:
        return f"{self.origin}/actor"

    @property
    def key(self) -> RSAPrivateKey:
        return self.ring.pair.private

    @property
    def key_id(self) -> str:
        return self.ring.pair.public.key_id

    @property
    def public_pem(self) -> str:
        return self.ring.pair.public.public_pem

    @property
    def fingerprint(self) -> str:
        return self.ring.pair.public.fingerprint

    @property
    def inbox(self) -> str:
        return f"{self.origin}/inbox"

    @property
    def bundle_inbox(self) -> str:
        return f"{self.origin}/inbox/bundle"

    @property
    def documents(self) -> DocumentKey:
        return self.ring.documents

    @property
    def outbox(self) -> str:
        return f"{self.origin}/actor/outbox"

    @property
    def members(self) -> str:
        return members_of(self.origin)

    def document(self) -> dict[str, Any]:
        """The instance actor (ActivityPub `Application`): the only object an unsigned request may read."""
        announced, voucher = self.ring.announced, self.ring.voucher
        return {
            "@context": ACTOR_CONTEXT,
            "id": self.actor_uri,
            "type": "Application",
            "preferredUsername": self.domain,
            "name": self.name,
            "country": self.country,
            "inbox": self.inbox,
            "outbox": self.outbox,
            "members": self.members,
            "manuallyApprovesFollowers": True,
            "endpoints": {"sharedInbox": self.inbox, "bundleInbox": self.bundle_inbox},
            "publicKey": self.described(self.ring.named),
            **({"nextKey": self.described(announced)} if announced is not None else {}),
            "assertionMethod": [described(self.actor_uri, self.documents.multibase)],
            **({"voucher": voucher.document()} if voucher is not None else {}),
        }

    def described(self, key: PublicKey) -> dict[str, str]:
        """A key of this instance as it stands in documents."""
        return {"id": key.key_id, "owner": self.actor_uri, "publicKeyPem": key.public_pem}


def members_of(origin: str) -> str:
    """The collection that stands for all members of an instance; it lists nobody."""
    return f"{origin}/members"
