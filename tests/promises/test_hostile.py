"""Whatever is sent to a running instance, by whomever: the answer is known, nothing is stored, nobody is contacted, and it costs
little time and memory."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web

from actors.store import save
from actors.wire import actor_of
from core.database import Tx
from core.settings import Settings
from federation.client import ACTIVITY_JSON
from federation.documents import dumps
from federation.identity import members_of
from inbox import routes as inbox_routes
from instance.app import routes
from instance.heads import LIMIT
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import case
from tests.phones import Phone
from tests.promises.hostile import CASES, ELSE, NOT_HERE, Place, Raw, rows, vectors
from tests.scripted import Received, Scripted, scripted
from tests.servers import FakeSibling, Running, countries, get, post, until
from tests.test_pages import Browser
from tests.test_text import _assert_harmless

_SECONDS = 5.0
_KIB = 96 * 1024
_ROOT = Path(__file__).parent.parent.parent


# Sockets: an audit hook sees every connection and every name that is looked up, whoever in this process wants it.

_watching: list[list[str]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = arguments[1] if event != "socket.getaddrinfo" else arguments[:2]
        _watching[-1].append(f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address))


sys.addaudithook(_hook)


@contextmanager
def sockets(*known: str) -> Iterator[list[str]]:
    """Where connections went meanwhile, but for these (`host:port`)."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
        seen[:] = [place for place in seen if place not in known]


def _port(of: str) -> str:
    return of.split("://")[1]


async def stored(de: Running, *left_out: str) -> dict[str, str]:
    """A digest of every table, but for what is only bookkeeping."""
    def look(tx: Tx) -> dict[str, str]:
        found = {}
        for (name,) in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            if name in ("refusals", *left_out):
                continue
            columns = [row["name"] for row in tx.rows(f"PRAGMA table_info({name})") if row["name"] not in ("last_in", "skew_ms")]
            lines = sorted(repr(tuple(row)) for row in tx.rows(f"SELECT {', '.join(columns)} FROM {name}"))
            found[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return found

    return await de.its.database.read(look)


async def _meet(de: Running, fake: FakeSibling, uri: str) -> None:
    row = await de.its.siblings.row(fake.origin.split("://")[1])
    actor = actor_of(fake.person(uri) | {"preferredUsername": uri[-6:].replace("/", "")}, expected=uri, sibling_id=row.id,
                     country=fake.country, actor_id=de.its.ids.new())
    await de.its.database.write(lambda tx: save(tx, actor, de.its.clock.ms()))


def hasty(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, federation=msgspec.structs.replace(
        settings.federation, timeout_seconds=1.0, retry_first_seconds=0.2))


@asynccontextmanager
async def standing(directory: Path) -> AsyncIterator[tuple[Place, Scripted]]:
    """The place of `tests.promises.hostile`, with its worker, nothing on its way any more."""
    async with countries(directory, "de", settled=hasty) as (de,), scripted() as server:
        fake, other = server.fake, FakeSibling("it", 2)
        await server.befriend(de.its)
        await de.befriend(other.described())
        second = f"{fake.origin}/actors/second"
        for one, uri in ((fake, fake.actor), (fake, second), (other, other.actor)):
            await _meet(de, one, uri)
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        ada = await de.author("ada")

        async def published(draft: Draft, *to: str) -> str:
            post_id = await de.its.compose.publish(ada, draft, to, Reach.COUNTRIES if to else Reach.HOME, seen)
            return f"{de.url}/posts/{post_id}"

        asks = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
        place = Place(de, fake, other, second, await published(case(), fake.origin), await published(case()),
                      await published(asks, fake.origin), f"{fake.origin}/posts/theirs", f"{other.origin}/posts/third",
                      f"{fake.origin}/activities/like", f"{fake.origin}/activities/theirs")
        vote = place.vote(place.poll, "a", id=f"{fake.origin}/votes/1", attributedTo=second) | {
            "id": f"{fake.origin}/activities/vote", "actor": second}
        for sender, document in (
                (fake, fake.activity("Create", fake.note(de, "theirs"), "theirs")),
                (other, other.activity("Create", other.note(de, "third"), "third")),
                (fake, fake.activity("Like", place.shared, "like", actor=second)), (fake, vote)):
            assert (await sender.send(de, document))[0] == 202
        await until(lambda: any(b'"type":"Update"' in one.body for one in server.received))  # the poll's count, with the vote
        await until(lambda: _settled(de))
        server.received.clear()
        yield place, server


async def _settled(de: Running) -> bool:
    waiting = [await de.count(*table) for table in (("deliveries", "state = 'pending'"), ("held",), ("unindexed",))]
    return waiting == [0, 0, 0]


async def _sent(place: Place, made: Any) -> tuple[int, str]:
    """Send it; the status and the reason of the problem document."""
    if not isinstance(made, Raw) and len(body := made if isinstance(made, bytes) else dumps(made)) > 1 << 20:
        made = Raw(list(place.signed(body).items()), body)  # aiohttp does not like to send that
    if isinstance(made, Raw):
        status, problem = await _by_hand(place, made)
    else:
        status, problem = await place.fake.send(place.de, made)
    kind = problem.get("type", "") if isinstance(problem, dict) else ""
    return status, kind.removeprefix("urn:konsil:problem:")


async def _by_hand(place: Place, made: Raw) -> tuple[int, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(place.de.url.rsplit(":", 1)[1]))
    try:
        lines = [f"{name}: {value}\r\n".encode() for name, value in made.headers]
        length = b"transfer-encoding: chunked\r\n" if made.chunked else f"content-length: {len(made.body)}\r\n".encode()
        writer.write(b"POST /inbox HTTP/1.1\r\n" + b"".join(lines) + length + b"connection: close\r\n\r\n" + made.body)
        for piece in made.chunked:
            if writer.transport.is_closing():
                break
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if made.chunked:
            writer.write(b"0\r\n\r\n")
        return await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = [int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    body = await reader.readexactly(length[0] if length else 0)
    return int(head.split(" ")[1]), msgspec.json.decode(body) if "json" in head else body.decode()


async def test_every_hostile_request_has_its_answer_and_leaves_nothing(tmp_path: Path) -> None:
    table = rows()
    assert len({row.name for row in table}) == len(table) > 700
    wrong = []
    async with standing(tmp_path) as (place, server):
        before, ledger = await stored(place.de, "ledger"), await place.de.count("ledger")
        with sockets(_port(place.de.url)) as seen:
            for row in table:
                peak, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
                status, reason = await _sent(place, row.make(place))
                took = time.monotonic() - begun
                if status != row.status or row.reason not in ("*", reason):
                    wrong.append(f"{row.name}: {status} {reason}, not {row.status} {row.reason}")
                if took > _SECONDS:
                    wrong.append(f"{row.name}: took {took:.1f} s")
                if (grown := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) > _KIB:
                    wrong.append(f"{row.name}: {grown} KiB more memory")
                after, entered = await stored(place.de, "ledger"), await place.de.count("ledger")
                if after != before:
                    wrong.append(f"{row.name}: changed {[name for name in after if after[name] != before.get(name)]}")
                if entered != ledger + (status == 202):
                    wrong.append(f"{row.name}: {entered - ledger} entries in the ledger")
                if status == 202:  # the entry goes, so that the next row can use the same id
                    await place.de.its.database.write(lambda tx: tx.run("DELETE FROM ledger WHERE outcome LIKE 'ignored%'"))
                before, ledger = await stored(place.de, "ledger"), await place.de.count("ledger")
            await asyncio.sleep(0.5)
        assert not wrong, "\n".join(wrong)
        assert seen == [] and server.received == []


async def test_the_watch_for_sockets_sees_what_the_worker_asks(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, _), scripted() as new:
        await new.befriend(place.de.its)
        with sockets(_port(place.de.url)) as seen:
            assert (await new.fake.send(place.de, new.fake.activity("Create", new.fake.note(place.de))))[0] == 202
            await until(lambda: new.received)
        assert _port(new.origin) in seen


def test_every_case_that_is_known_has_a_row_or_a_reason() -> None:
    here = {row.name for row in rows()}
    tests = {name for name in globals() if name.startswith("test_")}
    assert {case: what for case, what in CASES.items()
            if what not in here | tests and not what.startswith(NOT_HERE)} == {}


# What is taken, but not as it was meant

class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.dangers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "style", "math", "template") or "http-equiv" in given:
            self.dangers.append(tag)
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.dangers.append("script")
        for name, value in attrs:
            plain = "".join((value or "").split()).lower()
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.dangers.append(name)
            bad = plain.startswith(("javascript:", "data:", "vbscript:", "blob:"))
            if name in ("href", "src", "action", "formaction") and (bad or (name != "href" and "//" in plain)):
                self.dangers.append(f"{name}={value}")


def _dangers(page: str) -> list[str]:
    reader = _Page()
    reader.feed(page)
    return reader.dangers


def test_the_page_reader_sees_dangers() -> None:
    assert _dangers('<p onclick="x">') and _dangers("<iframe>") and _dangers("<a href=' java\nscript:x'>") and _dangers(
        "<img src=//x/y>") and _dangers("<script>1</script>") and not _dangers('<a href="https://x.example/">x</a>')


async def test_hostile_html_is_harmless_on_the_page(tmp_path: Path) -> None:
    payloads = [entry["html"] for entry in msgspec.json.decode((_ROOT / "tests/hostile_html.json").read_bytes())["payloads"]]
    async with standing(tmp_path) as (place, _), Browser(place.de) as ada:
        assert await ada.login("ada") == 303
        with sockets(_port(place.de.url)) as seen:
            for number, html in enumerate(payloads):
                note = place.fake.note(place.de, f"h{number}", content=html or "-") | {"name": html[:200]}
                status, problem = await place.fake.send(place.de, place.fake.activity("Create", note, f"h{number}"))
                assert status == 202 or problem["type"].endswith("too-complex"), html
            found = await place.de.its.database.read(lambda tx: tx.rows("SELECT id, html FROM posts WHERE uri LIKE '%/posts/h%'"))
            assert len(found) > 100
            for row in found:
                _assert_harmless(row["html"])
            status, page = await ada.get("/?tab=all")
            assert status == 200
            assert _dangers(page) == []
        assert seen == []


async def test_where_tags_lead_nobody_goes(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, server):
        with sockets(_port(place.de.url)) as seen:
            everywhere = [entry["url"] for entry in vectors("addresses")["urls"]]
            tags = [{"type": kind, "href": url, "name": "@ada"} for url in everywhere for kind in ("Mention", "Hashtag")]
            more = {name: {"type": "Image", "url": f"{ELSE}/x.png", "href": f"{ELSE}/x"}
                    for name in ("quote", "target", "context", "image", "icon", "preview", "replies", "url")}
            note = place.note(tag=tags) | more | {"quoteUri": f"{ELSE}/posts/1", "likes": f"{ELSE}/likes"}
            assert (await place.fake.send(place.de, place.create(note)))[0] == 202
            await asyncio.sleep(0.5)
        assert seen == [] and server.received == []
        [row] = await place.de.its.database.read(lambda tx: tx.rows("SELECT * FROM posts WHERE uri LIKE '%/posts/hostile'"))
        assert not any(bad in repr(tuple(row)) for bad in ("x.png", "quoteUri", "javascript:", "169.254", "\\\\@", "file:"))


async def test_a_storm_of_mentions_tells_a_doctor_once_and_names_twenty(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, server):
        ada = (await place.de.author("ada")).actor
        tags = [{"type": "Mention", "href": ada.uri, "name": "@ada"}] * 1000 + [
            {"type": "Mention", "href": f"{place.fake.origin}/a/{number}", "name": f"@a{number}"} for number in range(1000)]
        begun = time.monotonic()
        with sockets(_port(place.de.url)) as seen:
            assert (await place.fake.send(place.de, place.create(place.note(tag=tags))))[0] == 202
        assert time.monotonic() - begun < _SECONDS and seen == [] and server.received == []
        assert await place.de.count("notifications", f"actor_id = {ada.id} AND kind = 'mention'") <= 1
        [row] = await place.de.its.database.read(lambda tx: tx.rows("SELECT tags FROM posts WHERE uri LIKE '%/posts/hostile'"))
        assert row["tags"].count(f"{place.fake.origin}/a/") + row["tags"].count(ada.uri) <= 20


async def test_what_says_it_is_from_the_future_is_from_now(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, _):
        note = place.note(published="2150-01-01T00:00:00Z", updated="2150-01-01T00:00:00Z")
        assert (await place.fake.send(place.de, place.create(note))) == (202, "")
        now = place.de.its.clock.ms()
        assert await place.de.count("posts") == 6
        assert await place.de.count("posts", f"published_at > {now} OR updated_at > {now}") == 0


async def test_only_the_pinned_inbox_is_ever_sent_to(tmp_path: Path) -> None:
    """A profile that names another inbox and another key changes neither, and what is sent goes where it always went."""
    async with standing(tmp_path) as (place, server), scripted() as trap:
        changed = place.fake.person() | {
            "name": "Changed", "inbox": f"{trap.origin}/inbox", "endpoints": {"sharedInbox": f"{trap.origin}/inbox"},
            "publicKey": {"id": place.fake.key_id, "owner": place.fake.actor, "publicKeyPem": place.other.public_pem}}
        siblings = (await stored(place.de))["siblings"]
        with sockets(_port(place.de.url)) as seen:
            assert (await place.fake.send(place.de, place.does("Update", changed)))[0] == 202
            assert await place.de.count("actors", "name = 'Changed'") == 1 and (await stored(place.de))["siblings"] == siblings
            await place.de.its.editing.edit(await place.de.author("ada"), place.shared.rsplit("/", 1)[1], "Q?", "More", 1)
            await until(lambda: server.received)
        assert {one.target for one in server.received} == {"/inbox"} and trap.received == []
        assert {where for where in seen} <= {_port(place.fake.origin)}
        forged = FakeSibling("fr", 3, (place.other.private_pem, place.other.public_pem))
        forged.key_id = place.fake.key_id
        assert (await forged.send(place.de, place.create()))[0] == 401


async def test_invented_doctors_of_a_sibling_wait_in_a_room_that_has_an_end(tmp_path: Path) -> None:
    """Whoever stuffs a poll has to have a doctor with a badge for each vote, and those wait in no greater number than is kept."""
    def small(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, held_per_sibling=50))

    async with countries(tmp_path, "de", worker=False, settled=small) as (de,):
        fake, other = FakeSibling(), FakeSibling("it", 2)
        for one in (fake, other):
            await de.befriend(one.described())
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        asks = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
        post_id = await de.its.compose.publish(await de.author("ada"), asks, (fake.origin, other.origin), Reach.COUNTRIES, seen)
        place = Place(de, fake, other, "", "", "", f"{de.url}/posts/{post_id}", "", "", "", "")

        async def votes(one: FakeSibling, number: int) -> tuple[int, Any]:
            voter = f"{one.origin}/actors/v{number}"
            made = {"id": f"{one.origin}/votes/{number}", "type": "Note", "attributedTo": voter, "name": "a",
                    "inReplyTo": place.poll, "to": [place.poll]}
            return await one.send(de, one.activity("Create", made, f"v{number}", actor=voter))

        answers = await asyncio.gather(*(votes(fake, number) for number in range(200)))
        assert sorted(status for status, _ in answers) == [202] * 50 + [503] * 150
        assert {problem["type"] for status, problem in answers if status == 503} == {"urn:konsil:problem:held-full"}
        assert await de.count("held") == 50 and await de.count("votes") == 0
        assert (await votes(other, 1))[0] == 202
        assert (await fake.send(de, fake.activity("Delete", f"{fake.origin}/posts/gone", "d1")))[0] == 202


# The way a request comes

async def test_a_body_that_comes_slowly_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_routes, "_BODY_SECONDS", 0.5)
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = await FakeSibling().listed(de, "active")
        body = dumps(fake.activity("Create", fake.note(de)))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(de.url.rsplit(":", 1)[1]))
        head = "".join(f"{name}: {value}\r\n" for name, value in fake.headers("POST", f"{de.url}/inbox", body).items())
        writer.write(f"POST /inbox HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body[:1])
        begun = time.monotonic()
        status, problem = await asyncio.wait_for(_answer(reader), 5)
        assert (status, problem["type"]) == (408, "urn:konsil:problem:too-slow") and time.monotonic() - begun < 3
        writer.close()
        assert await de.count("ledger") == 0


@pytest.mark.parametrize("kind", ["many headers", "one header", "the path", "a name", "dribbling"])
async def test_a_head_without_end_is_hung_up_on(tmp_path: Path, kind: str) -> None:
    """16 KiB and no more, however it comes; an ordinary request after it is answered."""
    piece = {"many headers": b"x-filler: " + b"x" * 90 + b"\r\n", "one header": b"x" * 100, "the path": b"x" * 100,
             "a name": b"x" * 100, "dribbling": b"x-filler: " + b"x" * 90 + b"\r\n"}[kind]
    first = {"one header": b"GET / HTTP/1.1\r\nx: ", "the path": b"GET /"}.get(kind, b"GET / HTTP/1.1\r\n")
    async with countries(tmp_path, "de", worker=False) as (de,):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(de.url.rsplit(":", 1)[1]))
        writer.write(first)
        sent = 0
        while not reader.at_eof() and sent < 64 * LIMIT:
            writer.write(piece * (10 if kind == "dribbling" else 400))
            sent += len(piece) * (10 if kind == "dribbling" else 400)
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0.001)
            if reader._buffer:  # type: ignore[attr-defined]
                break
        assert sent < 32 * LIMIT, "it was read without end"
        status, problem = await asyncio.wait_for(_answer(reader), 5)
        assert (status, problem["type"]) == (431, "urn:konsil:problem:head-too-large")
        writer.close()
        assert (await get(f"{de.url}/livez"))[0] == 200


async def test_a_head_of_an_ordinary_size_before_a_large_body_is_no_trouble(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = await FakeSibling().listed(de, "active")
        body = dumps(fake.activity("Arrive", "x" * 200_000))
        headers = fake.headers("POST", f"{de.url}/inbox", body)
        assert (await post(f"{de.url}/inbox", body, headers))[0] == 400  # an id is shorter, so it has been read
        assert (await post(f"{de.url}/inbox", body, headers | {"x-filler": "x" * (LIMIT - 2000)}))[0] == 400
        assert (await post(f"{de.url}/inbox", body, headers | {"x-filler": "x" * LIMIT}))[0] == 431


# What others have and this server has not

async def test_what_other_servers_have_is_not_there(tmp_path: Path) -> None:
    """No proxy, no preview, no search by address, no import: nothing that fetches what somebody names."""
    words = ("proxy", "media", "preview", "oembed", "search", "fetch", "resolve", "import", "authorize_interaction", "relay")
    rules = [route.rule for route in routes()]
    own = {"/media/portraits/<actor_id>/<version>", "/media/<picture_name>",  # our doctors' pictures, named by nobody's address
           "/search", "/api/v2/search", "/api/v1/accounts/search",  # among what lies here
           "/api/v1/media", "/api/v2/media", "/api/v1/media/<media_id>",  # what apps hand in, and see again
           "/api/konsil/uploads/<sealed>/<media_id>"}
    assert [rule for rule in rules if any(word in rule for word in words) and rule not in own] == []
    async with standing(tmp_path) as (place, server), Browser(place.de) as ada, Phone(place.de) as phone:
        assert await ada.login("ada") == 303
        await phone.log_in("ada")
        target = f"{place.fake.origin}/posts/new"
        with sockets(_port(place.de.url)) as seen:
            for path in ("/proxy?url={}", "/media_proxy/{}", "/authorize_interaction?uri={}", "/oembed?url={}", "/preview?url={}",
                         "/relay"):
                assert (await ada.get(path.format(target)))[0] == 404, path
            assert await phone.get(f"/api/v2/search?q={target}&resolve=true") == {"accounts": [], "statuses": [], "hashtags": []}
            assert (await phone.ask("GET", f"/api/v1/accounts/lookup?acct={target}"))[0] == 404
            for path in ("/directory?q={}", "/search?q={}", "/directory?name={}", "/?tab={}", "/tags/{}", "/@{}"):
                assert (await ada.get(path.format(target.replace("/", "%2F"))))[0] in (200, 303, 400, 404), path
        assert seen == [] and server.received == []


async def test_webfinger_answers_for_this_host_alone(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, _):
        with sockets(_port(place.de.url)) as seen:
            for host in [entry["host"] for entry in vectors("addresses")["hosts"]] + [_port(place.other.origin)]:
                for asked in (f"acct:ada@{host}", f"acct:ada@{place.de.domain}@{host}", f"acct:ada@{host}@{place.de.domain}"):
                    url = f"{place.de.url}/.well-known/webfinger?resource={quote(asked, safe='@:/*')}"
                    assert (await place.fake.get(url))[0] in (400, 404), asked
        assert seen == []


# Hostile answers to what we fetch

Answer = Callable[[Place, Received, str], Awaitable[web.StreamResponse] | web.StreamResponse]


def _document(place: Place, one: Received, uri: str, **changes: Any) -> bytes:
    return dumps(place.fake.person(uri) | {"preferredUsername": "hostile"} | changes)


def _says(body: Callable[[Place, Received, str], bytes], status: int = 200, **headers: str) -> Answer:
    given = {"content-type": ACTIVITY_JSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda place, one, uri: web.Response(status=status, body=body(place, one, uri), headers=given)


def _sends_on(where: Callable[[Place, str], str], status: int) -> Answer:
    return lambda place, one, uri: web.Response(status=status, headers={"location": where(place, uri)})


def _endless(place: Place, one: Received, uri: str) -> Awaitable[web.StreamResponse]:
    async def stream() -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": ACTIVITY_JSON})
        await response.prepare(place_request[0])
        try:
            while True:
                await response.write(b" " * 65_536)
        except (ConnectionError, RuntimeError):
            return response

    return stream()


def _dribbling(place: Place, one: Received, uri: str) -> Awaitable[web.StreamResponse]:
    async def stream() -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": ACTIVITY_JSON})
        await response.prepare(place_request[0])
        for _ in range(30):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    return stream()


place_request: list[web.Request] = []
_BOMB = b"\x1f\x8b\x08\x00" + b"\x00" * 1000
ANSWERS: dict[str, Answer] = {
    "sent on to loopback": _sends_on(lambda p, uri: "http://127.0.0.1:9/x", 302),
    "sent on to another sibling": _sends_on(lambda p, uri: f"{p.other.origin}/actors/x", 301),
    "sent on to itself": _sends_on(lambda p, uri: uri, 302),
    "sent on to another path": _sends_on(lambda p, uri: f"{p.fake.origin}/other", 307),
    "sent on to plain http": _sends_on(lambda p, uri: f"http://{ELSE[8:]}/x", 308),
    "sent on to a file": _sends_on(lambda p, uri: "file:///etc/passwd", 302),
    "a page": _says(_document, content_type="text/html"),
    "plain JSON": _says(_document, content_type="application/json"),
    "a picture": _says(lambda p, o, u: b"\xff\xd8\xff\xe0" + _document(p, o, u), content_type="image/jpeg"),
    "a gzip bomb": _says(lambda p, o, u: _BOMB, content_encoding="gzip"),
    "a brotli bomb": _says(lambda p, o, u: _BOMB, content_encoding="br"),
    "no end": _endless, "a byte now and then": _dribbling,
    "more than is read": _says(lambda p, o, u: _document(p, o, u, summary="x" * 300_000)),
    "somebody else": _says(lambda p, o, u: _document(p, o, p.fake.actor)),
    "somebody at another origin": _says(lambda p, o, u: _document(p, o, f"{ELSE}/actors/a")),
    "a doctor of ours": _says(lambda p, o, u: _document(p, o, f"{p.de.url}/actors/ada")),
    "a post": _says(lambda p, o, u: dumps(p.note(id=u))),
    "an instance": _says(lambda p, o, u: _document(p, o, u, type="Application")),
    "a doctor of another country": _says(lambda p, o, u: _document(p, o, u, badge={
        **p.fake.person()["badge"], "country": "de"})),
    "a doctor without a badge": _says(lambda p, o, u: _document(p, o, u, badge=None)),
    "a list": _says(lambda p, o, u: b"[" + _document(p, o, u) + b"]"),
    "deep JSON": _says(lambda p, o, u: b'{"a":' * 40_000),
    "twice the same key": _says(lambda p, o, u: b'{"id":"x",' + _document(p, o, u)[1:]),
    "nothing": _says(lambda p, o, u: b""), "a forbidden answer": _says(_document, 403),
    "an answer without a body": _says(lambda p, o, u: b"", 204),
    "very many headers": _says(_document, **{f"x_filler_{number}": "x" * 100 for number in range(10_000)}),
    "a header without end": _says(_document, x_filler="x" * 1_000_000),
}


async def test_hostile_answers_to_what_we_fetch_change_nothing(tmp_path: Path) -> None:
    wrong = []
    async with standing(tmp_path) as (place, server):
        de = place.de
        for number, (name, answer) in enumerate(ANSWERS.items()):
            uri, begun = f"{place.fake.origin}/actors/h{number}", time.monotonic()

            def script(one: Received, answer: Answer = answer, uri: str = uri) -> Any:
                place_request[:] = [server.request]
                return answer(place, one, uri)

            server.script, peak = script, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            before = await stored(de, "held", "ledger")
            server.received.clear()
            with sockets(_port(de.url)) as seen:
                made = place.fake.activity("Create", place.fake.note(de, f"h{number}", attributedTo=uri), f"h{number}", actor=uri)
                assert (await place.fake.send(de, made))[0] == 202
                for _ in range(500):
                    if await de.count("held", "tries > 0"):
                        break
                    await asyncio.sleep(0.02)
                else:
                    wrong.append(f"{name}: nothing became of it")
            if (after := await stored(de, "held", "ledger")) != before:
                wrong.append(f"{name}: changed {[table for table in after if after[table] != before[table]]}")
            if set(seen) - {_port(place.fake.origin)}:
                wrong.append(f"{name}: {seen}")
            if {one.target for one in server.received} != {f"/actors/h{number}"} or len(server.received) > 2:
                wrong.append(f"{name}: asked {[one.target for one in server.received]}")
            if time.monotonic() - begun > 2 * _SECONDS or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak > _KIB:
                wrong.append(f"{name}: too dear")
            await de.its.database.write(lambda tx: tx.run("DELETE FROM held"))
    assert not wrong, "\n".join(wrong)


async def test_a_conversation_without_beginning_is_followed_so_far_and_no_further(tmp_path: Path) -> None:
    async with standing(tmp_path) as (place, server):
        def older(one: Received) -> web.Response:
            number = int(one.target.rsplit("/", 1)[1])
            made = place.fake.note(place.de, str(number), inReplyTo=f"{place.fake.origin}/posts/{number + 1}", replies={
                "type": "Collection", "first": f"{place.fake.origin}/pages/1", "next": f"{place.fake.origin}/pages/2"})
            return web.Response(body=dumps(made), headers={"content-type": ACTIVITY_JSON})

        server.script = older
        before = await stored(place.de, "held", "ledger")
        with sockets(_port(place.de.url), _port(place.fake.origin)) as seen:
            made = place.note(inReplyTo=f"{place.fake.origin}/posts/1", to=[members_of(place.de.url)])
            assert (await place.fake.send(place.de, place.create(made)))[0] == 202
            await until(lambda: place.de.count("held", "tries > 0"), 20)
        assert seen == [] and 10 < len(server.received) <= 60
        assert not any("pages" in one.target for one in server.received)
        assert await stored(place.de, "held", "ledger") == before
