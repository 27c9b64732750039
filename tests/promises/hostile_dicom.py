"""DICOM files that mean no good, made when a test needs them: what each is, and why it is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy
import pydicom
from pydicom import uid
from pydicom.encaps import encapsulate

from core.papers import Trouble
from tests.drawn import photograph
from tests.promises.hostile_papers import huge_jpeg, many_scans, zeros
from tests.radiographs import dataset, radiograph, ramp, stored


class Hostile(NamedTuple):
    """A file, and what is said of it."""

    make: Callable[[], bytes]
    refused: Trouble


def head(syntax: str) -> bytes:
    """What stands before the data set."""
    whole = stored(dataset(ramp(2, 2)))
    group = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(syntax)) + syntax.encode()
    length = struct.pack("<I", len(group))
    return whole[:132] + b"\x02\x00\x00\x00UL\x04\x00" + length + group


def deflated_bomb() -> bytes:
    """A data set of four gigabytes in four megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    begin = b"\x28\x00\x10\x00OB\x00\x00" + struct.pack("<I", 0xF000_0000)
    return head(uid.DeflatedExplicitVRLittleEndian + "\0") + packer.compress(begin) + b"".join(
        packer.compress(block) for _ in range(4_000)) + packer.flush()


def nested(depth: int = 20_000) -> bytes:
    """Sequences in sequences."""
    one = b"\x00\x52\x29\x92SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return head(uid.ExplicitVRLittleEndian) + one * depth


def claimed(**elements: object) -> bytes:
    """A file that says of itself what is not so."""
    return stored(dataset(ramp(), **elements))


def encapsulated(frames: list[bytes], syntax: str = uid.JPEGBaseline8Bit, **elements: object) -> bytes:
    """A file with these as its compressed frames, whatever they are."""
    made = dataset(numpy.zeros((64, 96, 3), numpy.uint8), **elements)
    made.file_meta.TransferSyntaxUID = uid.UID(syntax)
    made.PixelData = encapsulate(frames)
    made["PixelData"].is_undefined_length = True
    into, made.preamble = BytesIO(), bytes(128)
    pydicom.dcmwrite(into, made, implicit_vr=False, little_endian=True)
    return into.getvalue()


def report() -> bytes:
    """Words, and no picture."""
    made = dataset(ramp())
    del made.PixelData
    return stored(made)


HOSTILE: dict[str, Hostile] = {
    "deflated bomb": Hostile(deflated_bomb, Trouble.HEAVY),
    "rows times columns": Hostile(lambda: claimed(Rows=65_535, Columns=65_535), Trouble.PIXELS),
    "rows that are not there": Hostile(lambda: claimed(Rows=5_000, Columns=5_000), Trouble.DAMAGED),
    "no rows": Hostile(lambda: claimed(Rows=0), Trouble.DAMAGED),
    "too many frames": Hostile(lambda: claimed(NumberOfFrames=100_000), Trouble.PAGES),
    "frames that are not there": Hostile(lambda: claimed(NumberOfFrames=100), Trouble.DAMAGED),
    "frames below nothing": Hostile(lambda: claimed(NumberOfFrames=-3), Trouble.DAMAGED),
    "bits that do not exist": Hostile(lambda: claimed(BitsStored=40), Trouble.DAMAGED),
    "wide samples": Hostile(lambda: claimed(BitsAllocated=64), Trouble.KIND),
    "cut short": Hostile(lambda: radiograph()[:-5_000], Trouble.DAMAGED),
    "cut in its head": Hostile(lambda: radiograph()[:200], Trouble.KIND),
    "nothing behind its head": Hostile(lambda: head(uid.ExplicitVRLittleEndian), Trouble.KIND),
    "a report": Hostile(report, Trouble.KIND),
    "nested": Hostile(nested, Trouble.DAMAGED),
    "a JPEG with other sides": Hostile(lambda: encapsulated([photograph()]), Trouble.DAMAGED),
    "a huge JPEG": Hostile(lambda: encapsulated([huge_jpeg()]), Trouble.DAMAGED),
    "a JPEG that is none": Hostile(lambda: encapsulated([b"\xff\xd8" + bytes(5_000)]), Trouble.DAMAGED),
    "a JPEG 2000 that is none": Hostile(lambda: encapsulated([bytes(5_000)], uid.JPEG2000Lossless), Trouble.DAMAGED),
    "runs that never end": Hostile(lambda: encapsulated([struct.pack("<16L", 3, *[64] * 15) + b"\x81\x00" * 1_000_000],
                                                        uid.RLELossless), Trouble.DAMAGED),
    "a way to store that nobody knows": Hostile(lambda: encapsulated([photograph()], "1.2.3.4.5"), Trouble.DAMAGED),
    "a film instead of pictures": Hostile(lambda: encapsulated([zeros(1 << 20)], uid.MPEG2MPML), Trouble.DAMAGED),
    "a JPEG of many scans": Hostile(lambda: encapsulated([many_scans()], Rows=5_400, Columns=5_400), Trouble.HEAVY),
    "no file": Hostile(lambda: b"", Trouble.EMPTY),
    "no DICOM file": Hostile(photograph, Trouble.KIND),
}

