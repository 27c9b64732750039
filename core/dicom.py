"""DICOM files: their pixels become a negative, and everything else that stands in them is never read.

Of the data set only the elements that say how pixels are stored and shown are taken (`_ASKED`); names, dates, places, comments,
private elements, overlays, icons, and what lies before or behind are passed over. Only the process of `core.darkroom` may
run this; numpy and pydicom are imported here and nowhere else.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
import numpy
import pydicom
from PIL import Image
from pydicom import config, uid
from pydicom.filereader import read_partial
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.tag import BaseTag, Tag

from core.images import Undevelopable
from core.lettering import lettered
from core.negatives import Curve, Head, coloured, grey, prints
from core.papers import Trouble
from core.plates import ALL_PIXELS, EDGE, FRAMES, MOVING_EDGE, PIXELS, Facts, Order, Reason, Window, packed

_ASKED = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "PixelPaddingValue",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "LUTDescriptor", "LUTData",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelValueTransformationSequence",
    "FrameVOILUTSequence", "PixelMeasuresSequence",
    "FrameTime", "RecommendedDisplayFrameRate", "CineRate",
    "Modality", "BurnedInAnnotation", "RecognizableVisualFeatures",
)
_TAGS: list[BaseTag | int] = [Tag(name) for name in _ASKED]
_PIXEL_DATA = 0x7FE0_0010
_WRITTEN_ON = frozenset({"US", "IVUS", "SC", "OT", "XA", "XC", "RF", "ES", "ECG", "EPS", "GM", "SM", "OP", "OPT", "DG", "CR",
                         "BMD", "IO", "DOC", "HC"})
"""Kinds of pictures (PS3.3 C.7.3.1.1.1) into which devices or people often write."""
_STILL_MS, _SLOWEST_MS, _FASTEST_MS = 150, 2_000, 20
_THIN, _WIDE = 0.1, 10.0


class _Told(NamedTuple):
    """What the data set says about one frame."""

    slope: float
    intercept: float
    window: Window | None


def prepare() -> None:
    """Load what reads such files, because later nothing can be loaded: every decoder is asked for, and one file is read."""
    warnings.simplefilter("ignore")
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    for syntax in (uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.HTJ2KLossless,
                   uid.RLELossless, uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian,
                   uid.DeflatedExplicitVRLittleEndian):
        assert get_decoder(syntax).is_available
    for name in ("libjpeg", "openjpeg", "rle"):
        import_module(name)
    for name in ("JpegImagePlugin", "Jpeg2KImagePlugin"):
        import_module(f"PIL.{name}")
    Image.init()
    Image.fromarray(numpy.zeros((2, 2), numpy.float32)).resize((3, 3), Image.Resampling.LANCZOS)
    tiny = pydicom.Dataset()
    tiny.file_meta = pydicom.dataset.FileMetaDataset()
    tiny.file_meta.TransferSyntaxUID, tiny.file_meta.MediaStorageSOPClassUID = uid.ExplicitVRLittleEndian, uid.UID("1.2.3")
    tiny.file_meta.MediaStorageSOPInstanceUID = uid.UID("1.2.3")
    tiny.Rows = tiny.Columns = 16
    tiny.SamplesPerPixel, tiny.PhotometricInterpretation, tiny.PixelRepresentation = 1, "MONOCHROME2", 0
    tiny.BitsAllocated, tiny.BitsStored, tiny.HighBit = 16, 16, 15
    tiny.WindowCenter, tiny.WindowWidth, tiny.RescaleSlope, tiny.RescaleIntercept = "1", "2", "1", "0"
    tiny.PixelData = bytes(512)
    into = BytesIO()
    pydicom.dcmwrite(into, tiny, enforce_file_format=True)
    exposed(into.getvalue())


def exposed(data: bytes) -> tuple[Facts, list[bytes]]:
    """What there is to know about a file, and the pieces of its negative."""
    try:
        dataset = read_partial(BytesIO(data), lambda tag, vr, length: tag > _PIXEL_DATA, specific_tags=_TAGS)
        return _exposed(dataset)
    except (Undevelopable, MemoryError):
        raise
    except RecursionError:
        raise Undevelopable(Trouble.DAMAGED, "too deep") from None


def _exposed(dataset: Any) -> tuple[Facts, list[bytes]]:
    frames = _checked(dataset)
    size = _size(dataset, frames)
    told = [_told(dataset, number) for number in range(frames)]
    colours = dataset.SamplesPerPixel == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"
    pieces = [coloured(_colours(values, dataset, size)) if colours else grey(_greys(values, dataset, size))
              for values in _frames(dataset, frames)]
    if len(pieces) != frames:
        raise Undevelopable(Trouble.DAMAGED, f"{len(pieces)} of {frames} frames")
    if colours:
        head, low, high, window = Head(*size, frames, False), 0.0, 0.0, None
    else:
        ranges = _ranges(pieces, dataset)
        head, low, high = _head(dataset, told, size, ranges)
        window = head.window
    pieces.insert(0, msgspec.json.encode(head))
    facts = Facts(*size, frames, window, low, high, not colours and _hounsfield(dataset), _milliseconds(dataset, frames),
                  _reasons(dataset, pieces, frames))
    return facts, pieces


def _checked(dataset: Any) -> int:
    """How many frames there are; refused is what has none, or too much."""
    if not {"PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel"} <= set(dataset.dir()):
        raise Undevelopable(Trouble.KIND, "no pixels")
    frames = int(dataset.get("NumberOfFrames") or 1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if frames > FRAMES:
        raise Undevelopable(Trouble.PAGES, str(frames))
    if rows * columns > PIXELS:
        raise Undevelopable(Trouble.PIXELS, f"{columns} x {rows}")
    if frames < 1 or rows < 1 or columns < 1:
        raise Undevelopable(Trouble.DAMAGED, f"{frames} x {columns} x {rows}")
    if dataset.BitsAllocated not in (1, 8, 16) or dataset.SamplesPerPixel not in (1, 3):
        raise Undevelopable(Trouble.KIND, f"{dataset.SamplesPerPixel} samples of {dataset.BitsAllocated} bits")
    return frames


def _size(dataset: Any, frames: int) -> tuple[int, int]:
    """Width and height as they are kept: with square pixels, and not too many of them."""
    width, height = float(dataset.Columns), float(dataset.Rows)
    tall, wide = _aspect(dataset)
    if tall > wide:
        height *= tall / wide
    else:
        width *= wide / tall
    edge = EDGE if frames == 1 else MOVING_EDGE
    scale = min(1.0, edge / max(width, height), math.sqrt(ALL_PIXELS / (frames * width * height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _aspect(dataset: Any) -> tuple[float, float]:
    """How tall and how wide a pixel is."""
    measures = _group(dataset, "PixelMeasuresSequence", 0)
    for place, name in ((dataset, "PixelAspectRatio"), (dataset, "PixelSpacing"), (measures, "PixelSpacing"),
                        (dataset, "ImagerPixelSpacing")):
        found = place.get(name) if place is not None else None
        if found and len(found) == 2 and all(float(one) > 0 for one in found):
            tall, wide = float(found[0]), float(found[1])
            if _THIN <= tall / wide <= _WIDE:
                return tall, wide
    return 1.0, 1.0


def _group(dataset: Any, name: str, number: int) -> Any:
    """The macro of an enhanced file for one frame (PS3.3 C.7.6.16), or nothing."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for items, at in ((per_frame, number), (shared, 0)):
        if items and at < len(items) and items[at].get(name):
            return items[at].get(name)[0]
    return None


def _told(dataset: Any, number: int) -> _Told:
    transformed = _group(dataset, "PixelValueTransformationSequence", number) or dataset
    voi = _group(dataset, "FrameVOILUTSequence", number) or dataset
    slope, intercept = _number(transformed.get("RescaleSlope"), 1.0), _number(transformed.get("RescaleIntercept"), 0.0)
    level, width = _number(voi.get("WindowCenter"), math.nan), _number(voi.get("WindowWidth"), math.nan)
    window = Window(level, width) if not math.isnan(level) and 1e-6 <= width <= 1e7 and abs(level) <= 1e7 else None
    return _Told(slope if slope and abs(slope) < 1e5 else 1.0, intercept if abs(intercept) < 1e6 else 0.0, window)


def _number(value: Any, default: float) -> float:
    """The first of what may be several numbers."""
    if value is None or value == "":
        return default
    try:
        found = float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
    except (TypeError, ValueError, IndexError):
        return default
    return found if math.isfinite(found) else default


def _frames(dataset: Any, frames: int) -> Iterator[Any]:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    if decoder.is_native and not decoder.is_encapsulated:
        expected = -(-int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * frames
                     * int(dataset.BitsAllocated) // 8)
        if len(dataset.PixelData) < expected * 2 // 3:  # 4:2:2 has two thirds
            raise Undevelopable(Trouble.DAMAGED, f"{len(dataset.PixelData)} of {expected} bytes")
    for values, _ in decoder.iter_array(dataset, raw=False, indices=range(frames)):
        if values.shape[:2] != (dataset.Rows, dataset.Columns):
            raise Undevelopable(Trouble.DAMAGED, f"a frame of {values.shape}")
        yield values


def _colours(values: Any, dataset: Any, size: tuple[int, int]) -> Image.Image:
    if values.ndim == 2:
        values = apply_color_lut(values, dataset)
    if values.dtype != numpy.uint8:
        bits = 16 if dataset.SamplesPerPixel == 1 else int(dataset.BitsStored)
        values = (values >> max(0, bits - 8)).astype(numpy.uint8)
    image = Image.fromarray(numpy.ascontiguousarray(values[..., :3]))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _greys(values: Any, dataset: Any, size: tuple[int, int]) -> bytes:
    """The values of a frame as 16 bits from 0: what was stored in the bits of a pixel, and in no other ones."""
    stored, allocated = int(dataset.BitsStored), int(dataset.BitsAllocated)
    if values.ndim != 2 or not 1 <= stored <= allocated:
        raise Undevelopable(Trouble.DAMAGED, f"{stored} bits of {allocated}, {values.shape}")
    if allocated > 1 and stored < allocated:
        shift = max(0, int(dataset.get("HighBit", stored - 1)) + 1 - stored)
        values = (values >> shift) & ((1 << stored) - 1)
        if dataset.PixelRepresentation == 1:  # two's complement in so many bits
            sign = 1 << (stored - 1)
            values = (values ^ sign) - sign
    if dataset.get("ModalityLUTSequence"):
        values = apply_modality_lut(values, dataset)
    elif _by_table(dataset):
        values = apply_voi(values, dataset)
    if (values.shape[1], values.shape[0]) != size:
        image = Image.fromarray(values.astype(numpy.float32))
        values = numpy.rint(numpy.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)))
    values = values.astype(numpy.int32) + _offset(dataset)
    return bytes(numpy.clip(values, 0, 65_535).astype("<u2").tobytes())


def _by_table(dataset: Any) -> bool:
    """Whether the file shows its values by a table: then its output is what is kept."""
    return bool(dataset.get("VOILUTSequence")) and dataset.get("WindowCenter") is None


def _offset(dataset: Any) -> int:
    signed = dataset.PixelRepresentation == 1 and not dataset.get("ModalityLUTSequence") and not _by_table(dataset)
    return 32_768 if signed else 0


def _ranges(pieces: list[bytes], dataset: Any) -> list[tuple[int, int]]:
    """The lowest and the highest stored value of each frame, what only fills up left aside."""
    import zlib

    filling = dataset.get("PixelPaddingValue")
    found = []
    for piece in pieces:
        values = numpy.frombuffer(zlib.decompress(piece), "<u2")
        if isinstance(filling, int):
            rest = values[values != (filling + _offset(dataset)) % 65_536]
            values = rest if rest.size else values
        found.append((int(values.min()), int(values.max())))
    return found


def _head(dataset: Any, told: list[_Told], size: tuple[int, int], ranges: list[tuple[int, int]]) -> tuple[Head, float, float]:
    """The head of a grey negative, and the lowest and highest of its values."""
    changed = bool(dataset.get("ModalityLUTSequence")) or _by_table(dataset)
    scales = [(1.0, 0.0) if changed else (one.slope, one.intercept - one.slope * _offset(dataset)) for one in told]
    if len(set(scales)) == 1:
        scales = scales[:1]
    ends = [slope * value + intercept for (slope, intercept), both in
            zip(scales * (len(ranges) if len(scales) == 1 else 1), ranges, strict=True) for value in both]
    low, high = min(ends), max(ends)
    window = None if _by_table(dataset) else next((one.window for one in told if one.window is not None), None)
    name = str(dataset.get("VOILUTFunction") or "").upper()
    curve = Curve(name) if name in tuple(Curve) and window is not None else Curve.LINEAR
    window = window or Window((low + high + 1) / 2, max(2.0, high - low + 1))
    white = dataset.PhotometricInterpretation == "MONOCHROME1" or str(dataset.get("PresentationLUTShape") or "") == "INVERSE"
    head = Head(*size, len(ranges), True, tuple(one[0] for one in scales), tuple(one[1] for one in scales), window, curve, white)
    return head, low, high


def _hounsfield(dataset: Any) -> bool:
    kind = (_group(dataset, "PixelValueTransformationSequence", 0) or dataset).get("RescaleType")
    return kind == "HU" or (kind in (None, "") and dataset.get("Modality") == "CT")


def _milliseconds(dataset: Any, frames: int) -> int:
    time = _number(dataset.get("FrameTime"), 0.0)
    rate = _number(dataset.get("RecommendedDisplayFrameRate"), 0.0) or _number(dataset.get("CineRate"), 0.0)
    found = time if time > 0 else 1000 / rate if rate > 0 else _STILL_MS
    return int(max(_FASTEST_MS, min(_SLOWEST_MS, found))) if frames > 1 else _STILL_MS


def _reasons(dataset: Any, pieces: list[bytes], frames: int) -> tuple[Reason, ...]:
    said = str(dataset.get("BurnedInAnnotation") or "").upper()
    found = []
    if said == "YES":
        found.append(Reason.SAID)
    elif said != "NO" and str(dataset.get("Modality") or "OT").upper() in _WRITTEN_ON:
        found.append(Reason.UNSAID)
    negative = packed(pieces)
    if any(lettered(one) for at in sorted({0, frames // 2, frames - 1}) for one in prints(negative, Order(only=at))):
        found.append(Reason.SEEN)
    if str(dataset.get("RecognizableVisualFeatures") or "").upper() == "YES":
        found.append(Reason.FACE)
    return tuple(found)
