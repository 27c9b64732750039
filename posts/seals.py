"""The seal on a post: by it an instance knows what it has said, also when it has lost its own copy.

It is an HMAC over what a post says, whom it is for and whose it is, with a key that only the instance's key file can make.
Siblings keep it with the post and give it back with their copy; to them it means nothing. What a receiver may change (times,
which a clock that is behind bounds, and counts) is not in it.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import rfc8785

from core.errors import InvalidInput
from federation.documents import one_or_many

Seal = Callable[[bytes], bytes]
"""What makes a seal of a message: `Identity.seal`."""
_LATER = ("parts", "helpful", "replyKind", "correction", "attachment")
"""What posts came to say later: it is sealed where it is said, so that older seals hold."""
LENGTH = 44
"""The letters of a seal: 32 bytes in base64."""


def sealed(document: Mapping[str, Any], seal: Seal) -> str:
    """The seal of a `Note` or `Question` of this instance."""
    return base64.b64encode(seal(_essence(document))).decode()


def holds(document: Mapping[str, Any], seal: Seal) -> bool:
    """Whether this instance has said exactly this."""
    given = document.get("seal")
    try:
        return isinstance(given, str) and hmac.compare_digest(given.encode(), sealed(document, seal).encode())
    except (InvalidInput, AttributeError, KeyError, TypeError, ValueError):  # it is no post at all
        return False


def _essence(document: Mapping[str, Any]) -> bytes:
    """What is sealed, in one form whatever the document's was (RFC 8785)."""
    options = document.get("anyOf") or document.get("oneOf") or []
    facts, parts = document.get("facts") or {}, document.get("parts")
    translated = {entry.get("language") for entry in document.get("translations") or () if isinstance(entry, Mapping)}
    more = {name: document[name] for name in _LATER if document.get(name)}
    return rfc8785.dumps({
        "id": document.get("id"), "type": document.get("type"), "author": document.get("attributedTo"),
        "parent": document.get("inReplyTo"), "question": document.get("name") or "",
        "html": parts["text"] if parts else document.get("content"),  # with parts, content only says the same once more
        "languages": sorted({*(document.get("contentMap") or {})} - translated),  # a translation is nothing the author has said
        "to": sorted((*one_or_many(document.get("to")), *one_or_many(document.get("cc")))),
        "facts": {name: facts[name] for name in ("specialties", "ageBand", "sex", "aim", "conditions") if facts.get(name)},
        "state": document.get("state"),
        "options": [unicodedata.normalize("NFC", option["name"]) for option in options], "multiple": "anyOf" in document,
        "tallies": sorted(one_or_many(document.get("tallies"))),
        "ends": document.get("endTime"), "revision": document.get("revision")} | more)
