"""Documents that people hand in: what a file is by its first bytes, what none may be, and what is said of those.

Nothing here opens a file. That is done in a process of its own (`core.darkroom`), which makes a picture of every page
(`core.images`, `core.pdf`); what was handed in is thrown away. What a file is called, and what its sender says it is, is
never asked.
"""

from __future__ import annotations

from enum import StrEnum

from core.errors import InvalidInput, KonsilError, TooLarge
from core.words import N_

BYTES = 20 << 20
"""The largest file: a scan of some pages, or the largest photograph of a telephone."""
PAGES = 20
"""The most pages of one document."""
PIXELS = 50_000_000
"""The most pixels of a picture; telephones make up to 48 million."""
SIDE = 20_000
"""The most pixels along one side."""
PAGE_BYTES = 4 << 20
"""The most bytes of a page as it is kept."""

_HEAD = 1024
_ZIP_END, _ZIP_END_SIZE, _ZIP_COMMENT = b"PK\x05\x06", 22, 65_535
_ZIP_BEGINS = b"PK\x03\x04"
_MARKUP = (b"<!doctype html", b"<html", b"<script", b"<svg", b"<?php")
_WEBP = (b"RIFF", b"WEBP")
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis"})


class Media(StrEnum):
    """What can be looked at."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"
    HEIC = "image/heic"
    WEBP = "image/webp"
    """Taken as a picture of a post only."""
    DICOM = "application/dicom"
    """No document, and never looked for among them: `core.plates` says what is said of it."""


class Trouble(StrEnum):
    """Why a file was not taken."""

    EMPTY = "empty-file"
    KIND = "file-kind"
    DOUBLE = "two-files"
    LARGE = "too-large"
    DAMAGED = "damaged"
    LOCKED = "locked"
    ACTIVE = "active"
    PAGES = "too-many-pages"
    PIXELS = "too-many-pixels"
    HEAVY = "too-heavy"


_SENTENCES = {
    Trouble.EMPTY: N_("No file was chosen, or there is nothing in it."),
    Trouble.KIND: N_("This is not a PDF, JPEG, PNG or HEIC file. Please photograph the document, or print it into a PDF."),
    Trouble.DOUBLE: N_("This file can be read as two different things at once, so it was not taken. Please photograph the"
                       " document, or print it into a new PDF."),
    Trouble.LARGE: N_("This file is larger than %(most)s MB. Please hand in a smaller photograph, or fewer pages."),
    Trouble.DAMAGED: N_("This file cannot be opened: it is damaged or was cut short. Please photograph the document, or make a"
                        " new PDF."),
    Trouble.LOCKED: N_("This PDF is protected with a password. Please hand it in without one."),
    Trouble.ACTIVE: N_("This PDF has more in it than pages: a script, a command or another file. Please print it into a new PDF,"
                       " or photograph the document."),
    Trouble.PAGES: N_("This PDF has more than %(most)s pages. Please hand in those that matter."),
    Trouble.PIXELS: N_("This picture has more than %(most)s million pixels. Please make a smaller one."),
    Trouble.HEAVY: N_("This file takes too long to open, so it was not taken. Please photograph the document, or print it into a"
                      " new PDF."),
}
_MOST = {Trouble.LARGE: BYTES >> 20, Trouble.PAGES: PAGES, Trouble.PIXELS: PIXELS // 1_000_000}


def refusal(trouble: Trouble, cause: str = "") -> KonsilError:
    """What is said of a file that was not taken. `TooLarge` for one over the limit, else `InvalidInput`; the field is `file`."""
    kind = TooLarge if trouble is Trouble.LARGE else InvalidInput
    values = {"most": _MOST[trouble]} if trouble in _MOST else {}
    return kind(_SENTENCES[trouble], values=values, reason=trouble, field="file", cause=cause)


PAPERS = frozenset(Media) - {Media.WEBP, Media.DICOM}
"""What documents can be."""


def sniff(data: bytes, taken: frozenset[Media] = PAPERS) -> Media:
    """What a file is, by its content alone; refused is all that is not `taken`, what is too large, and what is two things."""
    if not data:
        raise refusal(Trouble.EMPTY)
    if len(data) > BYTES:
        raise refusal(Trouble.LARGE)
    media = _media(data)
    if media is None or media not in taken:
        raise refusal(Trouble.KIND, f"begins with {data[:8].hex()}")
    other = _other(data, media)
    if other:
        raise refusal(Trouble.DOUBLE, f"{media} and {other}")
    return media


def _media(data: bytes) -> Media | None:
    if data.startswith(b"%PDF-"):
        return Media.PDF
    if data.startswith(b"\xff\xd8\xff"):
        return Media.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Media.PNG
    if (data[:4], data[8:12]) == _WEBP:
        return Media.WEBP
    if data[4:8] == b"ftyp":  # ISO/IEC 14496-12: size, type, major brand, version, compatible brands
        size = int.from_bytes(data[:4], "big")
        brands = {data[8:12], *(data[at:at + 4] for at in range(16, min(size, 256), 4))}
        if brands & _HEIC:
            return Media.HEIC
    return None


def _other(data: bytes, media: Media) -> str:
    """What else a reader may take it for: an archive (read from its end), a PDF (whose readers look for its beginning in the
    first kilobyte), a page for a browser."""
    end = data.rfind(_ZIP_END, max(0, len(data) - _ZIP_END_SIZE - _ZIP_COMMENT))
    if end >= 0 and len(data) - end >= _ZIP_END_SIZE and _ZIP_BEGINS in data:
        return "zip"
    head = data[:_HEAD].lower()
    if media is not Media.PDF and b"%pdf-" in head:
        return "pdf"
    return next((mark.decode() for mark in _MARKUP if mark in head), "")
