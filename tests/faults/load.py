"""Doctors at work, as their browsers are: they ask, answer, change, delete, like, pass on, follow and vote, and send a form again
for as long as no answer comes. What each does follows from a seed."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
import urllib.request
from contextlib import suppress
from typing import Any

from instance.demo_check import Failed, Person, hidden
from tests.faults.compared import TOKEN, Side
from tests.servers import PASSWORD

PATIENCE = 60.0
_DEEDS = {"case": 6, "answer": 6, "change": 4, "delete": 3, "like": 4, "boost": 2, "follow": 2, "vote": 3, "poll": 1}


class Stubborn(Person):
    """A doctor who sends the same form again for as long as no answer comes, as a browser's user would."""

    def _ask(self, request: urllib.request.Request) -> str:
        limit = time.monotonic() + PATIENCE
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


class Worker(Stubborn):
    """A doctor who works until she is stopped. `promised` is what the instance said it had stored, by the path of the post;
    `deleted` the words of the posts it said it had deleted, and of what they said before."""

    def __init__(self, url: str, country: str, handle: str, seed: int) -> None:
        super().__init__(url, country, handle, PASSWORD)
        self.promised: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.deeds = 0
        self._dice = random.Random(f"{seed} {country} {handle}")
        self._words: dict[str, set[str]] = {}
        self._made, self._voted, self._unsure = 0, set[str](), set[bytes]()
        self._cases, self._others, self._polls, self._people = list[str](), list[str](), list[str](), list[str]()

    def work(self, over: threading.Event) -> None:
        """Do one thing after the other until it is over."""
        self.login()
        deeds, weights = zip(*_DEEDS.items(), strict=True)
        while not over.is_set():
            if self.deeds % 4 == 0:
                self._look()
            getattr(self, f"_{self._dice.choices(deeds, weights)[0]}")()
            self.deeds += 1

    def _look(self) -> None:
        """What others ask, on the home page."""
        home = self.get("/?tab=all")
        self._others = [path for path in re.findall(r'<h2[^>]*><a href="(/p/\w+)">', home) if path not in self.promised]
        self._polls = [path for path in re.findall(r'action="(/p/\w+)/vote"', home) if path not in self._voted]
        self._people = [name for name in re.findall(r'href="/(@\w+@[\w.:]+)"', home) if name != self.mention]

    def _word(self) -> str:
        self._made += 1
        return f"zq{self._made}x{self.handle}{self.country}q"

    def _keep(self, path: str, word: str) -> None:
        self.promised[path] = word
        self._words.setdefault(path, set()).add(word)

    def _publish(self, kind: str, fields: dict[str, str]) -> None:
        word = self._word()
        self._keep(self.publish({"kind": kind, "question": f"What about {word}?", "language": "en", **fields}), word)
        if kind == "case":
            self._cases.append(next(reversed(self.promised)))

    def _case(self) -> None:
        self._publish("case", {"text": "All of it.", "specialties": "cardiology"})

    def _poll(self) -> None:
        self._publish("poll", {"text": "", "hours": "24", "options": "one\ntwo"})

    def _answer(self) -> None:
        if not self._others:
            return
        target, word = self._dice.choice(self._others), self._word()
        try:
            fields = hidden(self.get(target)) | {"text": f"I think {word}.", "language": "en"}
            self._keep(self.post(f"{target}/reply", fields)[0], word)
        except Failed:  # what she answers may have been deleted since
            self._unsure.add(word.encode())

    def _change(self) -> None:
        mine = [path for path in self._cases if self.promised[path]]
        if mine:
            path, word = self._dice.choice(mine), self._word()
            revision = hidden(self.get(f"{path}/edit"))["revision"][0]
            self.unless("409", f"{path}/edit", {
                "question": f"And {word}?", "text": "New", "state": "known", "revision": revision})
            self._keep(path, word)

    def _delete(self) -> None:
        mine = [path for path, word in self.promised.items() if word]
        if len(mine) > 2:
            path = self._dice.choice(mine)
            self.unless("404", f"{path}/delete", {})
            self.promised[path] = ""
            self.deleted |= self._words[path]

    def _like(self) -> None:
        self._react("like")

    def _boost(self) -> None:
        self._react("boost")

    def _react(self, how: str) -> None:
        if self._others:
            with suppress(Failed):
                self.post(f"{self._dice.choice(self._others)}/{how}", {"wish": self._dice.choice(("do", "do", "undo"))})

    def _follow(self) -> None:
        page = self.get("/follows")
        with suppress(Failed):
            for name in re.findall(r'action="/(@\w+@[\w.:]+)/relation"', page):
                self.post(f"/{name}/relation", {"do": "accept"})
            if self._people:
                wish = self._dice.choice(("follow", "follow", "unfollow"))
                self.post(f"/{self._dice.choice(self._people)}/relation", {"do": wish})

    def _vote(self) -> None:
        if self._polls:
            path = self._polls.pop()
            self._voted.add(path)
            with suppress(Failed):
                self.unless("409", f"{path}/vote", {"choice": str(self._dice.randrange(2))})

    def kept(self, at: Side) -> None:
        """What the instance said it had done is there, once: its words, and no others of hers."""
        for path, word in self.promised.items():
            uri = f"{self.url}/posts/{path.removeprefix('/p/')}"
            if word:
                assert word in at.posts[uri].question + at.posts[uri].html, (uri, word)
            else:
                assert uri in at.tombstones and uri not in at.posts, uri
        mine = {word for post in at.posts.values() for word in TOKEN.findall((post.question + post.html).encode())
                if word.endswith(f"x{self.handle}{self.country}q".encode())}
        assert mine - self._unsure == {word.encode() for word in self.promised.values() if word}
