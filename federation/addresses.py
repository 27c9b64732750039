"""Addresses: canonical origins, same origin, and which IP addresses are never contacted."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import idna

from core.errors import InvalidInput
from core.words import N_, Phrase

_LENGTH = 2048
_BAD = (r"\x00-\x20\x7f-\xa0\\\u1680\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f\u2066-\u2069\u3000\ud800-\udfff\ufeff")
_URL = re.compile(rf"([hH][tT][tT][pP][sS]?://[^/?#{_BAD}]*)(?:[/?#][^{_BAD}]*)?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_IP = re.compile(r"127(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

# What `ipaddress` calls global and the registries of special-purpose addresses do not, or only in newer Pythons.
_IPV6_GLOBAL = ipaddress.IPv6Network("2000::/3")
_IPV6_SPECIAL = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_IPV4_SPECIAL = tuple(ipaddress.IPv4Network(text) for text in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24"))


def _refuse(why: Phrase) -> InvalidInput:
    return InvalidInput("This address cannot be used: %(why)s.", values={"why": why}, reason="bad-address")


@lru_cache(maxsize=4096)
def origin_of(url: str) -> str:
    """The canonical origin (scheme, A-label host, port on loopback only) of an http(s) URL; `InvalidInput` otherwise."""
    found = _URL.fullmatch(url) if len(url) <= _LENGTH else None
    if found is None:
        raise _refuse(N_("not an http(s) URL, or with white space, a backslash or a control character in it"))
    return _origin(found[1])


def origin_for_domain(domain: str) -> str:
    """The origin of an instance's domain: https, and plain http with a port on loopback."""
    if not domain or any(mark in domain for mark in "/?#"):
        raise _refuse(N_("not a domain"))
    return origin_of(f"{'http' if _is_local(_split(domain)[0]) else 'https'}://{domain}")


def domain_of(origin: str) -> str:
    """Host and, on loopback, port of a canonical origin."""
    return origin.partition("://")[2]


def authority_of(origin: str) -> tuple[str, int]:
    """Host, an IPv6 one without its brackets, and port of a canonical origin."""
    scheme, _, authority = origin.partition("://")
    host, port = _split(authority)
    return host.strip("[]"), int(port or _DEFAULT_PORTS[scheme])


def is_loopback(origin: str) -> bool:
    """Whether a canonical origin lies on this machine."""
    return _is_local(_split(domain_of(origin))[0])


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have the same canonical origin; `InvalidInput` when either has none."""
    return origin_of(one) == origin_of(other)


@lru_cache(maxsize=1024)
def special_use(address: str) -> bool:
    """Whether an IP address is one that no sibling can live at; what is not an address is not contacted either.

    Addresses that carry another one (IPv4-mapped, 6to4, NAT64, Teredo) are special whatever they carry.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        return ip not in _IPV6_GLOBAL or any(ip in network for network in _IPV6_SPECIAL) or not ip.is_global
    return not ip.is_global or ip.is_multicast or ip.is_reserved or any(ip in network for network in _IPV4_SPECIAL)


def loopback_address(address: str) -> bool:
    """Whether an IP address is one of this machine's own, 127.0.0.0/8 or ::1."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return ip.is_loopback and getattr(ip, "ipv4_mapped", None) is None


def never_contacted(address: str, *, loopback: bool) -> bool:
    """Whether no sibling is contacted at an IP address: at no special one, save this machine's own where our own origin is
    on `loopback` too."""
    return special_use(address) and not (loopback and loopback_address(address))


@lru_cache(maxsize=4096)
def _origin(prefix: str) -> str:
    """The canonical form of `scheme://authority`: few of them are behind many URLs."""
    scheme, _, authority = prefix.partition("://")
    scheme = scheme.lower()
    if "@" in authority or "%" in authority:
        raise _refuse(N_("user names and escapes are not allowed"))
    host, port = _split(authority)
    if _is_local(host):
        host = _alabel(host) if host.endswith(".localhost") else host
        return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")
    if scheme != "https":
        raise _refuse(N_("https is required"))
    if port and port != "443":
        raise _refuse(N_("ports are for loopback only"))
    return f"https://{_alabel(host)}"


def _split(authority: str) -> tuple[str, str]:
    """Host (a bracketed one with its brackets), lower case, and port or nothing."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise _refuse(N_("not a host"))
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
    if authority.endswith(":") or (port and (not _PORT.fullmatch(port) or int(port) > 65535)):
        raise _refuse(N_("not a port"))
    lowered = host.lower()
    if lowered.isascii() and not host.isascii():
        raise _refuse(N_("not a host name"))
    return lowered, port


def _is_local(host: str) -> bool:
    return host in ("localhost", "[::1]") or host.endswith(".localhost") or _LOCAL_IP.fullmatch(host) is not None


def _alabel(host: str) -> str:
    """The A-label form of a host name by IDNA 2008; nothing is mapped, so two spellings are never one host."""
    try:
        name = host if host.isascii() else idna.encode(host, strict=True).decode()
        labels = name.split(".")
        for label in labels:
            if not _LABEL.fullmatch(label):
                raise _refuse(N_("not a host name"))
            if label.startswith("xn--"):
                idna.decode(label, strict=True)
    except UnicodeError:
        raise _refuse(N_("not a host name")) from None
    if len(name) > 253 or len(labels) < 2:
        raise _refuse(N_("not a host name"))
    if _NUMBER.fullmatch(labels[-1]):
        raise _refuse(N_("an IP address is not a host name"))
    return name
