"""The audit log: who did what, whether it is whole, and as a file."""

from __future__ import annotations

from quart import Response, make_response, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.audit import Verdict
from core.numbers import whole
from instance.audited import DEEDS, lines
from instance.context import me, services

_PAGE = 50
_NEWEST = (1 << 63) - 1


async def audit_page() -> ResponseReturnValue:
    """What was done, newest first, or what is sought of it."""
    return await _page(None)


async def _page(verdict: Verdict | None) -> ResponseReturnValue:
    asked = {name: request.args.get(name, "").strip()[:200] for name in ("by", "about", "action")}
    known = {row.domain: row.origin for row in await services().siblings.rows()}
    rows = await services().audit.list(
        _PAGE, whole(request.args.get("before"), _NEWEST), about=known.get(asked["about"], asked["about"]), by=asked["by"],
        action=asked["action"] if asked["action"] in DEEDS else "")
    return await make_response(await render_template(
        "admin_audit.html", rows=rows, more=rows[-1].seq if len(rows) == _PAGE else None, asked=asked,
        sought=any(asked.values()), deeds=DEEDS, verdict=verdict, domains={origin: domain for domain, origin in known.items()}))


async def audit_verify() -> ResponseReturnValue:
    """Look through the whole log."""
    return await _page(await services().audit.verify())


async def audit_export() -> ResponseReturnValue:
    """The whole log as a file; that it was asked for is its last line."""
    name = services().identity.domain.replace(":", "-")
    return Response(lines(services(), me().account.handle), content_type="application/jsonl; charset=utf-8", headers={
        "content-disposition": f'attachment; filename="audit-{name}.jsonl"'})


ROUTES = (
    Route("/admin/audit", ("GET",), audit_page, Access.OPERATOR),
    Route("/admin/audit/verify", ("POST",), audit_verify, Access.OPERATOR),
    Route("/admin/audit/export", ("POST",), audit_export, Access.OPERATOR),
)
