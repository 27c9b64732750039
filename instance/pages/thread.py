"""A post's page, and what one can do there: answer, vote, edit, delete."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.numbers import whole
from core.vault import token
from instance.context import doctor, language, me, owner, services, verified
from instance.pages.filled import conditions_for, facts_of, parts_of
from instance.pages.linting import look_at, replaced
from instance.pages.looking import is_looked_at, note_reading, settle
from instance.pages.sheets import basis_of, fresh_sheet, rescued, sheet_of, written_of
from posts.attesting import Outcome
from posts.drafts import Sheet, What, Written, form_of, written_again
from posts.linter.looking import NOTHING, Look
from posts.models import Kind, PostView, ReplyKind

_SOURCES_LENGTH = 4_000
OUTCOMES = {outcome.name.lower(): str(outcome) for outcome in Outcome}


async def show_post(post_id: str) -> ResponseReturnValue:
    """The whole conversation a post belongs to. Whoever looks at it has read what she was told about it."""
    return await thread_page(post_id, looking=is_looked_at())


async def thread_page(post_id: str, *, error: InvalidInput | None = None, answering: str = "", written: Written | None = None,
                      sheet: Sheet | None = None, looking: bool = False, look: Look = NOTHING,
                      replaced: bool = False) -> ResponseReturnValue:
    """The conversation; `answering` with an error is the answer that failed, an error alone is a vote that failed. An answer
    that was begun before stands in its form, with what in it could identify the patient (`look`; some was just `replaced`)."""
    failed_vote = error if not answering else None
    found = await services().threads.thread(doctor(), post_id, results=request.args.get("results") == "1",
                                            after=request.args.get("after"))
    posts = found.posts
    if looking:
        await settle(found.seen)
        await note_reading(found)
    answering = answering or request.args.get("answer", "") or posts[0].id
    target = next((post for post in posts if post.id == answering and not post.erased and (post.mine or not post.hidden)), None)
    kept = await services().drafts.of(doctor(), What.REPLY, target.id) if target is not None and written is None else None
    written = written or (kept.written if kept is not None else Written())
    root = posts[0]
    counted = await services().polls.breakdown(doctor(), root.id) if root.mine and root.poll is not None else None
    unmasked = await services().unmaskings.told(doctor(), root.id) if root.by_role else ()
    beside = await services().translations.beside(doctor(), posts, language())
    page = await render_template(
        "thread.html", found=found, beside=beside, translated_by=services().translator.name, counted=counted, unmasked=unmasked,
        outcomes=OUTCOMES, posts=posts, root=posts[0], here=post_id, target=target,
        look=look, replaced=replaced,
        by_id={post.id: post for post in posts}, error=error if failed_vote is None else None, failed_vote=failed_vote,
        uploads=await services().media.in_work(doctor(), Sheet(What.REPLY, target.id)) if target is not None else (),
        basis=await services().consents.of(doctor(), root.id) if root.mine else None,
        written=written, language=written.language or services().pack.languages[0], form=token(),
        sheet=sheet or (fresh_sheet(What.REPLY, target.id, kept) if target is not None else None),
        at=kept.at if kept is not None else None)
    return await make_response(page, error.status if error is not None else 200)


async def reply(post_id: str) -> ResponseReturnValue:
    """Answer; the answer goes to exactly the parent's audience."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    sheet = sheet_of(form, What.REPLY, post_id)
    written = written_of(form)
    if "apply" in form:
        written = await replaced(written, written.language, form["apply"])
        return await thread_page(post_id, answering=post_id, written=written, sheet=sheet,
                                 look=await look_at(written, written.language), replaced=True)
    look = await look_at(written, written.language)
    if not look.blocks and not look.settled(written.looked):
        return await thread_page(post_id, answering=post_id, written=written, sheet=sheet, look=look)
    try:
        made = await services().compose.reply(author, post_id, form.get("text", ""), form.get("language", ""),
                                              form.get("form", ""), sheet, basis_of(form),
                                              kind=_kind_in(form) or ReplyKind.ANSWER,
                                              sources=form.get("sources", "")[:_SOURCES_LENGTH])
    except NotFound:
        if await rescued(sheet, written):
            raise NotFound("What you answer was deleted meanwhile. Your text is kept among your drafts.") from None
        raise
    except InvalidInput as error:
        return await thread_page(post_id, error=error, answering=post_id, written=written, sheet=sheet,
                                 look=look if error.reason == "identifies" else NOTHING)
    return redirect(f"/p/{made}#p-{made}", 303)


async def vote(post_id: str) -> ResponseReturnValue:
    """Vote, once."""
    form = await request.form
    author = await services().credentials.author(me().account, "vote")
    numbers = [whole(value, 99) for value in form.getlist("choice")]
    positions = tuple(number for number in numbers if number is not None)
    try:
        await services().polls.vote(author, post_id, positions)
    except InvalidInput as error:
        return await thread_page(post_id, error=error)
    return redirect(f"/p/{post_id}", 303)


async def attest(post_id: str) -> ResponseReturnValue:
    """Have the other instances say anew what they count; what came of it stands on the page."""
    await services().attesting.check_own(doctor(), post_id)
    return redirect(f"/p/{post_id}#counted", 303)


async def edit_form(post_id: str) -> ResponseReturnValue:
    """One's own text, to be changed; a change that was begun before goes on."""
    post, source = await services().threads.source(doctor(), post_id)
    kept = await services().drafts.of(doctor(), What.EDIT, post_id)
    written = kept.written if kept is not None else msgspec.structs.replace(
        written_again(post.kind, post.question, source, post.language, post.facts, post.parts), revision=str(post.revision),
        reply_kind=post.reply_kind)
    return await _edit_page(post, written, fresh_sheet(What.EDIT, post_id, kept), at=kept.at if kept is not None else None)


async def edit_page(post_id: str, written: Written, sheet: Sheet, error: InvalidInput) -> ResponseReturnValue:
    """The form of an edit that failed."""
    post, _ = await services().threads.source(doctor(), post_id)
    return await _edit_page(post, written, sheet, error)


async def _edit_page(post: PostView, written: Written, sheet: Sheet, error: InvalidInput | None = None, at: int | None = None,
                     look: Look = NOTHING, *, replaced: bool = False) -> ResponseReturnValue:
    page = await render_template("edit.html", post=post, written=written, sheet=sheet, error=error, at=at, look=look,
                                 replaced=replaced, conditions=conditions_for(written, language()),
                                 uploads=await services().media.in_work(doctor(), sheet),
                                 basis=await services().consents.of(doctor(), post.id),
                                 alts=dict(zip(written.pictured, written.alts, strict=False)))
    return await make_response(page, error.status if error is not None else 200)


async def edit(post_id: str) -> ResponseReturnValue:
    """Save a changed text; the old one stays in the history."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    revision = whole(form.get("revision"), 1 << 50)
    sheet = sheet_of(form, What.EDIT, post_id)
    corrects = form.get("reason", "") if form.get("corrects") == "advice" else None
    post, _ = await services().threads.source(doctor(), post_id)
    written = msgspec.structs.replace(written_of(form), kind=form_of(post.kind, post.facts))
    if form.get("rows") or form.get("look_up"):  # more rows for a timeline, or conditions by name: nothing is saved
        return await _edit_page(post, written, sheet)
    if "apply" in form:
        written = await replaced(written, post.language, form["apply"])
        return await _edit_page(post, written, sheet, look=await look_at(written, post.language), replaced=True)
    look = await look_at(written, post.language)
    if not look.blocks and not look.settled(written.looked):
        return await _edit_page(post, written, sheet, look=look)
    try:
        says_all = post.kind != Kind.REPLY and "kind" in form  # a form that was drawn without these fields changes none of them
        facts, parts = (facts_of(written), parts_of(written)) if says_all else (None, None)
        await services().editing.edit(author, post_id, written.question, form.get("text", ""), revision or 0, sheet,
                                      facts=facts, parts=parts, corrects=corrects, reply_kind=_kind_in(form),
                                      without=form.getlist("without"),
                                      alts=dict(zip(written.pictured, written.alts, strict=False)), basis=basis_of(form))
    except InvalidInput as error:
        post, _ = await services().threads.source(doctor(), post_id)
        written = msgspec.structs.replace(written, revision=str(post.revision))  # saving again replaces what is there
        return await _edit_page(post, written, sheet, error, look=look if error.reason == "identifies" else NOTHING)
    return redirect(f"/p/{post_id}", 303)


def _kind_in(form: Any) -> ReplyKind | None:
    """What an answer is, as a form says it; None where it does not."""
    kind = form.get("reply_kind", "")
    return ReplyKind(kind) if kind in tuple(ReplyKind) else None


async def recall_form(post_id: str) -> ResponseReturnValue:
    """Ask once more, and why."""
    return await _recall_page(post_id)


async def _recall_page(post_id: str, error: InvalidInput | None = None, reason: str = "") -> ResponseReturnValue:
    post, _ = await services().threads.source(doctor(), post_id)
    if post.kind != Kind.REPLY or post.recalled:
        return redirect(f"/p/{post_id}#p-{post_id}", 303)
    page = await render_template("recall.html", post=post, error=error, reason=reason)
    return await make_response(page, error.status if error is not None else 200)


async def recall(post_id: str) -> ResponseReturnValue:
    """Withdraw an answer as wrong; its text stays, folded behind why."""
    reason = (await request.form).get("reason", "")
    author = await services().credentials.author(me().account, "reply")
    try:
        await services().editing.recall(author, post_id, reason)
    except InvalidInput as error:
        return await _recall_page(post_id, error, reason[:1000])
    return redirect(f"/p/{post_id}#p-{post_id}", 303)


async def print_page(post_id: str) -> ResponseReturnValue:
    """A conversation for paper, with the mark of whoever prints it. Whoever looks at it has read it."""
    found = await services().threads.thread(doctor(), post_id, results=True, after=request.args.get("after"))
    if is_looked_at():
        await settle(found.seen)
        await note_reading(found)
    return await render_template("print.html", found=found, root=found.posts[0], posts=found.posts[1:])


async def delete_form(post_id: str) -> ResponseReturnValue:
    """Ask once more. Like the deletion itself it needs no badge that holds: one's own text can always be taken back."""
    return await render_template("delete.html", post=await services().threads.own(owner(), post_id), verified=await verified())


async def delete(post_id: str) -> ResponseReturnValue:
    """Erase here and everywhere it went; its empty place then says which countries have confirmed."""
    await services().editing.delete(owner(), post_id)
    return redirect(f"/p/{post_id}#p-{post_id}" if await verified() else "/mine", 303)


async def history(post_id: str) -> ResponseReturnValue:
    """Every version and what it changed. Whoever looks at it has read that there were changes."""
    found = await services().threads.history(doctor(), post_id, request.args.get("before"))
    if is_looked_at() and found.newest:
        await settle(found.seen)
    return await render_template("history.html", post_id=post_id, found=found)


ROUTES = (
    Route("/p/<post_id>", ("GET",), show_post, Access.DOCTOR),
    Route("/p/<post_id>/reply", ("POST",), reply, Access.DOCTOR),
    Route("/p/<post_id>/vote", ("POST",), vote, Access.DOCTOR),
    Route("/p/<post_id>/attest", ("POST",), attest, Access.DOCTOR),
    Route("/p/<post_id>/edit", ("GET",), edit_form, Access.DOCTOR),
    Route("/p/<post_id>/edit", ("POST",), edit, Access.DOCTOR),
    Route("/p/<post_id>/recall", ("GET",), recall_form, Access.DOCTOR),
    Route("/p/<post_id>/recall", ("POST",), recall, Access.DOCTOR),
    Route("/p/<post_id>/print", ("GET",), print_page, Access.DOCTOR),
    Route("/p/<post_id>/delete", ("GET",), delete_form, Access.MEMBER),
    Route("/p/<post_id>/delete", ("POST",), delete, Access.MEMBER, frees=True),
    Route("/p/<post_id>/history", ("GET",), history, Access.DOCTOR),
)
