"""What delivering costs at least: one signature and one unsigned POST for each activity, in a loop, and nothing else.

Run as `python -m benchmarks.signed_post DATABASE COUNT INBOX...`: it takes the bodies out of the instance's outbox and
posts COUNT of them to the inboxes in turn, over kept connections with the settings of `federation.client`. It prints
the CPU seconds, user and system, of one activity.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice

import aiohttp
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks.sender import CONTENT_TYPE, load_key, new_key

_WARM_UP = 100
_SAMPLE = 500
_ACCEPTED = 202


async def measure(inboxes: Sequence[str], bodies: Sequence[bytes], count: int) -> float:
    """CPU seconds per activity, after a warm-up that is not counted."""
    key = load_key(new_key()[0])
    connector = aiohttp.TCPConnector(limit=256, limit_per_host=32)
    async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",), timeout=aiohttp.ClientTimeout(total=10, connect=5),
            headers={"user-agent": "Konsil", "accept-encoding": "identity"}) as session:
        await _send(session, key, inboxes, bodies, _WARM_UP)
        gc.collect()
        gc.freeze()
        before = time.process_time()
        await _send(session, key, inboxes, bodies, count)
        return (time.process_time() - before) / count


async def _send(session: aiohttp.ClientSession, key: RSAPrivateKey, inboxes: Sequence[str], bodies: Sequence[bytes],
                count: int) -> None:
    scheme, algorithm, headers = padding.PKCS1v15(), hashes.SHA256(), {"content-type": CONTENT_TYPE}
    for inbox, body in islice(zip(cycle(inboxes), cycle(bodies)), count):
        key.sign(body[:300], scheme, algorithm)
        async with session.post(inbox, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != _ACCEPTED:
                raise SystemExit(f"{inbox} answered {response.status}")


def main(arguments: Sequence[str]) -> None:
    database, count, *inboxes = arguments
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    bodies = [row[0] for row in connection.execute("SELECT body FROM outbox ORDER BY id LIMIT ?", (_SAMPLE,))]
    connection.close()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(measure(inboxes, bodies, int(count))))


if __name__ == "__main__":
    main(sys.argv[1:])
