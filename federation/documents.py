"""JSON from outside, read strictly: size is bounded before, depth, duplicate keys, numbers and surrogates here."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from core.errors import InvalidInput
from core.words import N_, Phrase
from federation.identity import CONTEXT

_DEPTH = 32
_MANY = 100
_NO_OPENERS = bytes(code for code in range(256) if code not in b"[{")
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_ONLY_DIGITS = bytes(ord("0") if chr(code) in "0123456789" else ord(" ") for code in range(256))
_LONG = b"0" * 17
_QUICK, _WRITER = msgspec.json.Decoder(), msgspec.json.Encoder()
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEGINNING = _WRITER.encode({"@context": CONTEXT})[:-1] + b","


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259, and I-JSON's rules of RFC 7493); `InvalidInput` says which rule was broken."""
    if body.startswith(_BEGINNING) and (document := _as_we_begin(body)) is not None:
        return document
    if body.startswith(b"\xef\xbb\xbf"):
        raise _bad(N_("It begins with a byte order mark."))
    if len(body.translate(None, _NO_OPENERS)) > _DEPTH:
        _check_depth(body)
    if (document := _as_we_write(body)) is not None:
        return document
    try:
        text = body.decode("utf-8")
        document = _DECODER.decode(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise _bad(N_("It is not valid JSON.")) from None
    if not isinstance(document, dict):
        raise _bad(N_("It is not an object."))
    if "\\" in text and ("\\ud" in text or "\\uD" in text) and _has_surrogate(document):
        raise _bad(N_("It has half a surrogate pair."))
    return document


def _as_we_begin(body: bytes) -> dict[str, Any] | None:
    """The object in a body that begins with the very context this program writes, and goes on as it writes; None for any other.

    That context is half of most activities, and always the same: what follows it is read as an object of its own, which takes
    half the time.
    """
    rest = b"{" + body[len(_BEGINNING):]
    document = _as_we_write(rest) if len(rest.translate(None, _NO_OPENERS)) <= _DEPTH else None
    if not document or "@context" in document:  # nothing may not follow a comma
        return None
    return {"@context": CONTEXT, **document}


def _as_we_write(body: bytes) -> dict[str, Any] | None:
    """The object in a body that is written as this program writes; None for any other, which is read with more care.

    A faster reader says nothing of a key that comes twice, and bends numbers. But where what it has read is the same bytes when
    it is written again, nothing was passed over: the careful one would find the same. Long numbers are left to that one.
    """
    try:
        document = _QUICK.decode(body)
        if type(document) is dict and _LONG not in body.translate(_ONLY_DIGITS) and _WRITER.encode(document) == body:
            return document
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return None


def one_or_many(value: Any) -> tuple[str, ...]:
    """The ids in a property that may hold one or several, as strings or as objects; others are passed over."""
    if isinstance(value, str):
        return (value,)
    values = value if isinstance(value, (list, tuple)) else (value,)
    if len(values) > _MANY:
        raise InvalidInput("Too many entries in one property.", reason="too-many")
    found: list[str] = []
    for entry in values:
        name = entry.get("id") if isinstance(entry, dict) else entry
        if isinstance(name, str):
            found.append(name)
    return tuple(found)


def dumps(document: Any) -> bytes:
    """Compact UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InvalidInput("A key comes twice.", reason="duplicate-key")
    return made


def _integer(text: str) -> int:
    if len(text) > 17:
        raise _bad(N_("A number is too large."))
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= 40 else math.inf
    if math.isinf(number):
        raise _bad(N_("A number is too large."))
    return number


def _constant(_: str) -> NoReturn:
    raise _bad(N_("It has a number that JSON does not know."))


def _bad(why: Phrase) -> InvalidInput:
    return InvalidInput("The document cannot be read. %(why)s", values={"why": why}, reason="bad-json")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _check_depth(body: bytes) -> None:
    """Count brackets outside strings; where the body is not JSON the count may be off, and the parser stops there."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    depth = 0
    for mark in b"".join(unescaped.split(b'"')[::2]).translate(None, _NO_BRACKETS):
        depth += 1 if mark in b"[{" else -1
        if depth > _DEPTH:
            raise InvalidInput("The document is nested deeper than %(depth)s.", values={"depth": _DEPTH}, reason="too-deep")


def _has_surrogate(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                return True
        elif isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            stack += item
    return False
