"""What stands in the fields of a form: shown to its author before anybody else, and replaced where she wants that.

What does not block is hers to judge. That she has looked is remembered for exactly this text: a digest over its fields goes
with the form, and with its draft; another text has another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from core.clock import Clock
from core.words import Phrase, Sentence
from posts.linter import dates, source
from posts.linter.findings import Family, Finding
from posts.linter.hospitals import Hospitals
from posts.linter.lint import lint

_NEAR = 36
_MOST = 60


class Marked(NamedTuple):
    """A finding in its field, with a few words around it. `choice` is what the button beside it says to `Linter.replaced`."""

    field: str
    what: Family
    why: Phrase | Sentence
    before: str
    text: str
    after: str
    proposal: str | None
    blocks: bool
    choice: str


class Look(NamedTuple):
    """What was found in some fields, the first ones where there is very much, and the digest that stands for
    exactly this text."""

    marked: tuple[Marked, ...]
    digest: str

    @property
    def blocks(self) -> bool:
        """Whether something is among it that can never be published."""
        return any(one.blocks for one in self.marked)

    def settled(self, looked: str) -> bool:
        """Whether it may go on: nothing was found, or the author has looked at what was found in exactly this text."""
        return not self.marked or (not self.blocks and looked == self.digest)

    def within(self, field: str) -> tuple[Marked, ...]:
        """What was found in one field."""
        return tuple(one for one in self.marked if one.field == field)


NOTHING = Look((), "")


class Linter:
    """Looks at what doctors are about to publish."""

    def __init__(self, hospitals: Iterable[str], clock: Clock) -> None:
        self._hospitals, self._clock = Hospitals(hospitals), clock

    def look(self, fields: Mapping[str, str], language: str) -> Look:
        """What could identify a patient in some fields of one form, by their names; days are counted from the
        first in all of them."""
        today = self._today()
        first = _first(fields, today)
        marked = [_marked(name, text, one) for name, text in fields.items() if text
                  for one in lint(text, language, self._hospitals, today, first)]
        said = "\0".join(part for pair in sorted(fields.items()) for part in pair)
        digest = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:32]
        return Look((*(one for one in marked if one.blocks), *(one for one in marked if not one.blocks))[:_MOST], digest)

    def replaced(self, fields: Mapping[str, str], language: str, choice: str) -> dict[str, str]:
        """The fields with what was proposed for one finding in its place. A choice that fits nothing any more changes nothing.

        Dates go all at once, in all fields: were the first one gone, the others would be counted from the next.
        """
        name, _, rest = choice.partition(":")
        start, _, text = rest.partition(":")
        today = self._today()
        first = _first(fields, today)
        found = {field: lint(value, language, self._hospitals, today, first) for field, value in fields.items() if value}
        near = [one for one in found.get(name, ()) if fields[name][one.start:one.end] == text]
        if not near or not start.isdigit():
            return dict(fields)
        chosen = min(near, key=lambda one: abs(one.start - int(start)))
        made = dict(fields)
        for field, findings in found.items():
            wanted = [one for one in findings if one is chosen or (chosen.what == one.what == Family.DATE)]
            for one in reversed(wanted):
                if one.proposal is not None:
                    made[field] = made[field][: one.start] + one.proposal + made[field][one.end:]
        return made

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), UTC).date()


def _first(fields: Mapping[str, str], today: date) -> date | None:
    """The day that the days of all fields are counted from."""
    found = [day for text in fields.values() if text and (day := dates.first_of(source.read(text), today)) is not None]
    return min(found, default=None)


def _marked(field: str, text: str, one: Finding) -> Marked:
    before, after = text[max(0, one.start - _NEAR): one.start], text[one.end: one.end + _NEAR]
    if "\n" in before:
        before = before.rpartition("\n")[2]
    elif one.start > _NEAR:  # the first word may be cut
        before = f"… {before.partition(' ')[2]}"
    if "\n" in after:
        after = after.partition("\n")[0]
    elif one.end + _NEAR < len(text):
        after = f"{after.rpartition(' ')[0]} …"
    said = text[one.start: one.end]
    return Marked(field, one.what, one.why, before, said, after, one.proposal, one.blocks, f"{field}:{one.start}:{said}")
