"""Pictures that doctors add to posts: what a file may be, and what is said of one that was not taken.

They are drawn anew like documents (`core.darkroom`), with other sentences: whoever adds a picture to a case is no applicant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import InvalidInput, TooLarge
from core.papers import BYTES, PIXELS, Media, Trouble
from core.words import N_

TAKEN = frozenset(Media) - {Media.DICOM}
"""What a picture can be made of; a PDF is taken if it has one page."""

_SENTENCES = {
    Trouble.EMPTY: N_("No file was chosen, or there is nothing in it."),
    Trouble.KIND: N_("This is not a JPEG, PNG, WebP or HEIC picture, and not a PDF. Please save it as one of these."),
    Trouble.DOUBLE: N_("This file can be read as two different things at once, so it was not taken. Please save the"
                       " picture anew."),
    Trouble.LARGE: N_("This file is larger than %(most)s MB. Please take a smaller picture."),
    Trouble.DAMAGED: N_("This picture cannot be opened: it is damaged or was cut short. Please save it anew."),
    Trouble.LOCKED: N_("This PDF is protected with a password. Please save it without one."),
    Trouble.ACTIVE: N_("This PDF has more in it than a page: a script, a command or another file. Please save the page as a"
                       " picture."),
    Trouble.PAGES: N_("This PDF has more than one page. Please save the page that matters as a file of its own."),
    Trouble.PIXELS: N_("This picture has more than %(most)s million pixels. Please make a smaller one."),
    Trouble.HEAVY: N_("This picture takes too long to open, so it was not taken. Please save it anew, or smaller."),
}
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_MOST = {Trouble.LARGE: BYTES >> 20, Trouble.PIXELS: PIXELS // 1_000_000}


@contextmanager
def refused() -> Iterator[None]:
    """Put what is said of a document inside into the words for a picture."""
    try:
        yield
    except (InvalidInput, TooLarge) as error:
        if error.reason not in _SENTENCES:
            raise
        trouble = Trouble(error.reason)
        values = {"most": _MOST[trouble]} if trouble in _MOST else {}
        raise type(error)(_SENTENCES[trouble], values=values, reason=trouble, field="file", cause=error.cause) from None


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG as its first frame header says them (ITU-T T.81, B.2.2); `ValueError` where there is none."""
    at = 2
    while at + 9 < len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2:at + 4])
        if marker in _FRAMES:
            return int.from_bytes(jpeg[at + 7:at + 9]), int.from_bytes(jpeg[at + 5:at + 7])
        at += 2 + length
    raise ValueError("no frame")
