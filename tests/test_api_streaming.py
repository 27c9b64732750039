"""Apps are told of what happens, each as its doctor may read it, over a WebSocket or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scopes import WORDS, covers
from core.errors import KonsilError
from core.ids import number
from core.settings import Settings
from instance.api import events, streaming
from instance.api.bodies import Fields
from instance.api.events import Events
from instance.api.streams import SOCKET, STREAMS, channel, named
from instance.app import create_pages
from instance.listening import OF_A_TOKEN, SLOW, WAITING, Channel, Listener
from posts.happenings import Heard, What
from posts.matters import hide, show
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.phones import Phone
from tests.servers import Running, countries, until

CASE = Draft(Kind.CASE, "Which?", "Secret text #sepsis", "de", CaseFacts(("cardiology",)))
NOTE = Draft(Kind.NOTE, "Elsewhere?", "Text", "de")


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


class Socket:
    """A WebSocket of a phone, and what came over it."""

    def __init__(self, phone: Phone, query: str = "", **more: Any) -> None:
        self.phone, self.query, self.more = phone, query, more
        self.heard: list[dict[str, Any]] = []
        self.closed: int | None = None

    async def __aenter__(self) -> Socket:
        headers = self.more.pop("headers", {"authorization": f"Bearer {self.phone.token}"})
        self.ws = await self.phone.session.ws_connect(f"{SOCKET}?{self.query}", headers=headers, **self.more)
        self.task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ws.close()
        await self.task

    async def _listen(self) -> None:
        async for message in self.ws:
            self.heard.append(json.loads(message.data))
        self.closed = self.ws.close_code

    async def listen(self, stream: str, **more: str) -> None:
        await self.ws.send_json({"type": "subscribe", "stream": stream, **more})
        await asyncio.sleep(0.1)

    def of(self, event: str, *stream: str) -> list[Any]:
        return [one["payload"] if event == "delete" else json.loads(one["payload"]) for one in self.heard
                if one.get("event") == event and (not stream or one["stream"] == [*stream])]


class Ear:
    """Server-sent events, and what came."""

    def __init__(self, phone: Phone, path: str, token: str | None = None) -> None:
        self.phone, self.path = phone, path
        self.headers = {"authorization": f"Bearer {phone.token}"} if token is None else {}
        self.heard: list[tuple[str, str]] = []
        self.begun = self.over = False

    async def __aenter__(self) -> Ear:
        self.response = await self.phone.session.get(f"{SOCKET}/{self.path}", headers=self.headers,
                                                     timeout=aiohttp.ClientTimeout())
        assert self.response.status == 200, await self.response.text()
        assert self.response.content_type == "text/event-stream"
        self.task = asyncio.create_task(self._listen())
        await until(lambda: self.begun)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.response.close()
        await self.task

    async def _listen(self) -> None:
        event = ""
        try:
            async for line in self.response.content:
                self.begun = True
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    self.heard.append((event, value))
        except aiohttp.ClientError:
            pass
        self.over = True

    def of(self, event: str) -> list[Any]:
        return [data if event == "delete" else json.loads(data) for name, data in self.heard if name == event]


async def ask(de: Running, handle: str, draft: Draft = CASE) -> str:
    return await de.its.compose.publish(await de.author(handle), draft, (), Reach.HOME, "")


async def test_a_phone_hears_of_a_post_its_changes_and_its_end(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        before = await ask(de, "ada")
        async with Socket(phone) as socket, Ear(phone, "public/local") as ear:
            for stream in ("public", "public:local", "public:remote", "public:media"):
                await socket.listen(stream)
            await socket.listen("hashtag", tag="Sepsis")
            await socket.listen("hashtag", tag="other")
            post = await ask(de, "ada")
            await until(lambda: len(socket.of("update")) == 3 and ear.of("update"))
            assert {tuple(one["stream"]) for one in socket.heard} == {("public",), ("public:local",), ("hashtag", "Sepsis")}
            [told] = ear.of("update")
            assert told["id"] == post and told["account"]["acct"] == "ada" and "Secret" in told["content"]
            assert told == await phone.get(f"/api/v1/statuses/{post}")
            await de.its.editing.edit(await de.author("ada"), post, "Which now?", "Other #sepsis", 1)
            await until(lambda: ear.of("status.update"))
            assert "Other" in ear.of("status.update")[0]["content"]
            await de.its.editing.delete((await de.author("ada")).actor, post)
            await until(lambda: ear.of("delete") == [post] and post in socket.of("delete", "public"))
            assert before not in str(socket.heard) and not socket.of("update", "public:remote")


async def follow(de: Running, handle: str, other: str) -> None:
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO follows (uri, uri_key, follower_id, followed_id, state, at) SELECT 'f', x'00', a.id, b.id, 'accepted', 1"
        f" FROM actors a, actors b WHERE a.handle = '{handle}' AND b.handle = '{other}'"))


async def test_her_own_stream_is_her_home_and_what_she_is_told(de: Running) -> None:
    await de.add_doctor("eve")
    async with Phone(de) as phone:
        await phone.log_in("ben")
        async with Socket(phone, "stream=user") as socket, Ear(phone, "user/notification") as ear, Ear(phone, "user") as home:
            await ask(de, "eve", NOTE)  # nothing that he follows
            own = await ask(de, "ben", NOTE)
            await follow(de, "ben", "ada")
            followed = await ask(de, "ada", NOTE)
            answer = await de.its.compose.reply(await de.author("ada", "reply"), own, "This.", "de")
            await until(lambda: len(socket.of("update", "user")) == 2 and ear.of("notification") and home.of("notification"))
            assert [one["id"] for one in socket.of("update")] == [own, followed]
            [told] = ear.of("notification")
            assert told["type"] == "mention" and told["status"]["id"] == answer and told["account"]["acct"] == "ada"
            assert socket.of("notification", "user") == [told] == home.of("notification")
            assert told == (await phone.get("/api/v1/notifications"))[0]
            assert not ear.of("update")
            await de.its.reactions.boost(await de.author("ada"), own)
            await until(lambda: len(socket.of("update")) == 3)
            passed_on = socket.of("update")[2]
            assert passed_on["reblog"]["id"] == own and passed_on["account"]["acct"] == "ada"


async def test_who_has_read_a_conversation_hears_that_an_answer_was_recalled(de: Running) -> None:
    await de.add_doctor("eve")
    post = await ask(de, "ada")
    answer = await de.its.compose.reply(await de.author("ada", "reply"), post, "Ten.", "de")
    async with Phone(de) as reader, Phone(de) as other:
        await reader.log_in("ben")
        await other.log_in("eve")
        await reader.get(f"/api/v1/statuses/{post}/context")
        async with Socket(reader, "stream=user") as hers, Socket(other, "stream=user") as theirs:
            await de.its.editing.recall(await de.author("ada", "reply"), answer, "Ten is too much.")
            await until(lambda: hers.of("status.update"))
            [said] = hers.of("status.update")
            assert said["id"] == answer and "Ten is too much." in said["spoiler_text"]
            await asyncio.sleep(0.5)
            assert theirs.heard == []


async def test_a_consult_is_heard_of_by_those_in_it_and_nobody_else(de: Running) -> None:
    await de.add_doctor("eve")
    async with Phone(de) as ben, Phone(de) as eve:
        await ben.log_in("ben")
        await eve.log_in("eve")
        async with Socket(ben, "stream=direct") as his, Socket(eve, "stream=direct") as hers, Ear(eve, "public") as ear:
            for stream in ("user", "public", "hashtag"):
                await hers.listen(stream, tag="sepsis")
            consult = await de.its.compose.consult(await de.author("ada"), CASE, [(await de.author("ben")).actor])
            await until(lambda: his.of("conversation", "direct"))
            [said] = his.of("conversation")
            assert said["id"] == consult and said["last_status"]["visibility"] == "direct" and said["unread"]
            assert [one["acct"] for one in said["accounts"]] == ["ada"]
            answer = await de.its.compose.reply(await de.author("ben", "reply"), consult, "Secret answer", "de")
            await until(lambda: len(his.of("conversation")) == 2)
            assert his.of("conversation")[1]["last_status"]["id"] == answer and not his.of("conversation")[1]["unread"]
            await de.its.editing.delete((await de.author("ben")).actor, answer)
            await until(lambda: his.of("delete") == [answer])
            await asyncio.sleep(0.5)
            assert hers.heard == [] and ear.heard == []


async def test_what_is_hidden_goes_for_all_but_its_author_and_the_shunned_are_not_heard(de: Running) -> None:
    await de.add_doctor("eve")
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO shuns (actor_id, other_id, kind, at) SELECT b.id, a.id, 'block', 1 FROM actors a, actors b"
        " WHERE a.handle = 'ada' AND b.handle = 'eve'"))
    async with Phone(de) as ada, Phone(de) as ben, Phone(de) as eve:
        phones = {"ada": ada, "ben": ben, "eve": eve}
        for name, phone in phones.items():
            await phone.log_in(name)
        async with Socket(ada, "stream=public") as hers, Socket(ben, "stream=public") as his, \
                Socket(eve, "stream=public") as shunning:
            post = await ask(de, "ada")
            await until(lambda: hers.of("update") and his.of("update"))
            inner = number(post) or 0
            await de.its.database.write(lambda tx: hide(tx, inner, 1))
            await until(lambda: his.of("delete") == [post])
            await de.its.editing.edit(await de.author("ada"), post, "Which?", "Another text", 1)
            await de.its.database.write(lambda tx: show(tx, inner, 1))
            await until(lambda: his.of("status.update"))
            assert not hers.of("delete") and "Another text" in his.of("status.update")[-1]["content"]
            assert shunning.of("update") == shunning.of("status.update") == []


async def test_what_is_hidden_before_it_is_sent_is_not_sent(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look and the writing lies a moment: who may not read a post any more gets nothing of it."""
    flow, go = Events.flow, asyncio.Event()

    async def held(self: Events, listener: Any, write: Any) -> None:
        if listener.waiting:
            await go.wait()
        await flow(self, listener, write)

    monkeypatch.setattr(Events, "flow", held)
    async with Phone(de) as phone:
        await phone.log_in("ben")
        async with Ear(phone, "public") as ear:
            post = await ask(de, "ada")
            await asyncio.sleep(0.5)
            await de.its.editing.delete((await de.author("ada")).actor, post)
            go.set()
            await until(lambda: ear.of("delete") == [post])
            assert not ear.of("update")


@pytest.mark.parametrize("way", ["query", "header", "subprotocol"])
async def test_a_token_comes_in_any_of_three_ways(de: Running, way: str) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        query, more = {"query": (f"stream=public&access_token={phone.token}", {"headers": {}}), "header": ("stream=public", {}),
                       "subprotocol": ("stream=public", {"headers": {}, "protocols": [phone.token]})}[way]
        async with Socket(phone, query, **more) as socket:
            assert socket.ws.protocol == (phone.token if way == "subprotocol" else None)
            await ask(de, "ada")
            await until(lambda: socket.of("update", "public"))
        async with Ear(phone, f"public?access_token={phone.token}", token="") as ear:
            await ask(de, "ada")
            await until(lambda: ear.of("update"))
        assert (await phone.ask("GET", f"/api/v1/timelines/home?access_token={phone.token}", token=""))[0] == 401


async def test_tokens_in_addresses_are_in_no_log(de: Running, caplog: pytest.LogCaptureFixture) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        with caplog.at_level("DEBUG"):
            async with Socket(phone, f"stream=user&access_token={phone.token}", headers={}):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await Socket(phone, "access_token=wrong-one", headers={}).__aenter__()
        said = caplog.text + str([record.args for record in caplog.records if record.name.startswith("uvicorn")])
        assert phone.token not in said and "wrong-one" not in said


async def test_messages_change_what_is_listened_to_and_what_is_not_understood_is_said(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        async with Socket(phone) as socket:
            await socket.listen("public")
            await socket.ws.send_json({"type": "unsubscribe", "stream": "public"})
            await socket.listen("hashtag", tag="Sepsis")
            for wrong in ("", "[]", "{", '{"type": "subscribe"}', '{"type": "dance", "stream": "user"}',
                          '{"type": "subscribe", "stream": "admin"}', '{"type": "subscribe", "stream": "hashtag"}',
                          '{"type": "subscribe", "stream": ["user"]}', '{"type": "subscribe", "stream": "list", "list": "1"}'):
                await socket.ws.send_str(wrong)
            await until(lambda: len(socket.heard) == 9)
            assert all(one["error"] and one["status"] in (400, 404) for one in socket.heard)
            await ask(de, "ada")
            await until(lambda: socket.of("update"))
            assert [one["stream"] for one in socket.heard[9:]] == [["hashtag", "Sepsis"]]
            for _ in range(60):
                await socket.ws.send_str("no")
            await until(lambda: socket.closed == 1008)
        async with Socket(phone) as socket:
            await socket.ws.send_str("x" * 5_000)
            await until(lambda: socket.closed == 1009)
        async with Socket(phone) as socket:
            for which in range(30):
                await socket.ws.send_json({"type": "subscribe", "stream": "hashtag", "tag": f"t{which}"})
            await until(lambda: len(socket.heard) == 6)


async def test_nobody_listens_without_a_doctors_token(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        _, made, _ = await phone.ask("POST", "/oauth/token", {
            "grant_type": "client_credentials", "client_id": phone.app["client_id"], "scope": "read",
            "client_secret": phone.app["client_secret"]}, token="")
        for token in ("", "wrong", made["access_token"]):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await Socket(phone, "stream=public", headers={"authorization": f"Bearer {token}"}).__aenter__()
            assert refused.value.status == 401
        for origin in ("https://evil.example", "null"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await Socket(phone, "", headers={"authorization": f"Bearer {phone.token}", "origin": origin}).__aenter__()
            assert refused.value.status == 403
        async with Socket(phone, "", headers={"authorization": f"Bearer {phone.token}", "origin": de.url}):
            pass
        for path in ("/", "/api/v1/streaming/user", "/live", "/inbox"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await phone.session.ws_connect(path, headers={"authorization": f"Bearer {phone.token}"})
        assert not len(de.its.live)


async def test_a_stream_opens_with_the_scopes_of_the_table_and_no_other(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        for scope in WORDS:
            await de.its.database.write(lambda tx, scope=scope: tx.run("UPDATE app_tokens SET scopes = ?", (scope,)))
            async with Socket(phone) as socket:
                for stream in STREAMS:
                    said = len(socket.heard)
                    await socket.ws.send_json({"type": "subscribe", "stream": stream.name, "tag": "x", "list": "1"})
                    await socket.ws.send_str("")  # which is always complained of
                    await until(lambda socket=socket, said=said: len(socket.heard) > said  # type: ignore[misc]
                                and socket.heard[-1]["status"] != 403)
                    opens = any(covers((scope,), one) for one in stream.scopes)
                    assert opens == (403 not in [one["status"] for one in socket.heard[said:]]), (scope, stream)


async def test_who_may_not_read_notifications_gets_none_in_her_own_stream(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben", scope="read:statuses")
        async with Socket(phone, "stream=user") as socket:
            post = await ask(de, "ben")
            await de.its.compose.reply(await de.author("ada", "reply"), post, "This.", "de")
            await until(lambda: socket.of("update"))
            await asyncio.sleep(0.5)
            assert not socket.of("notification")


async def test_streams_end_with_the_token_the_account_and_the_badge(de: Running) -> None:
    async def revoke() -> None:
        await phone.ask("POST", "/oauth/revoke", {"client_id": phone.app["client_id"], "token": phone.token,
                                                  "client_secret": phone.app["client_secret"]})

    async def suspend() -> None:
        await de.its.accounts.suspend("ben", "test", "test")

    async def sign_out_everybody() -> None:
        await de.its.sessions.end_all()

    async def forget() -> None:
        await de.its.database.write(lambda tx: tx.run("UPDATE app_tokens SET seen_at = 0"))

    async def expire() -> None:
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = 1000 WHERE handle = 'ben'"))

    async def elsewhere() -> None:
        de.its.database.listeners.clear()  # whatever wakes is in another process now
        await sign_out_everybody()

    async with Phone(de) as phone:
        for end in (revoke, sign_out_everybody, suspend, forget, elsewhere, expire):
            await phone.log_in("ben")
            async with Socket(phone, "stream=public") as socket, Ear(phone, "public") as ear:
                began = asyncio.get_running_loop().time()
                await end()
                await until(lambda socket=socket, ear=ear: socket.closed == 1008 and ear.over, 5)  # type: ignore[misc]
                took = asyncio.get_running_loop().time() - began
                assert took < (2.6 if end in (elsewhere, expire, forget) else 1), (end, took)
                await ask(de, "ada")
                await asyncio.sleep(0.3)
                assert socket.heard == ear.heard == [] and not len(de.its.live)
            if end is suspend:
                await de.its.accounts.resume("ben", "test")


async def test_what_another_process_writes_is_heard_of_too(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        async with Socket(phone, "stream=public") as socket:
            de.its.database.listeners.clear()
            post = await ask(de, "ada")
            await until(lambda: socket.of("update"), 4)
            await de.its.editing.delete((await de.author("ada")).actor, post)
            await until(lambda: socket.of("delete"), 4)


async def test_streams_are_bounded(tmp_path: Path) -> None:

    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, live_pages=9))

    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Phone(de) as phone, Phone(de) as other:
        await phone.log_in("ben")
        await other.log_in("ada")
        async with Socket(phone, "stream=public") as oldest:
            more = [await Ear(phone, "public").__aenter__() for _ in range(OF_A_TOKEN)]
            await until(lambda: oldest.closed == 1008)
            assert len(de.its.live) == OF_A_TOKEN
            async with Socket(other):
                assert (await other.ask("GET", "/api/v1/streaming/public"))[0] == 503
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await Socket(other).__aenter__()
                assert refused.value.status == 503
            for ear in more:
                await ear.__aexit__()
        await until(lambda: not len(de.its.live))


async def test_who_reads_too_slowly_is_let_go(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        bearer = await de.its.signing.grants.find(phone.token)
        assert bearer is not None
        monkeypatch.setattr(streaming, "SLOW_SECONDS", 0.1)
        stuck = asyncio.Event()

        async def never() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(_: Any) -> None:
            stuck.set()
            await asyncio.Event().wait()

        listener = Listener(bearer, "en")
        await de.its.live.listen(listener)
        app = create_pages(de.its)
        await streaming.Told(de.its.live, events.Events(app, de.its), listener).serve(never, send)
        assert stuck.is_set() and not len(de.its.live)
        listener.add(Channel("public"))
        for entry in range(WAITING + 1):
            listener.take(Heard(What.GONE, entry, None, listed=True, topics=None))
        assert listener.ending == SLOW and not listener.waiting


async def test_a_server_that_stops_does_not_wait_for_apps(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        phone = Phone(de)
        await phone.log_in("ben")
        socket, ear = await Socket(phone, "stream=user").__aenter__(), await Ear(phone, "user").__aenter__()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    await until(lambda: ear.over and socket.closed)
    await ear.__aexit__()
    await socket.__aexit__()
    await phone.__aexit__()


async def test_what_is_said_of_streams(de: Running) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        assert (await phone.ask("GET", "/api/v1/streaming/health", token=""))[:2] == (200, "OK")
        where = f"ws://{de.domain}"
        assert (await phone.get("/api/v1/instance"))["urls"] == {"streaming_api": where}
        assert (await phone.get("/api/v2/instance"))["configuration"]["urls"] == {"streaming": where}
        for path, wanted in (("hashtag", 404), ("hashtag?tag=!", 404), ("list?list=1", 404), ("nothing", 404)):
            assert (await phone.ask("GET", f"/api/v1/streaming/{path}"))[0] == wanted, path
        async with phone.session.head("/api/v1/streaming/user", headers={"authorization": f"Bearer {phone.token}"}) as response:
            assert response.status == 200
        assert not len(de.its.live)


@given(st.dictionaries(st.sampled_from(["type", "stream", "tag", "list", "only_media"]),
                       st.text(max_size=20) | st.booleans() | st.integers() | st.lists(st.text(max_size=3), max_size=2)
                       | st.sampled_from([stream.name for stream in STREAMS])))
def test_whatever_an_app_asks_for_is_a_channel_or_refused(said: dict[str, Any]) -> None:
    try:
        fields = Fields(said)
        found = channel(named(fields.text("stream", 60)), fields)
    except KonsilError:
        return
    assert found.name in {stream.name for stream in STREAMS}
