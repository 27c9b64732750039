"""Nothing is readable for apps with no token, with an app's own, with that of somebody who is not verified, or beyond its scope.

The table is made of the routes themselves: a new one is in it by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.scopes import WORDS, covers
from core.access import Access, Route
from core.ids import public
from core.settings import Settings
from instance.api import ROUTES
from instance.app import behind_the_front
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.phones import EVERYTHING, Phone
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

SECRETS = ("Which?", "Dr Ada", "Dr Ben", "sepsis")
FOR_ANYBODY = {"/.well-known/oauth-authorization-server", "/api/v1/apps", "/oauth/token", "/oauth/revoke", "/api/v1/instance",
               "/api/v2/instance", "/api/v1/instance/rules", "/api/konsil/pictures/<sealed>",
               "/api/konsil/portraits/<sealed>/<version>", "/api/konsil/uploads/<sealed>/<media_id>",
               "/api/v1/streaming/health"}
"""What answers without a token: the way in, what the imprint says as well, and addresses that hold a secret themselves."""


@dataclass
class Room:
    """An instance with a poll in it, and the phone of its doctor Ben."""

    de: Running
    phone: Phone
    values: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    def path(self, route: Route) -> str:
        path = route.rule
        for name, value in self.values.items():
            path = path.replace(f"<{name}>", value)
        assert "<" not in path, f"say which {path} the table uses"
        return path

    async def knock(self, route: Route, token: str) -> tuple[int, Any]:
        status, said, self.headers = await self.phone.ask(route.methods[0], self.path(route), token=token)
        assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= self.headers.keys(), route.rule
        return status, said


def patient(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, clients=msgspec.structs.replace(settings.clients, requests=100_000))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with countries(tmp_path, "de", worker=False, settled=patient) as (de,), Phone(de) as phone:
        poll = Draft(Kind.POLL, "Which?", "Text #sepsis", "de", CaseFacts(), PollDraft(("a", "b"), False,
                                                                                        de.its.clock.ms() + 3_600_000))
        post_id = await de.its.compose.publish(await de.author("ada"), poll, (), Reach.HOME, "")
        await de.its.reactions.like(await de.its.credentials.require_verified(de.doctors["ben"]), post_id)
        await phone.log_in("ben")
        ada = de.doctors["ada"].actor_id
        assert ada is not None
        yield Room(de, phone, {"status_id": post_id, "poll_id": post_id, "account_id": public(ada), "name": "sepsis",
                               "hashtag": "sepsis", "notification_id": "0000000000000", "conversation_id": post_id,
                               "list_id": "1", "sealed": "x" * 43, "version": "x", "media_id": "x" * 24})


def guarded() -> list[Route]:
    return [route for route in ROUTES if route.rule not in FOR_ANYBODY]


def test_only_the_way_in_and_what_is_public_anyway_answers_without_a_token() -> None:
    assert {route.rule for route in ROUTES if route.access == Access.VISITOR} == FOR_ANYBODY
    assert {route.access for route in guarded()} == {Access.APP, Access.CLIENT}
    assert not [route for route in behind_the_front() if route.rule.startswith("/api/") and route not in ROUTES]


async def test_nothing_is_readable_without_a_token_or_with_one_that_was_made_up(room: Room) -> None:
    for route in guarded():
        for token in ("", "x" * 43):
            status, said = await room.knock(route, token)
            assert status == 401 and not [word for word in SECRETS if word in str(said)], (route.rule, said)
            assert set(said) == {"error", "error_description"} and said["error"], route.rule


async def test_a_session_opens_nothing_for_apps(room: Room) -> None:
    async with Browser(room.de) as browser:
        await browser.login("ada")
        for route in guarded():
            assert (await browser.get(room.path(route)))[0] in (401, 405), route.rule


async def test_an_apps_own_token_opens_what_is_nobodys(room: Room) -> None:
    status, made, _ = await room.phone.ask("POST", "/oauth/token", {
        "grant_type": "client_credentials", "client_id": room.phone.app["client_id"], "scope": EVERYTHING,
        "client_secret": room.phone.app["client_secret"]}, token="")
    assert status == 200
    for route in guarded():
        status, said = await room.knock(route, made["access_token"])
        assert status == (200 if route.access == Access.APP else 401), (route.rule, said)
        assert not [word for word in SECRETS if word in str(said)], route.rule


async def test_a_token_opens_what_its_scopes_say_and_nothing_else(room: Room) -> None:
    for scope in WORDS:
        await room.de.its.database.write(lambda tx, scope=scope: tx.run("UPDATE app_tokens SET scopes = ?", (scope,)))
        for route in guarded():
            status, said = await room.knock(route, room.phone.token)
            opens = route.access == Access.APP or any(covers((scope,), one) for one in route.scopes)
            refused = status == 401 or "insufficient_scope" in room.headers.get("www-authenticate", "")
            assert refused != opens and status < 500, (route.rule, scope, status, said)
            if not opens:
                assert status == 403 and not [word for word in SECRETS if word in str(said)], (route.rule, scope)


async def suspended(de: Running) -> None:
    await de.its.accounts.suspend("ben", "test", "test")


async def withdrawn(de: Running) -> None:
    await de.its.accounts.withdraw("ben", "test", "test")


async def left(de: Running) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    await de.its.departures.order("ben", "op")
    await de.its.departing.finish()


async def expired(de: Running) -> None:
    await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = ? WHERE handle = 'ben'",
                                                  (de.its.clock.ms() - 1000,)))


async def an_applicant(de: Running) -> None:
    await de.its.database.write(lambda tx: tx.run("UPDATE accounts SET state = 'applicant' WHERE handle = 'ben'"))


async def forgotten(de: Running) -> None:
    await de.its.database.write(lambda tx: tx.run("UPDATE app_tokens SET seen_at = 0"))


async def signed_out(de: Running) -> None:
    await de.its.sessions.end_all()


@pytest.mark.parametrize(("end", "status"), [(suspended, 401), (withdrawn, 401), (left, 401), (expired, 403), (an_applicant, 401),
                                             (forgotten, 401), (signed_out, 401)])
async def test_a_token_is_worth_what_its_doctor_is_worth_at_that_moment(
        room: Room, end: Callable[[Running], Awaitable[None]], status: int) -> None:
    assert (await room.phone.get("/api/v1/timelines/public"))[0]["id"] == room.values["status_id"]
    await end(room.de)
    for route in guarded():
        got, said = await room.knock(route, room.phone.token)
        assert got == status and not [word for word in SECRETS if word in str(said)], (route.rule, said)
