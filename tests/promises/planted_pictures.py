"""Pictures with words planted in every place a file has beside its pixels: one file for each kind that is taken."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pillow_heif
from PIL import Image, ImageCms
from pydicom.sequence import Sequence

from tests.drawn import drawn
from tests.faults.planting import word
from tests.promises.hostile_papers import raw_pdf, stream
from tests.radiographs import dataset, ramp, stored

JPEG = ("gps", "maker", "xmp", "iptc", "comment", "icc", "jpegtail", "thumbnail")
PNG = ("text", "ztxt", "itxt", "pngexif", "private", "pngtail")
WEBP = ("webpexif", "webpxmp", "webptail")
PDF = ("info", "pdfxmp", "pdftail")
DICOM = ("patient", "imagecomment", "element", "overlay", "icon", "nested", "preamble", "dicomtail")
HEIC = ("heicexif", "heicxmp")
_XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><photoshop:City>%s</photoshop:City></x:xmpmeta>'


def _exif(said: str, place: str = "") -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = exif[0x013B] = said  # maker, artist
    exif[0x9C9B] = said.encode("utf-16-le")  # XPTitle, as Windows writes it
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0), 27: (place or said).encode(),
                                 29: "2026:11:26"})
    return exif


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg() -> bytes:
    """GPS and maker in EXIF, XMP, IPTC, a comment, a colour profile's description, a preview with EXIF of its own, and a tail."""
    into, preview, exif = BytesIO(), BytesIO(), _exif(word("maker"), word("gps"))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + word("icc").encode()
    drawn((160, 120)).save(preview, "JPEG", comment=word("thumbnail").encode())
    drawn((900, 600)).save(into, "JPEG", exif=exif, icc_profile=profile, comment=word("comment").encode())
    whole = into.getvalue()
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(word("iptc")) + 5) + b"\x1c\x02\x5a" + struct.pack(
        ">H", len(word("iptc"))) + word("iptc").encode()
    extra = (_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + (_XMP % word("xmp")).encode()) + _segment(0xED, iptc)
             + _segment(0xE2, b"MPF\0" + preview.getvalue()[:60_000]))
    return whole[:2] + extra + whole[2:] + word("jpegtail").encode()


def png() -> bytes:
    """tEXt, zTXt, iTXt, eXIf, a chunk of nobody's, and a tail."""
    into = BytesIO()
    drawn((900, 600)).save(into, "PNG")
    whole = into.getvalue()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    extra = (chunk(b"tEXt", b"Author\0" + word("text").encode())
             + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(word("ztxt").encode()))
             + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + (_XMP % word("itxt")).encode())
             + chunk(b"eXIf", _exif(word("pngexif")).tobytes()[6:]) + chunk(b"prVt", word("private").encode()))
    return whole[:33] + extra + whole[33:] + word("pngtail").encode()


def webp() -> bytes:
    """EXIF, XMP and a tail."""
    into = BytesIO()
    drawn((900, 600)).save(into, "WEBP", exif=_exif(word("webpexif")).tobytes(), xmp=(_XMP % word("webpxmp")).encode())
    return into.getvalue() + word("webptail").encode()


def heic() -> bytes:
    """EXIF and XMP."""
    into = BytesIO()
    pillow_heif.from_pillow(drawn((900, 600))).save(into, exif=_exif(word("heicexif")).tobytes(),
                                                    xmp=(_XMP % word("heicxmp")).encode())
    return into.getvalue()


def pdf() -> bytes:
    """One page, with an Info dictionary, XMP and a tail."""
    return raw_pdf(stream(b"0 0 1 rg 100 100 300 400 re f"), b"<< /Title (" + word("info").encode() + b") >>",
                   stream((_XMP % word("pdfxmp")).encode(), b"/Type /Metadata /Subtype /XML"), root=b"/Metadata 6 0 R",
                   trailer=b"/Info 5 0 R") + word("pdftail").encode()


def dicom() -> bytes:
    """The patient, a comment, a private element, an overlay, an icon, a sequence, what comes before the mark and a tail."""
    made = dataset(ramp(120, 160), PatientName=word("patient"), ImageComments=word("imagecomment"))
    made.private_block(0x0011, "KONSIL", create=True).add_new(0x01, "LT", word("element"))
    made.add_new((0x6000, 0x0022), "LO", word("overlay"))
    made.IconImageSequence = Sequence([dataset(ramp(8, 8), ImageComments=word("icon"))])
    made.ReferencedImageSequence = Sequence([dataset(ramp(2, 2), PatientComments=word("nested"))])
    data = stored(made)
    return word("preamble").encode().ljust(128, b"\0") + data[128:] + word("dicomtail").encode()


FILES = {"jpg": (jpeg, JPEG), "png": (png, PNG), "webp": (webp, WEBP), "heic": (heic, HEIC), "pdf": (pdf, PDF),
         "dcm": (dicom, DICOM)}
