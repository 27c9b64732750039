"""Bodies of what people send: bounded for every page, larger where a file is handed in, and read there piece by piece in memory.

No file is ever on the disk as it came. What all that come at the same time may take of the memory is bounded, too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from io import BytesIO
from types import TracebackType
from typing import Any, NamedTuple, Self

from quart import Request
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from core.access import Route
from core.errors import InvalidInput, TooSlow, Unavailable
from core.papers import BYTES, Trouble, refusal

BODY_LIMIT = BYTES + (64 << 10)
"""The most bytes of a form with one file in it."""

_MEMORY = 4 * BODY_LIMIT
_SECONDS = 120.0
_FIELD_BYTES, _PARTS = 1_000, 8
_PARAMETER = re.compile(r"<[^<>]+>")


class Counted(Body):
    """A body that ends in 413 when more has come than it may have, also where nobody said how much it would be and somebody has
    read a part of it already."""

    _come = 0

    def append(self, data: bytes) -> None:
        self._come += len(data)
        if self._max_content_length is not None and self._come > self._max_content_length:
            self._must_raise = self._must_raise or RequestEntityTooLarge()
            self.clear()
            self.set_complete()
        else:
            super().append(data)

    async def __anext__(self) -> bytes:
        try:
            return await super().__anext__()
        finally:
            if self._must_raise is not None:
                raise self._must_raise


def bounded(routes: Iterable[Route]) -> type[Request]:
    """The class of requests whose bodies are as large as their route allows, where it says so, and else as the settings do."""
    larger = tuple((route.methods, re.compile("[^/]+".join(map(re.escape, _PARAMETER.split(route.rule))) + "/?"),
                    route.body_limit) for route in routes if route.body_limit is not None)

    class Bounded(Request):
        body_class = Counted

        def __init__(self, method: str, scheme: str, path: str, *rest: Any, max_content_length: int | None = None,
                     **more: Any) -> None:
            limit = next((limit for methods, rule, limit in larger if method in methods and rule.fullmatch(path)),
                         max_content_length)
            super().__init__(method, scheme, path, *rest, max_content_length=limit, **more)

    return Bounded


class Received(NamedTuple):
    """A form with a file: its fields, and the file; empty when none was chosen."""

    fields: Mapping[str, str]
    file: bytes


class Uploads:
    """The memory that files which come in at the same time may take."""

    def __init__(self) -> None:
        self.taken = 0

    def place(self) -> Place:
        """The place of one of them, given back at the end of the `with`."""
        return Place(self)


class Place:
    """One form that comes in. Counted is what has come, not what was announced."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads, self._size = uploads, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._uploads.taken -= self._size

    async def receive(self, request: Request, name: str = "file", field_bytes: int = _FIELD_BYTES,
                      parts: int = _PARTS) -> Received:
        """Read a form with one file, that of the field `name`, in at most so many parts and bytes of a field. Refused as `file`:
        one that is too large, too slow, no form at all; `Unavailable` when there is no room for it among the others."""
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary.isascii() or not boundary:
            raise _unreadable()
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._read(request.body, MultipartDecoder(boundary.encode(), max_parts=parts), name, field_bytes)
        except RequestEntityTooLarge as error:
            raise refusal(Trouble.LARGE, str(error)) from None
        except TimeoutError:
            raise TooSlow("The file did not arrive in time. Please try again, with a smaller file or another connection.",
                          reason="too-slow", field="file") from None
        except ValueError as error:
            raise _unreadable(str(error)) from None

    async def _read(self, body: Body, decoder: MultipartDecoder, name: str, field_bytes: int) -> Received:
        fields: dict[str, str] = {}
        file = BytesIO()  # grows in place, and hands its bytes over without a copy
        part: Field | File | None = None
        async for piece in body:
            self._grow(len(piece))
            decoder.receive_data(piece)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                if isinstance(event, Field | File):
                    part = event
                elif isinstance(event, Data) and isinstance(part, File):
                    if part.name == name:
                        file.write(event.data)
                elif isinstance(event, Data) and part is not None:
                    fields[part.name] = fields.get(part.name, "") + event.data.decode(errors="replace")
                    if len(fields[part.name]) > field_bytes:
                        raise _unreadable("a field is too long")
        return Received(fields, file.getvalue())

    def _grow(self, size: int) -> None:
        if self._uploads.taken + size > _MEMORY:
            raise Unavailable("Many files are being handed in right now. Please try again in a minute.", retry_after=60,
                              field="file")
        self._uploads.taken += size
        self._size += size


def _unreadable(cause: str = "") -> InvalidInput:
    return InvalidInput("This form did not arrive whole. Please try again.", reason="form", field="file", cause=cause)
