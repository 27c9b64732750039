"""What left the country, as files: CSV and JSON, a piece at a time, however long they are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

from core.clock import rfc3339
from federation.disclosures import Disclosure

FORMS = {"csv": "text/csv; charset=utf-8", "json": "application/json; charset=utf-8"}
"""The forms there are, with their content types."""

_COLUMNS = ("when", "kind", "uri", "way", "acknowledged", "times")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def row_of(found: Disclosure) -> dict[str, Any]:
    """One disclosure by the names of the columns; `acknowledged` is null for what was fetched."""
    return {"when": rfc3339(found.at), "kind": str(found.kind), "uri": found.uri, "way": str(found.way),
            "acknowledged": found.acknowledged, "times": found.times}


async def as_csv(found: AsyncIterator[Disclosure]) -> AsyncIterator[str]:
    """RFC 4180, with a head. What a spreadsheet would take for a formula begins with an apostrophe."""
    yield _line(_COLUMNS)
    async for one in found:
        yield _line(_cell(value) for value in row_of(one).values())


async def as_json(found: AsyncIterator[Disclosure]) -> AsyncIterator[str]:
    """One array of objects."""
    begin = "[\n"
    async for one in found:
        yield begin + json.dumps(row_of(one), ensure_ascii=False)
        begin = ",\n"
    yield "[]\n" if begin == "[\n" else "\n]\n"


def _cell(value: object) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Any) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
