"""The server: Quart for pages and objects, the inbox's thin front before it, one lifespan around both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from quart import Quart, Response, render_template, request
from werkzeug.exceptions import HTTPException

from core import conditions
from core.access import Route, check_declared
from core.errors import KonsilError, NotFound, TooLarge
from core.i18n import Translations
from core.settings import Settings
from core.telemetry import get_logger
from inbox import routes as inbox_routes
from inbox.room import Room
from inbox.routes import Front, Receive, Receiver, Scope, Send
from instance import api, comparing, context, guard, locking, media, objects, portraits, static
from instance.admin import ROUTES as ADMIN
from instance.api import answers, oauth, streaming
from instance.api import guard as api_guard
from instance.api.sockets import AppSockets
from instance.assembly import Assembly, assemble
from instance.context import viewer
from instance.cookies import session_cookie
from instance.following import Streams
from instance.limits import Limited
from instance.live import PATH
from instance.pages import ROUTES as PAGES
from instance.rendering import Synchronous
from instance.uploads import bounded
from instance.worker import Background

log = get_logger("server")
_FORM_BYTES = 512 * 1024


def routes() -> tuple[Route, ...]:
    """Every route this server has, each with who may call it."""
    return (*inbox_routes.ROUTES, *behind_the_front())


def behind_the_front() -> tuple[Route, ...]:
    """The routes that Quart answers."""
    return (*objects.ROUTES, *comparing.ROUTES, *static.ROUTES, *portraits.ROUTES, *media.ROUTES, *PAGES, *ADMIN,
            *api.ROUTES)


def endpoint_of(route: Route) -> str:
    """What a route is called inside: pages by their functions, those for apps by their address."""
    return f"{route.methods[0]} {route.rule}" if route in api.ROUTES else route.endpoint.__name__


def create_pages(assembly: Assembly, background: Background | None = None) -> Quart:
    """The Quart application: routes behind the guard, errors in two voices."""
    app = Quart("instance", template_folder="../templates", static_folder=None)
    app.jinja_environment = Synchronous
    app.request_class = bounded(behind_the_front())
    app.config["KONSIL"] = assembly
    app.config["KONSIL_BACKGROUND"] = background
    app.config["MAX_CONTENT_LENGTH"] = _FORM_BYTES
    check_declared(routes())
    context.prepare(app, assembly)
    for route in behind_the_front():
        for_apps = route in api.ROUTES
        app.add_url_rule(route.rule, endpoint_of(route), api_guard.guarded(route) if for_apps else guard.guarded(route),
                         methods=list(route.methods), provide_automatic_options=False,
                         strict_slashes=not (for_apps or route.rule.startswith("/oauth/")))  # apps add a slash as they like
    app.before_request(_let_known_pass)
    app.after_request(_finish)

    async def expected(error: KonsilError) -> Response:
        if error.status >= 500:
            log.error("refused", reason=error.reason, cause=error.cause)
        return await _explain(error)

    async def http(error: HTTPException) -> Response:
        return await _explain(_in_our_words(error))

    async def unexpected(error: Exception) -> Response:
        log.error("unexpected", exc_info=error)
        return await _explain(KonsilError("Something went wrong on our side. What you sent was not stored."))

    app.register_error_handler(KonsilError, expected)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unexpected)
    return app


async def _let_known_pass() -> Response | None:
    """From an address where so much was refused that it has to wait, only those who are known come through."""
    if api_guard.serves(request.path):
        return await api_guard.let_apps_pass()
    await guard.let_members_pass()
    return None


async def _finish(response: Response) -> Response:
    """Headers of every answer."""
    if api_guard.serves(request.path):
        api_guard.finish(response)
    return await guard.finish(api_guard.finish_for_browsers(response))


async def _explain(error: KonsilError) -> Response:
    """An expected error, to people, to siblings, or to apps."""
    if not api_guard.serves(request.path):
        return await guard.explain(error, _error_page)
    return oauth.explain(error) if request.path.startswith("/oauth/") else answers.explain(error)


def _in_our_words(error: HTTPException) -> KonsilError:
    """What Quart and Werkzeug refuse by themselves, in sentences that can be translated."""
    if api_guard.serves(request.path) and error.code in (404, 405):
        known = KonsilError("There is nothing of this kind here.", reason=error.name.lower().replace(" ", "-"))
        known.status = error.code
        return known
    if error.code in (404, 405):
        return NotFound("There is no such page.")
    if error.code == 413:
        return TooLarge("What you sent is larger than anything a page here takes.")
    known = KonsilError("This request could not be understood.", reason=error.name.lower().replace(" ", "-"))
    known.status = error.code or 500
    return known


async def _error_page(error: KonsilError) -> str:
    lost = error.status == 401 or (error.status == 503 and viewer() is not None)
    kept = await _written() if lost and request.method == "POST" else []
    return await render_template("error.html", error=error, kept=kept, again=request.path)


async def _written() -> list[tuple[str, str]]:
    """What somebody sent after her session had ended, or while nothing could be stored, so that it can be sent again. What was
    to be published comes back to its last look first: somebody else may have signed in at this ward's computer."""
    form = await request.form
    return [(name, "confirm" if (name, value) == ("step", "publish") else value) for name, value in form.items(multi=True)
            if not name.startswith(locking.PREFIX)]


class Server:
    """The whole ASGI application. It assembles the instance when the server starts, and takes it apart at the end.

    `on_start` is called once everything is assembled: what the process does then is not the application's to know.
    """

    def __init__(self, settings: Settings, *, worker: bool, on_start: Callable[[], None]) -> None:
        self._settings, self._with_worker, self._on_start = settings, worker, on_start
        self._front: Limited | None = None
        self._sockets: AppSockets | None = None
        self.assembly: Assembly | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            if self._sockets is not None:
                await self._sockets(scope, receive, send)
        elif self._front is not None:
            await self._front(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with assemble(self._settings) as assembly:
                self.assembly = assembly
                background = Background() if self._with_worker else None
                pages = create_pages(assembly, background)
                receivers: dict[str, Receiver] = {
                    "/inbox": assembly.inbox, "/inbox/bundle": assembly.bundles, "/handshake": assembly.handshake}
                streams = Streams(_asgi(pages), (PATH, *streaming.PATHS))
                front = Front(receivers, streams, self._settings.federation.body_limit_bytes,
                              Room(assembly.space, self._settings.federation.inbox_memory_mib))
                self._front = Limited(assembly.rates, assembly.refusals, front, cookie=session_cookie(assembly),
                                      speak=context.speaker(pages, assembly))
                self._sockets = AppSockets(pages, assembly)
                tasks = [asyncio.create_task(assembly.keyring.follow()), asyncio.create_task(assembly.live.run()),
                         asyncio.create_task(_warmed(pages, assembly))]
                if background is not None:
                    tasks.append(asyncio.create_task(background.run(assembly)))
                self._on_start()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except KonsilError as error:
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        await send({"type": "lifespan.shutdown.complete"})


async def _warmed(pages: Quart, assembly: Assembly) -> None:
    """Read in a thread what the first page would else wait for, and everybody behind it: the sentences of the country's languages
    (0.1 s each) and the words that name conditions (0.06 s)."""
    words: Translations = pages.config["KONSIL_WORDS"]
    for language in assembly.pack.languages:
        await asyncio.to_thread(words.translator, language)
    await asyncio.to_thread(conditions.named_in, "")


def _asgi(app: Quart) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)  # type: ignore[arg-type]

    return call


def create_app(settings: Settings, *, worker: bool = True, on_start: Callable[[], None] = lambda: None) -> Server:
    """The ASGI application of one instance."""
    return Server(settings, worker=worker, on_start=on_start)
