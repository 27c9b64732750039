"""What the darkroom says of a picture and is told about it, on both sides of the wall: words, and no library that opens files.

A *plate* is what pictures are printed from while their author still works on them: either the negative that was made of a DICOM
file (its values, and nothing that was written beside them; `core.negatives`) or a picture that was drawn anew already. It is seen
by nobody; what is shown, kept and sent are prints.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from core.errors import InvalidInput, TooLarge
from core.markings import Box, Crop, Marks, Size
from core.papers import Trouble
from core.words import N_

BYTES = 64 << 20
"""The largest DICOM file."""
FRAMES = 120
"""The most frames of one."""
PIXELS = 30_000_000
"""The most pixels of one frame."""
EDGE = 2_000
"""The longer side of a single picture as it is kept, like that of every other one."""
MOVING_EDGE = 1_024
"""The longer side of one frame out of several."""
ALL_PIXELS = 24_000_000
"""The most pixels of all frames of a file as they are kept, such as 90 of 512 × 512. Larger ones are made smaller."""
SHEET_EDGE = 5_600
"""The longer side of a sheet with all frames."""
PIECE_BYTES = 12 << 20
"""The most bytes of one frame of a negative."""
NEGATIVE_BYTES = 80 << 20
"""The most bytes of a negative."""

MAGIC = b"KONSIL-NEGATIVE-1\n"
"""What a negative begins with."""
LENGTH = struct.Struct(">I")
"""What stands before each of its pieces."""

_LONGEST_MS = 2_000
_WINDOW_LIMIT = 1e7

Number = Annotated[float, msgspec.Meta(ge=-_WINDOW_LIMIT, le=_WINDOW_LIMIT)]
Side = Annotated[int, msgspec.Meta(ge=1, le=20_000)]


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Which values become grey: those around the level (or centre), as far as the width reaches (PS3.3 C.11.2.1.2)."""

    level: Number
    width: Annotated[float, msgspec.Meta(ge=1e-6, le=_WINDOW_LIMIT)]


class Preset(NamedTuple):
    """A window that is often used for values in Hounsfield units."""

    name: str
    said: str
    window: Window


PRESETS = (
    Preset("lung", N_("Lung"), Window(-600, 1500)),
    Preset("bone", N_("Bone"), Window(400, 1800)),
    Preset("soft", N_("Soft tissue"), Window(40, 400)),
    Preset("brain", N_("Brain"), Window(40, 80)),
)


class Reason(StrEnum):
    """Why there may be writing in a picture."""

    SAID = "said"
    """Its file says so."""
    UNSAID = "unsaid"
    """It is of a kind in which there often is, and its file does not say that there is none."""
    SEEN = "seen"
    """Something in it looks like writing."""
    FACE = "face"
    """Its file says that somebody can be recognised."""


class Facts(msgspec.Struct, frozen=True):
    """What is to be known about a DICOM file's pictures: `window` and the values' range (`low`, `high`) where they are grey,
    whether those are Hounsfield units, how long a frame is shown (ms), and why there may be writing in them."""

    width: Side
    height: Side
    frames: Annotated[int, msgspec.Meta(ge=1, le=FRAMES)]
    window: Window | None
    low: Number
    high: Number
    hounsfield: bool
    milliseconds: Annotated[int, msgspec.Meta(ge=20, le=_LONGEST_MS)]
    reasons: Annotated[tuple[Reason, ...], msgspec.Meta(max_length=4)]


class Film(msgspec.Struct, frozen=True):
    """How frames lie on their sheet: how many, in how many columns of cells of one size, from left to right and then from above;
    and how long each is shown (ms)."""

    frames: Annotated[int, msgspec.Meta(ge=2, le=FRAMES)]
    columns: Annotated[int, msgspec.Meta(ge=1, le=FRAMES)]
    milliseconds: Annotated[int, msgspec.Meta(ge=20, le=_LONGEST_MS)]

    @property
    def rows(self) -> int:
        """In how many rows they lie."""
        return -(-self.frames // self.columns)

    def cell(self, width: int, height: int) -> Size:
        """How large one frame's cell is on a sheet of this size."""
        return Size(width // self.columns, height // self.rows)


class Order(msgspec.Struct, frozen=True):
    """How a plate is to be printed: with which window (None: that of the file), with black and white exchanged or not, with which
    marks; `only`: just this frame, counted from 0."""

    window: Window | None = None
    inverted: bool = False
    marks: Marks = ()
    only: Annotated[int, msgspec.Meta(ge=0, lt=FRAMES)] | None = None


class Seen(msgspec.Struct, frozen=True):
    """A print: how large it is (one frame of it), of how many frames in how many columns, where something looks like writing, and
    what to keep of it so that a strip with such things along an edge is cut off."""

    width: Side
    height: Side
    frames: Annotated[int, msgspec.Meta(ge=1, le=FRAMES)]
    columns: Annotated[int, msgspec.Meta(ge=1, le=FRAMES)]
    lettered: Annotated[tuple[Box, ...], msgspec.Meta(max_length=60)]
    crops: Annotated[tuple[Crop, ...], msgspec.Meta(max_length=4)]


class Exposure(NamedTuple):
    """What was made of a DICOM file: its negative, and what there is to know about it."""

    negative: bytes
    facts: Facts


class Printed(NamedTuple):
    """A plate's print, whole and small (JPEG), and what can be seen on it. Several frames are a sheet: side by side, from left to
    right and then from above, in cells of one size; small is the middle one of them."""

    whole: bytes
    small: bytes
    seen: Seen


_SENTENCES = {
    Trouble.EMPTY: N_("No file was chosen, or there is nothing in it."),
    Trouble.KIND: N_("This DICOM file has no pictures of 8 to 16 bits in it, such as those of a CT, an X-ray or an ultrasound."
                     " Please export the picture itself, for example as PNG."),
    Trouble.LARGE: N_("This DICOM file is larger than %(most)s MB. Please export fewer frames."),
    Trouble.DAMAGED: N_("This DICOM file cannot be opened: it is damaged, was cut short, or is stored in a way that is not known"
                        " here. Please export it anew, without compression."),
    Trouble.PAGES: N_("This DICOM file has more than %(most)s frames. Please export those that matter."),
    Trouble.PIXELS: N_("A frame of this DICOM file has more than %(most)s million pixels. Please export it smaller."),
    Trouble.HEAVY: N_("This DICOM file takes too long or too much memory to open, so it was not taken. Please export"
                     " fewer frames."),
}
_MOST = {Trouble.LARGE: BYTES >> 20, Trouble.PAGES: FRAMES, Trouble.PIXELS: PIXELS // 1_000_000}


def is_dicom(data: bytes) -> bool:
    """Whether a file is one of PS3.10: 128 bytes of anything, then four letters."""
    return data[128:132] == b"DICM"


def check(data: bytes) -> None:
    """Refuse what is no DICOM file, and what is too large (`InvalidInput`, `TooLarge`)."""
    if not data:
        raise _said(Trouble.EMPTY)
    if len(data) > BYTES:
        raise _said(Trouble.LARGE)
    if not is_dicom(data):
        raise _said(Trouble.KIND)


@contextmanager
def refused() -> Iterator[None]:
    """Put what is said of a document inside into the words for a DICOM file."""
    try:
        yield
    except (InvalidInput, TooLarge) as error:
        if error.reason not in _SENTENCES:
            raise
        raise _said(Trouble(error.reason), error.cause) from None


def _said(trouble: Trouble, cause: str = "") -> InvalidInput | TooLarge:
    values = {"most": _MOST[trouble]} if trouble in _MOST else {}
    return (TooLarge if trouble is Trouble.LARGE else InvalidInput)(
        _SENTENCES[trouble], values=values, reason=trouble, field="file", cause=cause)


def packed(pieces: Sequence[bytes]) -> bytes:
    """The pieces as one negative."""
    return MAGIC + b"".join(LENGTH.pack(len(piece)) + piece for piece in pieces)


def window(level: str, width: str) -> Window:
    """A window as its two numbers were typed; `InvalidInput` (level, width)."""
    found = []
    for field, typed, least in (("level", level, -_WINDOW_LIMIT), ("width", width, 1e-6)):
        try:
            value = float(typed.strip().replace(",", ".").replace("−", "-"))
        except ValueError:
            value = math.nan
        if not least <= value <= _WINDOW_LIMIT:
            raise InvalidInput("Level and width are two numbers, such as 40 and 400; the width is above 0.", reason="window",
                               field=field)
        found.append(value)
    return Window(*found)
