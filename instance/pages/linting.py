"""What in a form could identify the patient: shown beside its fields, replaced by a button, looked at once.

The rules take some 5 ms for a KB, so they run in a thread and hold nobody else up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from instance.context import services
from posts.drafts import Written
from posts.linter.looking import Look
from posts.parts import TEXTS

_FIELDS = ("question", "text", "reason")
_ROWS, _ALTS = "timeline", "alts"
_OF_KIND = {"poll": ("options",), "case": tuple(map(str, TEXTS)), "study": ("funding",), "news": ("sponsor",),
            "congress": ("place",)}
"""What waits in a form for another kind is not sent."""


async def look_at(written: Written, language: str) -> Look:
    """What stands in the fields of a form that hold free text; `language` is what they are written in."""
    return await looked_over(_texts(written), language)


async def looked_over(texts: Mapping[str, str], language: str) -> Look:
    """The same for texts by the names of their fields."""
    return await asyncio.to_thread(services().linter.look, texts, language)


async def replaced(written: Written, language: str, choice: str) -> Written:
    """The form with what was proposed for one finding in its place."""
    made = await in_place(_texts(written), language, choice)
    rows = tuple(made.pop(_ROWS, "").split("\n")) if written.happened else ()
    alts = tuple(made.pop(_ALTS, "").split("\n")) if written.alts else ()
    return msgspec.structs.replace(written, **{name: text for name, text in made.items() if text},
                                   happened=rows if len(rows) == len(written.happened) else written.happened,
                                   alts=alts if len(alts) == len(written.alts) else written.alts)


async def in_place(texts: Mapping[str, str], language: str, choice: str) -> dict[str, str]:
    """The texts with what was proposed for one finding in its place."""
    return await asyncio.to_thread(services().linter.replaced, texts, language, choice)


def _texts(written: Written) -> dict[str, str]:
    """The fields that hold free text: all that could say who a patient is."""
    asked = {name: getattr(written, name) for name in (*_FIELDS, *_OF_KIND.get(written.kind, ()))}
    if written.kind == "case" and written.happened:
        asked[_ROWS] = "\n".join(written.happened)
    if written.alts:
        asked[_ALTS] = "\n".join(" ".join(alt.split()) for alt in written.alts)
    return asked
