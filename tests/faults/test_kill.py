"""kill -9 of web and worker processes at random moments while doctors work: nothing missing, nothing twice."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from actors.accounts import NewDoctor
from actors.models import Role
from core.ids import uri_key
from core.settings import Settings
from federation import descriptor
from instance.assembly import assemble
from instance.demo_check import Failed, Person, hidden
from instance.setup import create_instance
from tests.servers import PASSWORD, until

_CASES = 300
_KILLS = 12
_BETWEEN = 4
_PATIENCE = 60.0


class Processes:
    """A web server and a worker of one instance, each its own process."""

    def __init__(self, settings: Settings) -> None:
        self.directory = Path(settings.instance.data_dir)
        self.url = settings.instance.url
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, what: str) -> None:
        words = ["serve", "--no-worker"] if what == "web" else ["worker"]
        with (self.directory / f"{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(
                [sys.executable, "-m", "instance", "--config", str(self.directory / "config.toml"), *words],
                stdout=log, stderr=log, cwd=Path(__file__).parents[2],
                env=os.environ | {"KONSIL_FEDERATION__RETRY_LIMIT_SECONDS": "2"})

    def kill(self, what: str) -> None:
        self.running[what].send_signal(signal.SIGKILL)
        self.running[what].wait()

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(20)

    async def ready(self) -> bool:
        def ask() -> bool:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=1):
                return True
            return False

        return await asyncio.to_thread(ask)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.directory / "konsil.db", timeout=30)) as connection:
            return connection.execute(sql, parameters).fetchall()


class Stubborn(Person):
    """A doctor who sends the same form again for as long as no answer comes, as a browser's user would."""

    def _ask(self, request: urllib.request.Request) -> str:
        limit = time.monotonic() + _PATIENCE
        while True:
            try:
                return super()._ask(request)
            except (OSError, http.client.HTTPException) as error:
                trouble: Exception = error
            except Failed as refused:
                if not re.search(r"answered 5\d\d", str(refused)):
                    raise
                trouble = refused
            if time.monotonic() > limit:
                raise Failed(f"{request.full_url} never answered: {trouble}")
            time.sleep(0.05)

    def unless(self, status: str, path: str, fields: dict[str, Any]) -> None:
        """Send a form whose repetition is refused with this status: then the first time has worked."""
        try:
            self.post(path, fields)
        except Failed as refused:
            if f"answered {status}" not in str(refused):
                raise


def work(who: Stubborn, dice: random.Random, over: threading.Event, done: dict[str, str]) -> None:
    """Ask, change, delete, answer and vote until it is over; `done` gets what the instance said it has done: text by path."""
    who.login()
    name = f"{who.handle}@{who.country}"
    poll = who.publish({"kind": "poll", "question": f"Poll of {name}", "text": "", "language": "en", "hours": "24",
                        "options": "one\ntwo"})
    done[poll] = f"Poll of {name}"
    voted: set[str] = set()
    for number in range(_CASES):
        if over.is_set():
            break
        question = f"Case {number} of {name}"
        path = who.publish({"kind": "case", "question": question, "text": f"Text {number}", "language": "en",
                            "specialties": "cardiology"})
        done[path] = question
        if number % 3 == 1:
            revision = hidden(who.get(f"{path}/edit"))["revision"][0]
            done[path] = f"{question}, changed"
            who.post(f"{path}/edit", {"question": done[path], "text": f"New {number}", "state": "known", "revision": revision})
        if number % 5 == 2:
            who.unless("404", f"{path}/delete", {})
            done[path] = ""
        home = who.get("/?tab=all")
        for found in set(re.findall(r'action="(/p/\w+)/vote"', home)) - voted:
            voted.add(found)
            who.unless("409", f"{found}/vote", {"choice": str(dice.randrange(2))})
        if others := [found for found in re.findall(r'<h2[^>]*><a href="(/p/\w+)">[^<]*</a>', home) if found not in done]:
            target = dice.choice(others)
            with suppress(Failed):  # it may have been deleted since
                page = who.get(target)
                answer = f"Answer {number} of {name}"
                where = who.post(f"{target}/reply", hidden(page) | {"text": answer, "language": "en"})[0]
                done[f"{where}#{answer}"] = answer


async def two(directory: Path) -> list[Settings]:
    made = []
    for code in ("de", "fr"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        made.append(await create_instance(directory / code, country=code, domain="127.0.0.1", port=port))
    described = []
    for settings in made:
        async with assemble(settings) as its:
            described.append(descriptor.read(descriptor.export(its.identity)))
            for handle in ("ada", "ben"):
                await its.accounts.add_doctor(
                    NewDoctor(handle, f"Dr {handle}", PASSWORD, Role.DOCTOR, ("cardiology",), "register", "seen"))
    for settings, other in zip(made, reversed(described), strict=True):
        async with assemble(settings) as its:
            domain = other.origin.split("://")[1]
            await its.siblings.add(domain, other.country, other.fingerprint, descriptor=other)
            await its.siblings.approve(domain, "test")
    return made


def settled(place: Processes) -> bool:
    """Nothing is on its way, nothing waits."""
    return place.rows("SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending') + (SELECT count(*) FROM held)"
                      " + (SELECT count(*) FROM polls WHERE stale_since IS NOT NULL)")[0][0] == 0


class Shown(NamedTuple):
    """A post as an instance shows it; `replies` are left out because they follow from the others."""

    question: str
    html: str
    author: str
    parent: str | None
    erased: bool
    state: str | None
    revision: int
    options: str | None
    voters: int | None


def content(place: Processes) -> dict[str, Shown]:
    """Everything an instance shows, by URI."""
    return {row[0]: Shown(*row[1:5], bool(row[5]), *row[6:]) for row in place.rows(
        "SELECT p.uri, p.question, p.html, a.uri, q.uri, p.erased_at IS NOT NULL, p.state, p.revision,"
        " (SELECT group_concat(o.name || o.votes, ' ') FROM poll_options o WHERE o.post_id = p.id),"
        " (SELECT voters FROM polls v WHERE v.post_id = p.id)"
        " FROM posts p JOIN actors a ON a.id = p.author_id LEFT JOIN posts q ON q.id = p.parent_id")}


def _never_left(uri: str | None, found: dict[str, Shown], missing: set[str]) -> bool:
    """Whether this, or something above it that is missing too, is erased."""
    while uri is not None and uri in missing:
        if found[uri].erased:
            return True
        uri = found[uri].parent
    return False


async def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    dice = random.Random(20261124)
    places = [Processes(settings) for settings in await two(tmp_path)]
    try:
        for place in places:
            for what in ("web", "worker"):
                place.start(what)
        for place in places:
            await until(place.ready, 30)
        doctors = [Stubborn(place.url, place.directory.name, handle, PASSWORD) for place in places for handle in ("ada", "ben")]
        over = threading.Event()
        done = {who: dict[str, str]() for who in doctors}
        working = [asyncio.create_task(asyncio.to_thread(work, who, random.Random(number), over, done[who]))
                   for number, who in enumerate(doctors)]
        for number in range(_KILLS):
            so_far = sum(map(len, done.values()))  # each kill falls into work, however slow the machine is
            await until(lambda so_far=so_far: sum(map(len, done.values())) >= so_far + _BETWEEN, _PATIENCE)  # type: ignore[misc]
            await asyncio.sleep(dice.uniform(0, 0.4))
            place, what = places[number % 2], ("web", "worker")[number // 2 % 2]
            place.kill(what)
            await asyncio.sleep(dice.uniform(0, 0.2))
            place.start(what)
        over.set()
        await asyncio.gather(*working)
        for place in places:
            await until(place.ready, 30)
        for place in places:
            await until(lambda place=place: asyncio.to_thread(settled, place), _PATIENCE)  # type: ignore[misc]
        await asyncio.sleep(1.2)  # the last counts are gathered for half a second
        for place in places:
            await until(lambda place=place: asyncio.to_thread(settled, place), _PATIENCE)  # type: ignore[misc]
    finally:
        for place in places:
            place.stop()
    assert sum(map(len, done.values())) >= _KILLS * _BETWEEN
    berlin, lyon = (content(place) for place in places)
    missing = set(berlin) ^ set(lyon)
    for uri in missing:
        assert _never_left(uri, berlin | lyon, missing), "only what was deleted before it had left, and what hung below it"
    for uri in berlin.keys() & lyon.keys():
        here, there = berlin[uri], lyon[uri]
        assert here == there or (here.erased and there.erased and here[:5] == there[:5])
    for found in (berlin, lyon):
        _voted(found)
    for who, promised in done.items():
        _kept(who, promised, content(next(place for place in places if place.url == who.url)))
    for place, other in zip(places, reversed(places), strict=True):
        _acknowledged(place, other)


def _kept(who: Stubborn, promised: dict[str, str], found: dict[str, Shown]) -> None:
    """What the instance said it had done is there, once."""
    for path, text in promised.items():
        row = found[f"{who.url}/posts/{path.partition('#')[0].removeprefix('/p/')}"]
        if not text:
            assert row.erased and not row.question and not row.html
        else:
            assert text in (row.question or row.html) and not row.erased
    mine = [row.question or row.html for row in found.values() if f"of {who.handle}@{who.country}" in row.question + row.html]
    assert len(mine) == len(set(mine)) == sum(1 for text in promised.values() if text)


def _voted(found: dict[str, Shown]) -> None:
    """Every poll's counts are its voters: here each has one choice."""
    polls = [row for row in found.values() if row.options]
    assert polls and all(sum(int(option[3:]) for option in row.options.split()) == row.voters for row in polls if row.options)


def _acknowledged(place: Processes, other: Processes) -> None:
    """What counts as delivered is in the other's ledger, and everything else has an honest end."""
    ledger = {row[0] for row in other.rows("SELECT uri_key FROM ledger")}
    sent = place.rows("SELECT o.uri, d.state FROM deliveries d JOIN outbox o ON o.id = d.outbox_id")
    assert {state for _, state in sent} <= {"acked", "superseded", "parked"}
    assert all(uri_key(uri) in ledger for uri, state in sent if state == "acked")
    parked = place.rows("SELECT d.reason FROM deliveries d WHERE d.state = 'parked'")
    assert all("is not there" in reason or "no such poll" in reason for (reason,) in parked), parked


