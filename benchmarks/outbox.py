"""An outbox to empty: new cases for the whole network, written as the program writes them, many in one transaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from actors.store import shown_by_handle
from benchmarks.countries import Country
from benchmarks.sender import SENTENCES
from benchmarks.servers import ROOT, MeasurementFailed
from core.database import Tx
from core.ids import public
from federation.store import enqueue
from instance.assembly import Assembly, assemble
from posts import outgoing, store
from posts.models import Audience, CaseFacts, Kind, Reach, State
from posts.network import network
from posts.store import Post

_AT_ONCE = 2_000
_WAIT_SECONDS = 60.0
_HTML = f"<p>{''.join(SENTENCES * 3)[:1200]}</p>"


async def fill(country: Country, count: int) -> None:
    """Write new posts and their way out."""
    async with assemble(country.settings) as assembly:
        for start in range(0, count, _AT_ONCE):
            share = min(_AT_ONCE, count - start)
            await assembly.database.write(lambda tx, share=share: _fill(tx, assembly, country.doctors[0], share))


def _fill(tx: Tx, assembly: Assembly, handle: str, count: int) -> None:
    author = shown_by_handle(tx, handle)
    if author is None:
        raise MeasurementFailed("the benchmark's doctor is not there")
    places = network(tx, assembly.identity)
    origins = tuple(place.origin for place in places.destinations(assembly.clock.ms()))
    recipients, now = places.recipients(origins), assembly.clock.ms()
    for _ in range(count):
        post = _post(assembly, author.id, origins)
        store.insert(tx, [post])
        enqueue(tx, assembly.ids.new(), outgoing.create(post, None, author.uri, None, assembly.identity.seal), recipients, now)


def _post(assembly: Assembly, author_id: int, origins: tuple[str, ...]) -> Post:
    number, home = assembly.ids.new(), assembly.identity
    return Post(number, f"{home.origin}/posts/{public(number)}", author_id, None, Kind.CASE, number, None,
                f"Endocarditis, question {number}", "", _HTML, "en", CaseFacts(("cardiology",)), State.OPEN,
                Audience(Reach.NETWORK, (home.origin, *origins)), home.country, assembly.clock.ms())


def least(country: Country, inboxes: Sequence[str], count: int) -> float:
    """CPU seconds for one signature and one unsigned POST of what is in the outbox, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.signed_post", str(country.database), str(count), *inboxes], cwd=ROOT,
        capture_output=True, text=True, check=False, timeout=_WAIT_SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise MeasurementFailed(f"signing and posting failed: {done.stderr.strip()}")
    return float(done.stdout)
