"""Writing in an app: publish, ask named doctors, answer, change, delete.

What an app sends is a note or a poll: cases, studies and news have fields that apps do not know. `direct` goes to the doctors its
text names, an answer to whoever reads what it answers, everything else stays at home.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from quart import request

from actors.models import Actor
from core.access import Access, Route
from core.errors import InvalidInput
from instance.api import bodies
from instance.api.bodies import Fields
from instance.api.entities import DeletedStatus, Status
from instance.api.entities_posts import as_typed, status
from instance.api.guard import author, bearer, doctor, writes_in
from instance.api.second_steps import are_clean, look_twice, pictures_for, send_over_there, sheet_for
from instance.api.statuses import found
from instance.context import services
from posts import once
from posts.drafts import Sheet, What, Written
from posts.models import Draft, Kind, PollDraft, PostView, Reach
from posts.rules import fields_of
from posts.trays import MARK
from posts.wire import QUESTION_LENGTH

VISIBILITIES = ("", "public", "unlisted", "private", "direct")
_SHORTEST, _LONGEST = 300, 366 * 86_400
_HOUR = 3600
_BEGINNING = 80
_POINTS = re.compile(r"[@#\[`*_]")
_NAMED_FIRST = re.compile(r"\A(?:\s*@[\w.@:-]+)+[\s:,]*")


async def write() -> Status:
    """Publish, ask named doctors, or answer."""
    fields = await bodies.sent()
    if fields.text("scheduled_at", 60):
        raise InvalidInput("Nothing is sent later by itself here. Send it when it is to go out.", field="scheduled_at")
    visibility = fields.text("visibility", 20)
    if visibility not in VISIBILITIES:
        raise InvalidInput("There is no such visibility here.", field="visibility")
    if fields.text("in_reply_to_id", 60):
        made = await _answer(fields, visibility)
    else:
        made = await _ask(fields, direct=visibility == "direct")
    return await status(await services().threads.one(doctor().actor, made))


async def _ask(fields: Fields, *, direct: bool) -> str:
    """A new post: for home, or, `direct`, for the doctors it names."""
    who, form = await author("post"), _form()
    draft, media = _draft(fields), fields.texts("media_ids", 40)
    if (made := await _made(who.actor, once.of_new(form, draft))) is not None:
        return made
    await look_twice(fields_of(draft), draft.language)
    named = tuple(one for one in await services().compose.named(draft) if one.id != who.actor.id) if direct else ()
    if direct and not named:
        raise InvalidInput("A direct message goes to the colleagues it names. Name at least one, like @name or @name@domain.",
                           field="visibility", reason="nobody")
    written = _written(draft, tuple(one.mention for one in named))
    place = sheet_for(_number(written))
    abroad = {one.badge.country for one in named if not one.local}
    sheet = await pictures_for(media, place, written, leaves=bool(abroad))
    if abroad:
        await services().compose.preview(draft)
        await send_over_there(written, place, abroad)
    if direct:
        return await services().compose.consult(who, draft, named, form, sheet)
    return await services().compose.publish(who, draft, (), Reach.HOME, "", form, sheet=sheet)


async def _answer(fields: Fields, visibility: str) -> str:
    """An answer, to whoever reads what it answers. One that was meant for fewer is not sent to more."""
    who, form, parent = await author("reply"), _form(), await found(fields.text("in_reply_to_id", 60))
    if visibility == "direct" and not parent.named:
        raise InvalidInput("An answer is read by everybody who reads what it answers. To ask somebody alone, write a new direct"
                           " message.", field="visibility", reason="wider")
    if "poll" in fields:
        raise InvalidInput("A poll stands by itself; it answers nothing.", field="poll")
    text, spoken = _with_warning(fields), _language(fields)
    if (made := await _made(who.actor, once.of_reply(form, parent.id, text))) is not None:
        return made
    await look_twice({"text": text}, spoken)
    sheet = await pictures_for(fields.texts("media_ids", 40), Sheet(What.REPLY, parent.id, "", MARK),
                               Written(text=text, language=spoken), leaves=len(parent.audience.origins) > 1)
    return await services().compose.reply(who, parent.id, text, spoken, form, sheet)


async def change(status_id: str) -> Status:
    """Another text of one's own post; what it was stays in its history. What an app does not know or does not send stays as it
    is."""
    fields, who = await bodies.sent(), await author("reply")
    post, before = await services().threads.source(doctor().actor, status_id)
    _check_poll(fields, post)
    answers = post.kind == Kind.REPLY
    text = (_with_warning(fields) if answers else fields.text("status")) if "status" in fields else before
    question = " ".join(fields.text("spoiler_text", 1000).split())
    if not question and "status" in fields and not answers and not as_typed(post, before)[1]:
        question, text = headed(text, "", may_be_empty=post.kind == Kind.POLL)
    question = question or post.question
    without, names = _kept(fields, post)
    alts = await _alts(fields, post)
    await look_twice({"question": "" if answers else question, "text": text, "alts": "\n".join(alts.values())}, post.language)
    sheet = await pictures_for(names, Sheet(What.EDIT, post.id, "", MARK), None, leaves=len(post.audience.origins) > 1)
    await services().editing.edit(who, post.id, question, text, post.revision, sheet, without=without, alts=alts)
    return await status(await services().threads.one(doctor().actor, post.id))


async def delete(status_id: str) -> DeletedStatus:
    """Erase one's own post, here and everywhere it went, and hand back what had been typed."""
    me = doctor().actor
    await services().threads.own(me, status_id)
    post, text = await services().threads.source(me, status_id)
    shown = await status(post)
    await services().editing.delete(me, status_id)
    values: dict[str, Any] = {name: getattr(shown, name) for name in Status.__struct_fields__}
    typed, above = as_typed(post, text)
    return DeletedStatus(**values | {"media_attachments": (), "spoiler_text": above, "text": typed})


def _draft(fields: Fields) -> Draft:
    spoken, poll = _language(fields), _poll(fields)
    question, text = headed(fields.text("status"), fields.text("spoiler_text", 1000), may_be_empty=poll is not None)
    return Draft(Kind.NOTE if poll is None else Kind.POLL, question, text, spoken, poll=poll)


def headed(typed: str, warning: str, *, may_be_empty: bool = False) -> tuple[str, str]:
    """The question and the text of a post that was typed into one field: the question is what stands above as a warning, else the
    first line, if more follows (or none has to) and it names nobody, else how the text begins."""
    text, above = typed.strip(), " ".join(warning.split())
    if above:
        return above, text
    first, _, rest = text.partition("\n")
    line = first.lstrip("# ").strip() if first.startswith(("# ", "## ", "### ")) else first.strip()
    if (rest.strip() or may_be_empty) and 0 < len(line) <= QUESTION_LENGTH and not _POINTS.search(line):
        return line, rest.strip()
    words = " ".join(_NAMED_FIRST.sub("", text, count=1).split()) or " ".join(text.split())
    return (words if len(words) <= _BEGINNING else f"{words[:_BEGINNING].rpartition(' ')[0] or words[:_BEGINNING]} …"), text


def _poll(fields: Fields) -> PollDraft | None:
    asked = fields.inner("poll")
    options = tuple(name for name in asked.texts("options", 40) if name.strip())
    if not options:
        return None
    seconds = asked.number("expires_in", 1 << 40)
    if seconds is None or not _SHORTEST <= seconds <= _LONGEST:
        raise InvalidInput("A poll is open for five minutes to a year.", field="poll")
    return PollDraft(options, asked.flag("multiple"), services().clock.ms() + seconds * 1000)


def _check_poll(fields: Fields, post: PostView) -> None:
    """`InvalidInput` where an edit has other options than the poll: votes stand for what was asked."""
    options = fields.inner("poll").texts("options", 40)
    if options and (post.poll is None or [name.strip() for name in options] != [one.name for one in post.poll.options]):
        raise InvalidInput("A poll stays as it was asked: votes were given to its options.", field="poll")


def _kept(fields: Fields, post: PostView) -> tuple[list[str], list[str]]:
    """The names of the pictures that a post has and loses, and of those that come to it."""
    if "media_ids" not in fields:
        return [], []
    listed, own = fields.texts("media_ids", 40), _pictures(post)
    return [name for key, name in own.items() if key not in listed], [one for one in listed if one not in own]


async def _alts(fields: Fields, post: PostView) -> dict[str, str]:
    """What pictures show, as it is said anew: of those that the post has, by their names; of those that come to it, at once."""
    own, said = _pictures(post), {}
    for one in fields.several("media_attributes", 40):
        key, alt = one.text("id", 60), one.text("description", 3000)
        if key in own and alt != next(picture.alt for picture in post.pictures if picture.name == own[key]):
            said[own[key]] = alt
        elif key not in own and alt:
            await services().trays.describe(doctor().actor, key, alt, settled=await are_clean({"alt": alt}, post.language))
    return said


def _pictures(post: PostView) -> dict[str, str]:
    """What apps call its pictures, and what these are called."""
    return {f"{post.id}-{which}": picture.name for which, picture in enumerate(post.pictures, start=1)}


def _with_warning(fields: Fields) -> str:
    """The text of an answer; what stands above it as a warning is its first paragraph."""
    return "\n\n".join(part for part in (fields.text("spoiler_text", 1000).strip(), fields.text("status").strip()) if part)


def _language(fields: Fields) -> str:
    return fields.text("language", 20) or writes_in()


def _form() -> str:
    """What stands for one sending of one form: the app's own key."""
    key = request.headers.get("idempotency-key", "")[:200]
    return f"app {bearer().app.id} {key}" if key else ""


async def _made(who: Actor, sending: bytes | None) -> str | None:
    """The post that this sending has made already."""
    return await services().database.read(lambda tx: once.made(tx, who, sending)) if sending is not None else None


def _written(draft: Draft, doctors: tuple[str, ...]) -> Written:
    """A post of an app as the form of our page holds it."""
    made = Written(kind=str(draft.kind), question=draft.question, text=draft.text, language=draft.language,
                   reach="named" if doctors else "home", doctors=doctors)
    if draft.poll is None:
        return made
    hours = max(1, round((draft.poll.ends_at - services().clock.ms()) / 1000 / _HOUR))
    return msgspec.structs.replace(made, options="\n".join(draft.poll.options), hours=str(hours),
                                   multiple="1" if draft.poll.multiple else "")


def _number(written: Written) -> int:
    """The draft of a text: the same text sent again is the same draft."""
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(written)).digest()[:7], "big")


ROUTES = (
    Route("/api/v1/statuses", ("POST",), write, Access.CLIENT, scopes=("write:statuses",)),
    Route("/api/v1/statuses/<status_id>", ("PUT",), change, Access.CLIENT, scopes=("write:statuses",)),
    Route("/api/v1/statuses/<status_id>", ("DELETE",), delete, Access.CLIENT, scopes=("write:statuses",), frees=True),
)
