"""What apps send: query, forms, multipart and JSON become one strict tree of fields.

Forms and queries nest the way Rails writes it: `poll[options][]=a`, `media_ids[]=1`, `fields_attributes[0][name]=x`. JSON says
the same with lists and objects. Whatever does not fit is `InvalidInput`; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from core.errors import InvalidInput, UnsupportedMedia
from core.numbers import whole

MALFORMED = "malformed"
"""The reason of what could not be read at all."""
FIELDS, DEPTH, PARTS = 500, 4, 64
_NAME = re.compile(r"([^\[\]]{1,60})((?:\[[^\[\]]{0,60}\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_TRUE, _FALSE = frozenset({"true", "1", "on", "t", "yes"}), frozenset({"false", "0", "off", "f", "no", ""})
_LONG = 200_000
_NUMBER = 1 << 53


class Fields:
    """A level of what was sent. A name that was not sent reads as empty; one that was sent as something else is refused."""

    def __init__(self, tree: Mapping[str, Any], files: Mapping[str, bytes] | None = None, before: str = "") -> None:
        self._tree, self._files, self._before = tree, files or {}, before

    def __contains__(self, name: str) -> bool:
        return self._tree.get(name) is not None

    def text(self, name: str, most: int = _LONG, default: str = "") -> str:
        """One text; a number counts as its digits."""
        found = self._tree.get(name)
        if found is None:
            return default
        text = self._scalar(name, found)
        if len(text) > most:
            raise InvalidInput("“%(name)s” has at most %(most)s characters.", values={"name": self._called(name), "most": most},
                               field=name)
        return text

    def flag(self, name: str, default: bool = False) -> bool:
        """Yes or no, as a boolean or in the words that forms use."""
        found = self._tree.get(name)
        if found is None:
            return default
        if isinstance(found, bool):
            return found
        word = self._scalar(name, found).lower()
        if word not in _TRUE and word not in _FALSE:
            raise self._wrong(name)
        return word in _TRUE

    def number(self, name: str, most: int, default: int | None = None) -> int | None:
        """A whole number from 0 to `most`."""
        found = self._tree.get(name)
        if found is None or found == "":
            return default
        value = whole(self._scalar(name, found), most)
        if value is None:
            raise InvalidInput("“%(name)s” is a whole number from 0 to %(most)s.",
                               values={"name": self._called(name), "most": most}, field=name)
        return value

    def texts(self, name: str, most: int = FIELDS) -> tuple[str, ...]:
        """Several texts, in order; one alone counts as a list of one."""
        found = self._tree.get(name)
        if found is None:
            return ()
        if isinstance(found, dict):
            found = _in_order(found)
        listed = found if isinstance(found, list) else [found]
        if len(listed) > most:
            raise InvalidInput("“%(name)s” are at most %(most)s.", values={"name": self._called(name), "most": most}, field=name)
        return tuple(self._scalar(name, one) for one in listed)

    def inner(self, name: str) -> Fields:
        """The level below a name; empty where there is none."""
        found = self._tree.get(name)
        if found is None:
            return Fields({}, before=self._called(name))
        if not isinstance(found, dict):
            raise self._wrong(name)
        return Fields(found, before=self._called(name))

    def several(self, name: str, most: int) -> tuple[Fields, ...]:
        """Several levels below a name: a list of objects, or an object whose names are numbers, as forms write it."""
        found = self._tree.get(name)
        if found is None:
            return ()
        listed = _in_order(found) if isinstance(found, dict) else found
        if not isinstance(listed, list) or len(listed) > most or not all(isinstance(one, dict) for one in listed):
            raise self._wrong(name)
        return tuple(Fields(one, before=self._called(name)) for one in listed)

    def file(self, name: str) -> bytes | None:
        """A file of a multipart form, as it came; it is nowhere but in memory."""
        return self._files.get(name)

    def _scalar(self, name: str, found: object) -> str:
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, int) and abs(found) <= _NUMBER:
            return str(found)
        if isinstance(found, str):
            return found
        raise self._wrong(name)

    def _called(self, name: str) -> str:
        return f"{self._before}[{name}]" if self._before else name

    def _wrong(self, name: str) -> InvalidInput:
        return InvalidInput("“%(name)s” was sent in a form that is not known here.", values={"name": self._called(name)},
                            field=name)


async def sent() -> Fields:
    """Everything that came with this request: its query, and its body, whose names win."""
    tree = nested(_query())
    kind = request.mimetype
    body: bytes = await request.get_data()  # type: ignore[assignment]
    if not body or request.method in ("GET", "HEAD"):
        return Fields(tree)
    if kind == "application/json":
        return Fields({**tree, **from_json(body)})
    if kind == "multipart/form-data":
        pairs, files = from_multipart(body, request.mimetype_params.get("boundary", ""))
        return Fields({**tree, **nested(pairs)}, files)
    if kind in ("application/x-www-form-urlencoded", ""):
        return Fields({**tree, **nested(from_form(body))})
    raise UnsupportedMedia("Send this as JSON or as a form.", reason="content-type")


def asked() -> Fields:
    """What the query of this request asks for."""
    return Fields(nested(_query()))


def _query() -> list[tuple[str, str]]:
    return from_form(request.query_string)


def from_form(body: bytes) -> list[tuple[str, str]]:
    """Names and values of a form or a query."""
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError:
        raise _malformed() from None


def from_json(body: bytes) -> dict[str, Any]:
    """An object, nested no deeper than what is read here."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed() from None
    if not isinstance(found, dict) or not _is_shallow(found, DEPTH):
        raise _malformed()
    return found


def from_multipart(body: bytes, boundary: str) -> tuple[list[tuple[str, str]], dict[str, bytes]]:
    """Names and values of a form in parts, and its files by their names."""
    if not boundary or not boundary.isascii():
        raise _malformed()
    pairs: list[tuple[str, bytearray]] = []
    files: dict[str, bytearray] = {}
    into = bytearray()
    try:
        decoder = MultipartDecoder(boundary.encode(), max_parts=PARTS)
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            if isinstance(event, Field):
                pairs.append((event.name, into := bytearray()))
            elif isinstance(event, File):
                into = files.setdefault(event.name, bytearray())
            elif isinstance(event, Data):
                into += event.data
        return [(name, bytes(value).decode()) for name, value in pairs], {name: bytes(value) for name, value in files.items()}
    except (ValueError, TypeError, AttributeError, RequestEntityTooLarge):
        raise _malformed() from None


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Names with brackets as lists and objects. The last of equal names counts; `[]` gathers them."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if "\0" in value:
            raise _malformed()
        steps = list(_steps(name))
        level: Any = tree
        for here, below in zip(steps, [*steps[1:], None], strict=True):
            fresh: Any = value if below is None else [] if below == "" else {}
            if isinstance(level, list):
                level.append(fresh)
                level = fresh
                continue
            found = level.get(here)
            if found is not None and type(found) is not type(fresh):
                raise _malformed()
            if below is None or found is None:
                level[here] = found = fresh
            level = found
    return tree


def _steps(name: str) -> Iterator[str]:
    """`poll[options][]` as its steps; only the last may be empty."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise _malformed()
    yield found[1]
    inner = _STEP.findall(found[2])
    if len(inner) >= DEPTH or "" in inner[:-1]:
        raise _malformed()
    yield from inner


def _in_order(found: Mapping[str, Any]) -> list[Any]:
    """What forms number, `[0]`, `[1]`, as a list in that order."""
    numbers = {whole(name, _LONG): value for name, value in found.items()}
    if None in numbers:
        raise _malformed()
    return [numbers[one] for one in sorted(one for one in numbers if one is not None)]


def _is_shallow(value: object, left: int) -> bool:
    if isinstance(value, dict):
        return left > 0 and len(value) <= FIELDS and all(_is_shallow(one, left - 1) for one in value.values())
    if isinstance(value, list):
        return left > 0 and len(value) <= FIELDS and all(_is_shallow(one, left - 1) for one in value)
    return True


def _malformed() -> InvalidInput:
    return InvalidInput("What the app sent could not be understood. Nothing was done.", reason=MALFORMED)
