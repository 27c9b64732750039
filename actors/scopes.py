"""What an app may do in a doctor's name, as OAuth scopes: `read` holds every `read:…`, and so on.

They are those of the Mastodon API, which clients know. None of them reaches operators' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.errors import InvalidInput
from core.words import N_, Phrase

DEFAULT = "read"
"""What an app gets that names nothing (RFC 6749, section 3.3)."""

WORDS: Mapping[str, Phrase] = {
    "read": N_("Read everything that you can read here"),
    "read:accounts": N_("See your account and those of colleagues"),
    "read:blocks": N_("See whom you have blocked"),
    "read:bookmarks": N_("See what you keep"),
    "read:favourites": N_("See what you like"),
    "read:filters": N_("See your filters"),
    "read:follows": N_("See whom you follow"),
    "read:lists": N_("See your lists"),
    "read:mutes": N_("See whom you have muted"),
    "read:notifications": N_("See what you are told"),
    "read:search": N_("Search in your name"),
    "read:statuses": N_("Read posts, consults among them"),
    "profile": N_("See who you are, and nothing else"),
    "write": N_("Do everything in your name that you can do here"),
    "write:accounts": N_("Change your profile"),
    "write:blocks": N_("Block people for you"),
    "write:bookmarks": N_("Keep posts for you"),
    "write:conversations": N_("Put your consults in order"),
    "write:favourites": N_("Like posts for you"),
    "write:filters": N_("Change your filters"),
    "write:follows": N_("Follow people for you"),
    "write:lists": N_("Change your lists"),
    "write:media": N_("Add pictures for you"),
    "write:mutes": N_("Mute people and conversations for you"),
    "write:notifications": N_("Say for you what you have read"),
    "write:reports": N_("Report posts for you"),
    "write:statuses": N_("Publish, change and delete posts for you"),
    "follow": N_("See and change whom you follow, block and mute"),
    "push": N_("Be told that something is new"),
}
"""Every scope there is, and what it means to whoever is asked."""

_FOLLOW = frozenset(f"{side}:{what}" for side in ("read", "write") for what in ("blocks", "follows", "mutes"))
_MOST = 1_000


def parse(text: str) -> tuple[str, ...]:
    """The scopes in a list separated by blanks, each once and in order, `DEFAULT` for an empty one; `InvalidInput`
    (invalid_scope) for one that there is not."""
    named = tuple(dict.fromkeys(text[:_MOST].split())) or (DEFAULT,)
    for name in named:
        if name not in WORDS:
            raise InvalidInput("There is no scope %(name)s here.", values={"name": name[:60]}, reason="invalid_scope")
    return named


def covers(granted: Iterable[str], wanted: str) -> bool:
    """Whether a scope is among those that were granted, or part of one of them."""
    held = set(granted)
    return wanted in held or wanted.partition(":")[0] in held or ("follow" in held and wanted in _FOLLOW)


def within(asked: Iterable[str], registered: Iterable[str]) -> bool:
    """Whether an app asks for no more than it has said that it would."""
    held = tuple(registered)
    return all(covers(held, name) for name in asked)
