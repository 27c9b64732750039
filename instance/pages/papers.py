"""An applicant's documents: handed in on the page that her link leads to, one after the other, and taken back there."""

from __future__ import annotations

from quart import make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from actors import applications
from actors.applications import Application, ApplicationState
from core.access import Access, Route
from core.errors import InvalidInput, KonsilError, NotFound, Unavailable
from core.ids import number, public
from core.papers import BYTES, PAGES
from instance.context import services
from instance.uploads import BODY_LIMIT


async def documents_page(token: str) -> ResponseReturnValue:
    """What is asked for, and what was handed in."""
    return await _page(token, await _application(token))


async def documents_add(token: str) -> ResponseReturnValue:
    """Take one document in. A script is told in the answer's status; a person sees the page again, with what there is to say."""
    application, kind = await _application(token), ""
    try:
        if services().space.low:
            raise Unavailable("The disk of this instance is almost full, so no document can be taken in. Please try again later;"
                              " what you have handed in is kept.", reason="disk-low", retry_after=300, field="file")
        await services().papers.begin(application.id)
        with services().uploads.place() as place:
            received = await place.receive(request)
            kind = received.fields.get("kind", "")[:100]
            made = await services().papers.add(application.id, kind, received.file)
    except KonsilError as error:
        return await _page(token, application, error, kind)
    return redirect(f"/join/{token}/documents?added={public(made.id)}#added", 303)


async def documents_remove(token: str, document_id: str) -> ResponseReturnValue:
    """Take one back."""
    application = await _application(token)
    try:
        await services().papers.remove(application.id, number(document_id) or 0)
    except InvalidInput as error:
        return await _page(token, application, error)
    return redirect(f"/join/{token}/documents?removed=1", 303)


async def _application(token: str) -> Application:
    found = await services().database.read(lambda tx: applications.by_token(tx, token))
    if found is None:
        raise NotFound("This link leads nowhere, or no longer. Please take the newest one we have sent you.")
    return found


async def _page(token: str, application: Application, error: KonsilError | None = None, kind: str = "") -> ResponseReturnValue:
    found = await services().papers.of(application.id)
    joining = services().settings.joining
    page = await render_template(
        "join_documents.html", token=token, progress=await services().joining.progress(token), application=application,
        error=error, kind=kind, provider=services().identities.provider,
        proven=await services().identities.said_of(application.id),
        documents=[one for one in found if one.deleted_at is None], lost=[one for one in found if one.gone_for == "lost"],
        open=application.state in (ApplicationState.DRAFT, ApplicationState.ASKED), added=number(request.args.get("added", "")),
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
