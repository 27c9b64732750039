"""Documents for the demo: one page that says what it would be, whose, and that it is none."""

from __future__ import annotations

_PAGE = (420, 300)  # points, as a card or a certificate lies on a table
_LATIN = "cp1252"  # what Helvetica's WinAnsiEncoding can write


def specimen(title: str, lines: tuple[str, ...]) -> bytes:
    """A PDF of one page (ISO 32000-1, section 7.5), put together by hand: no library is needed for eight lines of Helvetica."""
    width, height = _PAGE
    drawn = [b"0.2 0.3 0.4 RG 2 w 14 14 %d %d re S" % (width - 28, height - 28), _text(36, height - 64, 22, title)]
    drawn += [_text(36, height - 104 - 24 * at, 13, line) for at, line in enumerate(lines)]
    drawn.append(b"0.7 0.7 0.7 rg " + _text(36, 34, 9, "SPECIMEN - drawn for the demo, of nobody"))
    content = b"\n".join(drawn)
    return _assembled((
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>" % _PAGE,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"))


def _text(x: int, y: int, size: int, words: str) -> bytes:
    written = words.encode(_LATIN, "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F %d Tf %d %d Td (%b) Tj ET" % (size, x, y, written)


def _assembled(objects: tuple[bytes, ...]) -> bytes:
    """The objects one after the other, and the table that says where each begins."""
    made, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + table + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(made))
