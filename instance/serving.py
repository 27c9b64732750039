"""Running things: uvicorn for the server, a plain loop for the worker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal

import uvicorn

from core import egress
from core.settings import Settings
from core.telemetry import configure
from core.words import N_
from federation.allowlist import Direction
from instance.api.sockets import MESSAGE_LIMIT, PING_SECONDS, Sockets
from instance.app import create_app
from instance.assembly import Assembly, assemble
from instance.heads import BoundedHeads
from instance.worker import work

_CONNECTION = N_("connection")


def serve(settings: Settings, *, worker: bool) -> None:
    """Serve until a signal comes; finishes open requests first."""
    configure(settings.log.level, settings.log.format)
    egress.arm()

    def started() -> None:
        assert app.assembly is not None
        _note_refusals(app.assembly)
        _settle_memory()

    app = create_app(settings, worker=worker, on_start=started)
    config = uvicorn.Config(
        app,
        host=settings.server.host, port=settings.server.port, loop="core.egress:Loop", http=BoundedHeads, lifespan="on",
        ws=Sockets, ws_max_size=MESSAGE_LIMIT, ws_per_message_deflate=False, ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        access_log=False, log_config=None, log_level="warning", server_header=False, date_header=True,
        proxy_headers=bool(settings.server.trusted_proxies),
        forwarded_allow_ips=list(settings.server.trusted_proxies) or None, timeout_graceful_shutdown=10, backlog=2048)
    uvicorn.Server(config).run()


def _note_refusals(assembly: Assembly) -> None:
    """What the guard at the exit refuses stands in the refusal log too."""
    loop = asyncio.get_running_loop()

    def note(address: str, where: str) -> None:
        loop.call_soon_threadsafe(lambda: assembly.refusals.record(
            direction=Direction.OUT, origin=address, purpose=_CONNECTION, reason="egress", path=where))

    egress.listen(note)


def _settle_memory() -> None:
    """What start-up made stays for good: out of the collector's sight, and what requests leave behind is looked through
    less often. Before, the collector took a tenth of the time of a busy inbox."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def run_worker(settings: Settings) -> None:
    """Deliveries and jobs in their own process, until a signal comes."""
    configure(settings.log.level, settings.log.format)
    egress.arm()

    async def main() -> None:
        async with assemble(settings) as assembly:
            _note_refusals(assembly)
            task = asyncio.create_task(work(assembly))
            keys = asyncio.create_task(assembly.keyring.follow())
            _settle_memory()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
            with contextlib.suppress(asyncio.CancelledError):
                await task
            keys.cancel()
            await asyncio.gather(keys, return_exceptions=True)

    with asyncio.Runner(loop_factory=egress.Loop) as runner:
        runner.run(main())
