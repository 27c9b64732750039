"""Reports on the wire: the `Flag` that tells a post's own instance, and its answers by `Accept` and `Reject`.

A Flag is the instance's. Nothing in it leads to whoever reported; her words are in it only where she wants that.
"""

from __future__ import annotations

from typing import Any

from core.errors import InvalidInput
from federation.documents import dumps
from federation.identity import CONTEXT
from federation.lanes import URGENT
from federation.signatures.cavage import digest
from federation.store import Outgoing
from posts.linter.gate import check_fields
from posts.matters import TEXT_LIMIT, Category, MatterState, Said, Verdict

ACCEPTED = frozenset({MatterState.TAKEN_DOWN, MatterState.CHANGED, MatterState.APPEALED})
"""What is told by `Accept`: something came of the report. The rest is told by `Reject`."""
REJECTED = frozenset({MatterState.KEPT, MatterState.OVERTURNED})
_CATEGORIES = {str(category): category for category in Category}
_STATES = {str(state): state for state in ACCEPTED | REJECTED}
_ROUNDS = 1 << 31


def flag(uri: str, actor_uri: str, post_uri: str, to: str, said: Said) -> Outgoing:
    """The report of a sibling's post, for that sibling alone. The deletion of the post takes it along."""
    made: dict[str, Any] = {"@context": CONTEXT, "id": uri, "type": "Flag", "actor": actor_uri, "to": [to], "object": post_uri,
                            "category": str(said.category)}
    if said.shared and said.text:
        made |= _words(said.text, said.language)
    body = dumps(made)
    return Outgoing(uri, "Flag", uri, body, digest(body), URGENT, post_uri)


def answer(uri: str, actor_uri: str, flag_uri: str, to: str, verdict: Verdict) -> Outgoing:
    """What the post's own instance has decided, or that this was appealed against."""
    kind = "Accept" if verdict.state in ACCEPTED else "Reject"
    made: dict[str, Any] = {"@context": CONTEXT, "id": uri, "type": kind, "actor": actor_uri, "to": [to], "object": flag_uri,
                            "state": str(verdict.state), "revision": verdict.round}
    if verdict.reason:
        made |= _words(verdict.reason, verdict.language)
    body = dumps(made)
    return Outgoing(uri, kind, flag_uri, body, digest(body), URGENT)


def _words(text: str, language: str) -> dict[str, Any]:
    check_fields((("text", text),))
    return {"content": text, "contentMap": {language: text}}


def read_flag(document: dict[str, Any]) -> Said:
    """What a Flag says; a category that is not known here is something else. `InvalidInput` for what is none."""
    if not isinstance(document.get("object"), str):
        raise InvalidInput("A Flag names one post by its address.", reason="bad-object")
    category = document.get("category")
    text, language = _read_words(document)
    return Said(_CATEGORIES.get(category, Category.OTHER) if isinstance(category, str) else Category.OTHER, text, language,
                bool(text))


def read_answer(document: dict[str, Any], kind: str) -> Verdict | None:
    """What an `Accept` or `Reject` says about a report of ours; None for one that is about something else."""
    named = document.get("state")
    if named is None:
        return None
    state, number = _STATES.get(named) if isinstance(named, str) else None, document.get("revision")
    if state is None or state not in (ACCEPTED if kind == "Accept" else REJECTED):
        raise InvalidInput("This is no answer to a report.", reason="bad-object")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number < _ROUNDS:
        raise InvalidInput("A revision is a positive number.", reason="bad-revision")
    return Verdict(state, number, *_read_words(document))


def _read_words(document: dict[str, Any]) -> tuple[str, str]:
    """The plain text a document holds, and its language or `und`."""
    text, tagged = document.get("content"), document.get("contentMap")
    if text is None:
        return "", "und"
    if not isinstance(text, str) or len(text) > TEXT_LIMIT:
        raise InvalidInput("The text is too long.", reason="too-long")
    for tag in tagged if isinstance(tagged, dict) else ():
        if 1 < len(tag) <= 20 and tag.isascii() and all(part.isalnum() for part in tag.split("-")):
            return text.replace("\0", ""), tag
    return text.replace("\0", ""), "und"
