"""The `@context` of a document: values that are known, pinned here, and never fetched.

JSON-LD is not processed, so a context changes nothing about how a document is read. One that names an address nobody here
knows is refused all the same: whoever sends it means something by it that would be read otherwise here. Definitions that
stand in the document itself are passed over.
"""

from __future__ import annotations

from typing import Any

from core.errors import InvalidInput
from federation.identity import ACTIVITYSTREAMS, CONTEXT

PINNED = frozenset({
    ACTIVITYSTREAMS,
    "https://w3id.org/security/v1",
    "https://w3id.org/security/v2",
    "https://w3id.org/security/multikey/v1",
    "https://w3id.org/security/data-integrity/v1",
    "https://w3id.org/security/data-integrity/v2",
    "https://w3id.org/identity/v1",
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/fep/5711",
    "https://purl.archive.org/miscellany",
    "https://purl.archive.org/socialweb/webfinger",
    "https://gotosocial.org/ns",
    "https://join-lemmy.org/context.json",
    "https://docs.joinmastodon.org/spec/activitypub/",
})
_MANY = 16


def check_context(document: dict[str, Any]) -> None:
    """`InvalidInput` unless every address that the document's `@context` names is a pinned one. It may have none."""
    context = document.get("@context")
    if context is CONTEXT or context is None or context == CONTEXT:
        return
    entries = context if isinstance(context, list) else [context]
    if len(entries) > _MANY:
        raise InvalidInput("A document has at most %(most)s contexts.", values={"most": _MANY}, reason="context")
    for entry in entries:
        if isinstance(entry, dict):
            if "@import" in entry:
                raise InvalidInput("A context is never fetched, so none is imported.", reason="context")
        elif not isinstance(entry, str) or entry not in PINNED:
            raise InvalidInput("The context of the document is not one that is known here.", reason="context")
