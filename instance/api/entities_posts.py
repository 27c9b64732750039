"""Posts as apps see them: everything that is coded stands in the text, for nobody there knows the parts of a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape

from actors.models import Actor
from core.clock import rfc3339
from core.countries import CODES, pack
from core.i18n import Translator, format_list, language_name
from core.ids import made_at, number, public
from core.text import spoken
from core.words import N_, Phrase
from instance.api.entities import MediaAttachment, Mention, Meta, Option, Poll, Size, Status, Tag
from instance.api.entities_people import Setting, account, mention, setting
from instance.api.pictures import picture_address
from instance.context import services
from posts.degraded import content
from posts.models import CorrectionKind, Kind, Picture, PollView, PostView, Reach, ReplyKind
from posts.threads import Around
from posts.translated import whole
from posts.translations import Beside
from posts.views import tag_page

_INNER_LINK = re.compile(r'(<a (?:[^<>]*? )?href=")/(?!/)')
_BETWEEN = re.compile(r"(<(?:br|hr|/?(?:p|h\d|ul|ol|li|blockquote|pre|table|thead|tbody|tr|th|td)\b[^<>]*+)>)\n")
_FIRST_NAMES = re.compile(r"\A(?:@[\w.@:-]+[\s:,]*)+")
_BEGINNING = 4_000
_REPLY_WORDS: dict[ReplyKind, Phrase] = {ReplyKind.QUESTION: N_("A question back"), ReplyKind.EVIDENCE: N_("Evidence")}
_CORRECTIONS: dict[CorrectionKind, Phrase] = {
    CorrectionKind.RECALL: N_("Recalled by its author"), CorrectionKind.CORRECTION: N_("Clinical correction")}
_HELPFUL = N_("Marked as helpful by whoever asked")
_READ_IN = N_("Read in %(countries)s")
_ABROAD = N_("Ask abroad")
_BY_A_MACHINE = N_("Machine translation by %(name)s, not checked")
_CONFIRMED = N_("%(language)s, confirmed by %(name)s, %(country)s")
_HIDDEN = N_("Hidden from everybody else here while operators look at a report")


async def statuses(posts: Sequence[PostView]) -> tuple[Status, ...]:
    """Posts of one reader, with whom they name and what they answer."""
    around, within = await services().threads.around(posts), setting()
    return tuple(_status(post, around, within) for post in posts)


async def status(post: PostView) -> Status:
    """One of them."""
    return (await statuses((post,)))[0]


def absolute(html: str) -> str:
    """A text with its links to our own pages leading here from anywhere, and without line breaks between its elements: many apps
    show every break that they find."""
    whole = _BETWEEN.sub(r"\1", html) if ">\n" in html else html
    return _INNER_LINK.sub(rf"\1{services().identity.origin}/", whole) if 'href="/' in whole else whole


def as_typed(post: PostView, text: str) -> tuple[str, str]:
    """What was typed, and what stands above it: nothing above a text that is its own question, so that a change of it changes
    both and the question never goes on saying what has been taken back."""
    if post.kind in (Kind.NOTE, Kind.POLL) and (not text or not _heading(post)):
        return text or post.question, ""
    return text, post.question


def translated(post: PostView, beside: Beside) -> str:
    """The text of a post in another language, as `content` has it, and above it what stands beside it on our pages: whose word
    it is that both say the same, and where they do not seem to."""
    within, said = setting(), beside.said
    asked = said.question if _heading(post) else ""
    lines = [within.words.gettext(_BY_A_MACHINE) % {"name": beside.machine} if beside.machine
             else within.words.gettext(_CONFIRMED) % {
                 "language": language_name(said.language), "name": said.name, "country": beside.country.upper()}]
    lines += [one.sentence.said(within.words.gettext) for one in beside.differences]
    return "".join((
        *(f"<p><em>{escape(line, quote=False)}</em></p>" for line in lines), _before(post, within.words),
        absolute(content(asked, said.html, post.facts, post.state, whole(post.parts, said), said.language)),
        _after(post, within)))


def attachments(post: PostView) -> tuple[MediaAttachment, ...]:
    """Its pictures."""
    return tuple(_attachment(post, which, picture) for which, picture in enumerate(post.pictures, start=1))


def _status(post: PostView, around: Around, within: Setting) -> Status:
    made = _own(post, around, within)
    if post.boosted_by is None or not post.boost_id:
        return made
    passed_on = rfc3339(made_at(number(post.boost_id) or 0))
    return Status(id=post.boost_id, uri=f"{within.origin}/boosts/{post.boost_id}", url=made.url,
                  account=account(post.boosted_by, within=within), created_at=passed_on, content="", visibility=made.visibility,
                  language=post.language, reblog=made)


def _own(post: PostView, around: Around, within: Setting) -> Status:
    origin = within.origin
    parent = around.authors.get(post.parent_id or "")
    return Status(
        id=post.id, uri=post.uri, url=f"{origin}/p/{post.id}", account=account(post.author, within=within),
        created_at=rfc3339(post.published),
        edited_at=rfc3339(post.updated) if post.updated is not None else None,
        content="".join((
            _before(post, within.words),
            absolute(content(_heading(post), post.html, post.facts, post.state, post.parts, post.language)),
            _after(post, within))),
        visibility="direct" if post.named else "private", spoiler_text=_spoiler(post, within.words),
        sensitive=post.recalled or any(picture.warning for picture in post.pictures), language=post.language or None,
        in_reply_to_id=post.parent_id, in_reply_to_account_id=public(parent.id) if parent is not None else None,
        replies_count=post.replies, reblogs_count=post.boosts, favourites_count=post.likes, favourited=post.liked,
        reblogged=post.boosted, bookmarked=post.bookmarked, muted=post.muted, pinned=post.pinned,
        media_attachments=attachments(post), mentions=_mentions(post, around),
        tags=tuple(Tag(name, origin + tag_page(name)) for name in post.tags.hashtags),
        poll=poll(post, post.poll) if post.poll is not None else None)


def poll(post: PostView, found: PollView) -> Poll:
    """The poll of a post, as far as its reader sees results."""
    return Poll(
        id=post.id, expires_at=rfc3339(found.ends_at), expired=found.closed, multiple=found.multiple,
        votes_count=sum(option.votes for option in found.options) if found.shown else found.voters,
        voters_count=found.voters, voted=found.voted or post.mine,
        own_votes=tuple(option.position for option in found.options if option.chosen),
        options=tuple(Option(option.name, option.votes if found.shown else None) for option in found.options))


def _mentions(post: PostView, around: Around) -> tuple[Mention, ...]:
    """Whom it names; in a consult also all others who are in it, so that an answer in an app names them as well."""
    named: dict[int, tuple[Actor, str]] = {}
    for one in post.tags.mentions:
        if (actor := around.named.get(one.uri)) is not None:
            named.setdefault(actor.id, (actor, one.name))
    for actor in post.readers:
        if actor.id != post.author.id:
            named.setdefault(actor.id, (actor, ""))
    return tuple(mention(actor, name) for actor, name in named.values())


def _heading(post: PostView) -> str:
    """The question that stands above a text; none above one that begins with it, as one that was typed into one field may."""
    asked = "".join(post.question.removesuffix(" …").split()) if post.kind in (Kind.NOTE, Kind.POLL) else ""
    if not asked:
        return post.question
    begun = _FIRST_NAMES.sub("", spoken(post.html[:_BEGINNING]))
    return "" if "".join(begun.split()).startswith(asked) else post.question


def _before(post: PostView, words: Translator) -> str:
    """What our pages show as marks: what an answer is, a correction, that operators look at it."""
    lines = [words.gettext(_REPLY_WORDS[post.reply_kind])] if post.reply_kind in _REPLY_WORDS else []
    if post.helpful:
        lines.append(words.gettext(_HELPFUL))
    if post.correction is not None:
        lines.append(f"{words.gettext(_CORRECTIONS[post.correction.kind])}: {post.correction.reason}")
    if post.hidden is not None:
        lines.append(words.gettext(_HIDDEN))
    return "".join(f"<p><em>{escape(line, quote=False)}</em></p>" for line in lines)


def _after(post: PostView, within: Setting) -> str:
    """Who reads a conversation, where that is more than this country: an answer goes there as well. Behind one's own question at
    home, where that is asked abroad: a border is crossed on our page."""
    if post.parent_id is None and post.mine and post.audience.reach == Reach.HOME:
        page = f"{within.origin}/compose?abroad={post.id}"
        return f'<p><a href="{page}">{escape(within.words.gettext(_ABROAD), quote=False)}</a></p>'
    if post.parent_id is not None or post.audience.reach not in (Reach.COUNTRIES, Reach.NETWORK):
        return ""
    return _read_in(post.countries, within.words)


@lru_cache(maxsize=1024)  # few audiences there are stand under most posts
def _read_in(countries: tuple[str, ...], words: Translator) -> str:
    names = format_list([pack(code).name_in(words.language) for code in countries if code in CODES], words.language)
    line = words.gettext(_READ_IN) % {"countries": names}
    return f"<p><em>{escape(line, quote=False)}</em></p>"


def _spoiler(post: PostView, words: Translator) -> str:
    if not post.recalled or post.correction is None:
        return ""
    return f"{words.gettext(_CORRECTIONS[CorrectionKind.RECALL])}: {post.correction.reason}"


def _attachment(post: PostView, which: int, picture: Picture) -> MediaAttachment:
    width, height = picture.width, picture.height
    return MediaAttachment(
        id=f"{post.id}-{which}", url=picture_address(post, which, "large"), preview_url=picture_address(post, which, "small"),
        description=picture.alt or None, meta=Meta(Size(width, height, f"{width}x{height}", width / height if height else 1.0)))
