"""What the demo shows: people and conversations, written for it. Nobody in here exists, and no patient does."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import msgspec

from actors.models import Role
from actors.names import suggested_handle
from posts.bases import Basis
from posts.models import Kind, Reach, ReplyKind
from posts.parts import Congress, Parts, Row, Section, Study


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


class SeedCongress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A congress that begins in so many days, whenever the demo is started."""

    in_days: int
    days: int
    place: str
    link: str = ""

    @property
    def congress(self) -> Congress:
        first = datetime.now(UTC).date() + timedelta(days=self.in_days)
        return Congress(first.isoformat(), (first + timedelta(days=self.days - 1)).isoformat(), self.place, self.link)


class SeedPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture by its name in `drawing.DRAWINGS`, what it shows in words, and its `posts.models.SORTS`."""

    drawing: str
    alt: str
    sort: str


class SeedPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A top-level post; `to` are country codes (empty and `network` false: home), `sections` Markdown by heading, `helpful` the
    keys of the answers that its author has marked, `ground` (of `posts.bases.GROUNDS`) on what it rests that a case goes
    abroad."""

    key: str
    author: str
    kind: Kind
    language: str
    question: str
    hours_ago: float
    text: str = ""
    specialties: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    age_band: str = ""
    sex: str = ""
    aim: str = ""
    pictures: tuple[SeedPicture, ...] = ()
    ground: str = "anonymous"
    network: bool = False
    to: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    multiple: bool = False
    open_hours: float = 72
    votes: dict[str, list[int]] = {}
    doctors: tuple[str, ...] = ()
    by_role: bool = False
    sections: dict[str, str] = {}
    timeline: tuple[tuple[int, str], ...] = ()
    study: Study | None = None
    sponsor: str | None = None
    congress: SeedCongress | None = None
    helpful: tuple[str, ...] = ()
    outcome: str = ""

    @property
    def parts(self) -> Parts:
        """What it holds beside its text, its outcome apart, which comes later."""
        return Parts(tuple(Section(heading, source=text.strip()) for heading, text in self.sections.items()),
                     tuple(Row(*row) for row in self.timeline), None, self.study, self.sponsor,
                     self.congress.congress if self.congress is not None else None)

    @property
    def basis(self) -> Basis | None:
        """What a case that goes abroad rests on."""
        return Basis(self.ground, no_name=True) if self.kind == Kind.CASE and self.reach != Reach.HOME else None

    @property
    def reach(self) -> Reach:
        return Reach.NAMED if self.doctors else Reach.NETWORK if self.network else Reach.COUNTRIES if self.to else Reach.HOME


class SeedCorrection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer says from now on, and why."""

    text: str
    reason: str


class SeedReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to the post or reply named `to`; `sources` are the works it rests on, `recalled` why it was withdrawn."""

    key: str
    to: str
    author: str
    language: str
    minutes: float
    text: str
    kind: ReplyKind = ReplyKind.ANSWER
    sources: str = ""
    corrected: SeedCorrection | None = None
    recalled: str = ""


class SeedProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says of herself; `abroad`: doctors of other countries find her."""

    who: str
    about: str
    abroad: bool
    workplace: str = ""
    speaks: tuple[str, ...] = ()


class SeedFollow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody asks to follow another, who has accepted or has not answered yet."""

    who: str
    whom: str
    accepted: bool


class SeedDeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody likes, passes on or keeps a post or reply by its key."""

    who: str
    post: str


class SeedApplicant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who has handed in an application; without a number she has none yet."""

    country: str
    name: str
    role: str
    language: str
    hours_ago: float
    birth_name: str = ""
    specialties: tuple[str, ...] = ()
    number: str = ""
    answer: str = "Demo"

    @property
    def address(self) -> str:
        """A mail address that nobody has (RFC 2606)."""
        return f"{suggested_handle(self.name, ())}@hospital.example"


class SeedDesk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An editorial desk, and the handle of the doctor who answers for it."""

    country: str
    handle: str
    name: str
    doctor: str
    specialties: tuple[str, ...]


class Seed(msgspec.Struct, frozen=True):
    """All of it, for some countries. `author` (a doctor or a desk), `who`, `whom`, `doctors` and voters are `handle@country`."""

    people: tuple[Person, ...]
    posts: tuple[SeedPost, ...]
    replies: tuple[SeedReply, ...]
    consults: tuple[SeedPost, ...]
    profiles: tuple[SeedProfile, ...]
    follows: tuple[SeedFollow, ...]
    likes: tuple[SeedDeed, ...]
    boosts: tuple[SeedDeed, ...]
    bookmarks: tuple[SeedDeed, ...]
    applicants: tuple[SeedApplicant, ...]
    desks: tuple[SeedDesk, ...]


def load(countries: tuple[str, ...]) -> Seed:
    """The content for these countries; what needs others is left out."""
    tables = [_read("people.toml"), _read("posts.toml"), _read("together.toml"), _read("desks.toml")]
    tables[1] = {what: [*tables[1][what], *more] for what, more in _read("cases.toml").items()}
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
    def deeds(what: str) -> tuple[SeedDeed, ...]:
        return tuple(deed for deed in msgspec.convert(tables[2][what], tuple[SeedDeed, ...])
                     if deed.post in keys and _country(deed.who) in countries)

    return Seed(
        people, posts, tuple(replies),
        tuple(consult for consult in msgspec.convert(tables[2]["consults"], tuple[SeedPost, ...])
              if {_country(who) for who in (consult.author, *consult.doctors)} <= set(countries)),
        tuple(profile for profile in msgspec.convert(tables[2]["profiles"], tuple[SeedProfile, ...])
              if _country(profile.who) in countries),
        tuple(follow for follow in msgspec.convert(tables[2]["follows"], tuple[SeedFollow, ...])
              if {_country(follow.who), _country(follow.whom)} <= set(countries)),
        deeds("likes"), deeds("boosts"), deeds("bookmarks"),
        tuple(one for one in msgspec.convert(_read("applicants.toml")["applicants"], tuple[SeedApplicant, ...])
              if one.country in countries),
        tuple(desk for desk in msgspec.convert(tables[3]["desks"], tuple[SeedDesk, ...]) if desk.country in countries))


def _country(who: str) -> str:
    return who.rpartition("@")[2]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("instance.seed").joinpath(name).read_text("utf-8"))
