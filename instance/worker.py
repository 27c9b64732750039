"""What goes on beside requests: delivery, held activities, polls that end or have new counts, badges that run out, the index,
mail, a look at siblings' keys."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

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

Part = Callable[[], Awaitable[None]]
"""What goes on for as long as the worker does."""
Step = Callable[[], Awaitable[object]]
"""A piece of work; what it returns says whether there may be more to do at once."""


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
            for part, pause in _parts(assembly):
                group.create_task(_steadily(part, pause))


def _parts(its: Assembly) -> Iterator[tuple[Part, float]]:
    """What goes on side by side, and how many seconds it pauses after it has failed."""
    yield its.courier.run, 1.0
    yield partial(_held, its), 1.0
    yield partial(_whenever, its, ordered.TOPIC, _TICK_SECONDS, its.ordered_erasures.step), 1.0
    yield partial(_whenever, its, departures.TOPIC, _TICK_SECONDS, its.departing.step), 1.0
    yield partial(_archives, its), 1.0
    yield partial(_polls, its), 1.0
    yield partial(_whenever, its, BADGES, _TICK_SECONDS, _each(its.expiry.step, its.lapses.work)), 1.0
    yield partial(_index, its), 1.0
    yield partial(_now_and_then, _ALIASES_SECONDS, its.profiles.keep_pace), 1.0
    yield partial(_now_and_then, _REPORTS_SECONDS, _each(its.judging.tell_due, its.opening.tell_due)), 60.0
    yield partial(_whenever, its, translated.TOPIC, _TICK_SECONDS, its.translations.adopt_due), 1.0
    yield partial(_now_and_then, _ASKS_SECONDS, its.asking.tell_due), 1.0
    if its.mailer.on:
        yield partial(_mail, its), 1.0
    if its.pushes.on:
        yield partial(_signs, its), 1.0
    yield its.keywatch.run, 1.0
    yield partial(_whenever, its, papers.TOPIC, _SWEEP_SECONDS, its.papers.sweep), 60.0
    yield partial(_pictures, its), 60.0
    yield partial(_whenever, its, portraits.TOPIC, _PORTRAIT_SECONDS, its.portraits.fetch_due), 60.0
    yield partial(_now_and_then, _DAY_SECONDS, partial(prune, its)), 60.0
    yield partial(_comparisons, its), 60.0


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


async def _steadily(part: Part, pause: float) -> None:
    """Run a part for ever; a failure is logged and the part begins anew."""
    while True:
        try:
            await part()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("worker part failed")
        await asyncio.sleep(pause)


async def _whenever(assembly: Assembly, topic: str, seconds: float, step: Step) -> None:
    """Take one step after the other while there is something to do, then wait until a commit wakes `topic`, or so long."""
    woken = asyncio.Event()
    with assembly.database.listening(topic, woken.set):
        while True:
            if not await step():
                await happens(woken, seconds)
                woken.clear()


async def _now_and_then(seconds: float, step: Step) -> None:
    """The same where nothing wakes it."""
    while True:
        if not await step():
            await asyncio.sleep(seconds)


async def _held(assembly: Assembly) -> None:
    try:
        await _whenever(assembly, "held", _TICK_SECONDS, assembly.held.start_due)
    finally:
        await assembly.held.close()


async def _archives(assembly: Assembly) -> None:
    archives = Archives(assembly, Translations(LOCALE))
    woken = asyncio.Event()
    swept = float("-inf")
    with assembly.database.listening(exports.TOPIC, woken.set):
        while True:
            if woken.is_set() or asyncio.get_running_loop().time() - swept > _SWEEP_SECONDS:
                woken.clear()
                await archives.sweep()
                swept = asyncio.get_running_loop().time()
            if not await archives.step():
                await happens(woken, _TICK_SECONDS)


async def _polls(assembly: Assembly) -> None:
    grace_ms = assembly.settings.posts.vote_grace_seconds * 1000

    async def step() -> None:
        await assembly.tallies.send_due()
        await assembly.polls.announce_due(results=not await assembly.reconciliations.asks(grace_ms))

    await _now_and_then(_TICK_SECONDS, step)


async def _index(assembly: Assembly) -> None:
    """Together it costs less, so what has come waits a moment for what comes next; where much waits, whoever writes meanwhile has
    the writer half of the time."""
    await assembly.indexing.begin()
    while True:
        begun = asyncio.get_running_loop().time()
        entered = await assembly.indexing.step()
        await asyncio.sleep(asyncio.get_running_loop().time() - begun if entered == AT_ONCE else _INDEX_SECONDS)


async def _mail(assembly: Assembly) -> None:
    await _whenever(assembly, mails.TOPIC, _MAIL_SECONDS, Letters(assembly, Translations(LOCALE)).work)


async def _signs(assembly: Assembly) -> None:
    words = Translations(LOCALE)
    await _whenever(assembly, NEWS, _MAIL_SECONDS, _each(Signs(assembly, words).work, Alerting(assembly, words).work))


async def _comparisons(assembly: Assembly) -> None:
    await assembly.reconciliations.interrupted()
    await _whenever(assembly, reconciliations.TOPIC, _COMPARISON_SECONDS, assembly.reconciler.step)


async def _pictures(assembly: Assembly) -> None:
    async def step() -> int:
        removed = await assembly.media.sweep()
        if not removed:
            await assembly.workbench.sweep()
        return removed

    await _whenever(assembly, shelves.TOPIC, _SWEEP_SECONDS, step)


def _each(*steps: Callable[[], Awaitable[int]]) -> Step:
    """Several steps as one."""
    async def step() -> int:
        return sum([await one() for one in steps])

    return step
