"""What this instance says of itself to anybody: its name, what it can, how large a text may be. No member, no count."""

from __future__ import annotations

from typing import Any

from actors.models import ABOUT_LIMIT
from core import VERSION
from core.access import Access, Route
from core.papers import BYTES
from core.words import N_
from instance.context import in_words, offered, services
from instance.static import SIGN
from posts.models import ALT_LENGTH
from posts.pins import MOST

API_VERSION = "4.2.0"
"""The Mastodon API that clients may take this for; what is newer is in `api_versions`, or they find a 404."""
_ABOUT = N_("A closed room for verified doctors. Nothing in it can be read from outside.")
_RULES = (
    N_("Nothing that could identify a patient, in words or in pictures."),
    N_("Write as a colleague: say what you know, and what you only think."),
    N_("Correct or recall what turns out to be wrong."))
_OPTIONS, _OPTION_LENGTH, _SHORTEST_SECONDS, _LONGEST_SECONDS = 20, 300, 300, 366 * 86_400
_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif")


async def first() -> dict[str, Any]:
    """As apps of old ask for it."""
    known, settings = _known(), services().settings
    return {
        "uri": services().identity.domain, "title": settings.instance.name, "short_description": in_words(_ABOUT),
        "description": in_words(_ABOUT), "email": settings.imprint.email, "version": version(),
        "urls": {"streaming_api": streams()},
        "stats": {"user_count": 0, "status_count": 0, "domain_count": 0}, "thumbnail": _icon(), "languages": known["languages"],
        "registrations": False, "approval_required": True, "invites_enabled": False, "configuration": _configuration(),
        "contact_account": None, "rules": known["rules"]}


async def second() -> dict[str, Any]:
    """As apps of today ask for it."""
    settings, origin = services().settings, services().identity.origin
    return {
        "domain": services().identity.domain, "title": settings.instance.name, "version": version(),
        "source_url": f"{origin}/imprint", "description": in_words(_ABOUT), "usage": {"users": {"active_month": 0}},
        "thumbnail": {"url": _icon()}, "icon": [{"src": _icon(), "size": "192x192"}], **_known(),
        "configuration": _configuration() | {
            "urls": {"streaming": streams()}, "vapid": {"public_key": vapid_key()},
            "translation": {"enabled": services().translations.translator.on}},
        "registrations": {"enabled": False, "approval_required": True, "message": None, "url": f"{origin}/join"},
        "api_versions": {"mastodon": 1}, "contact": {"email": settings.imprint.email, "account": None}}


async def rules() -> list[dict[str, str]]:
    """The rules of the house, in short; all of them stand on `/terms`."""
    return [{"id": str(place), "text": in_words(text), "hint": ""} for place, text in enumerate(_RULES, start=1)]


def version() -> str:
    """What clients read to know what they can ask for."""
    return f"{API_VERSION} (compatible; Konsil {VERSION})"


def streams() -> str:
    """Where apps listen: this very address, as one of WebSockets."""
    return f"ws{services().identity.origin.removeprefix('http')}"


def vapid_key() -> str:
    """Our key for Web Push; empty where this instance names no push service, so that apps do not ask."""
    return services().pushes.public_key if services().pushes.on else ""


def _known() -> dict[str, Any]:
    return {"languages": list(offered()), "rules": [
        {"id": str(place), "text": in_words(text), "hint": ""} for place, text in enumerate(_RULES, start=1)]}


def _configuration() -> dict[str, Any]:
    settings = services().settings
    edge = settings.media.edge_pixels
    return {
        "accounts": {"max_featured_tags": 0, "max_pinned_statuses": MOST, "max_note_length": ABOUT_LIMIT},
        "statuses": {"max_characters": settings.posts.text_limit, "max_media_attachments": settings.media.per_post,
                     "characters_reserved_per_url": 23},
        "media_attachments": {"supported_mime_types": list(_PICTURES), "image_size_limit": BYTES,
                              "image_matrix_limit": edge * edge, "video_size_limit": 0, "video_frame_rate_limit": 0,
                              "video_matrix_limit": 0, "description_limit": ALT_LENGTH},
        "polls": {"max_options": _OPTIONS, "max_characters_per_option": _OPTION_LENGTH, "min_expiration": _SHORTEST_SECONDS,
                  "max_expiration": _LONGEST_SECONDS}}


def _icon() -> str:
    return f"{services().identity.origin}{SIGN}"


ROUTES = (
    Route("/api/v1/instance", ("GET",), first, Access.VISITOR),
    Route("/api/v2/instance", ("GET",), second, Access.VISITOR),
    Route("/api/v1/instance/rules", ("GET",), rules, Access.VISITOR),
)
