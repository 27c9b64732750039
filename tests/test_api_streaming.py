"""Apps are told of what happens, each as its doctor may read it, over a WebSocket or as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from instance.api.streams import SOCKET
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.phones import Phone
from tests.servers import Running, countries, until

CASE = Draft(Kind.CASE, "Which?", "Secret text #sepsis", "de", CaseFacts(("cardiology",)))


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
