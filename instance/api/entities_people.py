"""Doctors and desks as apps see them: the badge stands in the profile's fields, where every client shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from typing import NamedTuple

from actors.follows import FollowState
from actors.models import Actor, Role
from actors.relations import Relation, Shun
from core.clock import rfc3339
from core.countries import CODES, pack, specialty_title
from core.i18n import Translator, language_name
from core.ids import made_at, public
from core.words import N_, Phrase
from instance.api.entities import Account, CredentialAccount, Field, Mention, Relationship, Source
from instance.api.pictures import portrait_address
from instance.context import services, words
from instance.static import BAND
from posts.views import profile

_ROLES: dict[Role, Phrase] = {Role.DOCTOR: N_("Doctor"), Role.RESIDENT: N_("Resident"), Role.STUDENT: N_("Student"),
                              Role.EDITOR: N_("Editor")}
_VERIFIED, _ENDED, _SPECIALTIES = N_("Verified by"), N_("Not verified any more"), N_("Specialties")
_COUNTRY, _WORKS, _SPEAKS, _ANSWERS = N_("Country"), N_("Works at"), N_("Speaks"), N_("Answers for it")
_DAY_MS = 86_400_000


class Setting(NamedTuple):
    """What is the same for everything an answer says: where this instance is, in whose words, and when (ms)."""

    origin: str
    words: Translator
    now: int


def setting() -> Setting:
    """That of this request."""
    return Setting(services().identity.origin, words(), services().clock.ms())


def account(actor: Actor, statuses: int = 0, last: int | None = None, *, within: Setting | None = None) -> Account:
    """A doctor; how much she has `asked` and when `last` (ms) where that was looked up. Of many, all are said `within` one
    setting."""
    return Account(**_shown(actor, statuses, last, within or setting()))  # type: ignore[arg-type]


def own(actor: Actor, spoken: str, requests: int, statuses: int, last: int | None) -> CredentialAccount:
    """Oneself, the language one writes in, and how many ask to follow."""
    source = Source("private", False, spoken, actor.about, (), requests)
    return CredentialAccount(**_shown(actor, statuses, last, setting()), source=source)  # type: ignore[arg-type]


def acct(actor: Actor) -> str:
    """Her name here, or with her domain."""
    return actor.handle if actor.local else f"{actor.handle}@{actor.domain}"


def mention(actor: Actor, name: str = "") -> Mention:
    """A doctor whom a text names; `name` is how it does (`@name@domain`)."""
    return Mention(public(actor.id), actor.handle, acct(actor), services().identity.origin + profile(name or actor.mention))


def relationship(other: Actor, found: Relation) -> Relationship:
    """How the doctor who asks stands to another one."""
    mine, hers = found.following, found.followed_by
    followed = mine is not None and mine.state == FollowState.ACCEPTED
    return Relationship(
        id=public(other.id), following=followed, requested=mine is not None and not followed,
        followed_by=hers is not None and hers.state == FollowState.ACCEPTED,
        requested_by=hers is not None and hers.state == FollowState.REQUESTED,
        blocking=found.shun == Shun.BLOCK, muting=found.shun == Shun.MUTE, muting_notifications=found.shun == Shun.MUTE,
        muting_expires_at=rfc3339(found.until) if found.shun == Shun.MUTE and found.until is not None else None,
        showing_reblogs=followed)


def _shown(actor: Actor, statuses: int, last: int | None, within: Setting) -> dict[str, object]:
    origin, portrait, held = within.origin, portrait_address(actor, within.origin), actor.badge.holds(within.now)
    badge = _in_words(actor.badge.role, actor.badge.specialties, actor.badge.country,
                      actor.badge.verified_by if held else None, within.words)
    return {
        "id": public(actor.id), "username": actor.handle, "acct": acct(actor), "display_name": actor.name, "bot": actor.desk,
        "discoverable": actor.local or actor.discoverable,
        "created_at": rfc3339(made_at(actor.id) // _DAY_MS * _DAY_MS), "note": _note(actor, badge),
        "url": origin + profile(actor.mention), "uri": actor.uri, "avatar": portrait, "avatar_static": portrait,
        "header": origin + BAND, "header_static": origin + BAND, "statuses_count": statuses,
        "last_status_at": day(last) if last is not None else None,
        "fields": _fields(actor, badge, rfc3339(actor.badge.verified_on) if held else None, within.words)}


def day(ms: int) -> str:
    """A moment (ms) as a date."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d")


class _Said(NamedTuple):
    """A badge in words: in one line, as the field that says who verified it, and what else it says."""

    line: str
    name: str
    value: str
    rest: tuple[Field, ...]


@lru_cache(maxsize=2048)  # few differ in more than their day, and there is one beside every post
def _in_words(role: Role, specialties: tuple[str, ...], country: str, by: str | None, words: Translator) -> _Said:
    """What is said of everybody with this role, these specialties and this country, verified by these; None: not any more."""
    called, titles = words.gettext(_ROLES[role]), tuple(specialty_title(code, words.language) for code in specialties)
    name = words.gettext(_VERIFIED if by is not None else _ENDED)
    line = " · ".join((called, *titles, f"{name} {by}" if by is not None else name))
    rest = [_row(words.gettext(_SPECIALTIES), ", ".join(titles))] if specialties else []
    if country in CODES:
        rest.append(_row(words.gettext(_COUNTRY), pack(country).name_in(words.language)))
    value = escape(f"{by} ({called})", quote=False) if by is not None else called
    return _Said(f"<p>{escape(line, quote=False)}</p>", name, value, tuple(rest))


def _note(actor: Actor, badge: _Said) -> str:
    """What she says about herself; who knows no fields reads her badge here."""
    about = "<br>".join(escape(line, quote=False) for line in actor.about.strip().splitlines())
    return badge.line + (f"<p>{about}</p>" if about else "")


def _fields(actor: Actor, badge: _Said, since: str | None, words: Translator) -> tuple[Field, ...]:
    rows = [Field(badge.name, badge.value, since), *badge.rest]
    if actor.answered_by is not None:
        rows.append(_row(words.gettext(_ANSWERS), actor.answered_by.name))
    if actor.workplace:
        rows.append(_row(words.gettext(_WORKS), actor.workplace))
    if actor.speaks:
        rows.append(_row(words.gettext(_SPEAKS), ", ".join(map(language_name, actor.speaks))))
    return tuple(rows)


def _row(name: str, value: str) -> Field:
    return Field(name, escape(value, quote=False))
