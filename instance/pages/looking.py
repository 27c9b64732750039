"""Looking at what one was told about is reading it (docs/decisions/0016-looking-is-reading.md)."""

from __future__ import annotations

from contextlib import suppress

from quart import request

from core.errors import Unavailable
from instance.context import doctor, services
from posts.notifications import Seen
from posts.threads import Conversation


def is_looked_at() -> bool:
    """Whether somebody looks at the page, and no browser only keeps it ready in case somebody will."""
    return request.method == "GET" and "prefetch" not in request.headers.get("sec-purpose", "")


async def note_reading(found: Conversation) -> None:
    """Remember up to where she has read, so that corrections reach her. Where that cannot be stored it is read all the same."""
    with suppress(Unavailable):
        await services().readings.note_thread(doctor(), found.place, found.line)


async def settle(seen: Seen) -> None:
    """What the page is about needs no more telling. Where that cannot be stored the page is read all the same."""
    if seen.ids:
        with suppress(Unavailable):
            await services().notifications.settle(doctor(), seen)
