"""People, oneself, notifications and reports in an app, across two countries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from core.ids import public
from posts.models import Draft, Kind, Reach
from tests.conversations.test_the_whole_path import published
from tests.phones import Phone
from tests.servers import Running, countries, until
from tests.test_api_acting import STATUSES, refused, sent
from tests.test_api_reading import arrived

ACCOUNTS = "/api/v1/accounts"
NOTE = Draft(Kind.NOTE, "Guideline", "Text", "de")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


@pytest.fixture
async def phone(pair: tuple[Running, Running]) -> AsyncIterator[Phone]:
    async with Phone(pair[1]) as one:
        yield await one.log_in("ben")


async def test_following_takes_consent_across_the_border(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    await published(de, NOTE, fr)
    ada = (await arrived(phone, "Guideline"))["account"]["id"]
    asked = await sent(phone, f"{ACCOUNTS}/{ada}/follow")
    assert asked["requested"] and not asked["following"] and (await sent(phone, f"{ACCOUNTS}/{ada}/follow"))["requested"]
    async with Phone(de) as theirs:
        await theirs.log_in("ada")

        async def asks() -> bool:
            return bool(await theirs.get("/api/v1/follow_requests"))

        await until(asks)
        [ben] = await theirs.get("/api/v1/follow_requests")
        assert (await sent(theirs, f"/api/v1/follow_requests/{ben['id']}/authorize"))["followed_by"]

        async def followed() -> bool:
            return bool((await phone.get(f"{ACCOUNTS}/relationships?id[]={ada}"))[0]["following"])

        await until(followed)
        await sent(phone, f"{ACCOUNTS}/{ada}/unfollow")
        await sent(phone, f"{ACCOUNTS}/{ada}/follow")
        await until(asks)
        assert not (await sent(theirs, f"/api/v1/follow_requests/{ben['id']}/reject"))["followed_by"]
        await refused(theirs, f"/api/v1/follow_requests/{ben['id']}/authorize")
        await sent(theirs, f"{ACCOUNTS}/{ben['id']}/remove_from_followers")
    me = (await fr.author("ben")).actor
    await refused(phone, f"{ACCOUNTS}/{public(me.id)}/follow")
    await refused(phone, f"{ACCOUNTS}/{public(1)}/follow", status=404)


async def test_muting_and_blocking_each_end_by_themselves(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    ada = public((await fr.author("ada")).actor.id)
    muted = await sent(phone, f"{ACCOUNTS}/{ada}/mute", {"duration": "3600"})
    assert muted["muting"] and muted["muting_expires_at"] and not muted["blocking"]
    assert (await sent(phone, f"{ACCOUNTS}/{ada}/unblock"))["muting"]
    assert (await sent(phone, f"{ACCOUNTS}/{ada}/mute"))["muting_expires_at"] is None
    assert not (await sent(phone, f"{ACCOUNTS}/{ada}/unmute"))["muting"]
    assert (await sent(phone, f"{ACCOUNTS}/{ada}/block"))["blocking"]
    assert (await sent(phone, f"{ACCOUNTS}/{ada}/unmute"))["blocking"]
    await refused(phone, f"{ACCOUNTS}/{ada}/mute")
    await refused(phone, f"{ACCOUNTS}/{ada}/follow")
    assert not (await sent(phone, f"{ACCOUNTS}/{ada}/unblock"))["blocking"]
    await refused(phone, f"{ACCOUNTS}/{public((await fr.author('ben')).actor.id)}/block")
    await refused(phone, f"{ACCOUNTS}/{ada}/mute", {"duration": "soon"})
    assert (await sent(phone, "/api/v1/tags/Sepsis/follow"))["following"]
    assert [one["name"] for one in await phone.get("/api/v1/followed_tags")] == ["sepsis"]
    assert not (await sent(phone, "/api/v1/tags/sepsis/unfollow"))["following"]
    await refused(phone, "/api/v1/tags/-/follow", status=404)


async def test_one_changes_what_one_says_and_not_what_was_verified(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    path, before = f"{ACCOUNTS}/update_credentials", await phone.get(f"{ACCOUNTS}/verify_credentials")
    said = await sent(phone, path, {"note": "Hearts & lungs", "discoverable": "true", "locked": "false"}, method="PATCH")
    assert said["source"]["note"] == "Hearts & lungs" and "Hearts &amp; lungs" in said["note"] and said["locked"]
    assert (await fr.author("ben")).actor.discoverable
    for wrong in ({"display_name": "Somebody"}, {"fields_attributes[0][name]": "x", "fields_attributes[0][value]": "y"},
                  {"note": "x" * 501}, {"discoverable": "perhaps"}):
        await refused(phone, path, wrong, method="PATCH")
    Image.effect_noise((1000, 1000), 90).save(noise := BytesIO(), "PNG")
    large, form = noise.getvalue(), aiohttp.FormData()
    assert len(large) > 600_000
    form.add_field("display_name", before["display_name"])
    form.add_field("note", "Hearts")
    form.add_field("avatar", large, filename="x.png", content_type="image/png")
    changed = await sent(phone, path, form, method="PATCH")
    assert changed["avatar"] != before["avatar"] and changed["source"]["note"] == "Hearts"
    async with aiohttp.ClientSession() as anybody, anybody.get(changed["avatar"]) as response:
        assert response.status == 200
    broken = aiohttp.FormData()
    broken.add_field("avatar", b"nothing", filename="x.png")
    await refused(phone, path, broken, method="PATCH")
    assert fr.its.uploads.taken == 0
    assert (await sent(phone, path, None, method="PATCH"))["source"]["note"] == "Hearts"


async def test_notifications_are_read_one_and_all(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    post = await sent(phone, data={"status": "Mine\n\nText"})
    await fr.its.reactions.like(await fr.its.credentials.require_verified(fr.doctors["ada"]), post["id"])
    await fr.its.compose.reply(await fr.author("ada", "reply"), post["id"], "So.", "fr")
    two = await phone.get("/api/v1/notifications")
    assert {one["type"] for one in two} == {"mention", "favourite"}
    mention = next(one for one in two if one["type"] == "mention")
    assert await phone.get("/api/v1/notifications/unread_count") == {"count": 1}  # likes are quiet
    async with Phone(fr) as adas:
        await adas.log_in("ada")
        await refused(adas, f"/api/v1/notifications/{mention['id']}/dismiss", status=404)
    await refused(phone, "/api/v1/notifications/nonsense/dismiss", status=404)
    assert await sent(phone, f"/api/v1/notifications/{mention['id']}/dismiss") == {}
    assert await phone.get("/api/v1/notifications/unread_count") == {"count": 0}
    assert await fr.count("notifications", "read_at IS NULL") == 1
    assert await sent(phone, "/api/v1/notifications/clear") == {} and await fr.count("notifications", "read_at IS NULL") == 0
    assert len(await phone.get("/api/v1/notifications")) == 2


async def test_posts_are_reported_for_our_reasons(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    await published(de, NOTE, fr)
    post = await arrived(phone, "Guideline")
    ada = post["account"]["id"]
    report = {"account_id": ada, "status_ids[]": post["id"], "comment": "A name in it", "forward": "true"}
    for wrong in ({"account_id": ada}, report | {"account_id": public((await fr.author("ada")).actor.id)},
                  {"account_id": ada, "status_ids[]": post["id"]}):
        await refused(phone, "/api/v1/reports", wrong)
    made = await sent(phone, "/api/v1/reports", report | {"category": "violation", "rule_ids[]": "1"})
    assert made["status_ids"] == [post["id"]] and made["target_account"]["id"] == ada and made["forwarded"]
    await refused(phone, f"{STATUSES}/{post['id']}", method="GET", status=404)  # hidden here from this moment on
    await until(lambda: de.count("reports"))
    assert await fr.count("reports", "category = 'recognisable' AND shared = 1") == 1
    own = await fr.its.compose.publish(await fr.author("ada"), NOTE, (), Reach.HOME, "")
    here = {"account_id": public((await fr.author("ada")).actor.id), "status_ids[]": own, "category": "spam"}
    await sent(phone, "/api/v1/reports", here)
    await refused(phone, "/api/v1/reports", here)  # it waits already
    assert await fr.count("reports", "category = 'advertising'") == 1
