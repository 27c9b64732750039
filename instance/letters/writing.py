"""What a letter is made of: its template, its subject and what it shows. Every kind of mail has a function that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from actors.mails import Recipient, WaitingMail
from core.i18n import Translator
from instance.assembly import Assembly


class Written(NamedTuple):
    """A letter before it is set: the name of its template, its subject, what the template shows, and headers of its own."""

    template: str
    subject: str
    shown: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


Write = Callable[[Assembly, Translator, WaitingMail, Recipient], Written]
"""Puts a mail into the words of a language."""
