"""What apps may send to each route, in words of the API's description. Routes read it through `instance.api.bodies`, strictly.

A struct is a query or a body: its names, what they are, and which of them there have to be.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from instance.api.entities import Account, Conversation, FollowedTag, MediaAttachment, Notification, Status
from instance.api.oauth import TokenAnswer
from posts.alerts import Policy


class Part(msgspec.Struct, frozen=True):
    """A part of a list (`instance.api.paging.span`)."""

    limit: int = 20
    max_id: str = ""
    since_id: str = ""
    min_id: str = ""


class Behind(msgspec.Struct, frozen=True):
    """What comes behind a place in a list."""

    max_id: str = ""


class Public(Part, frozen=True):
    """A list of posts, or of those with pictures."""

    local: bool = False
    remote: bool = False
    only_media: bool = False


class Tagged(Part, frozen=True):
    """What carries a hashtag."""

    only_media: bool = False


class OfAccount(Part, frozen=True):
    """What somebody has asked."""

    only_media: bool = False
    pinned: bool = False


class Told(Part, frozen=True):
    """Of what kind."""

    types: tuple[str, ...] = ()
    exclude_types: tuple[str, ...] = ()


class Some(msgspec.Struct, frozen=True):
    """Several at once."""

    id: tuple[str, ...] = ()


class Name(msgspec.Struct, frozen=True):
    """Somebody's name."""

    acct: str


class Sought(msgspec.Struct, frozen=True):
    """What is looked for."""

    q: str = ""
    type: str = ""
    limit: int = 20
    offset: int = 0
    resolve: bool = False


class SoughtPeople(msgspec.Struct, frozen=True):
    """Who is looked for."""

    q: str = ""
    limit: int = 20
    resolve: bool = False


class Lists(msgspec.Struct, frozen=True):
    """Which lists."""

    timeline: tuple[Literal["home", "notifications"], ...] = ()


class StreamTag(msgspec.Struct, frozen=True):
    """Which hashtag."""

    tag: str


class StreamList(msgspec.Struct, frozen=True):
    """Which list."""

    list: str


class Introduction(msgspec.Struct, frozen=True):
    """An app introduces itself."""

    client_name: str
    redirect_uris: str | tuple[str, ...]
    scopes: str = "read"
    website: str = ""


class Exchange(msgspec.Struct, frozen=True):
    """A code, or the app itself, for a token (RFC 6749). How the app shows itself may stand in the head."""

    grant_type: Literal["authorization_code", "client_credentials"]
    client_id: str = ""
    client_secret: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    scope: str = ""


class GivenBack(msgspec.Struct, frozen=True):
    """A token that is given back (RFC 7009)."""

    token: str
    client_id: str = ""
    client_secret: str = ""


class Place(msgspec.Struct, frozen=True):
    """Up to where she has read."""

    last_read_id: str


class Places(msgspec.Struct, frozen=True):
    """The same, for each list."""

    home: Place | None = None
    notifications: Place | None = None


class PollAsked(msgspec.Struct, frozen=True):
    """A poll, and for how many seconds it is open."""

    options: tuple[str, ...]
    expires_in: int
    multiple: bool = False


class Writing(msgspec.Struct, frozen=True):
    """A post, or with `in_reply_to_id` an answer. With `Idempotency-Key` it is made once."""

    status: str = ""
    spoiler_text: str = ""
    visibility: Literal["", "public", "unlisted", "private", "direct"] = ""
    language: str = ""
    in_reply_to_id: str = ""
    media_ids: tuple[str, ...] = ()
    poll: PollAsked | None = None


class Described(msgspec.Struct, frozen=True):
    """What a picture of a post shows."""

    id: str
    description: str = ""


class PollKept(msgspec.Struct, frozen=True):
    """A poll's options as they were: others are refused."""

    options: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """What is to be otherwise; what is not sent stays."""

    status: str | None = None
    spoiler_text: str | None = None
    media_ids: tuple[str, ...] | None = None
    media_attributes: tuple[Described, ...] = ()
    poll: PollKept | None = None


class Vote(msgspec.Struct, frozen=True):
    """Places of options, from 0."""

    choices: tuple[int, ...]


class Tongue(msgspec.Struct, frozen=True):
    """Into which language; one's own without."""

    lang: str = ""


class Mute(msgspec.Struct, frozen=True):
    """For how many seconds; for good without."""

    duration: int = 0


class Reporting(msgspec.Struct, frozen=True):
    """Posts of somebody, and why."""

    account_id: str
    status_ids: tuple[str, ...]
    comment: str = ""
    category: str = "other"
    rule_ids: tuple[str, ...] = ()
    forward: bool = False


class Oneself(msgspec.Struct, frozen=True):
    """What one says about oneself. Sent as multipart, `avatar` is a picture."""

    note: str | None = None
    discoverable: bool | None = None


class Description(msgspec.Struct, frozen=True):
    """What a picture shows."""

    description: str = ""


class Kinds(msgspec.Struct, frozen=True):
    """Of what an app wants to hear (`posts.alerts.ALERTS`)."""

    mention: bool = False
    status: bool = False
    reblog: bool = False
    follow: bool = False
    follow_request: bool = False
    favourite: bool = False
    poll: bool = False
    update: bool = False


class Alerts(msgspec.Struct, frozen=True):
    """Of what, and from whom."""

    alerts: Kinds = Kinds()
    policy: Policy = Policy.ALL


class PushKeys(msgspec.Struct, frozen=True):
    """Keys of a browser or an app (RFC 8291), base64url."""

    p256dh: str
    auth: str


class PushPlace(msgspec.Struct, frozen=True):
    """Where messages go."""

    endpoint: str
    keys: PushKeys
    standard: bool = False


class Subscribing(msgspec.Struct, frozen=True):
    """A subscription."""

    subscription: PushPlace
    data: Alerts = Alerts()
    policy: Policy = Policy.ALL


class Altered(msgspec.Struct, frozen=True):
    """A subscription wants other things."""

    data: Alerts = Alerts()
    policy: Policy = Policy.ALL


QUERIES: dict[str, type[msgspec.Struct]] = {
    "GET /api/v1/timelines/home": Part, "GET /api/v1/timelines/public": Public, "GET /api/v1/timelines/tag/<hashtag>": Tagged,
    "GET /api/v1/bookmarks": Part, "GET /api/v1/favourites": Part, "GET /api/v1/conversations": Part,
    "GET /api/v1/accounts/<account_id>/statuses": OfAccount,
    "GET /api/v1/accounts/<account_id>/followers": Behind, "GET /api/v1/accounts/<account_id>/following": Behind,
    "GET /api/v1/blocks": Behind, "GET /api/v1/mutes": Behind, "GET /api/v1/notifications": Told,
    "GET /api/v1/statuses/<status_id>/favourited_by": Behind, "GET /api/v1/statuses/<status_id>/reblogged_by": Behind,
    "GET /api/v1/accounts/lookup": Name, "GET /api/v1/accounts": Some, "GET /api/v1/accounts/relationships": Some,
    "GET /api/v1/statuses": Some, "GET /api/v2/search": Sought, "GET /api/v1/accounts/search": SoughtPeople,
    "GET /api/v1/markers": Lists, "GET /api/v1/streaming/hashtag": StreamTag, "GET /api/v1/streaming/hashtag/local": StreamTag,
    "GET /api/v1/streaming/list": StreamList,
}
BODIES: dict[str, type[msgspec.Struct]] = {
    "POST /api/v1/apps": Introduction, "POST /oauth/token": Exchange, "POST /oauth/revoke": GivenBack,
    "POST /api/v1/markers": Places, "POST /api/v1/statuses": Writing, "PUT /api/v1/statuses/<status_id>": Change,
    "POST /api/v1/statuses/<status_id>/translate": Tongue,
    "POST /api/v1/polls/<poll_id>/votes": Vote, "POST /api/v1/accounts/<account_id>/mute": Mute,
    "POST /api/v1/reports": Reporting, "PATCH /api/v1/accounts/update_credentials": Oneself,
    "PUT /api/v1/media/<media_id>": Description, "POST /api/v1/push/subscription": Subscribing,
    "PUT /api/v1/push/subscription": Altered,
}
FILES = {"POST /api/v1/media": "file", "POST /api/v2/media": "file", "PATCH /api/v1/accounts/update_credentials": "avatar"}
"""What may be a file there, in a form in parts."""
_POSTS, _PEOPLE = list[Status], list[Account]
ANSWERS: dict[str, object] = {
    "POST /oauth/token": TokenAnswer, "POST /oauth/revoke": dict[str, str], "GET /api/v1/accounts/<account_id>/statuses": _POSTS,
    "GET /api/v1/accounts/<account_id>/followers": _PEOPLE, "GET /api/v1/accounts/<account_id>/following": _PEOPLE,
    "GET /api/v1/blocks": _PEOPLE, "GET /api/v1/mutes": _PEOPLE, "GET /api/v1/follow_requests": _PEOPLE,
    "GET /api/v1/statuses/<status_id>/favourited_by": _PEOPLE, "GET /api/v1/statuses/<status_id>/reblogged_by": _PEOPLE,
    "GET /api/v1/timelines/home": _POSTS, "GET /api/v1/timelines/public": _POSTS,
    "GET /api/v1/timelines/tag/<hashtag>": _POSTS, "GET /api/v1/bookmarks": _POSTS, "GET /api/v1/favourites": _POSTS,
    "GET /api/v1/conversations": list[Conversation],
    "GET /api/v1/notifications": list[Notification], "GET /api/v1/tags/<name>": FollowedTag,
    "POST /api/v2/media": MediaAttachment, "POST /api/v1/media": MediaAttachment, "GET /api/v1/media/<media_id>": MediaAttachment,
    "PUT /api/v1/media/<media_id>": MediaAttachment,
}
"""What routes answer that make their `Response` themselves; all others say it in their signatures."""
