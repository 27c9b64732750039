"""What left the country: by sibling and time, on a page and as a file."""

from __future__ import annotations

from quart import Response, make_response, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError
from federation.disclosures import Page, Total, span_of
from instance.context import me, services
from instance.disclosed import FORMS, as_csv, as_json

_PAGE = 50
_NOTHING = Page((), None)


async def disclosures_page() -> ResponseReturnValue:
    """The form, and where a sibling is named what went there."""
    asked = {name: request.args.get(name, "").strip()[:100] for name in ("sibling", "from", "to")}
    found, totals, error = _NOTHING, tuple[Total, ...](), None
    try:
        if asked["sibling"]:
            row = await services().siblings.row(asked["sibling"])
            span = span_of(asked["from"], asked["to"], services().pack.zone, services().clock.ms())
            totals = await services().disclosures.totals(row.id, span)
            found = await services().disclosures.page(row.id, span, request.args.get("before", "")[:80], _PAGE)
    except KonsilError as failed:
        error = failed
    page = await render_template("admin_disclosures.html", siblings=await services().siblings.rows(), asked=asked, found=found,
                                 totals=totals, error=error)
    return await make_response(page, error.status if error is not None else 200)


async def disclosures_export() -> ResponseReturnValue:
    """The same as a file; it is audited before its first line is out."""
    form = await request.form
    kind = form.get("form", "")
    if kind not in FORMS:
        raise InvalidInput("Say whether you want CSV or JSON.", field="form")
    row = await services().siblings.row(form.get("sibling", "")[:100])
    span = span_of(form.get("from", "")[:100], form.get("to", "")[:100], services().pack.zone, services().clock.ms())
    found = services().disclosures.export(row.id, row.origin, span, me().account.handle, kind)
    name = row.domain.replace(":", "-")
    return Response(as_csv(found) if kind == "csv" else as_json(found), content_type=FORMS[kind], headers={
        "content-disposition": f'attachment; filename="disclosures-{name}.{kind}"'})


ROUTES = (
    Route("/admin/disclosures", ("GET",), disclosures_page, Access.OPERATOR),
    Route("/admin/disclosures/export", ("POST",), disclosures_export, Access.OPERATOR),
)
