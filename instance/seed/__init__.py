"""What the demo shows: people and conversations, written for it. Nobody in here exists, and no patient does."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import msgspec

from actors.models import Role
from posts.models import Kind, Reach


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody with a login; `role` is a badge's role or `operator`."""

    country: str
    handle: str
    name: str
    role: str
    specialties: tuple[str, ...] = ()

    @property
    def evidence(self) -> str:
        return f"Entry in the register of {self.country.upper()}, seen for the demo"

    @property
    def badge_role(self) -> Role:
        return Role(self.role)


class SeedPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A top-level post; `to` are country codes (empty and `network` false: home)."""

    key: str
    author: str
    kind: Kind
    language: str
    question: str
    hours_ago: float
    text: str = ""
    specialties: tuple[str, ...] = ()
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    network: bool = False
    to: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    multiple: bool = False
    open_hours: float = 72
    votes: dict[str, list[int]] = {}

    @property
    def reach(self) -> Reach:
        return Reach.NETWORK if self.network else Reach.COUNTRIES if self.to else Reach.HOME


class SeedReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to the post or reply named `to`."""

    key: str
    to: str
    author: str
    language: str
    minutes: float
    text: str


class Seed(msgspec.Struct, frozen=True):
    """All of it, for some countries. `author` and voters are `handle@country`."""

    people: tuple[Person, ...]
    posts: tuple[SeedPost, ...]
    replies: tuple[SeedReply, ...]


def load(countries: tuple[str, ...]) -> Seed:
    """The content for these countries; what needs others is left out."""
    tables = [_read("people.toml"), _read("posts.toml")]
    people = tuple(person for person in msgspec.convert(tables[0]["people"], tuple[Person, ...]) if person.country in countries)
    posts = tuple(
        msgspec.structs.replace(post, to=tuple(code for code in post.to if code in countries),
                                votes={who: which for who, which in post.votes.items() if _country(who) in countries})
        for post in msgspec.convert(tables[1]["posts"], tuple[SeedPost, ...]) if _country(post.author) in countries)
    if len(countries) == 1:
        posts = tuple(msgspec.structs.replace(post, network=False, to=()) for post in posts)
    keys = {post.key for post in posts}
    replies = []
    for reply in msgspec.convert(tables[1]["replies"], tuple[SeedReply, ...]):
        if reply.to in keys and _country(reply.author) in countries:
            keys.add(reply.key)
            replies.append(reply)
    return Seed(people, posts, tuple(replies))


def _country(who: str) -> str:
    return who.rpartition("@")[2]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("instance.seed").joinpath(name).read_text("utf-8"))
