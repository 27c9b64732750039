"""Bundles and receipts on the wire: many activities in one signed request, and what the sibling did with each.

A bundle is a JSON text sequence (RFC 7464): a head, then the activities as they are, so that each has the digest it would have
by itself. Every activity has a number in the line from one instance to another, counted from `start` within an epoch; numbers
that are skipped will never come. The receipt says of each number what became of it and up to which one there is no gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from core.errors import InvalidInput
from federation.documents import parse

JSON_SEQ = "application/json-seq"
ITEMS = 64
"""The most activities in one bundle."""
BODY_LIMIT = 4 << 20
_RECORD, _END = b"\x1e", b"\n"
RANGES = 512
_LATER = 64
_MOST = (1 << 53) - 1

Range = tuple[int, int]
"""The first and the last of neighbouring numbers."""


class Received(msgspec.Struct, frozen=True):
    """How far somebody has come with the other's line: without a gap up to `contiguous`, and what came beyond it."""

    epoch: int
    contiguous: int
    ahead: tuple[Range, ...] = ()


class Head(msgspec.Struct, frozen=True, rename={"start": "from"}):
    """What a bundle says before its activities: the numbers of these; `heard`, the last later outcome that arrived; and after
    a restore how far its sender has come with our line, so that we send again what it has lost."""

    type: str
    actor: str
    epoch: int
    start: int
    sequences: tuple[int, ...]
    skipped: tuple[Range, ...] = ()
    heard: int = 0
    received: Received | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An activity that will never be taken: its number, the reason's code, a sentence."""

    sequence: int
    reason: str
    title: str


class Results(msgspec.Struct, frozen=True):
    """What became of the activities of a bundle, by their numbers; those `postponed` are to be sent again."""

    stored: tuple[Range, ...] = ()
    duplicate: tuple[Range, ...] = ()
    held: tuple[Range, ...] = ()
    refused: tuple[Refusal, ...] = ()
    postponed: tuple[Range, ...] = ()


class Later(msgspec.Struct, frozen=True):
    """What became later of an activity that was held: `number` counts these outcomes, `result` is stored or refused."""

    number: int
    sequence: int
    activity: str
    result: str
    reason: str = ""
    title: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a bundle, signed: `object` is the bundle's digest, as its Digest header had it."""

    type: str
    actor: str
    object: str
    epoch: int
    contiguous: int
    results: Results
    ahead: tuple[Range, ...] = ()
    later: tuple[Later, ...] = ()


def pack(head: Head, activities: Sequence[bytes]) -> bytes:
    """A bundle's body."""
    texts = (msgspec.json.encode(head), *activities)
    return b"".join([part for text in texts for part in (_RECORD, text, _END)])


def unpack(body: bytes, actor: str) -> tuple[Head, list[bytes]]:
    """The head of a bundle that `actor` sends, and its activities as they are; `InvalidInput` where it breaks a rule."""
    first, *activities = _texts(body)
    try:
        head = msgspec.convert(parse(first), Head)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    if head.type != "Bundle" or head.actor != actor:
        raise _bad("It is another's, or no bundle.")
    if len(activities) > ITEMS or len(head.sequences) != len(activities):
        raise _bad("It has too many activities, or other than it says.")
    given = head.sequences
    if given and (sorted(set(given)) != list(given) or given[0] < head.start or given[-1] >= _MOST):
        raise _bad("Its numbers are not in order.")
    if not 0 < head.start <= _MOST or not 0 < head.epoch <= _MOST or not 0 <= head.heard <= _MOST:
        raise _bad("A number of it is out of range.")
    _check(head.skipped)
    if head.received is not None:
        _check(head.received.ahead)
    return head, activities


def _texts(body: bytes) -> list[bytes]:
    """The texts of a sequence, at least one. Each is looked for from where the one before it began, and copied once."""
    texts, start = list[bytes](), 1 if body.startswith(_RECORD) else 0
    while start:
        following = body.find(_RECORD, start)
        end = (following if following >= 0 else len(body)) - len(_END)
        if end < start or not body.startswith(_END, end):
            break
        texts.append(body[start:end])
        if following < 0:
            return texts
        start = following + len(_RECORD)
    raise _bad("It is no JSON text sequence.")


def receipt(document: dict[str, Any], actor: str, digest: str, sequences: Sequence[int]) -> Receipt:
    """The receipt of `actor` for the bundle with this digest, whose proof has been checked; `InvalidInput` if it is another."""
    try:
        made = msgspec.convert(document, Receipt)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    results = made.results
    for ranges in (made.ahead, results.stored, results.duplicate, results.held, results.postponed):
        _check(ranges)
    if made.type != "Receipt" or made.actor != actor or made.object != digest or len(made.later) > _LATER:
        raise _bad("It is no receipt for this.")
    told = [*(one.sequence for one in results.refused),
            *numbers((*results.stored, *results.duplicate, *results.held, *results.postponed), ITEMS)]
    if sorted(told) != list(sequences):
        raise _bad("It does not say of each activity what became of it.")
    return made


def ranges(found: Sequence[int]) -> tuple[Range, ...]:
    """Rising numbers as ranges; nearly always they are one."""
    if found and found[-1] - found[0] == len(found) - 1:
        return ((found[0], found[-1]),)
    made: list[list[int]] = []
    for number in found:
        if made and made[-1][1] == number - 1:
            made[-1][1] = number
        else:
            made.append([number, number])
    return tuple((first, last) for first, last in made)


def joined(some: Iterable[Range]) -> tuple[Range, ...]:
    """Ranges in order, those that touch or overlap as one."""
    made: list[Range] = []
    for first, last in sorted(some):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], last if last > made[-1][1] else made[-1][1])
        else:
            made.append((first, last))
    return tuple(made)


def numbers(some: Iterable[Range], most: int) -> list[int]:
    """The numbers in ranges, at most `most` and one more."""
    found: list[int] = []
    for first, last in some:
        found += range(first, min(last, first + most) + 1)
        if len(found) > most:
            break
    return found


def signed_part(made: Receipt) -> dict[str, Any]:
    """A receipt as a document, still without its proof."""
    document: dict[str, Any] = msgspec.to_builtins(made)
    return document


def kept(document: dict[str, Any]) -> bytes:
    """A signed receipt as it is sent and kept."""
    return msgspec.json.encode(document)


def _check(some: Sequence[Range]) -> None:
    if len(some) > RANGES or not all(0 < first <= last <= _MOST for first, last in some):
        raise _bad("A range of numbers in it is none.")
    if not all(before[1] < after[0] for before, after in pairwise(some)):
        raise _bad("Ranges of numbers in it are not in order.")


def _bad(why: str) -> InvalidInput:
    return InvalidInput("This is not a bundle as instances exchange them, or no receipt for one.", reason="bad-bundle", cause=why)
