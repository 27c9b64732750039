"""From the first look at an instance to the first screen, as apps do it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from core.ids import public
from core.settings import Settings
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.phones import Phone
from tests.servers import Running, countries
from tests.test_pages import Browser
from tests.test_portraits import picture

CASE = Draft(Kind.CASE, "Which test first?", "She *coughs*, says @ben. #sepsis", "de",
             CaseFacts(("cardiology",), "30-39", "f", "diagnostic"))
WEB = "https://elk.example"


def with_a_web_app(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, clients=msgspec.structs.replace(settings.clients, origins=(WEB,), requests=40))


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


@pytest.fixture
async def phone(de: Running) -> AsyncIterator[Phone]:
    async with Phone(de) as one:
        yield await one.log_in("ada")


async def test_an_instance_says_what_it_is_to_anybody_and_whose_it_is_to_nobody(de: Running) -> None:
    async with Phone(de) as phone:
        first, second = await phone.get("/api/v1/instance"), await phone.get("/api/v2/instance/")
        for said in (first, second):
            assert re.match(r"4\.\d+\.\d+ \(compatible; Konsil ", said["version"]) and said["title"] == "Konsil Germany"
            assert said["configuration"]["polls"]["max_options"] == 20 and len(said["rules"]) == 3
            assert said["configuration"]["accounts"]["max_pinned_statuses"] == 5
            assert "ada" not in str(said) and "Dr " not in str(said)
        assert first["uri"] == second["domain"] == de.domain and first["stats"] == {
            "user_count": 0, "status_count": 0, "domain_count": 0}
        assert second["api_versions"]["mastodon"] >= 1 and not second["registrations"]["enabled"]
        where = await phone.get("/.well-known/oauth-authorization-server")
        assert where["issuer"] == de.url and where["code_challenge_methods_supported"] == ["S256"]
        assert where["token_endpoint"] == f"{de.url}/oauth/token" and "implicit" not in where["grant_types_supported"]


async def test_who_is_signed_in_is_an_account_with_its_badge(de: Running, phone: Phone) -> None:
    await de.its.portraits.change(await de.its.credentials.require_verified(de.doctors["ada"]), picture())
    me = await phone.get("/api/v1/accounts/verify_credentials")
    assert me["username"] == me["acct"] == "ada" and me["display_name"] == "Dr Ada" and me["url"] == f"{de.url}/@ada@{de.domain}"
    assert me["id"] == public(de.doctors["ada"].actor_id or 0) and me["source"]["privacy"] == "private" and me["locked"] is True
    assert any(field["verified_at"] and "Konsil Germany" in field["value"] for field in me["fields"])
    status, english, _ = await phone.ask("GET", "/api/v1/accounts/verify_credentials", headers={"accept-language": "en"})
    assert status == 200 and english["fields"][0]["name"] == "Verified by"
    assert me["last_status_at"] is None and re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", me["created_at"])
    await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    me = await phone.get("/api/v1/accounts/verify_credentials")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", me["last_status_at"]) and me["statuses_count"] == 1
    async with aiohttp.ClientSession() as anybody, anybody.get(me["avatar"]) as response:
        assert response.status == 200 and response.content_type == "image/jpeg"


async def test_home_is_what_she_follows_and_what_she_has_asked(de: Running, phone: Phone) -> None:
    ben, ada = await de.author("ben"), await de.author("ada")
    specialty = await de.its.compose.publish(ben, CASE, (), Reach.HOME, "")  # in a specialty that Ada follows by her badge
    other = await de.its.compose.publish(ben, Draft(Kind.NOTE, "Elsewhere", "Text", "de"), (), Reach.HOME, "")
    own = await de.its.compose.publish(ada, Draft(Kind.NOTE, "Mine", "Text", "de"), (), Reach.HOME, "")
    consult = await de.its.compose.consult(ben, CASE, [ada.actor])
    home = await phone.get("/api/v1/timelines/home/")
    assert [status["id"] for status in home] == [own, specialty]
    everything = await phone.get("/api/v1/timelines/public?local=true")
    assert [status["id"] for status in everything] == [own, other, specialty] and consult not in str(everything)
    assert await phone.get("/api/v1/timelines/public?remote=true") == []
    assert [status["id"] for status in await phone.get("/api/v1/timelines/tag/SEPSIS")] == [specialty]
    assert (await phone.ask("GET", "/api/v1/timelines/tag/-"))[0] == 404
    await de.its.reactions.boost(ada, other)
    async with Browser(de) as browser:
        await browser.login("ben")
        await browser.post("/@ada/relation", {"do": "follow"})
    await de.its.relations.accept(await de.its.credentials.require_verified(de.doctors["ada"]), ben.actor)
    async with Phone(de) as bens:
        await bens.log_in("ben")
        passed = (await bens.get("/api/v1/timelines/home"))[0]
        assert passed["reblog"]["id"] == other and passed["account"]["username"] == "ada" and passed["id"] != other
        assert (await bens.get(f"/api/v1/statuses/{passed['id']}"))["reblog"]["id"] == other


async def test_pages_lead_down_and_up_by_absolute_links(de: Running, phone: Phone) -> None:
    ben = await de.author("ben")
    made = [await de.its.compose.publish(ben, Draft(Kind.NOTE, f"N{number}", "Text", "de"), (), Reach.HOME, "")
            for number in range(5)][::-1]
    status, page, headers = await phone.ask("GET", "/api/v1/timelines/public?limit=2&local=true&max_id=" + made[0])
    links = dict(reversed(one) for one in re.findall(r'<([^>]+)>; rel="(\w+)"', headers["link"]))
    assert status == 200 and [one["id"] for one in page] == made[1:3]
    assert headers["link"].index('rel="next"') < headers["link"].index('rel="prev"') and list(links) == ["next", "prev"]
    assert all(link.startswith(f"{de.url}/api/v1/timelines/public?") and "local=true" in link for link in links.values())
    assert [one["id"] for one in await phone.get(links["next"].removeprefix(de.url))] == made[3:]
    assert [one["id"] for one in await phone.get(links["prev"].removeprefix(de.url))] == made[:1]
    status, page, headers = await phone.ask("GET", "/api/v1/timelines/public?max_id=" + made[4])
    assert page == [] and "link" not in headers
    for wrong in ("max_id=nonsense", "limit=-1", "limit=x", "since_id[]=1", "local=perhaps"):
        status, said, _ = await phone.ask("GET", f"/api/v1/timelines/public?{wrong}")
        assert status == 422 and said["error"], wrong
    assert len(await phone.get("/api/v1/timelines/public?limit=9000")) == 5


async def test_what_apps_ask_for_when_they_start_is_there(de: Running, phone: Phone) -> None:
    asked = await phone.get("/api/v1/preferences")
    assert asked["posting:default:visibility"] == "private" and asked["posting:default:language"] == "de"
    for empty in ("/api/v1/custom_emojis", "/api/v1/announcements", "/api/v1/filters", "/api/v2/filters", "/api/v1/lists",
                  "/api/v1/follow_requests", "/api/v1/followed_tags", "/api/v1/notifications", "/api/v1/blocks", "/api/v1/mutes",
                  "/api/v1/bookmarks"):
        assert await phone.get(empty) == [], empty
    ada = (await de.author("ada")).actor
    await de.its.topics.follow(ada, "#sepsis")
    assert await phone.get("/api/v1/followed_tags") == [
        {"name": "sepsis", "url": f"{de.url}/tags/sepsis", "following": True, "history": []}]
    assert (await phone.get("/api/v1/tags/other"))["following"] is False
    await de.its.relations.follow(await de.its.credentials.require_verified(de.doctors["ben"]), ada)
    assert [one["username"] for one in await phone.get("/api/v1/follow_requests")] == ["ben"]
    [told] = await phone.get("/api/v1/notifications")
    assert told["type"] == "follow_request" and told["account"]["username"] == "ben" and told["status"] is None


async def test_markers_are_moved_and_notifications_read_with_them(de: Running, phone: Phone) -> None:
    post = await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    await de.its.compose.reply(await de.author("ben", "reply"), post, "So.", "de")
    assert await phone.get("/api/v1/notifications/unread_count") == {"count": 1}
    [told] = await phone.get("/api/v1/notifications")
    assert told["type"] == "mention" and "So." in told["status"]["content"] and told["status"]["in_reply_to_id"] == post
    assert (await phone.get(f"/api/v1/notifications/{told['id']}"))["status"]["id"] == told["status"]["id"]
    assert await phone.get("/api/v1/notifications?types[]=favourite") == []
    assert await phone.get("/api/v1/notifications?exclude_types[]=mention") == []
    status, said, _ = await phone.ask("POST", "/api/v1/markers", {
        "notifications[last_read_id]": told["id"], "home[last_read_id]": post, "other[last_read_id]": post})
    assert status == 200 and said["home"]["last_read_id"] == post and set(said) == {"home", "notifications"}
    assert await phone.get("/api/v1/notifications/unread_count") == {"count": 0}
    again = await phone.get("/api/v1/markers?timeline[]=home&timeline[]=nothing")
    assert set(again) == {"home"} and again["home"]["version"] == 1
    async with Phone(de) as bens:
        await bens.log_in("ben")
        assert await bens.get("/api/v1/markers") == {}
        assert (await bens.ask("GET", f"/api/v1/notifications/{told['id']}"))[0] == 404


async def test_what_is_not_there_is_said_in_json_and_never_500(de: Running, phone: Phone) -> None:
    for method, path, wanted in (
            ("GET", "/api/v1/nothing", 404), ("GET", "/api/v9/instance", 404), ("DELETE", "/api/v1/instance", 405),
            ("POST", "/api/v1/timelines/home", 405), ("GET", "/oauth/token", 405), ("OPTIONS", "/api/v1/apps", 405),
            ("GET", "/api/v1/statuses/x", 404), ("GET", "/api/v1/accounts/x", 404), ("GET", "/api/", 404),
            ("GET", "/api/v1/lists/1", 404), ("GET", "/api/v1/accounts/lookup?acct=nobody", 404)):
        status, said, headers = await phone.ask(method, path)
        assert status == wanted and said["error"] and said["error_description"], (path, status, said)
        assert headers["content-type"].startswith("application/json") and headers["x-ratelimit-limit"] == "300", path
    for body, kind, wanted in ((b"{", "application/json", 400), (b"[]", "application/json", 400), (b"x", "text/plain", 415),
                               (b"x", "multipart/form-data", 400), (b"a=1&a[]=2", "application/x-www-form-urlencoded", 400)):
        status, said, _ = await phone.ask("POST", "/api/v1/markers", body, headers={"content-type": kind})
        assert status == wanted and said["error"], (body, status)
    async with phone.session.post("/api/v1/markers", json={"home": {"last_read_id": "0000000000000"}},
                                  headers={"authorization": f"bearer {phone.token}"}) as response:
        assert response.status == 200


async def test_quotas_and_browsers_of_named_origins(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False, settled=with_a_web_app) as (de,), Phone(de) as phone:
        before = {"origin": WEB, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}
        status, _, headers = await phone.ask("OPTIONS", "/api/v1/timelines/home", headers=before)
        assert status == 204 and headers["access-control-allow-origin"] == WEB and "authorization" in headers[
            "access-control-allow-headers"].lower()
        for origin in ("https://evil.example", "https://elk.example.evil.example", "null", "http://elk.example"):
            status, _, headers = await phone.ask("OPTIONS", "/api/v1/timelines/home", headers=before | {"origin": origin})
            assert status == 405 and "access-control-allow-origin" not in headers
        await phone.log_in("ada")
        _, _, headers = await phone.ask("GET", "/api/v1/timelines/home", headers={"origin": WEB})
        assert headers["access-control-allow-origin"] == WEB and "Link" in headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in headers and headers["vary"] == "Origin"
        _, _, page = await phone.ask("GET", "/login", headers={"origin": WEB})
        assert "access-control-allow-origin" not in page
        left = int(headers["x-ratelimit-remaining"])
        assert left == 39 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", headers["x-ratelimit-reset"])
        answers: list[tuple[int, Any, dict[str, str]]] = [await phone.ask("GET", "/api/v1/preferences") for _ in range(left + 1)]
        assert [status for status, _, _ in answers] == [200] * left + [429]
        assert int(answers[-1][2]["retry-after"]) > 0 and answers[-1][1]["error"]
        async with Phone(de) as bens:  # each doctor has her own
            await bens.log_in("ben")
            await bens.get("/api/v1/preferences")
