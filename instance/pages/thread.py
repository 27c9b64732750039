"""A post's page, and what one can do there: answer, vote, edit, delete."""

from __future__ import annotations

import msgspec
from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound
from core.numbers import whole
from core.vault import token
from instance.context import doctor, me, owner, services, verified
from instance.pages.looking import is_looked_at, settle
from instance.pages.sheets import fresh_sheet, rescued, sheet_of, written_of
from posts.attesting import Outcome
from posts.drafts import Sheet, What, Written
from posts.models import PostView, State

OUTCOMES = {outcome.name.lower(): str(outcome) for outcome in Outcome}


async def show_post(post_id: str) -> ResponseReturnValue:
    """The whole conversation a post belongs to. Whoever looks at it has read what she was told about it."""
    return await thread_page(post_id, looking=is_looked_at())


async def thread_page(post_id: str, *, error: InvalidInput | None = None, answering: str = "", written: Written | None = None,
                      sheet: Sheet | None = None, looking: bool = False) -> ResponseReturnValue:
    """The conversation; `answering` with an error is the answer that failed, an error alone is a vote that failed. An answer
    that was begun before stands in its form."""
    failed_vote = error if not answering else None
    found = await services().threads.thread(doctor(), post_id, results=request.args.get("results") == "1",
                                            after=request.args.get("after"))
    posts = found.posts
    if looking:
        await settle(found.seen)
        services().readings.note_thread(doctor(), found.place, found.line)
    answering = answering or request.args.get("answer", "") or posts[0].id
    target = next((post for post in posts if post.id == answering and not post.erased and (post.mine or not post.hidden)), None)
    kept = await services().drafts.of(doctor(), What.REPLY, target.id) if target is not None and written is None else None
    written = written or (kept.written if kept is not None else Written())
    root = posts[0]
    counted = await services().polls.breakdown(doctor(), root.id) if root.mine and root.poll is not None else None
    unmasked = await services().unmaskings.told(doctor(), root.id) if root.by_role else ()
    page = await render_template(
        "thread.html", found=found, counted=counted, unmasked=unmasked,
        outcomes=OUTCOMES, posts=posts, root=posts[0], here=post_id, target=target,
        by_id={post.id: post for post in posts}, error=error if failed_vote is None else None, failed_vote=failed_vote,
        written=written, language=written.language or services().pack.languages[0], form=token(),
        sheet=sheet or (fresh_sheet(What.REPLY, target.id, kept) if target is not None else None),
        at=kept.at if kept is not None else None)
    return await make_response(page, error.status if error is not None else 200)


async def reply(post_id: str) -> ResponseReturnValue:
    """Answer; the answer goes to exactly the parent's audience."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    sheet = sheet_of(form, What.REPLY, post_id)
    try:
        made = await services().compose.reply(author, post_id, form.get("text", ""), form.get("language", ""),
                                              form.get("form", ""), sheet)
    except NotFound:
        if await rescued(sheet, written_of(form)):
            raise NotFound("What you answer was deleted meanwhile. Your text is kept among your drafts.") from None
        raise
    except InvalidInput as error:
        return await thread_page(post_id, error=error, answering=post_id, written=written_of(form), sheet=sheet)
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
    written = kept.written if kept is not None else Written(
        question=post.question, text=source, state=post.state or "", revision=str(post.revision))
    return await _edit_page(post, written, fresh_sheet(What.EDIT, post_id, kept), at=kept.at if kept is not None else None)


async def edit_page(post_id: str, written: Written, sheet: Sheet, error: InvalidInput) -> ResponseReturnValue:
    """The form of an edit that failed."""
    post, _ = await services().threads.source(doctor(), post_id)
    return await _edit_page(post, written, sheet, error)


async def _edit_page(post: PostView, written: Written, sheet: Sheet, error: InvalidInput | None = None,
                     at: int | None = None) -> ResponseReturnValue:
    page = await render_template("edit.html", post=post, written=written, sheet=sheet, error=error, at=at)
    return await make_response(page, error.status if error is not None else 200)


async def edit(post_id: str) -> ResponseReturnValue:
    """Save a changed text; the old one stays in the history."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    state = form.get("state", "")
    revision = whole(form.get("revision"), 1 << 50)
    sheet = sheet_of(form, What.EDIT, post_id)
    try:
        await services().editing.edit(
            author, post_id, form.get("question", ""), form.get("text", ""), State(state) if state in tuple(State) else None,
            revision or 0, sheet)
    except InvalidInput as error:
        post, _ = await services().threads.source(doctor(), post_id)
        written = msgspec.structs.replace(written_of(form), revision=str(post.revision))  # saving again replaces what is there
        return await _edit_page(post, written, sheet, error)
    return redirect(f"/p/{post_id}", 303)


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
    Route("/p/<post_id>/delete", ("GET",), delete_form, Access.MEMBER),
    Route("/p/<post_id>/delete", ("POST",), delete, Access.MEMBER, frees=True),
    Route("/p/<post_id>/history", ("GET",), history, Access.DOCTOR),
)
