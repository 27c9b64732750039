"""What goes on beside requests: delivery, held activities, polls that end or have new counts, badges that run out, the index,
mail, a look at siblings' keys."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable

from actors import departures, mails, papers, portraits
from actors.store import BADGES
from core.clock import happens
from core.i18n import Translations
from core.telemetry import get_logger
from inbox import ordered, reconciliations
from instance.alerting import Alerting
from instance.archives import Archives
from instance.assembly import Assembly
from instance.context import LOCALE
from instance.letters import Letters
from instance.pruning import prune
from instance.pushing import Signs
from posts import exports, shelves, translated
from posts.indexing import AT_ONCE
from posts.telling import NEWS

log = get_logger("worker")
_TICK_SECONDS = 0.5
_INDEX_SECONDS = 1.0
_MAIL_SECONDS = 2.0
_ALIASES_SECONDS = 5.0
_PORTRAIT_SECONDS = 30.0
_COMPARISON_SECONDS = 2.0
_REPORTS_SECONDS = 5.0
_ASKS_SECONDS = 30.0
_DAY_SECONDS = 86_400
_SWEEP_SECONDS = 60.0
_AGAIN_SECONDS = 2.0


@contextlib.asynccontextmanager
async def _only_one(assembly: Assembly) -> AsyncIterator[None]:
    """Hold the instance's worker lock; the kernel gives it back when a process dies, however it dies."""
    with assembly.settings.path("worker.lock").open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_TICK_SECONDS)
        yield


async def work(assembly: Assembly, begun: Callable[[], None] = lambda: None) -> None:
    """Work until cancelled. A second worker of the same instance waits until the first one ends; then `begun` is called."""
    async with _only_one(assembly):
        log.info("working", instance=assembly.identity.origin)
        begun()
        async with asyncio.TaskGroup() as group:
            group.create_task(_steadily(assembly.courier.run, 1.0))
            group.create_task(_steadily(lambda: _held(assembly), 1.0))
            group.create_task(_steadily(lambda: _ordered_erasures(assembly), 1.0))
            group.create_task(_steadily(lambda: _departures(assembly), 1.0))
            group.create_task(_steadily(lambda: _archives(assembly), 1.0))
            group.create_task(_steadily(lambda: _polls(assembly), 1.0))
            group.create_task(_steadily(lambda: _badges(assembly), 1.0))
            group.create_task(_steadily(lambda: _index(assembly), 1.0))
            group.create_task(_steadily(lambda: _aliases(assembly), 1.0))
            group.create_task(_steadily(lambda: _reports(assembly), 60.0))
            group.create_task(_steadily(lambda: _translations(assembly), 1.0))
            group.create_task(_steadily(lambda: _asks(assembly), 1.0))
            if assembly.mailer.on:
                group.create_task(_steadily(lambda: _mail(assembly), 1.0))
            if assembly.pushes.on:
                group.create_task(_steadily(lambda: _signs(assembly), 1.0))
            group.create_task(_steadily(assembly.keywatch.run, 1.0))
            group.create_task(_steadily(lambda: _papers(assembly), 60.0))
            group.create_task(_steadily(lambda: _pictures(assembly), 60.0))
            group.create_task(_steadily(lambda: _portraits(assembly), 60.0))
            group.create_task(_steadily(lambda: _daily(assembly), 60.0))
            group.create_task(_steadily(lambda: _comparisons(assembly), 60.0))


class Background:
    """The worker inside the server. When it ends it is begun anew; until that has worked, `stopped` is true."""

    def __init__(self) -> None:
        self.stopped = False

    async def run(self, assembly: Assembly) -> None:
        """Work until cancelled."""
        while True:
            try:
                await work(assembly, self._begun)
            except Exception as error:
                log.error("the worker has stopped", exc_info=error)
            self.stopped = True
            await asyncio.sleep(_AGAIN_SECONDS)

    def _begun(self) -> None:
        self.stopped = False


async def _steadily(part: Callable[[], Awaitable[None]], pause: float) -> None:
    """Run a part for ever; a failure is logged and the part begins anew."""
    while True:
        try:
            await part()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("worker part failed")
        await asyncio.sleep(pause)


async def _held(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen("held", woken.set)
    try:
        while True:
            if not await assembly.held.start_due():
                await happens(woken, _TICK_SECONDS)
                woken.clear()
    finally:
        await assembly.held.close()


async def _ordered_erasures(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(ordered.TOPIC, woken.set)
    while True:
        if not await assembly.ordered_erasures.step():
            await happens(woken, _TICK_SECONDS)
            woken.clear()


async def _departures(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(departures.TOPIC, woken.set)
    while True:
        if not await assembly.departing.step():
            await happens(woken, _TICK_SECONDS)
            woken.clear()


async def _archives(assembly: Assembly) -> None:
    archives = Archives(assembly, Translations(LOCALE))
    woken = asyncio.Event()
    assembly.database.listen(exports.TOPIC, woken.set)
    swept = float("-inf")
    while True:
        if woken.is_set() or asyncio.get_running_loop().time() - swept > _SWEEP_SECONDS:
            woken.clear()
            await archives.sweep()
            swept = asyncio.get_running_loop().time()
        if not await archives.step():
            await happens(woken, _TICK_SECONDS)


async def _polls(assembly: Assembly) -> None:
    grace_ms = assembly.settings.posts.vote_grace_seconds * 1000
    while True:
        await assembly.tallies.send_due()
        await assembly.polls.announce_due(results=not await assembly.reconciliations.asks(grace_ms))
        await asyncio.sleep(_TICK_SECONDS)


async def _badges(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(BADGES, woken.set)
    while True:
        if not await assembly.expiry.step() + await assembly.lapses.work():
            await happens(woken, _TICK_SECONDS)
            woken.clear()


async def _index(assembly: Assembly) -> None:
    """Together it costs less, so what has come waits a moment for what comes next; where much waits, whoever writes meanwhile has
    the writer half of the time."""
    await assembly.indexing.begin()
    while True:
        begun = asyncio.get_running_loop().time()
        entered = await assembly.indexing.step()
        await asyncio.sleep(asyncio.get_running_loop().time() - begun if entered == AT_ONCE else _INDEX_SECONDS)


async def _aliases(assembly: Assembly) -> None:
    while True:
        await assembly.profiles.keep_pace()
        await asyncio.sleep(_ALIASES_SECONDS)


async def _reports(assembly: Assembly) -> None:
    while True:
        if not await assembly.judging.tell_due() + await assembly.opening.tell_due():
            await asyncio.sleep(_REPORTS_SECONDS)


async def _translations(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(translated.TOPIC, woken.set)
    while True:
        if not await assembly.translations.adopt_due():
            await happens(woken, _TICK_SECONDS)
            woken.clear()


async def _asks(assembly: Assembly) -> None:
    while True:
        if not await assembly.asking.tell_due():
            await asyncio.sleep(_ASKS_SECONDS)


async def _mail(assembly: Assembly) -> None:
    letters = Letters(assembly, Translations(LOCALE))
    woken = asyncio.Event()
    assembly.database.listen(mails.TOPIC, woken.set)
    while True:
        if not await letters.work():
            await happens(woken, _MAIL_SECONDS)
            woken.clear()


async def _signs(assembly: Assembly) -> None:
    words = Translations(LOCALE)
    signs, alerting = Signs(assembly, words), Alerting(assembly, words)
    woken = asyncio.Event()
    assembly.database.listen(NEWS, woken.set)
    while True:
        if not await signs.work() + await alerting.work():
            await happens(woken, _MAIL_SECONDS)
            woken.clear()


async def _comparisons(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(reconciliations.TOPIC, woken.set)
    await assembly.reconciliations.interrupted()
    while True:
        if not await assembly.reconciler.step():
            await happens(woken, _COMPARISON_SECONDS)
            woken.clear()


async def _portraits(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(portraits.TOPIC, woken.set)
    while True:
        if not await assembly.portraits.fetch_due():
            await happens(woken, _PORTRAIT_SECONDS)
            woken.clear()


async def _papers(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(papers.TOPIC, woken.set)
    while True:
        await assembly.papers.sweep()
        await happens(woken, _SWEEP_SECONDS)
        woken.clear()


async def _pictures(assembly: Assembly) -> None:
    woken = asyncio.Event()
    assembly.database.listen(shelves.TOPIC, woken.set)
    while True:
        if not await assembly.media.sweep():
            await assembly.workbench.sweep()
            await happens(woken, _SWEEP_SECONDS)
            woken.clear()


async def _daily(assembly: Assembly) -> None:
    while True:
        await prune(assembly)
        await asyncio.sleep(_DAY_SECONDS)
