"""What apps are told, as the Mastodon API calls it: one struct for each entity, and nothing that makes one.

Ids are text, times are RFC 3339, `last_status_at` is a date. Lists that nothing here fills are there because clients read them.
"""

from __future__ import annotations

import msgspec


class Field(msgspec.Struct, frozen=True):
    """A row of a profile; `verified_at` where this network vouches for it."""

    name: str
    value: str
    verified_at: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A doctor, or an editorial desk (`bot`)."""

    id: str
    username: str
    acct: str
    display_name: str
    locked: bool = True
    bot: bool = False
    discoverable: bool = False
    group: bool = False
    noindex: bool = True
    hide_collections: bool = True
    created_at: str
    note: str
    url: str
    uri: str
    avatar: str
    avatar_static: str
    header: str
    header_static: str
    followers_count: int = 0
    following_count: int = 0
    statuses_count: int = 0
    last_status_at: str | None = None
    emojis: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """One's own profile as it is edited; its `fields` are those of a profile, as plain text."""

    privacy: str
    sensitive: bool
    language: str
    note: str
    fields: tuple[Field, ...]
    follow_requests_count: int


class Rank(msgspec.Struct, frozen=True):
    """What one may do besides: nothing, for operators work on pages of their own."""

    id: str = "-99"
    name: str = ""
    color: str = ""
    permissions: str = "0"
    highlighted: bool = False


class CredentialAccount(Account, frozen=True, kw_only=True):
    """Oneself."""

    source: Source
    role: Rank = Rank()


class Mention(msgspec.Struct, frozen=True):
    """A doctor who is named; `url` is what the link in the text leads to."""

    id: str
    username: str
    acct: str
    url: str


class Tag(msgspec.Struct, frozen=True):
    """A hashtag in a text, without its `#`."""

    name: str
    url: str


class FollowedTag(msgspec.Struct, frozen=True):
    """A hashtag with what one does about it. How often it is used is not counted."""

    name: str
    url: str
    following: bool
    history: tuple[str, ...] = ()


class Size(msgspec.Struct, frozen=True):
    """Pixels."""

    width: int
    height: int
    size: str
    aspect: float


class Meta(msgspec.Struct, frozen=True):
    """The size of a picture."""

    original: Size


class MediaAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """A picture; its addresses hold a secret and end (`instance.api.pictures`)."""

    id: str
    type: str = "image"
    url: str | None
    preview_url: str | None
    remote_url: str | None = None
    text_url: str | None = None
    meta: Meta | None
    description: str | None
    blurhash: str | None = None


class Option(msgspec.Struct, frozen=True):
    """A choice; `votes_count` None while the reader does not see results."""

    title: str
    votes_count: int | None


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll, called like its post."""

    id: str
    expires_at: str
    expired: bool
    multiple: bool
    votes_count: int
    voters_count: int | None
    options: tuple[Option, ...]
    voted: bool
    own_votes: tuple[int, ...]
    emojis: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A post, complete for who knows no parts of it; or that somebody has passed one on (`reblog`)."""

    id: str
    uri: str
    url: str | None
    account: Account
    created_at: str
    edited_at: str | None = None
    content: str
    visibility: str
    sensitive: bool = False
    spoiler_text: str = ""
    language: str | None
    in_reply_to_id: str | None = None
    in_reply_to_account_id: str | None = None
    replies_count: int = 0
    reblogs_count: int = 0
    favourites_count: int = 0
    favourited: bool = False
    reblogged: bool = False
    bookmarked: bool = False
    muted: bool = False
    pinned: bool = False
    media_attachments: tuple[MediaAttachment, ...] = ()
    mentions: tuple[Mention, ...] = ()
    tags: tuple[Tag, ...] = ()
    emojis: tuple[str, ...] = ()
    poll: Poll | None = None
    card: None = None
    application: None = None
    filtered: tuple[str, ...] = ()
    reblog: Status | None = None


class Context(msgspec.Struct, frozen=True):
    """What stands above and below a post."""

    ancestors: tuple[Status, ...]
    descendants: tuple[Status, ...]


class DeletedStatus(Status, frozen=True, kw_only=True):
    """A post that is gone, with what had been typed, so that it can be written anew."""

    text: str


class StatusSource(msgspec.Struct, frozen=True):
    """One's own post as it was typed (Markdown); `spoiler_text` is its question."""

    id: str
    text: str
    spoiler_text: str = ""


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """A post in another language; `provider` is the machine that made it, or the colleague who has confirmed it. A poll's options
    are not translated."""

    content: str
    spoiler_text: str = ""
    language: str
    detected_source_language: str
    provider: str
    poll: None = None
    media_attachments: tuple[MediaAttachment, ...] = ()


class StatusEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a post."""

    content: str
    spoiler_text: str = ""
    sensitive: bool = False
    created_at: str
    account: Account
    media_attachments: tuple[MediaAttachment, ...] = ()
    emojis: tuple[str, ...] = ()
    poll: None = None


class Notification(msgspec.Struct, frozen=True):
    """Something one is told of."""

    id: str
    type: str
    created_at: str
    group_key: str
    account: Account
    status: Status | None


class Conversation(msgspec.Struct, frozen=True):
    """A consult, called by the post that began it; the others in it, and what was written last."""

    id: str
    unread: bool
    accounts: tuple[Account, ...]
    last_status: Status


class Relationship(msgspec.Struct, frozen=True, kw_only=True):
    """How one stands to somebody."""

    id: str
    following: bool
    requested: bool
    requested_by: bool
    followed_by: bool
    blocking: bool
    muting: bool
    muting_notifications: bool
    muting_expires_at: str | None
    showing_reblogs: bool
    notifying: bool = False
    languages: None = None
    blocked_by: bool = False
    domain_blocking: bool = False
    endorsed: bool = False
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one has reported. What becomes of it stands on our pages."""

    id: str
    action_taken: bool = False
    action_taken_at: str | None = None
    category: str
    comment: str
    forwarded: bool
    created_at: str
    status_ids: tuple[str, ...]
    rule_ids: tuple[str, ...]
    target_account: Account


class Results(msgspec.Struct, frozen=True):
    """What a search has found."""

    accounts: tuple[Account, ...]
    statuses: tuple[Status, ...]
    hashtags: tuple[FollowedTag, ...]


class Marker(msgspec.Struct, frozen=True):
    """Where one was in a list."""

    last_read_id: str
    version: int
    updated_at: str


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An app as it has introduced itself."""

    id: str
    name: str
    website: str | None
    scopes: tuple[str, ...]
    redirect_uri: str
    redirect_uris: tuple[str, ...]
    vapid_key: str = ""


class CredentialApplication(Application, frozen=True, kw_only=True):
    """The same, to itself, this once, with its secret."""

    client_id: str
    client_secret: str
    client_secret_expires_at: int = 0


class WebPushSubscription(msgspec.Struct, frozen=True):
    """How an app is told that there is something."""

    id: str
    endpoint: str
    standard: bool
    alerts: dict[str, bool]
    server_key: str
    policy: str
