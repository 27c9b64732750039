"""Where somebody signs in from, as coarse as it still helps her to tell her own visits from another's: a browser and a system
out of fixed sets, and a network."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from core.database import Tx
from core.vault import token, token_hash

_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
             ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chromium", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"), ("Windows", "Windows"),
            ("Macintosh", "macOS"), ("Linux", "Linux"))
_V4, _V6 = 24, 48
_KNOWN = 20


class Visit(NamedTuple):
    """Who knocks, as far as a session may keep it: `device` is a browser and a system (`Firefox, Linux`), either of which, or
    both, may not be known; `network` is the coarse one (a /24, for IPv6 a /48)."""

    device: str = ""
    network: str = ""


NOWHERE = Visit()
"""What is known of somebody who sits at the machine itself."""


def visit_of(user_agent: str, address: str) -> Visit:
    """What is kept of a browser's name and address."""
    found = (next((name for mark, name in known if mark in user_agent), "") for known in (_BROWSERS, _SYSTEMS))
    return Visit(", ".join(name for name in found if name), _coarse(address))


def recognise(tx: Tx, account_id: int, given: str, now: int) -> tuple[str, bool]:
    """The token that this browser is to keep, and whether somebody signs in with it for the first time although she has signed
    in elsewhere before. The browsers used longest ago are forgotten."""
    if given and tx.run("UPDATE known_devices SET used_at = ? WHERE account_id = ? AND token_hash = ?",
                        (now, account_id, token_hash(given))):
        return given, False
    first = tx.row("SELECT 1 FROM known_devices WHERE account_id = ?", (account_id,)) is None
    fresh = given or token()  # two doctors at one computer share its cookie
    tx.run("INSERT INTO known_devices (account_id, token_hash, used_at) VALUES (?, ?, ?)", (account_id, token_hash(fresh), now))
    tx.run("DELETE FROM known_devices WHERE account_id = ? AND token_hash NOT IN (SELECT token_hash FROM known_devices"
           " WHERE account_id = ? ORDER BY used_at DESC, token_hash LIMIT ?)", (account_id, account_id, _KNOWN))
    return fresh, not first


def _coarse(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, _V4 if ip.version == 4 else _V6), strict=False))
