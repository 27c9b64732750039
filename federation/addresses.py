"""Addresses: canonical origins, same origin, and which IP addresses are never contacted."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import idna

from core.errors import InvalidInput

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_BAD = re.compile(r"[\x00-\x20\x7f\\]")
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"), ipaddress.ip_network("2002::/16"))


def _refuse(why: str) -> InvalidInput:
    return InvalidInput(f"This address cannot be used: {why}.", reason="bad-address")


@lru_cache(maxsize=4096)
def origin_of(url: str) -> str:
    """The canonical origin (scheme, A-label host, port on loopback only) of an http(s) URL; `InvalidInput` otherwise."""
    if len(url) > 2048 or _BAD.search(url):
        raise _refuse("white space, a backslash or a control character")
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        raise _refuse("only http and https")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority or "%" in authority:
        raise _refuse("user names and escapes are not allowed")
    host, port = _split(authority)
    local = _is_local(host)
    if local:
        return f"{scheme}://{host}{':' + port if port and port != ('80' if scheme == 'http' else '443') else ''}"
    if scheme != "https":
        raise _refuse("https is required")
    if port and port != "443":
        raise _refuse("ports are for loopback only")
    return f"https://{_alabel(host)}"


def origin_for_domain(domain: str) -> str:
    """The origin of an instance's domain: https, and plain http with a port on loopback."""
    host, _ = _split(domain) if domain else ("", "")
    if "/" in domain or not domain:
        raise _refuse("not a domain")
    return origin_of(f"{'http' if _is_local(host) else 'https'}://{domain}")


def domain_of(origin: str) -> str:
    """Host and, on loopback, port of an origin."""
    return origin.split("://", 1)[1]


def is_loopback(origin: str) -> bool:
    return _is_local(_split(domain_of(origin))[0])


def same_origin(one: str, other: str) -> bool:
    return origin_of(one) == origin_of(other)


@lru_cache(maxsize=1024)
def special_use(address: str) -> bool:
    """Whether an IP address lies in a special-use range (RFC 6890 and friends), also when wrapped in IPv6."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif any(ip in network for network in _NAT64) or ip.teredo is not None:
            return True
    return not ip.is_global or ip.is_multicast or ip.is_reserved


def _split(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise _refuse("not a host")
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
    if (port and (not _PORT.fullmatch(port) or int(port) > 65535)) or (authority.endswith(":")):
        raise _refuse("not a port")
    return host.lower(), port


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost") or host == "[::1]":
        return True
    return re.fullmatch(r"127\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})", host) is not None and all(
        int(part) < 256 for part in host.split("."))


def _alabel(host: str) -> str:
    if not host or host.endswith(".") or host.startswith("["):
        raise _refuse("not a host name")
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise _refuse("not a host name") from None
    labels = name.lower().split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refuse("not a host name")
    if re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        raise _refuse("an IP address is not a host name")
    for label in labels:
        if label.startswith("xn--"):
            try:
                idna.decode(label)
            except idna.IDNAError:
                raise _refuse("not a host name") from None
    return ".".join(labels)
