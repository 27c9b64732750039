"""A translation of a post: what it says in another language, whose word it is that it says the same, and of which text.

What is coded is no part of it: that is read in every language from tables. A translation is of one text alone, by a digest of it;
when the text changes it is none any more.
"""

from __future__ import annotations

from hashlib import sha256
from re import compile as pattern

import msgspec

from actors.models import Actor, Role
from core.database import Tx
from core.ids import Ids
from posts.parts import NO_PARTS, Outcome, Parts, Row, Section, htmls

MOST = 8
"""How many translations a post has at most."""
TOPIC = "translations"
"""What wakes whoever makes translations part of their posts."""
_JSON = msgspec.json.Encoder(order="deterministic")
_LINK = pattern(r'href="([^"]*)"')


class Translation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A translation into `language` of the text with this `digest`, confirmed at `at` (ms) by the doctor `by` who is called
    `name`;
    nobody, while only a machine has made it. HTML has passed the gate; `parts` are sections, timeline and outcome alone."""

    language: str
    digest: str
    question: str
    html: str
    parts: Parts = NO_PARTS
    by: str = ""
    name: str = ""
    at: int = 0


def digest_of(question: str, html: str, parts: Parts) -> str:
    """Stands for what a post says in words; the same at every instance that holds it."""
    said = [question, html, [(one.heading, one.html) for one in parts.sections], parts.timeline,
            parts.outcome.html if parts.outcome is not None else None]
    return sha256(_JSON.encode(said)).hexdigest()


def holding(translations: tuple[Translation, ...], question: str, html: str, parts: Parts) -> tuple[Translation, ...]:
    """Those that are of this text."""
    if not translations:
        return ()
    digest = digest_of(question, html, parts)
    return tuple(one for one in translations if one.digest == digest)


def pieces(question: str, html: str, parts: Parts) -> list[str]:
    """What there is to translate, piece by piece and as HTML; `put_together` takes them back in the same order."""
    outcome = [parts.outcome.html] if parts.outcome is not None else []
    rows = (_escaped(row.what) for row in parts.timeline)
    return [_escaped(question), html, *(one.html for one in parts.sections), *rows, *outcome]


def put_together(made: list[str], rows: list[str], language: str, digest: str, parts: Parts) -> Translation:
    """A translation out of pieces: `made` has passed the gate and is HTML, but for the question, which is plain; `rows` are the
    words of the timeline."""
    question, html, *rest = made
    sections = tuple(Section(one.heading, text) for one, text in zip(parts.sections, rest, strict=False))
    outcome = Outcome(rest[len(sections)], at=parts.outcome.at) if parts.outcome is not None else None
    timeline = tuple(Row(row.day, text) for row, text in zip(parts.timeline, rows, strict=True))
    return Translation(language, digest, question, html, Parts(sections, timeline, outcome))


def whole(parts: Parts, one: Translation) -> Parts:
    """The parts of a post with the words of a translation: what is coded stays, and is read in any language."""
    return msgspec.structs.replace(parts, sections=one.parts.sections, timeline=one.parts.timeline, outcome=one.parts.outcome)


def words(question: str, html: str, parts: Parts) -> str:
    """All of it as one piece of HTML, for comparing."""
    rows = "".join(f"<p>{_escaped(row.what)}</p>" for row in parts.timeline)
    return "".join((f"<p>{_escaped(question)}</p>", html, *htmls(parts), rows))


def same_links(original: str, translated: str) -> bool:
    """Whether a translation leads nowhere but where the original does."""
    return {*_LINK.findall(translated)} <= {*_LINK.findall(original)}


def may_confirm(doctor: Actor, *languages: str) -> bool:
    """Whether a doctor's word counts that a text says the same in these languages: she says of herself that she speaks them. The
    language of her pages says nothing about that."""
    spoken = {base(code) for code in doctor.speaks}
    herself = not doctor.alias and not doctor.desk and doctor.badge.role != Role.STUDENT
    return herself and {base(one) for one in languages} <= spoken


def base(language: str) -> str:
    """A language without what comes after it: `de` of `de-CH`."""
    return language.partition("-")[0].lower()


def offered(tx: Tx, ids: Ids, post_id: int, by_id: int, translation: Translation, now: int) -> None:
    """Keep a translation that came from a sibling until the worker makes it part of the post and tells everybody."""
    tx.run("INSERT INTO offered_translations (id, post_id, by_id, digest, said, at) VALUES (?, ?, ?, ?, ?, ?)",
           (ids.new(), post_id, by_id, translation.digest, _JSON.encode(translation).decode(), now))
    tx.wake(TOPIC)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
