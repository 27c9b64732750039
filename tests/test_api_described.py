"""Everything that the description of the API allows, and much that it does not, sent to a live instance: what comes back is
described, and what is read is described.

schemathesis makes the requests of `docs/openapi.json`, as a process of its own: for each operation what it takes, values at the
edges of that, and what does not fit. No answer may be one of our own failures (5xx), of a status, a kind or a shape that the
description does not have. The same requests each time: what they depend on is the description, and what the instance holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec
import pytest
from quart import has_request_context, request

from core.ids import public
from core.settings import Settings
from instance.api.asking import BODIES, QUERIES
from instance.api.bodies import Fields
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.illustrated import illustrated, scan
from tests.phones import Phone
from tests.pushservice import push_service
from tests.servers import Running, countries
from tests.test_api_acting import sent
from tests.test_api_acting_pictures import handed_in

KEPT = Path(__file__).parents[1] / "docs" / "openapi.json"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ENDLESS = ("--exclude-path-regex", r"^/api/v1/streaming/(user|public|hashtag|direct)")
"""Streams that a token opens do not end; `tests/test_api_streaming.py` listens to them."""
REFUSED = {"POST /api/v1/statuses": {"scheduled_at"},
           "PATCH /api/v1/accounts/update_credentials": {"display_name", "fields_attributes", "fields_attributes[value]"}}
"""What is read so that it can be refused; nobody is told to send it."""
UNREAD = {"GET /api/v1/streaming/list": {"list"}}
"""What is described and not read: there are no lists, whichever is named."""
_OFTEN = 0.7


def settled(host: str = "") -> Any:
    """Nobody has to wait, however much is asked and refused; messages may go to `host`."""
    def change(settings: Settings) -> Settings:
        patient = msgspec.structs.replace(
            settings, clients=msgspec.structs.replace(settings.clients, requests=1_000_000),
            server=msgspec.structs.replace(settings.server, refused_per_minute=1_000_000))
        return msgspec.structs.replace(patient, push=msgspec.structs.replace(settings.push, hosts=(host,))) if host else patient

    return change


async def tried(at: Running, directory: Path, examples: int, values: Mapping[str, Sequence[str | int]], *words: str,
                described: Path = KEPT) -> tuple[int, dict[str, Any], str]:
    """Try the operations, with values that there are among those that are made up; how it ended, what schemathesis reports, and
    what it says of it."""
    directory.mkdir()
    known = dict(enumerate(values.items()))
    lines = ["[parameters]", *(f'"{name}" = {{ dictionary = "d{place}", probability = {_OFTEN} }}'
                               for place, (name, _) in known.items()),
             "[dictionaries]", *(f"d{place} = {{ values = {json.dumps(several)} }}" for place, (_, several) in known.items())]
    (chosen := directory / "schemathesis.toml").write_text("\n".join(lines))
    report = directory / "report.json"
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "--config-file", chosen, "run", described, "--url", at.url,
        "--checks", CHECKS, "--max-examples", str(examples), "--phases", "coverage,fuzzing", "--generation-deterministic",
        "--no-shrink", "--suppress-health-check", "all", "--continue-on-failure", "--no-color", "--report", "json",
        "--report-json-path", report, *words,
        cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"HOME": str(directory), "NO_PROXY": "*"})
    said, _ = await process.communicate()
    assert process.returncode is not None and report.exists(), said.decode()
    return process.returncode, json.loads(report.read_text()), said.decode()


async def there(de: Running, phone: Phone, service: Mapping[str, str]) -> dict[str, Sequence[str | int]]:
    """What there is at the instance, by the names under which it is asked for."""
    poll = Draft(Kind.POLL, "Which?", "Text #sepsis", "de", CaseFacts(),
                 PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
    ada, ben, carla = [await de.author(handle) for handle in ("ada", "ben", "carla")]
    doctors = [de.its.credentials.require_verified(de.doctors[handle]) for handle in ("ada", "carla")]
    own = [await de.its.compose.publish(ben, poll, (), Reach.HOME, "") for _ in range(4)]
    others = [await de.its.compose.publish(ada, poll, (), Reach.HOME, "") for _ in range(4)]
    liking, asking = [await one for one in doctors]
    await de.its.reactions.like(liking, own[0])
    await de.its.portraits.change(liking, scan())
    await de.its.relations.follow(asking, ben.actor)
    shown = await illustrated(de)
    consult = (await sent(phone, data={"status": "@ada what now?", "visibility": "direct"}))["id"]
    [_, told] = await phone.get("/api/v1/notifications")
    media = await handed_in(phone)
    picture, portrait, upload = [urlsplit(one).path.split("/") for one in (
        (await phone.get(f"/api/v1/statuses/{shown}"))["media_attachments"][0]["url"], told["account"]["avatar"], media["url"])]
    people, posts, app = [public(one.actor.id) for one in (ada, carla)], [*own, *others, shown], phone.app
    return {
        "path.status_id": posts, "path.poll_id": others, "path.account_id": people, "path.notification_id": [told["id"]],
        "path.media_id": [media["id"]], "path.sealed": [picture[4], portrait[4], upload[4]], "path.version": portrait[5:],
        "path.hashtag": ["sepsis"], "path.name": ["sepsis"], "path.conversation_id": [consult], "query.acct": ["ada", "ben"],
        "query.q": ["ada", "Which", "#sepsis"], "query.limit": [1, 5], "query.max_id": [posts[-1]], "query.since_id": [own[0]],
        "query.min_id": [own[0]], "body.status": ["What is this?\n\nA text.", "Nothing more."],
        "body.spoiler_text": ["", "A question"], "body.in_reply_to_id": ["", others[0]], "body.language": ["", "de"],
        "body.media_ids[*]": [media["id"]], "body.media_attributes[*].id": [media["id"]], "body.poll.options[*]": ["a", "b", "c"],
        "body.poll.expires_in": [3600], "body.choices[*]": [0, 1], "body.account_id": people[:1], "body.status_ids[*]": others,
        "body.duration": [0, 60], "body.client_name": ["An app"], "body.redirect_uris": ["konsilapp://back"],
        "body.scopes": ["read", "read write"], "body.client_id": [app["client_id"]], "body.scope": ["read"],
        "body.client_secret": [app["client_secret"]], "body.redirect_uri": ["konsilapp://back"],
        "body.subscription.endpoint": [service["endpoint"]], "body.subscription.keys.p256dh": [service["key"]],
        "body.subscription.keys.auth": [service["secret"]]}


async def test_what_a_doctors_app_is_answered_is_described_and_so_is_what_is_read(
        tmp_path: Path, asked: dict[str, set[str]]) -> None:
    async with push_service() as service, countries(tmp_path, "de", worker=False, settled=settled(service.host)) as (de,), \
            Phone(de) as phone:
        await de.add_doctor("carla")
        await phone.log_in("ben")
        values = await there(de, phone, service.subscription())
        await go_further(phone, values)
        status, found, said = await tried(
            de, tmp_path / "tried", 12, values, *ENDLESS, "-H", f"Authorization: Bearer {phone.token}")
        assert status == 0, said
        assert (await phone.get("/api/v1/accounts/verify_credentials"))["username"] == "ben"  # nothing gave the token back
        failed = [name for name, phases in found["valid_rates"].items() if not any(one["accepted"] for one in phases.values())]
        assert len(failed) <= found["operations"]["tested"] // 6, f"the values do not let enough succeed: {failed}"
    for name in {*asked, *BODIES, *QUERIES}:
        told = {one for part in (QUERIES, BODIES) if name in part for one in named(part[name])}
        assert asked[name] - REFUSED.get(name, set()) <= told, f"{name} reads what instance.api.asking does not say"
        assert told - UNREAD.get(name, set()) <= asked[name], f"{name} does not read all that instance.api.asking says"


async def go_further(phone: Phone, values: Mapping[str, Sequence[str | int]]) -> None:
    """What is read only when all before it is right, which chance seldom hits."""
    me, post = (await phone.get("/api/v1/accounts/verify_credentials"))["id"], values["path.poll_id"][-1]
    await sent(phone, data={"status": "Which?", "poll[options][0]": "a", "poll[options][1]": "b", "poll[expires_in]": "3600"})
    await sent(phone, "/api/v1/reports", {"account_id": values["body.account_id"][0], "status_ids[]": post, "comment": "Spam"})
    for path in (f"/api/v1/accounts/{me}/followers", f"/api/v1/accounts/{me}/following", "/api/v1/streaming/hashtag?tag=sepsis",
                 "/api/v1/streaming/hashtag/local?tag=sepsis"):
        assert (await phone.ask("GET", path))[0] == 200


async def test_what_an_app_without_a_token_is_answered_is_described(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False, settled=settled()) as (de,):
        status, found, said = await tried(de, tmp_path / "tried", 2, {})
        assert status == 0 and found["operations"]["tested"] == found["operations"]["total"], said


async def test_an_answer_that_is_not_described_is_found(tmp_path: Path) -> None:
    made = json.loads(KEPT.read_text())
    path, ready = "/api/v1/statuses/{status_id}", "/api/v1/instance/rules"
    del made["paths"][path]["get"]["responses"]["401"]
    made["paths"][ready]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "string"}
    (other := tmp_path / "other.json").write_text(json.dumps(made))
    async with countries(tmp_path, "de", worker=False, settled=settled()) as (de,):
        status, found, said = await tried(de, tmp_path / "tried", 1, {}, "--include-path", path, "--include-path", ready,
                                          described=other)
        assert status == 1 and len(found["failures"]) == 2, said


def named(kind: type[msgspec.Struct], before: str = "") -> Iterator[str]:
    """The names that a struct of `instance.api.asking` has, with those inside of it, as forms write them."""
    for one in msgspec.structs.fields(kind):
        name = f"{before}[{one.encode_name}]" if before else one.encode_name
        yield name
        for inner in (one.type, *get_args(one.type)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from named(inner, name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The names that each route reads of what is sent to it."""
    names: dict[str, set[str]] = defaultdict(set)

    def listening(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(fields: Fields, name: str, *rest: Any, **more: Any) -> Any:
            if has_request_context() and request.url_rule is not None:
                names[f"{request.method} {request.url_rule.rule}"].add(fields._called(name))
            return method(fields, name, *rest, **more)

        return call

    for name in ("text", "flag", "number", "texts", "inner", "several", "file", "__contains__"):
        monkeypatch.setattr(Fields, name, listening(getattr(Fields, name)))
    return names
