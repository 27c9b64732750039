"""One's archive: asked for, how far it is, and downloaded with the password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from quart import Response, make_response, redirect, render_template, request
from quart.typing import ResponseReturnValue

from core.access import Access, Route
from core.errors import InvalidInput, NotFound, TooMany
from instance import locking
from instance.archives import file_name, is_there, parts
from instance.context import language, me, owner, services, session


async def archive_page() -> ResponseReturnValue:
    """How one's archive stands."""
    return await _page()


async def _page(error: InvalidInput | TooMany | None = None) -> ResponseReturnValue:
    owner()
    export = await services().exports.of(me().account.id)
    page = await render_template("archive.html", export=export, there=export is not None and is_there(services(), export),
                                 days=services().settings.accounts.archive_days, error=error)
    return await make_response(page, error.status if error is not None else 200)


async def make_archive() -> ResponseReturnValue:
    """Have it made; the worker does it."""
    owner()
    await services().exports.ask(me().account, language())
    return redirect("/settings/export", 303)


async def download_archive() -> ResponseReturnValue:
    """Hand it out to whoever has just shown that it is she."""
    owner()
    account = me().account
    try:
        await locking.still(session(), (await request.form).get("password", ""))
    except (InvalidInput, TooMany) as error:
        return await _page(error)
    export = await services().exports.of(account.id)
    if export is None or not is_there(services(), export):
        raise NotFound("This archive is not there any more. You can have another one made.")
    response = Response(_streamed(parts(services(), export)), content_type="application/zip")
    response.headers["content-length"] = str(export.bytes)
    response.headers["content-disposition"] = f'attachment; filename="{file_name(account.handle, export)}"'
    response.timeout = None
    return response


async def _streamed(found: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (part := await asyncio.to_thread(next, found, None)) is not None:
        yield part


ROUTES = (
    Route("/settings/export", ("GET",), archive_page, Access.MEMBER),
    Route("/settings/export", ("POST",), make_archive, Access.MEMBER),
    Route("/settings/export/file", ("POST",), download_archive, Access.MEMBER, frees=True),
)
