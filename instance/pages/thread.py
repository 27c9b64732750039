"""A post's page, and what one can do there: answer, vote, edit, delete."""

from __future__ import annotations

from contextlib import suppress

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound, Unavailable
from core.numbers import whole
from core.vault import token
from instance.context import doctor, me, owner, services, verified
from posts.models import State
from posts.notifications import Seen


async def show_post(post_id: str) -> ResponseReturnValue:
    """The whole conversation a post belongs to. Whoever looks at it has read what she was told about it."""
    return await _page(post_id, looking=_is_looked_at())


async def _page(post_id: str, *, error: InvalidInput | None = None, answering: str = "", text: str = "",
                language: str = "", looking: bool = False) -> ResponseReturnValue:
    """The conversation; `answering` with an error is the answer that failed, an error alone is a vote that failed."""
    failed_vote = error if not answering else None
    found = await services().threads.thread(doctor(), post_id, results=request.args.get("results") == "1",
                                            after=request.args.get("after"))
    posts = found.posts
    if looking:
        await _settle(found.seen)
    answering = answering or request.args.get("answer", "") or posts[0].id
    target = next((post for post in posts if post.id == answering and not post.erased), None)
    page = await render_template(
        "thread.html", found=found, posts=posts, root=posts[0], here=post_id, target=target,
        by_id={post.id: post for post in posts}, error=error if failed_vote is None else None, failed_vote=failed_vote, text=text,
        language=language or services().pack.languages[0], form=token())
    return await make_response(page, error.status if error is not None else 200)


async def reply(post_id: str) -> ResponseReturnValue:
    """Answer; the answer goes to exactly the parent's audience."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    try:
        made = await services().compose.reply(author, post_id, form.get("text", ""), form.get("language", ""),
                                              form.get("form", ""))
    except NotFound:
        raise
    except InvalidInput as error:
        return await _page(post_id, error=error, answering=post_id, text=form.get("text", ""), language=form.get("language", ""))
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
        return await _page(post_id, error=error)
    return redirect(f"/p/{post_id}", 303)


async def edit_form(post_id: str) -> ResponseReturnValue:
    """One's own text, to be changed."""
    post, source = await services().threads.source(doctor(), post_id)
    return await render_template("edit.html", post=post, question=post.question, text=source, state=post.state,
                                 revision=post.revision, error=None)


async def edit(post_id: str) -> ResponseReturnValue:
    """Save a changed text; the old one stays in the history."""
    form = await request.form
    author = await services().credentials.author(me().account, "reply")
    state = form.get("state", "")
    revision = whole(form.get("revision"), 1 << 50)
    try:
        await services().editing.edit(
            author, post_id, form.get("question", ""), form.get("text", ""), State(state) if state in tuple(State) else None,
            revision or 0)
    except InvalidInput as error:
        post, _ = await services().threads.source(doctor(), post_id)
        page = await render_template("edit.html", post=post, question=form.get("question", ""), text=form.get("text", ""),
                                     state=state, revision=post.revision, error=error)
        return await make_response(page, error.status)
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
    if _is_looked_at() and found.newest:
        await _settle(found.seen)
    return await render_template("history.html", post_id=post_id, found=found)


def _is_looked_at() -> bool:
    """Whether somebody looks at the page, and no browser only keeps it ready in case somebody will."""
    return request.method == "GET" and "prefetch" not in request.headers.get("sec-purpose", "")


async def _settle(seen: Seen) -> None:
    """What the page is about needs no more telling. Where that cannot be stored the page is read all the same."""
    if seen.ids:
        with suppress(Unavailable):
            await services().notifications.settle(doctor(), seen)


ROUTES = (
    Route("/p/<post_id>", ("GET",), show_post, Access.DOCTOR),
    Route("/p/<post_id>/reply", ("POST",), reply, Access.DOCTOR),
    Route("/p/<post_id>/vote", ("POST",), vote, Access.DOCTOR),
    Route("/p/<post_id>/edit", ("GET",), edit_form, Access.DOCTOR),
    Route("/p/<post_id>/edit", ("POST",), edit, Access.DOCTOR),
    Route("/p/<post_id>/delete", ("GET",), delete_form, Access.MEMBER),
    Route("/p/<post_id>/delete", ("POST",), delete, Access.MEMBER),
    Route("/p/<post_id>/history", ("GET",), history, Access.DOCTOR),
)
