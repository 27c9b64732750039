"""`Undo` (ActivityPub, section 7.12) of what its own actor did; each activity that can be undone says how in its own file."""

from __future__ import annotations

from types import ModuleType

from core.errors import InvalidInput, Refused
from core.ids import Ids
from inbox.activities import announce, follow, like
from inbox.arrival import Arrival, Held, Ignored
from inbox.effects import Effect
from inbox.known import Known

UNDONE: dict[str, ModuleType] = {"Follow": follow, "Like": like, "Announce": announce}
"""By the type of what is undone; a module in here has `undo(arrival, known) -> list[Effect]`."""


def verify(arrival: Arrival, known: Known, grace_ms: int) -> Held | Ignored | None:
    """None when it may have its effect. What is undone comes with it, as its own actor sent it."""
    undone = arrival.object
    if not isinstance(undone, dict) or not isinstance(undone.get("type"), str) or not arrival.object_id:
        raise InvalidInput("What is undone comes with its id and its type.", reason="bad-object")
    if undone.get("actor") != arrival.actor:
        raise Refused("An activity is undone by its own actor.", reason="foreign-author")
    if arrival.object_id in known.posts:
        raise InvalidInput("A post is deleted, not undone.", reason="bad-object")
    return None if undone["type"] in UNDONE else Ignored(f"undo of {undone['type'][:40]}")


def receive(arrival: Arrival, known: Known, ids: Ids) -> list[Effect]:
    """The effects of taking it back."""
    return UNDONE[arrival.object["type"]].undo(arrival, known)  # type: ignore[no-any-return]
