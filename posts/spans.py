"""Which part of a list somebody reads: how much of it, and from where, by the ids of its entries."""

from __future__ import annotations

from typing import NamedTuple

from core.ids import number

END = (1 << 63) - 1
GAP = 400
"""How far from its newest entry a list is read for what comes right above another: beyond that, what is new is shown."""


class Span(NamedTuple):
    """At most `most` entries older than `before`: the newest ones, as far as they are newer than `since`; or, with `after`, those
    right above it. Each an id as it is shown outside, or ''."""

    most: int = 20
    before: str = ""
    since: str = ""
    after: str = ""

    @property
    def key(self) -> int:
        """What entries are older than."""
        return (number(self.before) if self.before else None) or END

    @property
    def floor(self) -> int:
        """What entries are newer than."""
        return number(self.after or self.since) or 0


def span_of(before: str | Span | None, most: int) -> Span:
    """A cursor of our own pages as a span."""
    return before if isinstance(before, Span) else Span(most, before or "")
