"""`konsil serve` with one page more, whose code opens connections of its own: `python -m tests.leaky --config FILE serve`.

`/leak?way=NAME` goes out in that way to the port in KONSIL_TEST_TRAP, which is no setting and is taken out before the start.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request

from quart import request

from core.access import Access, Route
from instance import app
from instance.cli import main

_PORT = int(os.environ.pop("KONSIL_TEST_TRAP"))
_URL = f"http://127.0.0.1:{_PORT}/"


async def leak() -> str:
    way = request.args["way"]
    if way == "urllib":
        urllib.request.urlopen(_URL)  # noqa: ASYNC210
    elif way == "thread":
        await asyncio.to_thread(urllib.request.urlopen, _URL)
    else:
        await asyncio.open_connection("127.0.0.1", _PORT)
    return "it went through"


if __name__ == "__main__":
    app.PAGES = (*app.PAGES, Route("/leak", ("GET",), leak, Access.VISITOR))
    main()
