"""With an empty, missing or unreadable list nothing is sent, fetched, accepted or served, and work at home goes on."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import case
from tests.promises.test_hostile import _meet, _port, sockets
from tests.scripted import Scripted, scripted
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser, fields

# What happens to the list, and whether it still can be read at all.
BROKEN: dict[str, tuple[tuple[str, ...], bool]] = {
    "renamed": (("ALTER TABLE siblings RENAME TO gone",), False),
    "dropped": (("PRAGMA foreign_keys=OFF", "DROP TABLE siblings"), False),
    "another table in its place": (("PRAGMA foreign_keys=OFF", "DROP TABLE siblings", "CREATE TABLE siblings (x TEXT)"), False),
    "text that is none": (("UPDATE siblings SET name = CAST(x'ff' AS TEXT)",), False),
    "empty": (("PRAGMA foreign_keys=OFF", "DELETE FROM siblings"), True),
    "an unknown state": (("UPDATE siblings SET state = 'everybody'",), True),
    "no state": (("UPDATE siblings SET state = ''",), True),
    "bytes for a state": (("UPDATE siblings SET state = x'616374697665'",), True),
    "bytes for a key": (("UPDATE siblings SET public_pem = x'00ff'",), True),
    "bytes for an origin": (("UPDATE siblings SET origin = CAST(origin AS BLOB)",), True),
    "a country that is a number": (("UPDATE siblings SET country = x'07'",), True),
    "an inbox elsewhere": (("UPDATE siblings SET inbox = 'https://elsewhere.example/inbox'",), True),
    "an inbox for bundles elsewhere": (("UPDATE siblings SET bundle_inbox = 'https://elsewhere.example/inbox/bundle'",), True),
    "bytes for a document key": (("UPDATE siblings SET document_key = x'00ff'",), True),
    "an actor that is no address": (("UPDATE siblings SET actor_uri = 'javascript:alert(1)'",), True),
}


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[tuple[Running, Scripted, str]]:
    """A German instance that has exchanged things with a sibling; something waits for it and for something of it."""
    async with countries(directory, "de") as (de,), scripted() as server:
        await server.befriend(de.its)
        await _meet(de, server.fake, server.fake.actor)
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        post_id = await de.its.compose.publish(
            await de.author("ada"), case("Asked abroad?"), (server.origin,), Reach.COUNTRIES, seen)
        assert (await server.fake.send(de, server.fake.activity("Create", server.fake.note(de), "n1")))[0] == 202
        await until(lambda: de.count("deliveries", "state = 'acked'"))
        yield de, server, post_id


def _break(de: Running, statements: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(de.its.database.path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)


async def _nothing_comes_in(de: Running, server: Scripted, post_id: str) -> None:
    before = {table: await de.count(table) for table in ("posts", "actors", "ledger", "held", "likes", "follows")}
    fake, ada = server.fake, (await de.author("ada")).actor
    for number, document in enumerate((
            fake.activity("Create", fake.note(de, "late"), "late"), fake.activity("Like", f"{de.url}/posts/{post_id}", "like"),
            fake.activity("Follow", ada.uri, "follow"), fake.activity("Delete", f"{fake.origin}/posts/n1", "delete"),
            fake.activity("Create", fake.note(de, "n1"), "n1"))):
        status, problem = await fake.send(de, document)
        assert status in (403, 503), (number, status, problem)
    for path in (f"/posts/{post_id}", f"/posts/{post_id}/replies", ada.uri.removeprefix(de.url), "/members", "/actor/outbox",
                 f"/.well-known/webfinger?resource=acct:ada@{de.domain}"):
        status, answer = await fake.get(de.url + path)
        assert status in (403, 503) and "clinical" not in str(answer) and "Dr Ada" not in str(answer), path
    assert {table: await de.count(table) for table in before} == before


async def _home_goes_on(ada: Browser, ben: Browser, de: Running, post_id: str) -> None:
    for tab in ("specialties", "following", "country", "abroad", "all", "waiting"):
        assert (await ada.get(f"/?tab={tab}"))[0] == 200, tab
    for path in ("/notifications", "/consults", "/directory", "/directory?country=fr", "/bookmarks", "/mine", "/drafts",
                 "/settings", "/compose", "/specialties/cardiology", f"/p/{post_id}", "/@ada", f"/@ada@{de.domain}",
                 "/@nobody@fr.example"):
        status, page = await ada.get(path)
        assert status in ((200, 303) if "nobody" not in path else (404,)), (path, status, page[:300])
    written = {"kind": "case", "question": "Asked at home?", "text": "Text", "language": "de", "specialties": "cardiology",
               "age_band": "30-39", "sex": "f", "aim": "diagnostic"}
    status, page = await ada.post("/compose", written | {"step": "audience"})
    assert status == 200 and "elsewhere.example" not in page
    status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "home"})
    assert status == 200, page
    status, where = await ada.post("/compose", written | fields(page) | {"step": "publish"})
    assert status == 303, where
    found = re.search(r"/p/(\w{13})", where) or re.search(r'href="/p/(\w{13})"', (await ada.get("/?tab=country"))[1])
    assert found is not None
    new = found[1]
    for path, form in ((f"/p/{new}/reply", {"text": "An answer", "language": "de"}), (f"/p/{new}/like", {"wish": "do"}),
                       (f"/p/{new}/bookmark", {"wish": "do"}), (f"/p/{post_id}/like", {"wish": "do"})):
        status, answer = await ben.post(path, form | fields((await ben.get(f"/p/{new}"))[1]))
        assert status == 303, (path, status, answer[:300])
    assert (await ada.get("/notifications"))[0] == 200
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    poll = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
    asked = await de.its.compose.publish(await de.author("ada"), poll, (), Reach.HOME, seen)
    assert (await ben.post(f"/p/{asked}/vote", {"choice": "0"}))[0] == 303
    assert await de.count("votes") == 1
    for gone in (new, post_id):
        assert (await ada.post(f"/p/{gone}/delete", fields((await ada.get(f"/p/{gone}/delete"))[1])))[0] == 303
    assert await de.count("posts", "erased_at IS NOT NULL") == 2


@pytest.mark.parametrize("how", BROKEN)
async def test_with_a_broken_list_nothing_is_exchanged_and_work_at_home_goes_on(tmp_path: Path, how: str) -> None:
    statements, readable = BROKEN[how]
    async with standing(tmp_path) as (de, server, post_id), Browser(de) as ada, Browser(de) as ben, Browser(de) as op:
        assert await ada.login("ada") == 303
        _break(de, statements)
        server.received.clear()
        with sockets(_port(de.url)) as seen:
            assert await ben.login("ben") == 303 and await op.login("op") == 303
            await _nothing_comes_in(de, server, post_id)
            await _home_goes_on(ada, ben, de, post_id)
            status, page = await op.get("/admin/siblings")
            assert status == 200
            if not readable:
                assert "The list of siblings cannot be read" in page
            elif how != "empty":
                assert "1 entry of the list cannot be read" in page
            assert (await op.get("/admin/refusals"))[0] == 200
            await asyncio.sleep(1.2)
        assert server.received == [] and seen == []
