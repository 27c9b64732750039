"""A fingerprint as a QR code, for the screen and for the terminal. What is read off it can be typed where one is asked for."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup

from federation.signatures.keys import scannable


def as_svg(domain: str, fingerprint: str) -> Markup:
    """An inline picture, dark on white whatever the page's colours are: cameras want it so."""
    return Markup(_code(domain, fingerprint).svg_inline(
        scale=3, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True))


def as_text(domain: str, fingerprint: str) -> str:
    """The same in block characters, for a terminal."""
    drawn = io.StringIO()
    _code(domain, fingerprint).terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def _code(domain: str, fingerprint: str) -> segno.QRCode:
    return segno.make_qr(scannable(domain, fingerprint), error="m")
