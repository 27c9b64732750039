"""What a hostile request is made of: the place it is sent to, and a row that says what is sent and what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from federation.documents import dumps
from tests.servers import FakeSibling, Running

_VECTORS = Path(__file__).parent.parent.parent / "vectors"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ELSE = "https://elsewhere.example"


def vectors(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


@dataclass
class Place:
    """A German instance; `fake` is a sibling of hers with the doctors `actor` and `second`, `other` another one. `shared`,
    `home` and `poll` are posts of hers (the first and the last for `fake`), `theirs` is one of `fake`'s, for her, `third` one
    of `other`'s that is not for `fake`, `like` a like that `second` has given `shared`."""

    de: Running
    fake: FakeSibling
    other: FakeSibling
    second: str
    shared: str
    home: str
    poll: str
    theirs: str
    third: str
    like: str
    used: str

    @property
    def inbox(self) -> str:
        return f"{self.de.url}/inbox"

    def note(self, **changes: Any) -> dict[str, Any]:
        return {key: value for key, value in (self.fake.note(self.de, "hostile") | changes).items() if value is not None}

    def create(self, note: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        made = self.fake.activity("Create", note if note is not None else self.note(), "hostile", **changes)
        return {key: value for key, value in made.items() if value is not None}

    def question(self, **changes: Any) -> dict[str, Any]:
        return self.fake.question(self.de, "hostile", **changes)

    def does(self, kind: str, made: Any, **changes: Any) -> dict[str, Any]:
        return self.create(**{"type": kind, "object": made} | changes)

    def vote(self, poll: str, name: Any = "a", **changes: Any) -> dict[str, Any]:
        made = {
            "id": f"{self.fake.origin}/votes/hostile",
            "type": "Note",
            "attributedTo": self.fake.actor,
            "name": name,
            "inReplyTo": poll,
            "to": [poll],
        }
        return self.create(made | changes)

    def signed(self, body: bytes, **kwargs: Any) -> dict[str, str]:
        return self.fake.headers("POST", self.inbox, body, **kwargs)


class Raw(NamedTuple):
    """A request written by hand: header lines in order, and the body; `chunked` sends it in these pieces."""

    headers: list[tuple[str, str]]
    body: bytes
    chunked: tuple[bytes, ...] = ()


Make = Callable[[Place], Any]


class Row(NamedTuple):
    """`make` gives an activity, a body, or a whole request; `reason` is that of the problem document, `*` any and empty where
    there is none. With 202 only the ledger may have changed."""

    name: str
    status: int
    reason: str
    make: Make


def raw(make: Callable[[Place, bytes], dict[str, str] | list[tuple[str, str]]]) -> Make:
    """A good activity under headers that are not."""

    def made(place: Place) -> Raw:
        body = dumps(place.create())
        headers = make(place, body)
        return Raw(list(headers.items()) if isinstance(headers, dict) else headers, body)

    return made
