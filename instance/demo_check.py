"""The cross-border round, by itself and over HTTP as people do it: post, answer, poll, votes, result, edit, delete, and a
stranger who is refused everywhere. One line per step with its time; the first step that fails ends the round."""

from __future__ import annotations

import asyncio
import html
import http.client
import http.cookiejar
import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import click
import psutil
import pyotp

from core.database import Tx, open_database
from federation.documents import dumps
from federation.identity import CONTEXT, members_of
from federation.signatures import cavage
from instance.assembly import assemble
from instance.setup import create_instance

_WAIT_SECONDS = 20.0
_MEMORY_LIMIT = 1 << 30
_TABLES = ("posts", "votes", "ledger", "held", "tombstones", "actors", "outbox")


class Failed(Exception):
    """A step did not hold; the text says what was seen instead."""


class Person:
    """Somebody with a browser that has no scripts."""

    def __init__(self, url: str, country: str, handle: str, password: str, second_factor: str = "") -> None:
        self.url, self.country, self.handle, self.password, self.second_factor = url, country, handle, password, second_factor
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    @property
    def mention(self) -> str:
        """`@name@domain`."""
        return f"@{self.handle}@{urllib.parse.urlsplit(self.url).netloc}"

    def get(self, path: str) -> str:
        return self._ask(urllib.request.Request(self.url + path))

    def post(self, path: str, fields: dict[str, Any]) -> tuple[str, str]:
        """Send a form and follow where it leads; returns the address it ends at and the page."""
        data = urllib.parse.urlencode(fields, doseq=True).encode()
        request = urllib.request.Request(self.url + path, data)
        request.add_header("origin", self.url)
        page = self._ask(request)
        return self._at, page

    def _ask(self, request: urllib.request.Request) -> str:
        request.add_header("accept", "text/html")
        request.add_header("accept-language", "en")  # the words looked for are English
        try:
            with self._open.open(request, timeout=15) as response:
                self._at = urllib.parse.urlsplit(response.url).path
                text: str = response.read().decode()
                return text
        except urllib.error.HTTPError as error:
            error.close()
            raise Failed(f"{request.full_url} answered {error.code}") from None

    def login(self) -> None:
        where, _ = self.post("/login", {"handle": self.handle, "password": self.password})
        if where == "/login/second":
            where, _ = self.post(where, {"code": pyotp.TOTP(self.second_factor).now()})
        if where in ("/login", "/login/second"):
            raise Failed(f"{self.handle} could not sign in")

    def publish(self, fields: dict[str, Any]) -> str:
        """The three steps of compose, to the whole network; returns the path of the new post."""
        page = self.post("/compose", fields | {"step": "audience"})[1]
        if 'value="home" checked' not in page:
            raise Failed("home was not the audience to begin with")
        page = self.post("/compose", fields | {"step": "confirm", "reach": "network", "signature": "name",
                                        "ground": "anonymous", "no_name": "1"})[1]
        where = self.post("/compose", hidden(page) | {"step": "publish"})[0]
        if not where.startswith("/p/"):
            raise Failed(f"publishing ended at {where}")
        return where

    def find(self, question: str) -> str:
        """The path of the post with this question, as soon as it is on the home page."""
        def look() -> str | None:
            for path, title in re.findall(r'<h2[^>]*><a href="(/p/\w+)">([^<]*)</a>', self.get("/?tab=all")):
                if html.unescape(title) == question:
                    return str(path)
            return None

        return str(wait(look, f"“{question}” on {self.country.upper()}'s home page"))


def hidden(page: str) -> dict[str, Any]:
    """The hidden fields of a page's forms, by name."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def wait(look: Callable[[], Any], what: str) -> Any:
    """The first true answer of `look`; `Failed` when there is none in time."""
    limit = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < limit:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(f"never saw {what}")


def run(directory: Path, processes: list[subprocess.Popen[bytes]]) -> int:
    """Run all steps; 0 when every one held."""
    places = json.loads((directory / "demo.json").read_text("utf-8"))["instances"]
    people = [Person(place["url"], place["country"], login["handle"], login["password"])
              for place in places for login in [next(entry for entry in place["doctors"] if entry["role"] == "doctor")]]
    round_ = _Round(directory, places, people)
    steps: list[tuple[str, Callable[[], str]]] = [
        ("doctors sign in", round_.sign_in), ("a self-test between two countries passes", round_.selftest),
        ("a case crosses every border", round_.case), ("answers come back", round_.answers),
        ("a poll crosses every border", round_.poll), ("every country votes, once", round_.votes),
        ("the result reaches everybody", round_.result), ("an edit reaches everybody", round_.edit),
        ("a like is counted everywhere, and told", round_.like), ("a follow is asked for and accepted", round_.follow),
        ("a consult is for two and nobody else", round_.consult),
        ("a deletion erases everywhere", round_.delete), ("a stranger is refused everywhere", round_.stranger),
        ("seven countries fit into 1 GiB", lambda: _memory(processes)),
    ]
    if len(people) < 2:
        click.echo("The round needs at least two countries.", err=True)
        return 1
    for name, step in steps:
        begun = time.monotonic()
        try:
            seen = step()
        except (Failed, OSError, http.client.HTTPException) as error:
            click.echo(f"FAILED  {time.monotonic() - begun:6.2f} s  {name}: {error}")
            return 1
        click.echo(f"ok      {time.monotonic() - begun:6.2f} s  {name}: {seen}")
    return 0


class _Round:
    def __init__(self, directory: Path, places: list[dict[str, Any]], people: list[Person]) -> None:
        self.directory, self.places = directory, places
        self.author, self.others = people[0], people[1:]
        mark = f"{time.time_ns():x}"
        self.question, self.asked, self.word = f"Check case {mark}", f"Check poll {mark}", f"planted{mark}"
        self.path = self.poll_path = ""

    def sign_in(self) -> str:
        for person in (self.author, *self.others):
            person.login()
        return ", ".join(f"{person.handle}@{person.country}" for person in (self.author, *self.others))

    def selftest(self) -> str:
        asking, asked = self.places[:2]
        login = asking["operators"][0]
        operator = Person(asking["url"], asking["country"], login["handle"], login["password"], login["second_factor"])
        operator.login()
        _, page = operator.post(f"/admin/siblings/{asked['domain']}/check", {})
        good, lines = len(re.findall(r'<h2>[^<]*<span class="mark ok">', page)), page.count("<h2>")
        if not lines or good != lines:
            raise Failed(f"{good} of {lines} lines of the self-test were in order")
        return f"{asking['country'].upper()} → {asked['country'].upper()}, {lines} lines"

    def case(self) -> str:
        self.path = self.author.publish({
            "kind": "case", "question": self.question, "language": "en", "text": f"**Text** with {self.word}.",
            "specialties": "cardiology", "age_band": "40-49", "sex": "f", "aim": "diagnostic"})
        begun = time.monotonic()
        for person in self.others:
            if self.word not in person.get(person.find(self.question)):
                raise Failed(f"{person.country.upper()} shows the case without its text")
        return f"on {len(self.others)} siblings {time.monotonic() - begun:.2f} s after the click"

    def answers(self) -> str:
        for person in self.others:
            person.post(f"{person.find(self.question)}/reply", {"text": f"Answer from {person.country}", "language": "en"})
        for reader in (self.author, *self.others):
            path = self.path if reader is self.author else reader.find(self.question)
            wait(lambda reader=reader, path=path: all(  # type: ignore[misc]
                f"Answer from {person.country}" in reader.get(path) for person in self.others),
                f"all answers in {reader.country.upper()}")
        return f"{len(self.others)} answers, read in {len(self.others) + 1} countries"

    def poll(self) -> str:
        self.poll_path = self.author.publish({"kind": "poll", "question": self.asked, "text": "", "language": "en",
                                              "options": "first\nsecond\nthird", "hours": "24"})
        for person in self.others:
            if "percent" in person.get(person.find(self.asked)):
                raise Failed(f"{person.country.upper()} shows results before the vote")
        return "results hidden until voted or asked for"

    def votes(self) -> str:
        for number, person in enumerate(self.others):
            path = person.find(self.asked)
            person.post(f"{path}/vote", {"choice": str(number % 2)})
            try:
                person.post(f"{path}/vote", {"choice": "2"})
            except Failed as refused:
                if "409" not in str(refused):
                    raise
            else:
                raise Failed(f"{person.country.upper()} let the same doctor vote twice")
        return f"{len(self.others)} votes, a second one refused each time"

    def result(self) -> str:
        count = len(self.others)
        words = f"{count} voter" + ("s" if count != 1 else "")
        for reader in (self.author, *self.others):
            path = self.poll_path if reader is self.author else reader.find(self.asked)
            wait(lambda reader=reader, path=path: words in reader.get(path),  # type: ignore[misc]
                 f"{words} in {reader.country.upper()}")
        return words

    def edit(self) -> str:
        page = self.author.get(f"{self.path}/edit")
        revision = re.search(r'name="revision" value="(\d+)"', page)
        if revision is None:
            raise Failed("the form has no revision")
        self.author.post(f"{self.path}/edit", {"question": self.question, "text": f"Edited, still {self.word}.",
                                               "revision": revision[1]})
        self.author.post(f"{self.path}/outcome", {"text": f"It ended well, {self.word}."})
        for person in self.others:
            path = person.find(self.question)
            wait(lambda person=person, path=path: "Edited, still" in person.get(path)  # type: ignore[misc]
                 and "It ended well" in person.get(path), f"the edit in {person.country.upper()}")
            if "**Text**" in person.get(f"{path}/history") or "<strong>Text</strong>" not in person.get(f"{path}/history"):
                raise Failed(f"{person.country.upper()} has no history")
        return "with its history"

    def like(self) -> str:
        liker = self.others[0]
        liker.post(f"{liker.find(self.question)}/like", {"wish": "do"})
        for reader in (self.author, *self.others):
            path = self.path if reader is self.author else reader.find(self.question)
            wait(lambda reader=reader, path=path: liker.mention in reader.get(f"{path}/likes"),  # type: ignore[misc]
                 f"the like in {reader.country.upper()}")
        wait(lambda: "likes your question" in self.author.get("/notifications"), "the like among the author's notifications")
        return f"{len(self.others) + 1} countries name who likes it"

    def follow(self) -> str:
        follower = self.others[0]
        follower.post("/directory", {"name": self.author.mention})
        follower.post(f"/{self.author.mention}/relation", {"do": "follow"})
        wait(lambda: follower.mention in self.author.get("/follows?tab=requests"), "the request")
        self.author.post(f"/{follower.mention}/relation", {"do": "accept"})
        wait(lambda: self.question in follower.get("/?tab=following"), "the case among what is followed")
        return f"{follower.country.upper()} follows {self.author.country.upper()}, with her consent"

    def consult(self) -> str:
        asked, question = self.others[0], f"{self.question}, between us"
        fields = {"kind": "note", "question": question, "language": "en", "text": f"For you, {self.word}.", "reach": "named",
                  "doctor": asked.mention}
        page = self.author.post("/compose", fields | {"step": "confirm"})[1]
        path = self.author.post("/compose", fields | hidden(page) | {"step": "publish"})[0]
        wait(lambda: question in asked.get("/consults"), "the consult")
        for other in self.others[1:]:
            if question in other.get("/consults") + other.get("/?tab=all"):
                raise Failed(f"{other.country.upper()} sees a consult that is not for it")
        if question in self.author.get("/?tab=all") + asked.get("/?tab=all"):
            raise Failed("a consult stands in a list for everybody")
        self.author.post(f"{path}/delete", {})
        return f"{asked.mention} only"

    def delete(self) -> str:
        self.author.post(f"{self.path}/delete", {})
        for place in self.places:
            wait(lambda place=place: not self._holds(place, self.word), f"{place['country'].upper()} without the text")  # type: ignore[misc]
        for person in self.others:
            if self.question in person.get("/?tab=all"):
                raise Failed(f"{person.country.upper()} still shows it")
        return f"the planted word is in no file and no table of {len(self.places)} instances"

    def _holds(self, place: dict[str, Any], word: str) -> bool:
        """Whether the word stands in any file of the instance, byte for byte, or in any column of its database."""
        if any(word.encode() in path.read_bytes() for path in (self.directory / place["country"]).iterdir() if path.is_file()):
            return True

        def look(tx: Tx) -> bool:
            columns = [(table["name"], column["name"]) for table in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
                       for column in tx.rows(f"PRAGMA table_info({table['name']})")]
            return any(tx.row(f"SELECT 1 FROM {table} WHERE instr(CAST({column} AS TEXT), ?) > 0 LIMIT 1", (word,))
                       for table, column in columns)

        return bool(asyncio.run(_read(self.directory / place["country"], look)))

    def stranger(self) -> str:
        before = [asyncio.run(_read(self.directory / place["country"], _counts)) for place in self.places]
        with socket.socket() as listening:  # nothing answers there: whoever comes to look for a key is seen
            listening.bind(("127.0.0.1", 0))
            listening.listen(64)
            listening.settimeout(0.3)
            tried = asyncio.run(_intrude(self.directory / "stranger", listening.getsockname()[1], self.places))
            try:
                listening.accept()
            except TimeoutError:
                pass
            else:
                raise Failed("somebody contacted the stranger")
        if [asyncio.run(_read(self.directory / place["country"], _counts)) for place in self.places] != before:
            raise Failed("something was stored")
        return f"{tried} signed requests, each refused; nothing stored, nobody called back"


async def _intrude(directory: Path, port: int, places: list[dict[str, Any]]) -> int:
    """Try every door of every instance with the valid keys of an instance that is on nobody's list."""
    settings = await create_instance(directory, country="de", domain="127.0.0.1", port=port, name="Stranger")
    tried = 0
    async with assemble(settings) as assembly:
        me = assembly.identity
        for place in places:
            post = await _read(directory.parent / place["country"], lambda tx: tx.row(
                "SELECT uri FROM posts WHERE sibling_id IS NULL AND erased_at IS NULL LIMIT 1"))
            actor = await _read(directory.parent / place["country"], lambda tx: tx.row(
                "SELECT uri FROM actors WHERE sibling_id IS NULL LIMIT 1"))
            paths = ["/members", f"/.well-known/webfinger?resource=acct:{place['doctors'][0]['handle']}@{place['domain']}"]
            for row in (post, actor):
                if row is not None:
                    path = urllib.parse.urlsplit(row["uri"]).path
                    paths += [path, f"{path}/{'replies' if '/posts/' in path else 'outbox'}"]
            note = {"id": f"{me.origin}/posts/1", "type": "Note", "attributedTo": f"{me.origin}/actors/1",
                    "content": "<p>let me in</p>", "to": [members_of(place["url"])],
                    "published": "2026-01-01T00:00:00Z", "revision": 1}
            body = dumps({"@context": CONTEXT, "id": f"{me.origin}/activities/1", "type": "Create", "actor": note["attributedTo"],
                          "object": note})
            for method, path in [("POST", "/inbox"), ("POST", "/handshake"), *(("GET", path) for path in paths)]:
                headers = {"host": place["domain"], "date": formatdate(usegmt=True)}
                if method == "POST":
                    headers |= {"digest": cavage.digest(body), "content-type": "application/activity+json"}
                headers["signature"] = cavage.sign(me.key, me.key_id, method, path, headers)
                status, answer = await asyncio.to_thread(_raw, place["domain"], method, path, headers, body)
                if status != 403 or b"orderedItems" in answer or b"subject" in answer:
                    raise Failed(f"{place['country'].upper()} answered {method} {path} with {status}")
                tried += 1
    return tried


def _raw(domain: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(domain, timeout=15)
    try:
        connection.request(method, path, body if method == "POST" else None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


async def _read(directory: Path, look: Callable[[Tx], Any]) -> Any:
    database = await open_database("sqlite:///konsil.db", directory, readers=1)
    try:
        return await database.read(look)
    finally:
        await database.close()


def _counts(tx: Tx) -> list[int]:
    return [tx.rows(f"SELECT count(*) FROM {table}")[0][0] for table in _TABLES]


def _memory(processes: list[subprocess.Popen[bytes]]) -> str:
    """What all servers, and what they started, take of the machine: what several share, such as libraries, counts once where the
    system can say so (`pss`, Linux)."""
    total = 0
    for process in processes:
        parent = psutil.Process(process.pid)
        for one in (parent, *parent.children(recursive=True)):
            taken = one.memory_full_info()
            total += getattr(taken, "pss", taken.rss)
    if total > _MEMORY_LIMIT:
        raise Failed(f"{total >> 20} MiB")
    return f"{total >> 20} MiB"
