"""An applicant's documents: handed in on the page that her link leads to, one after the other, and taken back there."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors.progress import Progress
from core.access import Access, Route
from core.errors import Conflict, InvalidInput, KonsilError
from core.ids import number, public
from core.papers import BYTES, PAGES
from instance.context import services
from instance.guard import check_room
from instance.uploads import BODY_LIMIT


async def documents_page(token: str) -> ResponseReturnValue:
    """What is asked for, and what was handed in."""
    return await _page(token, await services().joining.progress(token))


async def documents_add(token: str) -> ResponseReturnValue:
    """Take one document in. A script is told in the answer's status; a person sees the page again, with what there is to say."""
    progress, kind = await services().joining.progress(token), ""
    application = progress.application
    try:
        check_room()
        if application.confirmed_at is None:
            raise Conflict("Please open the link first and confirm your address.", reason="unconfirmed")
        await services().papers.begin(application.id)
        with services().uploads.place() as place:
            received = await place.receive(request)
            kind = received.fields.get("kind", "")[:100]
            made = await services().papers.add(application.id, kind, received.file)
    except KonsilError as error:
        return await _page(token, progress, error, kind)
    return redirect(f"/join/{token}/documents?added={public(made.id)}#added", 303)


async def documents_remove(token: str, document_id: str) -> ResponseReturnValue:
    """Take one back."""
    progress = await services().joining.progress(token)
    try:
        await services().papers.remove(progress.application.id, number(document_id) or 0)
    except InvalidInput as error:
        return await _page(token, progress, error)
    return redirect(f"/join/{token}/documents?removed=1", 303)


async def _page(token: str, progress: Progress, error: KonsilError | None = None, kind: str = "") -> ResponseReturnValue:
    application = progress.application
    if application.confirmed_at is None and error is None:
        return redirect(f"/join/{token}", 303)
    if error is not None:  # it may have been handed in or taken back meanwhile
        progress = await services().joining.progress(token)
    found = await services().papers.of(application.id)
    joining = services().settings.joining
    page = await render_template(
        "join_documents.html", token=token, progress=progress, error=error, kind=kind,
        provider=services().identities.provider, proven=await services().identities.said_of(application.id),
        kinds=services().pack.documents_of(application.role),
        documents=[one for one in found if one.deleted_at is None], lost=[one for one in found if one.gone_for == "lost"],
        open=progress.edited, added=number(request.args.get("added", "")),
        removed="removed" in request.args, most_mb=BYTES >> 20, most_pages=PAGES, document_days=joining.document_days,
        idle_days=joining.idle_days)
    response = await make_response(page, error.status if error is not None else 200)
    if error is not None and error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


ROUTES = (
    Route("/join/<token>/documents", ("GET",), documents_page, Access.VISITOR),
    Route("/join/<token>/documents", ("POST",), documents_add, Access.VISITOR, body_limit=BODY_LIMIT),
    Route("/join/<token>/documents/<document_id>/remove", ("POST",), documents_remove, Access.VISITOR),
)
