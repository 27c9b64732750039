"""The allowlist in operators' hands: the list, a sibling's page, proposing, and what is noted about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, KonsilError
from core.numbers import whole
from federation import descriptor
from federation.descriptor import Descriptor
from federation.documents import dumps, parse
from federation.overview import Details, SiblingRow
from federation.signatures.keys import fingerprint_words, grouped
from instance import qr
from instance.admin.attention import SKEW_MS, needs
from instance.admin.checks import tried_out
from instance.admin.reconciliation import compared_with
from instance.audited import DEEDS
from instance.context import me, services
from instance.introduction import introduction

_SORTS: dict[str, Callable[[SiblingRow], Any]] = {  # words rise, moments and numbers fall
    "country": lambda row: (row.country, row.domain), "state": lambda row: row.state,
    "last_in": lambda row: -(row.last_in or 0),
    "queued": lambda row: -row.queued, "refused": lambda row: -row.refused,
    "review": lambda row: row.details.review_on or "9999",
}
_HISTORY = 50
_NEWEST = (1 << 63) - 1
_FILE_BYTES = 65_536


async def siblings_page() -> ResponseReturnValue:
    """All siblings."""
    sort = request.args.get("sort", "")
    sort = sort if sort in _SORTS else "country"
    rows = sorted(await services().siblings.rows(), key=_SORTS[sort])
    return await render_template(
        "admin_siblings.html", damage=await services().siblings.damage(), rows=rows, sort=sort, grouped=grouped,
        ties=await services().ties.all(), reports=await services().judging.open_by_sibling(),
        erasures=await services().ordered_erasures.newest(),
        needs={row.id: needs(row, services().clock.ms()) for row in rows}, reasons=await services().refusals.by_origin(),
        skew_alarm=SKEW_MS, disk_low=services().space.low)


async def identity_page() -> ResponseReturnValue:
    """How this instance introduces itself to another operator."""
    identity = services().identity
    return await render_template(
        "admin_identity.html", identity=identity, fingerprint=grouped(identity.fingerprint),
        words=fingerprint_words(identity.fingerprint), picture=qr.as_svg(identity.domain, identity.fingerprint),
        imprint=services().settings.imprint)


async def descriptor_file() -> ResponseReturnValue:
    """The signed descriptor, as a file to hand on."""
    return Response(dumps(introduction(services())), content_type="application/json", headers={
        "content-disposition": f'attachment; filename="{services().identity.domain.replace(":", "-")}.json"'})


async def sibling_new() -> ResponseReturnValue:
    """The form to propose one."""
    return await _new(None, {})


async def _new(error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    page = await render_template("admin_sibling_new.html", error=error, typed=typed)
    return await make_response(page, error.status if error is not None else 200)


async def sibling_add() -> ResponseReturnValue:
    """Propose a sibling; its key is pinned only if it has the fingerprint that was typed."""
    form = await request.form
    typed = {name: form.get(name, "").strip()[:2_001] for name in (
        "domain", "country", "fingerprint", *Details.__struct_fields__)}
    try:
        row = await services().siblings.add(
            typed["domain"], typed["country"], typed["fingerprint"], by=me().account.handle, descriptor=await _handed_in(),
            details=Details(**{name: typed[name] for name in Details.__struct_fields__}))
    except KonsilError as error:
        return await _new(error, typed)
    return redirect(f"/admin/siblings/{row.domain}", 303)


async def _handed_in() -> Descriptor | None:
    """The descriptor that came as a file; None where none was chosen."""
    file = (await request.files).get("file")
    content = file.read(_FILE_BYTES + 1) if file is not None else b""
    if len(content) > _FILE_BYTES:
        raise InvalidInput("This is not a descriptor of a Konsil instance.", reason="descriptor", field="file")
    return descriptor.read(parse(content)) if content else None


async def sibling_page(domain: str) -> ResponseReturnValue:
    """One sibling, with its history."""
    return await show_sibling(domain, None, {})


async def show_sibling(domain: str, error: KonsilError | None, typed: dict[str, str]) -> ResponseReturnValue:
    """A sibling's page, with what was wrong about what somebody has just typed there."""
    row = await services().siblings.row(domain)
    history = await services().audit.list(_HISTORY, whole(request.args.get("before"), _NEWEST), about=row.origin)
    page = await render_template(
        "admin_sibling.html", row=row, error=error, typed=typed, held=await services().held.of(row.id),
        orders=await services().leaving.orders(row.id), erasure=(await services().ordered_erasures.newest()).get(row.id),
        fingerprint=grouped(row.fingerprint), words=fingerprint_words(row.fingerprint),
        picture=qr.as_svg(row.domain, row.fingerprint), history=history, deeds=DEEDS,
        needs=needs(row, services().clock.ms()), older=history[-1].seq if len(history) == _HISTORY else None,
        reasons=(await services().refusals.by_origin()).get(row.origin, ()), skew_alarm=SKEW_MS, **await tried_out(row),
        **await compared_with(row))
    return await make_response(page, error.status if error is not None else 200)


async def sibling_change(domain: str) -> ResponseReturnValue:
    """Go on: open both directions again, or send what waits now."""
    form = await request.form
    act, by = form.get("act", ""), me().account.handle
    siblings = services().siblings
    try:
        if act == "resume":
            await siblings.resume(domain, by)
    except KonsilError as error:
        return await show_sibling(domain, error, {"act": act})
    return redirect(f"/admin/siblings/{domain}", 303)


async def describe_form(domain: str) -> ResponseReturnValue:
    """The form for what is noted about a sibling."""
    row = await services().siblings.row(domain)
    return await _describe(row, None, row.details)


async def _describe(row: SiblingRow, error: KonsilError | None, details: Details) -> ResponseReturnValue:
    page = await render_template("admin_sibling_describe.html", row=row, error=error, typed=details)
    return await make_response(page, error.status if error is not None else 200)


async def describe(domain: str) -> ResponseReturnValue:
    """Note who runs a sibling, whom to ask and on what footing."""
    form = await request.form
    details = Details(**{name: form.get(name, "")[:2_001] for name in Details.__struct_fields__})
    try:
        await services().siblings.describe(domain, me().account.handle, details)
    except InvalidInput as error:
        return await _describe(await services().siblings.row(domain), error, details)
    return redirect(f"/admin/siblings/{domain}", 303)


ROUTES = (
    Route("/admin/siblings", ("GET",), siblings_page, Access.OPERATOR),
    Route("/admin/siblings/new", ("GET",), sibling_new, Access.OPERATOR),
    Route("/admin/siblings/new", ("POST",), sibling_add, Access.OPERATOR),
    Route("/admin/identity", ("GET",), identity_page, Access.OPERATOR),
    Route("/admin/identity/descriptor", ("GET",), descriptor_file, Access.OPERATOR),
    Route("/admin/siblings/<domain>", ("GET",), sibling_page, Access.OPERATOR),
    Route("/admin/siblings/<domain>", ("POST",), sibling_change, Access.OPERATOR),
    Route("/admin/siblings/<domain>/describe", ("GET",), describe_form, Access.OPERATOR),
    Route("/admin/siblings/<domain>/describe", ("POST",), describe, Access.OPERATOR),
)
