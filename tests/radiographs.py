"""DICOM files that look like some, written when a test needs them; whoever stands in them does not exist."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

SECRET = "Grünspan^Walpurga"
"""What is planted wherever a file has room for it."""


def ramp(rows: int = 64, columns: int = 96, signed: bool = True) -> Any:
    """Values that rise from left to right: with a slope of 1 and an intercept of -1024, from air to bone."""
    line = numpy.linspace(0, 3000, columns).astype(numpy.int16 if signed else numpy.uint16)
    return numpy.tile(line, (rows, 1))


def dataset(values: Any, **elements: Any) -> Dataset:
    """A data set with these values: (rows, columns), (frames, rows, columns), or either with three samples at the end."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = uid.UID("1.2.826.0.1.3680043.9.1")
    made.Modality, made.BurnedInAnnotation = "CT", "NO"
    colours = values.ndim > 2 and values.shape[-1] == 3
    rows, columns = values.shape[-3:-1] if colours else values.shape[-2:]
    made.Rows, made.Columns, made.SamplesPerPixel = rows, columns, 3 if colours else 1
    made.PhotometricInterpretation = "RGB" if colours else "MONOCHROME2"
    if colours:
        made.PlanarConfiguration = 0
    if values.ndim > (3 if colours else 2):
        made.NumberOfFrames = values.shape[0]
    bits = values.dtype.itemsize * 8
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def stored(made: Dataset, syntax: str = uid.ExplicitVRLittleEndian) -> bytes:
    """The file, in a transfer syntax."""
    if uid.UID(syntax).is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
        made.compress(syntax, generate_instance_uid=False)
    else:
        made.file_meta.TransferSyntaxUID = uid.UID(syntax)
    into = BytesIO()
    pydicom.dcmwrite(into, made, enforce_file_format=True)
    return into.getvalue()


def radiograph(values: Any = None, **elements: Any) -> bytes:
    """A file with these values, or those of a CT."""
    if values is None:
        elements = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU", "WindowCenter": "40",
                    "WindowWidth": "400"} | elements
    return stored(dataset(ramp() if values is None else values, **elements))


def lettered(lines: tuple[str, ...], size: tuple[int, int] = (640, 480), at: tuple[int, int] = (12, 8), height: int = 18) -> Any:
    """An ultrasound with lines written into it: a fan of grey, and white letters on black."""
    image = Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    for shade in range(200, 20, -4):
        draw.pieslice((120, 60, 520, 60 + 2 * shade), 40, 140, fill=shade // 2)
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + number * (height + 4)), line, 255, ImageFont.load_default(height))
    return numpy.asarray(image)
