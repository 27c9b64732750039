"""Comparing what two instances hold of each other: what goes over the wire, how it is asked for, and what is believed of it.

Each kind of thing is a set of items, a URI with a few words about it, in the order of the keys of the URIs
(`core.ids.uri_key`): the things one instance has made one after the other lie side by side there, and both sides have the same
order without saying anything about it. Whoever is asked tells for ranges of this order how many items lie in them and a digest;
where the asker computes another, it asks for the items. So what is equal costs one line for hundreds, nobody keeps anything
between two questions, and neither side ever holds more of it than some thousands of items.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from core.errors import InvalidInput, Unavailable
from core.ids import uri_key
from federation.allowlist import Allowlist, Direction, Purpose
from federation.client import Client

ROWS, RANGE = 1024, 256
"""How many rows are looked at in one hop, and how many items are summed up in one range."""
RANGES, RANGES_SECONDS, _MOST_RANGES = 128, 1.0, 1024
"""After how many ranges, and after how long, an answer ends."""
ITEMS = 1000
ITEM_BYTES = 150_000
"""The most items, and bytes of them, in one answer: with their frame they stay under what every client reads."""
_MOST_ITEMS = 16 * ROWS
_MOST_QUESTIONS = 100_000
_PAUSES = (1.0, 5.0)
_LENGTH = 4096
_KEY_BYTES = 24
FIRST, LAST = bytes(_KEY_BYTES), b"\xff" * _KEY_BYTES


class Kind(StrEnum):
    """What is compared, as whoever is asked sees it."""

    ERASED = "erased"
    """Posts of its own that it has deleted and that the asker was ever sent."""
    ERASED_YOURS = "erased-yours"
    """Posts of the asker's that are deleted, as far as it has heard."""
    OFFERED = "offered"
    """Posts of its doctors that the asker ought to hold, with their revision."""
    HELD = "held"
    """Posts of the asker's doctors that it holds, with their revision, or `waiting` for something that is missing."""
    FOLLOWS = "follows"
    """How its doctors follow the asker's: who, whom, and whether that is requested, accepted, or just moving."""
    FOLLOWED = "followed"
    """How the asker's doctors follow its own, in the same words."""
    TALLIES = "tallies"
    """The asker's polls whose votes it keeps, with `EPOCH SEQUENCE` of the last tally that it has told the asker."""
    COUNTED = "counted"
    """Its own polls, with the same of the last tally of the asker's that it has counted."""


class Item(NamedTuple):
    """One thing: the key of its URI, the URI, and the words about it."""

    key: bytes
    uri: str
    detail: str


class Range(NamedTuple):
    """What lies behind the end of the range before, up to `upto`: how many items, and the digest of their lines."""

    upto: bytes
    number: int
    digest: str


class Piece(NamedTuple):
    """Some items in their order, and up to which key they are all there are."""

    items: list[Item]
    upto: bytes


class _Ranges(msgspec.Struct, frozen=True):
    kind: str
    ranges: list[tuple[str, int, str]]


class _Items(msgspec.Struct, frozen=True):
    kind: str
    items: list[tuple[str, str]]
    upto: str


def item(uri: str, detail: str) -> Item:
    return Item(uri_key(uri), uri, detail)


class Sum:
    """The digest of items, one after the other: SHA-256 over their lines, `URI words` each with a line feed."""

    def __init__(self) -> None:
        self.count, self._hash = 0, hashlib.sha256()

    def add(self, items: Iterable[Item]) -> None:
        for one in items:
            self._hash.update(f"{one.uri} {one.detail}\n".encode(errors="surrogatepass"))
            self.count += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def ranges_document(kind: Kind, ranges: list[Range]) -> dict[str, Any]:
    """An answer about ranges; the last one ends at `LAST` where nothing comes behind it."""
    return {"type": "Ranges", "kind": kind, "ranges": [[one.upto.hex(), one.number, one.digest] for one in ranges]}


def items_document(kind: Kind, piece: Piece) -> dict[str, Any]:
    """An answer with items."""
    return {"type": "Items", "kind": kind, "items": [[one.uri, one.detail] for one in piece.items], "upto": piece.upto.hex()}


def asked_key(text: str | None, otherwise: bytes) -> bytes:
    """A key as it stands in a question; `InvalidInput` for what is none."""
    if text is None:
        return otherwise
    key = _key(text)
    if key is None:
        raise _bad("a key")
    return key


def bounded(piece: Piece) -> Piece:
    """As much of some items as fits into one answer."""
    size = 0
    for number, one in enumerate(piece.items):
        size += 3 * (len(one.uri) + len(one.detail)) + 10
        if number == ITEMS or (number and size > ITEM_BYTES * 2):
            return Piece(piece.items[:number], piece.items[number - 1].key)
    return piece


class Asking:
    """Asks one sibling. Whatever does not go forward, does not belong there or has no end is `InvalidInput`."""

    def __init__(self, allowlist: Allowlist, client: Client, origin: str) -> None:
        self._allowlist, self._client, self._origin = allowlist, client, origin
        self._questions = 0

    async def ranges(self, kind: Kind) -> AsyncIterator[Range]:
        """All ranges of a kind, in order, up to the last one."""
        after = FIRST
        while after != LAST:
            for one in _ranges(kind, await self._get(f"{kind}?after={after.hex()}"), after):
                after = one.upto
                yield one

    async def items(self, kind: Kind, after: bytes, upto: bytes, below: str) -> list[Item]:
        """The items of a range; their URIs lie `below` an address, with one name behind it."""
        found: list[Item] = []
        while after < upto:
            piece = _items(kind, await self._get(f"{kind}/items?after={after.hex()}&upto={upto.hex()}"), after, upto, below)
            found += piece.items
            after = piece.upto
            if len(found) > _MOST_ITEMS:
                raise _bad("more items than a range has")
        return found

    async def copy(self, uri: str) -> dict[str, Any]:
        """A post of ours as the sibling holds it; `InvalidInput` (gone) where it does not."""
        return await self._get(f"copies/{quote(uri.rpartition('/')[2], safe='')}")

    async def _get(self, what: str) -> dict[str, Any]:
        self._questions += 1
        if self._questions > _MOST_QUESTIONS:
            raise _bad("an end")
        url = f"{self._origin}/reconciliation/{what}"
        for pause in _PAUSES:
            try:
                return await self._fetch(url)
            except Unavailable as error:
                if error.reason != "no-answer":
                    raise
                await asyncio.sleep(pause)
        return await self._fetch(url)

    async def _fetch(self, url: str) -> dict[str, Any]:
        sibling = self._allowlist.admit(self._origin, Direction.OUT, Purpose.RECONCILIATION, path=url)
        return await self._client.get(sibling, url)


def _ranges(kind: Kind, document: dict[str, Any], after: bytes) -> list[Range]:
    try:
        told = msgspec.convert(document, _Ranges)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    if told.kind != kind or not 0 < len(told.ranges) <= _MOST_RANGES:
        raise _bad("ranges")
    found = []
    for upto, count, digest in told.ranges:
        key = _key(upto)
        if key is None or key <= after or not 0 <= count <= _MOST_ITEMS or len(digest) != 64:
            raise _bad("a range that goes on")
        after = key
        found.append(Range(key, count, digest))
    return found


def _items(kind: Kind, document: dict[str, Any], after: bytes, upto: bytes, below: str) -> Piece:
    try:
        told = msgspec.convert(document, _Items)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    end = _key(told.upto)
    if told.kind != kind or len(told.items) > ITEMS or end is None or not after < end <= upto:
        raise _bad("items that go on")
    found = []
    for uri, detail in told.items:
        if not uri.startswith(below) or "/" in uri[len(below):] or len(uri) == len(below) or not uri.isprintable() \
                or len(uri) + len(detail) > _LENGTH:
            raise _bad("an item that belongs there")
        one = item(uri, detail)
        if not after < one.key <= end:
            raise _bad("an order")
        after = one.key
        found.append(one)
    return Piece(found, end)


def _key(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text) if len(text) == 2 * _KEY_BYTES and text.isalnum() else b""
    except ValueError:
        return None
    return key or None


def _bad(missing: str) -> InvalidInput:
    return InvalidInput("This is no answer to a comparison.", reason="bad-comparison", cause=f"not {missing}")
