"""A month in which a sibling cannot be reached: the queue grows with every day and nothing else does, and all of it arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from actors.models import Actor
from core.clock import Clock
from core.database import Tx
from core.ids import public
from core.settings import Settings
from federation.store import enqueue
from instance.assembly import Assembly, assemble
from posts import outgoing, store
from posts.models import Audience, CaseFacts, Kind, Reach
from posts.network import network
from posts.store import Post
from tests.faults.compared import compare
from tests.faults.processes import SOAK, Processes, two
from tests.faults.test_kill import at_rest
from tests.servers import until

_POSTS = 100_000 if SOAK else 4_000
_DAYS = 30
_DAY = 86_400
_DRAIN_SECONDS = 3_600.0 if SOAK else 120.0
_ABOVE_IDLE_MIB = 160
_AT_ONCE = 500


async def test_after_a_months_outage_everything_arrives_and_memory_stays(tmp_path: Path, figures: Callable[[str], None]) -> None:
    made = await two(tmp_path)
    berlin, lyon = (Processes(settings) for settings in made)
    gone = await month(made[0])
    assert berlin.rows("SELECT fail_count > 2, alarm FROM delivery_lines") == [(1, 0)], "nobody is alarmed by an outage"
    waiting = berlin.rows("SELECT count(*) FROM deliveries WHERE state = 'pending'")[0][0]
    try:
        lyon.start("both")
        await until(lyon.ready, 60)
        idle = memory(lyon)
        begun = time.monotonic()
        berlin.start("both")
        await until(berlin.ready, 60)
        await until(lambda: berlin.rows("SELECT count(*) FROM deliveries WHERE state = 'pending'") == [(0,)], _DRAIN_SECONDS)
        seconds = time.monotonic() - begun
        peaks = [peak(place) - idle for place in (berlin, lyon)]
        await at_rest(berlin, lyon)
    finally:
        for place in (berlin, lyon):
            place.stop()
    found = compare([place.directory for place in (berlin, lyon)], gone)
    figures(f"{waiting:,} activities of {_DAYS} days in {seconds:.0f} s ({waiting / seconds:.0f} a second), memory at most"
            f" {max(peaks):.0f} MiB above idle ({idle:.0f} MiB): {found.check()}")
    assert found.posts >= _POSTS and max(peaks) < _ABOVE_IDLE_MIB


async def month(settings: Settings) -> set[str]:
    """What doctors write in thirty days, with a worker that tries every day to get rid of it; returns the words of what they
    deleted. The clock is a month behind and comes up to ours."""
    clock, gone = Clock(-_DAYS * _DAY - 60.0), set[str]()
    settings = msgspec.structs.replace(
        settings, federation=msgspec.structs.replace(settings.federation, retry_first_seconds=60.0))
    async with assemble(settings, clock) as its:
        await its.database.write(lambda tx: tx.run("UPDATE siblings SET activated_at = ?", (clock.ms() - 1000,)))
        account = await its.accounts.by_handle("ada")
        assert account is not None
        ada = (await its.credentials.author(account, "post")).actor
        for day in range(_DAYS):
            clock.offset = -(_DAYS - day) * _DAY
            for start in range(0, _POSTS // _DAYS + 1, _AT_ONCE):
                many = min(_AT_ONCE, _POSTS // _DAYS + 1 - start)
                last = await its.database.write(lambda tx, many=many, day=day: _write(tx, its, ada, day, many))  # type: ignore[misc]
                await its.editing.edit(await its.credentials.author(account, "post"), public(last[0]), "And now?", "New", 1)
                await its.editing.delete(ada, public(last[1]))
                gone.add(last[2])
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await its.courier.run()
    return gone


def _write(tx: Tx, its: Assembly, ada: Actor, day: int, many: int) -> tuple[int, int, str]:
    """Notes as she publishes them; the ids of two of them, and the word of the second."""
    places, now, word, post = network(tx, its.identity), its.clock.ms(), "", None
    audience = Audience(Reach.NETWORK, (its.identity.origin, *(place.origin for place in places.destinations(now))))
    made = []
    for _ in range(many):
        number = its.ids.new()
        word = f"zq{public(number).lower()}q"
        made.append(Post(number, f"{its.identity.origin}/posts/{public(number)}", ada.id, None, Kind.NOTE, number, None,
                         f"Day {day}, what about {word}?", "Text", f"<p>{'Text ' * 40}</p>", "de", CaseFacts(), None, audience,
                         "de", now))
    store.insert(tx, made)
    for post in made:
        activity = outgoing.create(post, None, ada.uri, None, its.identity.seal)
        enqueue(tx, its.ids.new(), activity, places.recipients(audience.origins), now)
    return made[0].id, made[-1].id, word


def memory(place: Processes) -> float:
    """What a server has in memory now, in MiB."""
    return float(psutil.Process(place.running["both"].pid).memory_info().rss) / (1 << 20)


def peak(place: Processes) -> float:
    """The most that it ever had, in MiB."""
    lines = Path(f"/proc/{place.running['both'].pid}/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
