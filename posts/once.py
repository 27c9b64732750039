"""A form is sent once: what stands for one sending of it, and the post that one has made already."""

from __future__ import annotations

import hashlib

import msgspec

from actors.models import Actor
from core.database import Tx
from core.ids import public
from posts import store
from posts.models import Draft, Kind, ReplyKind


def of_new(form: str, draft: Draft, *, by_role: bool = False) -> bytes | None:
    """What stands for a new post out of a form; None for a caller without a form."""
    return _digest(form, draft.kind, str(by_role), draft.question, draft.text, msgspec.json.encode(draft.parts).decode(),
                   *(draft.poll.options if draft.poll is not None else ()))


def of_reply(form: str, parent_id: str, text: str, kind: ReplyKind = ReplyKind.ANSWER) -> bytes | None:
    """The same for an answer."""
    return _digest(form, Kind.REPLY, parent_id, text, *((kind,) if kind != ReplyKind.ANSWER else ()))


def made(tx: Tx, author: Actor, once: bytes | None) -> str | None:
    """The post that an author's form, sent with this, has made already."""
    found = store.sent_before(tx, author.id, once) if once is not None else None
    return public(found) if found is not None else None


def _digest(form: str, *written: str) -> bytes | None:
    if not form:
        return None
    return hashlib.sha256("\0".join((form, *written)).encode(errors="surrogatepass")).digest()[:16]
