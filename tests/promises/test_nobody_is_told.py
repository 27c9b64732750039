"""Nobody who is not verified learns whether somebody is a member: not from a page, an answer, a number, or how long it takes.

Everything is asked twice, once about somebody who is here and once about somebody who is nowhere, and the two answers must be the
same to the byte once what was typed is taken out of them. The routes are those of `instance.app.routes()`, so that a new one is
asked by itself.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from argon2 import PasswordHasher
from msgspec.structs import replace

from core.access import Access, Route
from core.database import Tx
from core.ids import public
from core.vault import hash_password
from instance.app import routes
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.applicants import NUMBER, applied
from tests.mailserver import mailserver
from tests.servers import PASSWORD, Running, countries
from tests.test_decisions import SEEN
from tests.test_joining_pages import CONSENTS, PERSON, REGISTER, with_document
from tests.test_pages import Browser
from tests.test_portraits import picture

_ROUNDS = 30
_RATIO, _TRIES = 1.5, 3  # a busy machine is slower for one of them by chance, and not three times
"""How much longer the one may take than the other, in the middle of many rounds on a machine that does other things too."""
_HERS = "xadaq@klinik.example"
UNVERIFIED = ("visitor", "applicant", "expired doctor")


_RANDOM = re.compile(r"(?<=challenge&#34;: &#34;)[\w-]+|\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")
"""The challenge of a question for passkeys, and the reference of an application."""


_CLOCKS = ("date", "retry-after", "x-ratelimit-reset", "x-ratelimit-remaining")
"""Headers that say what time it is, and how much was asked for before, which is counted by the network that asks."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str


class Asked(NamedTuple):
    """What stands for somebody in an address or a form: handle, actor, picture, post, mail address, number in the register,
    application, password. All as long as those of anybody else, so that no length says anything."""

    handle: str
    actor: str
    version: str
    post: str
    address: str
    number: str
    reference: str

    def fill(self, rule: str) -> str:
        """A rule of a route with this person in it."""
        given = {"mention": self.handle, "actor_id": self.actor, "version": self.version, "size": "small", "post_id": self.post,
                 "what": "reply", "about": self.post, "application": self.reference, "doctor": self.handle,
                 "document_id": self.post, "matter_id": self.post, "notification_id": self.post, "invitation_id": self.post,
                 "passkey_id": self.post, "session_id": self.post, "unmasking_id": self.post, "check_id": self.post,
                 "reference": self.reference, "page": "1", "sequence": "1", "key": "0" * 64, "kind": "held", "tag": self.handle,
                 "code": self.handle, "domain": f"{self.handle}.example", "name": "konsil.css", "token": self.handle * 12,
                 "handle": self.handle, "condition_code": "sarcoidosis", "picture_name": self.handle, "number": "1",
                 "account_id": self.actor, "hashtag": self.handle, "list_id": "1", "media_id": self.handle,
                 "sealed": self.handle * 9, **dict.fromkeys(("app_id", "status_id", "poll_id", "conversation_id"), self.post)}
        return re.sub(r"<(\w+)>", lambda found: given[found[1]], rule)

    def form(self) -> dict[str, str]:
        """All fields of all forms that anybody could ask about somebody with."""
        named = dict.fromkeys(("handle", "who", "doctors", "query", "name", "text"), self.handle)
        return named | {"address": self.address, "contact": self.address, "number": self.number, "register": "efn",
                        "password": "a wrong one", "code": "123456", "language": "en", "concern": "other",
                        "next": f"/@{self.handle}", "invitation": self.actor}

    def taken_out(self, said: str) -> str:
        """Without what was typed, and without what is another one each time."""
        said = _RANDOM.sub("…", said)
        for number, one in enumerate(self):
            said = said.replace(one, f"[{number}]").replace(one.replace("@", "%40"), f"[{number}]")
        return said


@dataclass
class Village:
    """An instance on which `xadaq` is somebody and `xabcq` is nobody, and those who would like to know."""

    de: Running
    somebody: Asked
    nobody: Asked
    browsers: dict[str, Browser] = field(default_factory=dict)

    async def fresh(self) -> None:
        """Nobody has tried anything yet."""
        def write(tx: Tx) -> None:
            for table in ("login_attempts", "mails", "reset_requests"):
                tx.run(f"DELETE FROM {table}")

        await self.de.its.database.write(write)

    async def answer(self, who: str, method: str, path: str, about: Asked, **more: Any) -> Answer:
        """Status, headers and body, without what was typed, and what is another one each time."""
        async with self.browsers[who].session.request(method, path, allow_redirects=False, **more) as response:
            headers = {name.lower(): "…" if name.lower() in _CLOCKS else about.taken_out(value)
                       for name, value in response.headers.items()}
            body = about.taken_out((await response.read()).decode(errors="replace"))
        return Answer(response.status, headers, body)


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with mailserver() as mail, countries(tmp_path, "de", settled=mail.used(), worker=False, domain="localhost") as (de,):
        its = de.its
        await its.accounts.add_operator("olga", "Olga", PASSWORD)
        await its.decisions.decide(reference := await applied(de, address=_HERS), replace(SEEN, handle="xadaq"), "olga")
        ada = await its.accounts.by_handle("xadaq")
        assert ada is not None
        de.doctors["xadaq"] = ada
        await its.database.write(lambda tx: tx.run("UPDATE accounts SET password_hash = ? WHERE id = ?",
                                                   (hash_password(PASSWORD), ada.id)))
        await its.portraits.change(await its.credentials.require_verified(ada), picture())
        actor = (await de.author("xadaq")).actor
        post = await its.compose.publish(await de.author("xadaq"), Draft(Kind.NOTE, "Which?", "Text", "de", CaseFacts()), (),
                                         Reach.HOME, its.compose.network_digest(await its.compose.destinations()))
        found = Village(de, Asked("xadaq", public(actor.id), actor.portrait, post, _HERS, NUMBER, reference),
                        Asked("xabcq", public(actor.id + 1), "z" * len(actor.portrait), public(actor.id + 2),
                              _HERS.replace("xadaq", "xabcq"), REGISTER["number"], "ABCD-EFGH"[:len(reference)]))
        await de.add_doctor("applicant", proven=False)
        await de.add_doctor("expired")
        try:
            for who in UNVERIFIED:
                found.browsers[who] = Browser(de)
                assert who == "visitor" or await found.browsers[who].login(who.partition(" ")[0]) == 303
            await its.database.write(lambda tx: tx.run(
                "UPDATE actors SET verified_until = ? WHERE handle = 'expired'", (its.clock.ms() - 1000,)))
            yield found
        finally:
            for browser in found.browsers.values():
                await browser.__aexit__()


async def test_every_page_answers_the_same_about_somebody_and_about_nobody(village: Village) -> None:
    differ, tried = [], 0
    for route in sorted(routes(), key=lambda route: route.rule == "/logout"):
        for method in ("GET", "HEAD") if route.methods == ("GET",) else route.methods:
            if method == "POST" and route.access == Access.VISITOR:
                await village.fresh()
            for who in UNVERIFIED:
                here, nowhere = [await _knock(village, who, method, route, one) for one in (village.somebody, village.nobody)]
                tried += 1
                if here != nowhere:
                    differ.append((method, route.rule, who, here, nowhere))
    assert differ == [] and tried > 100 * len(UNVERIFIED)


async def _knock(village: Village, who: str, method: str, route: Route, about: Asked) -> Answer:
    """Ask at a route, with everything that could be put to it about somebody."""
    asked = "resource=acct:<mention>@localhost&next=/@<mention>&invitation=<actor_id>&q=<mention>&name=<mention>&handle=<mention>"
    return await village.answer(who, method, about.fill(f"{route.rule}?{asked}"), about,
                                **{"data": about.form()} if method == "POST" else {})


@pytest.mark.parametrize("who", ["xadaq", "@xadaq@localhost", _HERS])
async def test_whoever_guesses_is_told_the_same_until_and_after_the_door_is_shut(village: Village, who: str) -> None:
    """From the first wrong password to the one that is one too many, and for each name somebody goes by."""
    await village.fresh()
    for rule, name in (("/login", "handle"), ("/reset", "who")):
        said: list[list[Answer]] = []
        for typed in (who, who.replace("xadaq", "xabcq")):
            about = village.nobody._replace(handle=typed)
            await village.fresh()
            said.append([await village.answer("visitor", "POST", rule, about, data={name: typed, "password": "a wrong one"})
                         for _ in range(10)])
        assert said[0] == said[1] and said[0][0].status in (200, 401) and said[0][-1].status == 429


async def test_an_applicant_with_a_members_number_sees_what_every_applicant_sees(village: Village) -> None:
    """The whole way behind the link, with the number in the register of a member, and with that of nobody; that somebody has it
    already is for operators only."""
    seen: dict[str, list[Answer]] = {}
    for about in (village.somebody, village.nobody):
        await village.fresh()
        answers = seen[about.handle] = []
        path = await _applying(village, f"{about.handle}@elsewhere.example")
        inside = about._replace(reference=path.removeprefix("/join/"))
        for step, said in (("", {}), ("/person", PERSON | {"name": f"Dr {about.handle}"}),
                           ("/register", REGISTER | {"number": about.number}), ("/consents", CONSENTS)):
            answers.append(await village.answer("visitor", "POST", f"{path}{step}", inside, data=said))
            answers.append(await village.answer("visitor", "GET", f"{path}{step}", inside))
        await with_document(village.de, path)
        answers.append(await village.answer("visitor", "GET", f"{path}/check", inside))
        answers.append(await village.answer("visitor", "POST", f"{path}/check", inside, data={}))
        answers.append(await village.answer("visitor", "GET", path, inside))
    assert seen["xadaq"] == seen["xabcq"] and all(one.status in (200, 303) for one in seen["xadaq"])
    assert "The operators look at it" in seen["xadaq"][-1].body


async def _applying(village: Village, address: str) -> str:
    """The path of a new application."""
    async with village.browsers["visitor"].session.post(
            "/join", data={"address": address, "language": "en"}, allow_redirects=False) as response:
        assert response.status == 303
    row = await village.de.its.database.read(lambda tx: tx.row("SELECT id FROM applications WHERE address = ?", (address,)))
    assert row is not None
    return f"/join/{village.de.its.joining.token(row['id'])}"


FORMS: tuple[tuple[str, Callable[[Asked, int], dict[str, str]]], ...] = (
    ("/login", lambda about, _: {"handle": about.handle, "password": "a wrong one"}),
    ("/reset", lambda about, _: {"who": about.handle}),
    ("/reset", lambda about, _: {"who": about.address}),
    ("/join", lambda about, turn: {"address": about.address.replace("xabcq", f"x{turn:03}q"), "language": "en"}),
)
"""What does work while somebody waits. Whoever is nobody at `/join` becomes an applicant by asking, so it is another one each
time."""


@pytest.mark.parametrize(("rule", "form"), FORMS, ids=("login", "reset", "reset by mail", "join"))
async def test_the_same_work_is_done_for_somebody_and_for_nobody(
        village: Village, monkeypatch: pytest.MonkeyPatch, rule: str, form: Callable[[Asked, int], dict[str, str]]) -> None:
    """The same statements reach the database in the same order, and passwords are hashed as often."""
    done: list[str] = []
    for name in ("run", "row", "rows"):
        monkeypatch.setattr(Tx, name, _heard(done, getattr(Tx, name)))
    monkeypatch.setattr(PasswordHasher, "verify", _counted(done, PasswordHasher.verify))
    work = []
    for about in (village.somebody, village.nobody):
        await village.fresh()
        done.clear()
        await village.answer("visitor", "POST", rule, about, data=form(about, 0))
        work.append(list(done))
    assert work[0] == work[1] and len(work[0]) > 2
    assert (work[0].count("hashed") == 1) == (rule == "/login")


def _heard(done: list[str], inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Tx, sql: str, parameters: Any = ()) -> Any:
        done.append(sql)
        return inner(self, sql, parameters)

    return call


def _counted(done: list[str], inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        done.append("hashed")
        return inner(*given)

    return call


@pytest.mark.parametrize(("rule", "form"), FORMS, ids=("login", "reset", "reset by mail", "join"))
async def test_it_takes_as_long_for_somebody_as_for_nobody(
        village: Village, figures: Callable[[str], None], rule: str, form: Callable[[Asked, int], dict[str, str]]) -> None:
    for _ in range(_TRIES):
        taken: dict[str, list[float]] = {"xadaq": [], "xabcq": []}
        for turn in range(_ROUNDS):
            for about in (village.somebody, village.nobody) if turn % 2 else (village.nobody, village.somebody):
                await village.fresh()
                begun = time.perf_counter()
                answer = await village.answer("visitor", "POST", rule, about, data=form(about, turn))
                taken[about.handle].append(time.perf_counter() - begun)
                assert answer.status in (200, 303, 401)
        here, nowhere = (statistics.median(times) for times in taken.values())
        figures(f"{rule}: {here * 1000:.1f} ms for somebody, {nowhere * 1000:.1f} ms for nobody")
        if max(here, nowhere) < _RATIO * min(here, nowhere):
            return
    pytest.fail("it takes longer for one of them each time")
