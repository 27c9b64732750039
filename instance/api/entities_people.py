"""Doctors and desks as apps see them: the badge stands in the profile's fields, where every client shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from actors.follows import FollowState
from actors.models import Account as OwnAccount
from actors.models import Actor, Role
from actors.relations import Relation, Shun
from core.clock import rfc3339
from core.countries import CODES, pack, specialty_title
from core.i18n import language_name
from core.ids import made_at, public
from core.words import N_, Phrase
from instance.api.entities import Account, CredentialAccount, Field, Mention, Relationship, Source
from instance.api.pictures import portrait_address
from instance.context import in_words, language, services
from posts.views import profile

_ROLES: dict[Role, Phrase] = {Role.DOCTOR: N_("Doctor"), Role.RESIDENT: N_("Resident"), Role.STUDENT: N_("Student"),
                              Role.EDITOR: N_("Editor")}
_VERIFIED, _ENDED, _SPECIALTIES = N_("Verified by"), N_("Not verified any more"), N_("Specialties")
_COUNTRY, _WORKS, _SPEAKS, _ANSWERS = N_("Country"), N_("Works at"), N_("Speaks"), N_("Answers for it")
_DAY_MS = 86_400_000
_HEADER = "/static/icon-512.png"


def account(actor: Actor, statuses: int = 0, last: int | None = None) -> Account:
    """A doctor; how much she has `asked` and when `last` (ms) where that was looked up."""
    return Account(**_shown(actor, statuses, last))  # type: ignore[arg-type]


def own(actor: Actor, known: OwnAccount, requests: int, statuses: int, last: int | None) -> CredentialAccount:
    """Oneself, and how many ask to follow."""
    source = Source("private", False, known.language or None, actor.about, (), requests)
    return CredentialAccount(**_shown(actor, statuses, last), source=source)  # type: ignore[arg-type]


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


def _shown(actor: Actor, statuses: int, last: int | None) -> dict[str, object]:
    origin, portrait = services().identity.origin, portrait_address(actor)
    return {
        "id": public(actor.id), "username": actor.handle, "acct": acct(actor), "display_name": actor.name, "bot": actor.desk,
        "discoverable": actor.local or actor.discoverable,
        "created_at": rfc3339(made_at(actor.id) // _DAY_MS * _DAY_MS), "note": _note(actor),
        "url": origin + profile(actor.mention), "uri": actor.uri, "avatar": portrait, "avatar_static": portrait,
        "header": origin + _HEADER, "header_static": origin + _HEADER, "statuses_count": statuses,
        "last_status_at": day(last) if last is not None else None, "fields": _fields(actor)}


def day(ms: int) -> str:
    """A moment (ms) as a date."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d")


def _note(actor: Actor) -> str:
    """What she says about herself; who knows no fields reads her badge here."""
    about = "<br>".join(escape(line, quote=False) for line in actor.about.strip().splitlines())
    badge = " · ".join((in_words(_ROLES[actor.badge.role]), *_titles(actor), f"{in_words(_VERIFIED)} {actor.badge.verified_by}"
                        if _holds(actor) else in_words(_ENDED)))
    return f"<p>{escape(badge, quote=False)}</p>" + (f"<p>{about}</p>" if about else "")


def _fields(actor: Actor) -> tuple[Field, ...]:
    badge, spoken = actor.badge, language()
    rows = [Field(in_words(_VERIFIED), escape(f"{badge.verified_by} ({in_words(_ROLES[badge.role])})", quote=False),
                  rfc3339(badge.verified_on)) if _holds(actor) else Field(in_words(_ENDED), in_words(_ROLES[badge.role]))]
    if badge.specialties:
        rows.append(_row(_SPECIALTIES, ", ".join(_titles(actor))))
    if badge.country in CODES:
        rows.append(_row(_COUNTRY, pack(badge.country).name_in(spoken)))
    if actor.answered_by is not None:
        rows.append(_row(_ANSWERS, actor.answered_by.name))
    if actor.workplace:
        rows.append(_row(_WORKS, actor.workplace))
    if actor.speaks:
        rows.append(_row(_SPEAKS, ", ".join(map(language_name, actor.speaks))))
    return tuple(rows)


def _row(name: Phrase, value: str) -> Field:
    return Field(in_words(name), escape(value, quote=False))


def _titles(actor: Actor) -> tuple[str, ...]:
    return tuple(specialty_title(code, language()) for code in actor.badge.specialties)


def _holds(actor: Actor) -> bool:
    return actor.badge.holds(services().clock.ms())
