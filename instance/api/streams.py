"""The streams there are for apps, and which scopes open each: the table that both ways to them read, and the tests of the closed
door.

Over a WebSocket (`SOCKET`) an app names them in messages, as server-sent events each has an address of its own below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actors.scopes import covers
from core.errors import NotFound, Refused
from instance.api.answers import INSUFFICIENT
from instance.api.bodies import Fields
from instance.listening import Channel
from posts.topics import hashtag_topic

SOCKET = "/api/v1/streaming"
_STATUSES = ("read:statuses",)
_TAG_LENGTH = 200


class Stream(NamedTuple):
    """A stream by its name; any one of `scopes` opens it. `path` is where it is below `SOCKET` ('' for those that only messages
    name), `parameter` what has to be said besides."""

    name: str
    scopes: tuple[str, ...]
    path: str = ""
    parameter: str = ""


STREAMS = (
    Stream("user", _STATUSES, "user"),
    Stream("user:notification", ("read:notifications",), "user/notification"),
    Stream("public", _STATUSES, "public"),
    Stream("public:local", _STATUSES, "public/local"),
    Stream("public:remote", _STATUSES, "public/remote"),
    Stream("public:media", _STATUSES),
    Stream("public:local:media", _STATUSES),
    Stream("public:remote:media", _STATUSES),
    Stream("hashtag", _STATUSES, "hashtag", "tag"),
    Stream("hashtag:local", _STATUSES, "hashtag/local", "tag"),
    Stream("direct", _STATUSES, "direct"),
    Stream("list", ("read:lists",), "list", "list"),
)
"""What tells of notifications as well (`user`) does so only for apps that may read them (`instance.listening`)."""
_BY_NAME = {stream.name: stream for stream in STREAMS}


def named(name: str) -> Stream:
    """The stream of this name; `NotFound` where there is none."""
    if name not in _BY_NAME:
        raise NotFound("There is no such stream.", field="stream")
    return _BY_NAME[name]


def check(scopes: Iterable[str], stream: Stream) -> None:
    """`Refused` for an app that was not allowed to listen there."""
    held = tuple(scopes)
    if not any(covers(held, scope) for scope in stream.scopes):
        raise Refused("The app was not allowed to do this (%(scope)s). Sign in again in the app and allow it.",
                      values={"scope": stream.scopes[0]}, reason=INSUFFICIENT)


def channel(stream: Stream, fields: Fields) -> Channel:
    """What an app listens to there, as it says it in a message or in a query. `NotFound` for a hashtag that is none, and for
    lists, of which there are none."""
    if stream.parameter == "list":
        raise NotFound("There is no such list.")
    if stream.parameter:
        tag = fields.text("tag", _TAG_LENGTH)
        return Channel(stream.name, tag, hashtag_topic(tag.removeprefix("#")))
    name = stream.name
    if name.startswith("public") and not name.endswith(":media") and fields.flag("only_media"):
        name += ":media"
    return Channel(name)
