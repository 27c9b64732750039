"""The pages of a PDF as pictures. Nothing in it is carried out: PDFium is built without a script engine, no link is followed.
What has a script, a command or a file in it is refused all the same, because no proof needs one.

Only the process of `core.darkroom` may run this.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from core.images import EDGE, Drawn, Undevelopable, both, kept
from core.papers import PAGES, Trouble

_LARGEST_SCALE = 4.0
_PASSWORD = "password"
_BEGIN, _END, _OBJECT = b"stream", b"endstream", b"obj"
_DICTIONARY = 4096
_HOLDS_OBJECTS = re.compile(rb"/Type\s*/ObjStm\b")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA|ImportData|SubmitForm)(?![A-Za-z0-9])")
_UNPACKED = 16 << 20


def prepare() -> None:
    """Have one page drawn, because later nothing can be loaded."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(20, 20).render().to_pil()
    document.close()


def pages(data: bytes) -> Iterator[bytes]:
    """Every page as a JPEG, one after the other."""
    for image in _drawn(data, EDGE, PAGES):
        yield kept(image)


def picture(data: bytes, edge: int) -> tuple[bytes, bytes]:
    """The only page as a picture of a post, its longer side `edge`, and small."""
    [image] = _drawn(data, edge, 1)
    return both(image)


def _drawn(data: bytes, edge: int, most: int) -> Iterator[Drawn]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = _PASSWORD in str(error).lower()
        raise Undevelopable(Trouble.LOCKED if locked else Trouble.DAMAGED, str(error)) from None
    try:
        count = len(document)
        if count > most:
            raise Undevelopable(Trouble.PAGES, str(count))
        if count == 0:
            raise Undevelopable(Trouble.DAMAGED, "no page")
        found = _named(document) or active(data)
        if found:
            raise Undevelopable(Trouble.ACTIVE, found)
        for number in range(count):
            yield _page(document, number, edge)
    except pypdfium2.PdfiumError as error:
        raise Undevelopable(Trouble.DAMAGED, str(error)) from None
    finally:
        document.close()


def active(data: bytes) -> str:
    """The first name in a PDF that stands for a script, a command or a file inside; an empty string when there is none.

    Names are looked for where a PDF has its structure: outside of streams, and in the streams that hold objects. It is there to
    say why something was not taken; what it overlooks is not carried out either.
    """
    for part in _structure(data):
        found = _ACTIVE.search(_ESCAPED.sub(lambda two: bytes([int(two[1], 16)]), part))
        if found is not None:
            return found[0].decode("latin-1")
    return ""


def _structure(data: bytes) -> Iterator[bytes]:
    at, left = 0, _UNPACKED
    while (begin := data.find(_BEGIN, at)) >= 0:
        end = data.find(_END, begin)
        if end < 0:
            break
        yield data[at:begin]
        head = data[max(at, begin - _DICTIONARY):begin]
        if left > 0 and _HOLDS_OBJECTS.search(head[head.rfind(_OBJECT):]):
            try:
                held = zlib.decompressobj().decompress(data[begin + len(_BEGIN):end].lstrip(b"\r\n"), left)
            except zlib.error:
                held = b""
            left -= len(held)
            yield held
        at = end + len(_END)
    yield data[at:]


def _named(document: pypdfium2.PdfDocument) -> str:
    """What PDFium itself knows of."""
    if pdfium.FPDFDoc_GetJavaScriptActionCount(document) > 0:
        return "script"
    return "attachment" if document.count_attachments() > 0 else ""


def _page(document: pypdfium2.PdfDocument, number: int, edge: int) -> Drawn:
    page = document[number]
    try:
        pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)  # what was filled in belongs to the page
        width, height = page.get_size()
        if not (0 < width < float("inf") and 0 < height < float("inf")):
            raise Undevelopable(Trouble.DAMAGED, f"a page of {width} x {height}")
    finally:
        page.close()
    page = document[number]
    try:
        image = page.render(scale=min(edge / max(width, height), _LARGEST_SCALE), may_draw_forms=False).to_pil()
        plain: Drawn = image.convert("RGB")
        return plain
    finally:
        page.close()
