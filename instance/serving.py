"""Running things: uvicorn for the server, a plain loop for the worker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal

import uvicorn
import uvloop

from core.settings import Settings
from core.telemetry import configure
from instance.app import create_app
from instance.assembly import assemble
from instance.worker import work


def serve(settings: Settings, *, worker: bool) -> None:
    """Serve until a signal comes; finishes open requests first."""
    configure(settings.log.level, settings.log.format)
    config = uvicorn.Config(
        create_app(settings, worker=worker, on_start=_settle_memory),
        host=settings.server.host, port=settings.server.port, loop="uvloop", http="httptools", ws="none", lifespan="on",
        access_log=False, log_config=None, log_level="warning", server_header=False, date_header=True,
        proxy_headers=bool(settings.server.trusted_proxies),
        forwarded_allow_ips=list(settings.server.trusted_proxies) or None, timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=65_536, backlog=2048)
    uvicorn.Server(config).run()


def _settle_memory() -> None:
    """What start-up made stays for good: out of the collector's sight, and what requests leave behind is looked through
    less often. Before, the collector took a tenth of the time of a busy inbox."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def run_worker(settings: Settings) -> None:
    """Deliveries and jobs in their own process, until a signal comes."""
    configure(settings.log.level, settings.log.format)

    async def main() -> None:
        async with assemble(settings) as assembly:
            task = asyncio.create_task(work(assembly))
            _settle_memory()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
            with contextlib.suppress(asyncio.CancelledError):
                await task

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
