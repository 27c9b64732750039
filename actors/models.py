"""The people: what an actor, a badge, an account and a verified author are, wherever they come from."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.words import N_

ABOUT_LIMIT = 500
"""The most characters a doctor says about herself."""
WORKPLACE_LIMIT = 120
"""The most characters of where she works."""
SPEAKS_LIMIT = 12
"""The most languages she names."""


class Role(StrEnum):
    """What a badge says its bearer is."""

    DOCTOR = "doctor"
    RESIDENT = "resident"
    STUDENT = "student"
    EDITOR = "editor"


class AccountState(StrEnum):
    """`withdrawn`: the verification was taken back, because its bearer was struck off the register or the proof did not hold;
    `departed`: she has left."""

    APPLICANT = N_("applicant")
    VERIFIED = N_("verified")
    REJECTED = N_("rejected")
    SUSPENDED = N_("suspended")
    WITHDRAWN = N_("withdrawn")
    DEPARTED = N_("departed")


class Badge(msgspec.Struct, frozen=True):
    """Who verified a doctor, as what, when, until when (milliseconds; `verified_on` 0: not yet; `until` None: no end) and how:
    a word of `actors.verifications.Method`, or nothing where nobody has said it."""

    role: Role
    specialties: tuple[str, ...]
    country: str
    verified_by: str
    verified_on: int
    until: int | None = None
    how: str = ""

    def holds(self, now: int) -> bool:
        """Whether somebody has verified its bearer and that has not run out."""
        return self.verified_on > 0 and (self.until is None or self.until > now)


class Answering(msgspec.Struct, frozen=True):
    """The doctor who answers for an editorial desk, by her address and her name."""

    uri: str
    name: str


class Actor(msgspec.Struct, frozen=True):
    """A doctor, here (`sibling_id` None) or on a sibling, as this instance knows her. `about` and `workplace` are plain text of
    her own, `speaks` the languages she can be asked in (BCP 47), `portrait` the version of her picture that lies here, if one
    does, `icon` where that of a sibling's doctor is to be had; `discoverable`: she wants doctors of other countries to find her
    in their directory. `alias`: what somebody is called in one thread that she has signed by role only. `desk`: not a person but
    an editorial desk, and `answered_by` the doctor who answers for it, if somebody does at the moment."""

    id: int
    uri: str
    handle: str
    domain: str
    name: str
    badge: Badge
    sibling_id: int | None = None
    about: str = ""
    discoverable: bool = False
    alias: bool = False
    speaks: tuple[str, ...] = ()
    workplace: str = ""
    portrait: str = ""
    icon: str = ""
    desk: bool = False
    answered_by: Answering | None = None

    @property
    def local(self) -> bool:
        return self.sibling_id is None

    @property
    def mention(self) -> str:
        """`@name@domain`."""
        return f"@{self.handle}@{self.domain}"


class Account(msgspec.Struct, frozen=True):
    """An account of this instance: `kind` is `doctor` (has an actor), `operator` (has none) or `desk` (an editorial desk: has an
    actor, and nobody signs in to it).

    `language` is the one she has chosen to be spoken to; '' is what her browser asks for.
    """

    id: int
    handle: str
    name: str
    kind: str
    state: AccountState
    actor_id: int | None = None
    language: str = ""


class VerifiedDoctor(msgspec.Struct, frozen=True):
    """A doctor who was verified at this very moment; only `actors.credentials.require_verified` makes one."""

    account: Account
    actor: Actor


class Author(msgspec.Struct, frozen=True):
    """A verified doctor whose role may do what she is about to do, or an editorial desk and the verified doctor `answering` for
    it; publishing takes nothing else."""

    actor: Actor
    answering: Actor | None = None

    @property
    def writer(self) -> Actor:
        """The doctor who writes, in whosoever's name."""
        return self.answering if self.answering is not None else self.actor
