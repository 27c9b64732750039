"""Open pages learn that something is new, and nothing else; only whoever is let in at that moment does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from actors.credentials import Credentials
from core.settings import Settings
from instance import live
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.parts import Parts, Study
from tests.servers import Running, countries, until
from tests.test_pages import Browser

CASE = Draft(Kind.CASE, "Which?", "Secret text", "de", CaseFacts(("cardiology",)))
NOTE = Draft(Kind.NOTE, "Elsewhere?", "Text", "de")
STUDY = Draft(Kind.NOTE, "Fewer?", "Text", "de", CaseFacts(("cardiology",), aim="study"),
              parts=Parts(study=Study("10.1000/182", "randomised")))
ACCEPT = {"accept": "text/event-stream"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


class Ear:
    """What a page hears."""

    def __init__(self, browser: Browser, query: str) -> None:
        self.browser, self.query = browser, query
        self.heard: list[dict[str, int]] = []
        self.events: list[str] = []
        self.raw = b""
        self.over = False

    async def __aenter__(self) -> Ear:
        self.response = await self.browser.session.get(f"/live?{self.query}", headers=ACCEPT, timeout=aiohttp.ClientTimeout())
        assert self.response.status == 200
        assert self.response.content_type == "text/event-stream" and self.response.headers["cache-control"] == "no-store"
        self.task = asyncio.create_task(self._listen())
        await until(lambda: self.heard or self.events)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.response.close()
        await self.task

    async def _listen(self) -> None:
        try:
            async for line in self.response.content:
                self.raw += line
                if line.startswith(b"data: {"):
                    self.heard.append(json.loads(line[6:]))
                elif line.startswith(b"event: "):
                    self.events.append(line[7:].strip().decode())
        except aiohttp.ClientError:
            pass
        self.over = True

    def says(self, **counts: int) -> bool:
        return bool(self.heard) and counts.items() <= self.heard[-1].items()


async def ask(de: Running, handle: str, draft: Draft = CASE) -> str:
    return await de.its.compose.publish(await de.author(handle), draft, (), Reach.HOME, "")


async def test_a_page_hears_at_once_how_many_posts_of_others_have_come(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        await ask(de, "ben")
        async with Ear(ada, "tab=specialties&since=") as ear, Ear(ada, "tab=abroad&since=") as abroad, \
                Ear(ada, "topic=cardiology&since=") as topic:
            assert ear.heard == [{"new": 1, "unread": 0, "consults": 0, "pressing": 0}] and topic.says(new=1)
            await ask(de, "ben")
            await until(lambda: ear.says(new=2) and topic.says(new=2))
            await ask(de, "ada")  # her own is not new to her
            await ask(de, "ben", NOTE)  # and this one is in no list that is open
            await de.its.compose.consult(await de.author("ben"), CASE, [(await de.author("ada")).actor])
            await until(lambda: ear.says(new=2, unread=1, consults=1))
            assert abroad.heard[0]["new"] == 0 and abroad.says(new=0, unread=1)
            assert b"Secret" not in ear.raw and b"Which" not in ear.raw and b"ben" not in ear.raw


async def test_what_waits_in_her_specialties_and_what_asks_nobody_are_heard_of_apart(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        post = await ask(de, "ben")
        await de.its.compose.reply(await de.author("ben", "reply"), post, "I mean her.", "de")  # no answer to it
        async with Ear(ada, "tab=asked&since=") as asked, Ear(ada, "tab=news&since=") as news:
            shelf = (await ada.get("/specialties/cardiology?tab=studies"))[1]
            [path] = re.findall(r'data-live="(topic=[^"]+)"', shelf)
            async with Ear(ada, path.replace("&amp;", "&")) as studies:
                assert asked.says(new=1) and news.says(new=0) and studies.says(new=0)
                await ask(de, "ben")
                await ask(de, "ben", STUDY)
                await until(lambda: asked.says(new=2) and news.says(new=1) and studies.says(new=1))


async def test_any_open_page_hears_at_once_that_advice_was_corrected(de: Running) -> None:
    post = await ask(de, "ada")
    answer = await de.its.compose.reply(await de.author("ben"), post, "Ten.", "de")
    async with Browser(de) as ada:
        await ada.login("ada")
        async with Ear(ada, "tab=all&since=") as ear:
            assert ear.says(unread=1, pressing=0)
            await de.its.editing.edit(await de.author("ben"), answer, "", "One.", 1, corrects="The dose.")
            await until(lambda: ear.says(pressing=1))


async def test_a_conversation_hears_of_answers_and_only_who_may_read_it(de: Running) -> None:
    post = await ask(de, "ada")
    consult = await de.its.compose.consult(await de.author("ben"), CASE, [(await de.author("ada")).actor])
    await de.add_doctor("eve")
    async with Browser(de) as ada, Browser(de) as eve:
        await ada.login("ada")
        await eve.login("eve")
        async with Ear(ada, f"thread={post}&since=") as ear, Ear(ada, f"thread={consult}&since=") as named:
            answer = await de.its.compose.reply(await de.author("ben", "reply"), post, "This.", "de")
            await until(lambda: ear.says(new=1))
            await de.its.compose.reply(await de.author("ada", "reply"), post, "Thanks.", "de")
            await de.its.compose.reply(await de.author("ben", "reply"), consult, "Well?", "de")
            await until(lambda: named.says(new=1))
            assert ear.says(new=1)
        async with Ear(ada, f"thread={post}&since={answer}") as ear:
            assert ear.says(new=0)
        async with eve.session.get(f"/live?thread={consult}&since=", headers=ACCEPT) as response:
            assert response.status == 404


async def test_very_many_are_not_counted_and_one_who_is_shunned_not_at_all(de: Running) -> None:
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO shuns (actor_id, other_id, kind, at) SELECT b.id, a.id, 'block', 1 FROM actors a, actors b"
        " WHERE a.handle = 'ada' AND b.handle = 'ben'"))
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        async with Ear(ada, "tab=all&since=") as hers, Ear(ben, "tab=all&since=") as his:
            for _ in range(25):
                await ask(de, "ben", NOTE)
            await ask(de, "ada", NOTE)
            await until(lambda: hers.says(new=21))
            await asyncio.sleep(0.5)
            assert hers.says(new=21) and his.says(new=0)


async def test_a_stream_ends_with_its_session_its_account_and_its_badge(de: Running) -> None:
    async def sign_out() -> None:
        await ada.post("/logout", {})

    async def suspend() -> None:
        await de.its.accounts.suspend("ada", "test", "test")

    async def expire() -> None:
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = 1000 WHERE handle = 'ada'"))

    async with Browser(de) as ada:
        for end in (sign_out, suspend, expire):
            await ada.login("ada")
            async with Ear(ada, "tab=all&since=") as ear:
                began = asyncio.get_running_loop().time()
                await end()
                await until(lambda ear=ear: ear.over, 5)  # type: ignore[misc]
                took = asyncio.get_running_loop().time() - began
                assert ear.events == ["over"] and (took < 1 or end is expire)
                heard = len(ear.heard)
                await ask(de, "ben", NOTE)
                await asyncio.sleep(0.3)
                assert len(ear.heard) == heard and not len(de.its.live)
            if end is suspend:
                await de.its.accounts.resume("ada", "test")


async def test_an_idle_session_hears_nothing(tmp_path: Path) -> None:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, accounts=msgspec.structs.replace(settings.accounts, idle_minutes=1))

    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Browser(de) as ada:
        await ada.login("ada")
        async with Ear(ada, "tab=all&since=") as ear:
            de.its.clock.offset += 130
            await until(lambda: ear.over, 6)
        async with ada.session.get("/live", headers=ACCEPT, allow_redirects=False) as response:
            assert response.content_type != "text/event-stream"


async def test_nobody_else_hears_anything(de: Running) -> None:
    await de.add_doctor("applicant", proven=False)
    async with Browser(de) as visitor, Browser(de) as applicant, Browser(de) as ada:
        await applicant.login("applicant")
        await ada.login("ada")
        for browser, wanted in ((visitor, 303), (applicant, 403)):
            async with browser.session.get("/live?tab=all", headers=ACCEPT, allow_redirects=False) as response:
                assert response.status == wanted and response.content_type != "text/event-stream"
        assert (await ada.get("/live?tab=all"))[0] == 400  # a page that somebody opened by hand
        async with ada.session.head("/live", headers=ACCEPT) as response:
            assert response.status == 400
        assert not len(de.its.live)


async def test_the_oldest_page_of_a_session_gives_way(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        async with Ear(ada, "tab=all&since=") as oldest:
            more = [await Ear(ada, "tab=all&since=").__aenter__() for _ in range(live.OF_A_SESSION)]
            await until(lambda: oldest.over)
            assert oldest.events == ["enough"] and len(de.its.live) == live.OF_A_SESSION
            for ear in more:
                await ear.__aexit__()
        await until(lambda: not len(de.its.live))


async def test_only_so_many_pages_listen_in_all(tmp_path: Path) -> None:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, live_pages=1))

    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        async with Ear(ada, "tab=all&since="), ben.session.get("/live?tab=all", headers=ACCEPT) as response:
            assert response.status == 503 and response.headers["retry-after"] == "60"
        await until(lambda: not len(de.its.live))
        async with Ear(ben, "tab=all&since="):
            pass


async def test_what_another_process_writes_is_heard_of_too(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(fr) as ada:
        await ada.login("ada")
        async with Ear(ada, "tab=abroad&since=") as ear:
            fr.its.database.listeners.clear()  # whatever wakes is in another process now
            offered = await de.its.compose.destinations()
            await de.its.compose.publish(await de.author("ada"), CASE, (fr.url,), Reach.COUNTRIES,
                                         de.its.compose.network_digest(offered))
            await until(lambda: ear.says(new=1))


async def test_a_server_that_stops_does_not_wait_for_its_readers(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada = Browser(de)
        await ada.login("ada")
        ear = await Ear(ada, "tab=all&since=").__aenter__()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    await until(lambda: ear.over)
    await ear.__aexit__()
    await ada.__aexit__()


async def test_who_reads_too_slowly_is_let_go(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_SLOW_SECONDS", 0.1)
    stuck = asyncio.Event()

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_: Any) -> None:
        stuck.set()
        await asyncio.Event().wait()

    session = await _session(de, "ada")
    stream = await de.its.live.open(session, session.actor, live.Watched())
    await de.its.live.serve(stream, never, send)
    assert stuck.is_set() and not len(de.its.live)


async def _session(de: Running, handle: str) -> Any:
    opened = await de.its.sessions.login(handle, "correct horse battery", "127.0.0.1")
    found = await de.its.sessions.find(opened.token)
    assert found is not None and isinstance(de.its.credentials, Credentials)
    return found
