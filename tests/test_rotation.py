"""Changing the key between two instances that talk all the while: nothing is lost, nothing stands still, nobody is surprised."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Conflict, NotFound
from core.settings import Settings
from federation import descriptor
from federation.keyring import KeyAnswer, KeyState
from federation.siblingkeys import Sight
from federation.signatures.keys import fingerprint_words
from posts.models import Draft, Kind, Reach
from tests.servers import PASSWORD, FakeSibling, Running, countries, get, until

ROOT = Path(__file__).parent.parent
QUICK = {"timeout_seconds": 0.5, "retry_first_seconds": 0.1}


def settled(**federation: Any) -> Any:
    def change(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, **QUICK | federation))

    return change


async def ask(de: Running, fr: Running, question: str) -> None:
    seen = de.its.compose.network_digest(await de.its.compose.destinations())
    note = Draft(Kind.NOTE, question, "Text", "de")
    await de.its.compose.publish(await de.author("ada"), note, (fr.url,), Reach.COUNTRIES, seen)


async def arrived(fr: Running, question: str) -> None:
    await until(lambda: fr.count("posts", f"question = '{question}'"))


async def announced(fr: Running) -> None:
    await until(lambda: fr.count("announced_keys"))


async def answered(de: Running, fr: Running, answer: KeyAnswer) -> None:
    async def so() -> bool:
        return (await de.its.keyring.keys())[0].answers == {fr.domain: answer}

    await until(so)


async def named(de: Running) -> str:
    status, actor = await get(f"{de.url}/actor")
    assert status == 200
    return str(actor["publicKey"]["id"])


@asynccontextmanager
async def talking(de: Running, fr: Running) -> AsyncIterator[None]:
    """Posts leave Germany all the while, several under way at any moment; at the end all of them are in France."""
    over, sent = asyncio.Event(), 0

    async def go_on() -> None:
        nonlocal sent
        while not over.is_set():
            await asyncio.gather(*(ask(de, fr, f"Post {sent + number}") for number in range(3)))
            sent += 3
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        over.set()
        await task
    async def all_there() -> bool:
        return await fr.count("posts", "question LIKE 'Post %'") == sent

    assert sent > 30
    await until(all_there, 20)


async def test_the_key_changes_while_posts_flow_and_nothing_is_refused(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", settled=settled()) as (de, fr):
        old = de.its.identity.ring.pair
        thief = FakeSibling("de")
        thief.key, thief.key_id = old.private, old.public.key_id
        async with talking(de, fr):
            key = await de.its.keyring.rotate("olga")
            assert key.state == KeyState.ANNOUNCED and de.its.identity.ring.pair.public == old.public
            assert (await get(f"{de.url}/actor"))[1]["nextKey"]["id"] == key.key_id
            await announced(fr)
            assert key.unconfirmed == (fr.domain,)
            row = await fr.its.siblings.row(de.domain)
            assert row.fingerprint == old.public.fingerprint and row.next_pem == "" and row.succession.announced_at
            await fr.its.sibling_keys.confirm(de.domain, "claire", fingerprint_words(key.fingerprint))
            await answered(de, fr, KeyAnswer.CONFIRMED)
            assert (await fr.its.siblings.row(de.domain)).succession.next_fingerprint == key.fingerprint
            assert (await fr.its.keywatch.look(de.domain)).sight == Sight.PINNED
            switched = await de.its.keyring.switch(key.id, "olga")
            assert switched.state == KeyState.CURRENT and de.its.identity.key_id == key.key_id
            assert await named(de) == old.public.key_id  # what was signed with it may be under way
            assert (await fr.its.keywatch.look(de.domain)).sight == Sight.PINNED

            async def names_the_new_one() -> bool:
                return await named(de) == key.key_id

            await until(names_the_new_one)
            assert "nextKey" not in (await get(f"{de.url}/actor"))[1]
            assert (await thief.get(f"{fr.url}/members"))[0] == 200  # the overlap: both are valid
            assert (await fr.its.keywatch.look(de.domain)).sight == Sight.CHANGED
            assert (await thief.get(f"{fr.url}/members"))[0] == 401
            await asyncio.sleep(0.3)
        row = await fr.its.siblings.row(de.domain)
        assert (row.state, row.fingerprint, row.next_pem) == ("active", key.fingerprint, "")
        assert row.admission.confirmed_by == "claire"
        await fr.its.refusals.flush()
        assert await fr.count("refusals", "origin <> 'x'") == 1  # the thief's
        line = await de.its.siblings.row(fr.domain)
        assert (line.parked, line.fail_count, line.alarm) == (0, 0, "")
        [retired] = await de.its.database.read(lambda tx: tx.rows(
            "SELECT sealed_private, retired_at FROM instance_keys WHERE state = 'retired'"))
        assert retired["sealed_private"] == b"" and retired["retired_at"]
        assert [entry.action for entry in await de.its.audit.list(3)] == ["key.switched", "key.confirmed", "key.announced"]
        assert {entry.action for entry in await fr.its.audit.list(20)} >= {
            "sibling.key-announced", "sibling.key-confirmed", "sibling.key-changed"}
        await ask(fr, de, "Et maintenant?")
        await arrived(de, "Et maintenant?")


async def test_who_has_not_confirmed_refuses_and_everything_waits_until_she_has(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with countries(tmp_path, "de", "fr", settled=settled(retry_limit_seconds=600.0)) as (de, fr):
        key = await de.its.keyring.rotate("olga")
        await announced(fr)
        await de.its.keyring.switch(key.id, "olga")
        for number in range(3):
            await ask(de, fr, f"Post {number}")

        async def stopped() -> bool:
            return bool((await de.its.siblings.row(fr.domain)).alarm)

        await until(stopped)
        row = await fr.its.siblings.row(de.domain)
        assert row.state == "active" and not row.next_pem and await fr.count("posts") == 0  # failed signatures change nothing
        assert (await de.its.siblings.row(fr.domain)).queued == 3
        await until(lambda: _names(de, key.key_id))
        for _ in range(2):
            assert await fr.its.keywatch.look_due() == 0  # not yet time
        assert (await fr.its.keywatch.look(de.domain)).sight == Sight.STRANGE
        row = await fr.its.siblings.row(de.domain)
        assert row.state == "paused" and "nobody here has confirmed it" in row.reason
        assert "paused because of its key" in capsys.readouterr().out
        await fr.its.sibling_keys.confirm(de.domain, "claire", key.fingerprint)
        await fr.its.siblings.resume(de.domain, "claire")  # the answer goes out, and Germany tries again because of it
        for number in range(3):
            await arrived(fr, f"Post {number}")
        assert (await fr.its.keywatch.look(de.domain)).sight == Sight.CHANGED
        assert not (await de.its.siblings.row(fr.domain)).alarm


async def _names(de: Running, key_id: str) -> bool:
    return await named(de) == key_id


async def test_a_cancelled_key_leaves_nothing_neither_here_nor_there(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", settled=settled()) as (de, fr):
        old = de.its.identity.fingerprint
        key = await de.its.keyring.rotate("olga")
        await announced(fr)
        assert (await de.its.keyring.cancel("olga")).state == KeyState.DROPPED
        await until(lambda: _none(fr, "announced_keys"))
        again = await de.its.keyring.rotate("olga")
        assert again.fingerprint != key.fingerprint
        await announced(fr)
        await fr.its.sibling_keys.confirm(de.domain, "claire", again.fingerprint)
        await answered(de, fr, KeyAnswer.CONFIRMED)
        await de.its.keyring.cancel("olga")
        await until(lambda: _none(fr, "siblings", "next_key_id <> ''"))
        with pytest.raises(NotFound):
            await de.its.keyring.switch(again.id, "olga")
        assert await de.count("instance_keys", "sealed_private <> x'' AND purpose = 'http-signature'") == 1
        await ask(de, fr, "Still here?")
        await arrived(fr, "Still here?")
        assert de.its.identity.fingerprint == old == (await fr.its.siblings.row(de.domain)).fingerprint


async def _none(one: Running, table: str, where: str = "1=1") -> bool:
    return await one.count(table, where) == 0


async def test_a_refused_key_is_refused_aloud_and_never_pinned(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", settled=settled()) as (de, fr):
        key = await de.its.keyring.rotate("olga")
        await announced(fr)
        await fr.its.sibling_keys.refuse(de.domain, "claire")
        await answered(de, fr, KeyAnswer.REFUSED)
        with pytest.raises(NotFound):
            await fr.its.sibling_keys.confirm(de.domain, "claire", key.fingerprint)
        assert not (await fr.its.siblings.row(de.domain)).next_pem


async def test_who_is_let_in_meanwhile_hears_of_the_key_too_and_a_second_change_waits_for_the_first(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", friends=False, settled=settled()) as (de, fr):
        first = await de.its.keyring.rotate("olga")
        with pytest.raises(Conflict):
            await de.its.keyring.rotate("olga")
        for one, other in ((fr, de), (de, fr)):
            await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        await announced(fr)
        await fr.its.sibling_keys.confirm(de.domain, "claire", first.fingerprint)
        await answered(de, fr, KeyAnswer.CONFIRMED)
        await de.its.keyring.switch(first.id, "olga")
        second = await de.its.keyring.rotate("olga")  # signed with the first new one, which France has confirmed
        await announced(fr)
        with pytest.raises(Conflict, match="not over yet"):
            await fr.its.sibling_keys.confirm(de.domain, "claire", second.fingerprint)
        await until(lambda: _names(de, first.key_id))
        await fr.its.keywatch.look(de.domain)
        await fr.its.sibling_keys.confirm(de.domain, "claire", second.fingerprint)
        await answered(de, fr, KeyAnswer.CONFIRMED)


class Worker:
    """The worker of an instance in a process of its own, that may be killed."""

    def __init__(self, one: Running) -> None:
        self.config = one.its.settings.path("config.toml")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "instance", "--config", str(self.config), "worker"], cwd=ROOT,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {
                                            "KONSIL_FEDERATION__RETRY_LIMIT_SECONDS": "2"})

    def die(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def say(self, *words: str, typed: str = "") -> Any:
        """What the command line answers, in a third process."""
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "instance", "--config", str(self.config), *words, "--json", cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, error = await made.communicate(typed.encode())
        assert made.returncode == 0, error.decode()
        return json.loads(out)


async def test_web_worker_and_command_line_are_three_processes_and_the_worker_dies_between_the_steps(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False, friends=False, settled=settled()) as (de,), \
            countries(tmp_path, "fr", friends=False, settled=settled()) as (fr,):
        for one, other in ((fr, de), (de, fr)):
            await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        worker = Worker(de)
        try:
            async with talking(de, fr):
                key = await worker.say("keys", "rotate")
                assert (key["state"], key["waiting"]) == ("announced", [fr.domain])
                worker.die()
                worker.start()
                await announced(fr)
                await fr.its.sibling_keys.confirm(de.domain, "claire", key["words"])
                await answered(de, fr, KeyAnswer.CONFIRMED)
                worker.die()
                worker.start()
                assert (await worker.say("keys", "switch", "--dry-run"))["confirmed"] == [fr.domain]
                assert (await worker.say("keys", "switch", "--yes"))["state"] == "current"
                await until(lambda: de.its.identity.fingerprint == key["fingerprint"])  # the web process has followed
                await until(lambda: _names(de, key["id"]), 30)
                assert (await fr.its.keywatch.look(de.domain)).sight == Sight.CHANGED
                await asyncio.sleep(1)
                worker.die()
                worker.start()
            assert (await fr.its.siblings.row(de.domain)).state == "active"
            await fr.its.refusals.flush()
            assert await fr.count("refusals") == 0
            states = [row["state"] for row in await worker.say("keys", "list")]
            assert states == ["current", "retired"]
        finally:
            worker.process.terminate()
            worker.process.wait()


async def test_the_command_line_asks_who_you_are_where_four_eyes_are_wanted(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False, settled=settled()) as (de,):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        worker = Worker(de)
        worker.die()
        config = worker.config
        config.write_text(config.read_text("utf-8") + "\n[federation]\nfour_eyes = true\n", "utf-8")
        with pytest.raises(AssertionError, match="--as HANDLE"):
            await worker.say("keys", "rotate")
        with pytest.raises(AssertionError, match="do not belong together"):
            await worker.say("keys", "rotate", "--as", "olga", typed="guessed\n")
        assert (await worker.say("keys", "rotate", "--as", "olga", typed=f"{PASSWORD}\n"))["state"] == "proposed"
        with pytest.raises(AssertionError, match="another operator"):
            await worker.say("keys", "confirm", "--as", "olga", typed=f"{PASSWORD}\n")
        assert (await worker.say("keys", "confirm", "--as", "omar", typed=f"{PASSWORD}\n"))["state"] == "announced"
        with pytest.raises(AssertionError, match="--as HANDLE"):
            await worker.say("keys", "switch", "--yes")
        assert (await worker.say("keys", "switch", "--yes", "--as", "omar", typed=f"{PASSWORD}\n"))["state"] == "current"


