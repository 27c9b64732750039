"""Whole numbers as programs write them, read strictly."""

from __future__ import annotations

_DIGITS = 18


def whole(text: str | None, most: int) -> int | None:
    """The number from 0 to `most` that these ASCII digits spell; None for anything else.

    `str.isdigit` alone says yes to `²`, which `int` cannot read, and to digits of other scripts, which it can.
    """
    if text is None or len(text) > _DIGITS or not text.isascii() or not text.isdigit():
        return None
    found = int(text)
    return found if found <= most else None
