"""QR codes, for the screen and for the terminal: a fingerprint, which can be typed as it is read off where one is asked for, and
the key of an app that makes codes."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup

from federation.signatures.keys import scannable


def as_svg(domain: str, fingerprint: str) -> Markup:
    """A fingerprint as an inline picture."""
    return picture(scannable(domain, fingerprint))


def as_text(domain: str, fingerprint: str) -> str:
    """The same in block characters, for a terminal."""
    return drawn(scannable(domain, fingerprint))


def picture(text: str) -> Markup:
    """An inline picture, dark on white whatever the page's colours are: cameras want it so."""
    return Markup(_code(text).svg_inline(
        scale=3, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True))


def drawn(text: str) -> str:
    """In block characters, for a terminal."""
    out = io.StringIO()
    _code(text).terminal(out, border=2, compact=True)
    return out.getvalue()


def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m")
