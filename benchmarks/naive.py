"""The naive reference: an inbox as a straightforward developer writes it on a first afternoon.

It is used for nothing else. Quart on hypercorn, httpsig's own verifier (which parses the key for every request), bleach
on the content, aiosqlite with one commit per activity. It is not made slower than it has to be: one connection stays
open in WAL mode, and the sender's key lies in memory instead of being looked up. Run it with
`hypercorn "benchmarks.naive:create_app()"`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from email.utils import parsedate_to_datetime

import aiosqlite
import bleach
from httpsig.verify import HeaderVerifier
from quart import Quart, request

from core.settings import Federation

REQUIRED = ["(request-target)", "host", "date", "digest", "content-type"]
TAGS = ["p", "br", "a", "em", "strong", "ul", "ol", "li", "blockquote", "code", "pre"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    id TEXT PRIMARY KEY,
    activity TEXT NOT NULL UNIQUE,
    author TEXT NOT NULL,
    content TEXT NOT NULL,
    published TEXT NOT NULL
)"""


def create_app() -> Quart:
    """The application; `NAIVE_DATABASE` names its file, `NAIVE_KEY_ID` and `NAIVE_PEM` the one sender it knows."""
    app = Quart(__name__)
    keys = {os.environ["NAIVE_KEY_ID"]: os.environ["NAIVE_PEM"]}
    window = Federation().window_seconds
    lock = asyncio.Lock()
    opened: list[aiosqlite.Connection] = []

    @app.before_serving
    async def open_database() -> None:
        database = await aiosqlite.connect(os.environ["NAIVE_DATABASE"])
        await database.execute("PRAGMA journal_mode=WAL")
        await database.execute("PRAGMA synchronous=FULL")
        await database.execute(SCHEMA)
        await database.commit()
        opened.append(database)

    @app.after_serving
    async def close_database() -> None:
        await opened.pop().close()

    @app.post("/inbox")
    async def inbox() -> tuple[str, int]:
        body = await request.data
        digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        if request.headers.get("Digest") != digest:
            return "wrong digest", 401
        if abs(time.time() - parsedate_to_datetime(request.headers["Date"]).timestamp()) > window:
            return "wrong date", 401
        key_id = request.headers["Signature"].split('keyId="', 1)[1].split('"', 1)[0]
        if key_id not in keys:
            return "unknown key", 403
        verifier = HeaderVerifier(dict(request.headers), keys[key_id], required_headers=REQUIRED, method=request.method,
                                  path=request.path, sign_header="signature")
        if not verifier.verify():
            return "wrong signature", 401
        activity = json.loads(body)
        note = activity["object"]
        if activity["type"] != "Create" or note["attributedTo"] != activity["actor"]:
            return "not a post", 400
        content = bleach.clean(note["content"], tags=TAGS, attributes={"a": ["href"]}, strip=True)
        database = opened[0]
        async with lock:
            await database.execute("INSERT OR IGNORE INTO posts VALUES (?, ?, ?, ?, ?)",
                                   (note["id"], activity["id"], note["attributedTo"], content, note["published"]))
            await database.commit()
        return "", 202

    return app
