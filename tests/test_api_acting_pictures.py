"""Pictures from an app: drawn anew, described there, looked at on our page, and only then part of a post."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core.darkroom import Task
from posts.models import Draft, Kind, Reach
from tests.conversations.test_the_whole_path import published
from tests.illustrated import scan
from tests.phones import Phone
from tests.servers import Running, countries
from tests.test_api_acting import AHV, STATUSES, refused, sent
from tests.test_api_reading import arrived
from tests.test_pages import Browser

MEDIA = "/api/v2/media"
LINK = re.compile(r"http\S+")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


@pytest.fixture
async def phone(pair: tuple[Running, Running]) -> AsyncIterator[Phone]:
    async with Phone(pair[1]) as one:
        yield await one.log_in("ben")


def form(file: bytes = b"", **values: str) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in values.items():
        made.add_field(name, value)
    made.add_field("file", BytesIO(file or scan()), filename="x.jpg", content_type="image/jpeg")
    return made


async def handed_in(phone: Phone, alt: str = "A white disc", path: str = MEDIA) -> dict[str, Any]:
    return await sent(phone, path, form(**({"description": alt} if alt else {})))


async def confirmed(at: Running, link: str, handle: str = "ben", alt: str = "") -> None:
    """What she does on our page with every picture that waits there; `alt` is what she says of one that nothing was said of."""
    path = link.removeprefix(at.url)
    async with Browser(at) as browser:
        await browser.login(handle)
        page = (await browser.get(path))[1]
        for name in dict.fromkeys(re.findall(rf'href="{path}/([\w-]+)"', page)):
            one = (await browser.get(f"{path}/{name}"))[1]
            digest = re.search(r'name="seen" value="(\w+)"', one)
            shown = re.search(r'<textarea[^>]* name="alt"[^>]*>([^<]*)<', one)
            assert digest is not None and shown is not None, one
            status, said = await browser.post(f"{path}/{name}", {
                "alt": shown[1].strip() or alt, "sort": "radiology", "warning": "", "seen": digest[1]})
            assert status == 303, said


def link_in(sentence: str) -> str:
    found = LINK.search(sentence)
    assert found is not None, sentence
    return found[0]


async def test_a_picture_goes_out_once_she_has_looked_at_it_on_our_page(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    made = await handed_in(phone, "")
    assert made["type"] == "image" and made["description"] is None and made["meta"]["original"]["size"] == "900x600"
    async with aiohttp.ClientSession() as anybody, anybody.get(made["preview_url"]) as response:
        assert response.status == 200 and response.content_type == "image/jpeg"
    post = {"status": "What is this?\n\nA disc.", "media_ids[]": made["id"]}
    nothing_said = await refused(phone, data=post)
    assert "no description" in nothing_said and await fr.count("drafts") == 1
    described = await sent(phone, f"/api/v1/media/{made['id']}", {"description": "A white disc"}, method="PUT")
    assert described["description"] == "A white disc"
    sentence = await refused(phone, data=post)
    link = link_in(sentence)
    assert link == link_in(nothing_said)
    assert "as others will see it" in sentence and await fr.count("posts") == 0 and await fr.count("drafts") == 1
    assert link_in(await refused(phone, data=post)) == link and await fr.count("drafts") == 1
    async with Browser(fr) as browser:  # it can be sent from there as well
        await browser.login("ben")
        page = (await browser.get(f"/compose?draft={link.split('/')[-2]}"))[1]
        assert 'value="What is this?"' in page and "A disc." in page
    await confirmed(fr, link)
    published_ = await sent(phone, data=post, key="once")
    [attachment] = published_["media_attachments"]
    assert attachment["description"] == "A white disc" and await fr.count("drafts") == 0
    assert (await sent(phone, data=post, key="once"))["id"] == published_["id"] and await fr.count("posts") == 1
    assert "not here any more" in await refused(phone, data=post)
    await refused(phone, f"/api/v1/media/{made['id']}", None, method="GET", status=404)
    async with aiohttp.ClientSession() as anybody, anybody.get(made["preview_url"]) as response:
        assert response.status == 404


async def test_an_app_that_cannot_describe_a_picture_it_has_sent_has_it_described_on_our_page(
        pair: tuple[Running, Running], phone: Phone) -> None:
    """Some send what was typed with the file and never again, so nothing that is typed after the refusal would arrive."""
    made = await handed_in(phone, "")
    post = {"status": "What is this?\n\nA disc.", "media_ids[]": made["id"]}
    await confirmed(pair[1], link_in(await refused(phone, data=post)), alt="A white disc")
    assert (await sent(phone, data=post))["media_attachments"][0]["description"] == "A white disc"


async def test_one_that_takes_its_time_is_asked_for_again(pair: tuple[Running, Running], phone: Phone,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    _, fr = pair
    monkeypatch.setattr("instance.api.media._PATIENCE", 0.05)
    async with fr.its.darkroom._turns[Task.PICTURE]:  # others are before it
        status, made, _ = await phone.ask("POST", MEDIA, form(description="A disc"))
        assert status == 202 and made["url"] is None and made["id"]
        status, later, _ = await phone.ask("GET", f"/api/v1/media/{made['id']}")
        assert status == 206 and later["url"] is None
        async with Phone(fr) as adas:
            await adas.log_in("ada")
            await refused(adas, f"/api/v1/media/{made['id']}", method="GET", status=404)
        status, broken, _ = await phone.ask("POST", MEDIA, form(b"\xff\xd8\xff" + b"x" * 500))
        assert status == 202
    while (answer := await phone.ask("GET", f"/api/v1/media/{made['id']}"))[0] == 206:
        await asyncio.sleep(0.05)
    assert answer[0] == 200 and answer[1]["url"] and answer[1]["description"] == "A disc"
    while (answer := await phone.ask("GET", f"/api/v1/media/{broken['id']}"))[0] == 206:
        await asyncio.sleep(0.05)
    assert answer[0] == 422 and answer[1]["error"]
    assert fr.its.uploads.taken == 0
    first = await sent(phone, "/api/v1/media", form())
    assert first["url"]


async def test_what_is_no_picture_and_what_names_a_patient_is_refused(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    assert "This is not a JPEG" in await refused(phone, MEDIA, form(b"MZ" + b"x" * 100))
    await refused(phone, MEDIA, {"description": "no file"})
    await refused(phone, MEDIA, form(b"x" * (21 << 20)), status=413)
    assert AHV not in await refused(phone, MEDIA, form(description=f"Card {AHV}"))
    await refused(phone, MEDIA, form(description="x" * 1600))
    assert await fr.count("pictures", "gone_at IS NULL") == 0 and fr.its.uploads.taken == 0
    made = await handed_in(phone)
    await refused(phone, f"/api/v1/media/{made['id']}", {"description": f"Card {AHV}"}, method="PUT")
    async with Phone(fr) as adas:
        await adas.log_in("ada")
        for method, path, data in (("GET", f"/api/v1/media/{made['id']}", None),
                                   ("PUT", f"/api/v1/media/{made['id']}", {"description": "Mine"})):
            await refused(adas, path, data, method=method, status=404)
        await refused(adas, data={"status": "Text", "media_ids[]": made["id"]})
    await refused(phone, data={"status": "Text", "media_ids[]": [made["id"], "x" * 24]})
    sealed = made["url"].rsplit("/", 1)[0].removeprefix(fr.url)
    for path in (f"{sealed}/nothing", f"{sealed[:-3]}abc/{made['id']}", f"/api/konsil/uploads/x/{made['id']}"):
        await refused(phone, path, method="GET", status=404)


async def test_words_that_could_name_a_patient_take_the_confirmation_back(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    made = await handed_in(phone)
    post = {"status": "What is this?\n\nA disc.", "media_ids[]": made["id"]}
    await confirmed(fr, link_in(await refused(phone, data=post)))
    await sent(phone, f"/api/v1/media/{made['id']}", {"description": "The heart of Mr Smith"}, method="PUT")
    await refused(phone, data=post)
    await sent(phone, f"/api/v1/media/{made['id']}", {"description": "A disc"}, method="PUT")
    await confirmed(fr, link_in(await refused(phone, data=post)))
    await sent(phone, f"/api/v1/media/{made['id']}", {"description": "A white disc"}, method="PUT")
    assert (await sent(phone, data=post))["media_attachments"][0]["description"] == "A white disc"


async def test_answers_and_changes_carry_pictures_too(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    home = await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, "Hers", "Text", "fr"), (), Reach.HOME, "")
    two = [await handed_in(phone, f"Disc {number}") for number in (1, 2)]
    answer = {"status": "Look.", "in_reply_to_id": home, "media_ids[]": [one["id"] for one in two]}
    link = link_in(await refused(phone, data=answer))
    assert f"/drafts/reply/{home}/pictures" in link and await fr.count("drafts", "what = 'reply'") == 1
    await confirmed(fr, link)
    made = await sent(phone, data=answer)
    first, second = made["media_attachments"]
    assert (first["description"], second["description"]) == ("Disc 1", "Disc 2") and await fr.count("drafts") == 0
    path = f"{STATUSES}/{made['id']}"
    new = await handed_in(phone, "Disc 3")
    change = {"status": "Look here.", "media_ids[]": [second["id"], new["id"]], "media_attributes[0][id]": second["id"],
              "media_attributes[0][description]": "The second disc"}
    await confirmed(fr, link_in(await refused(phone, path, change, method="PUT")))
    changed = await sent(phone, path, change, method="PUT")
    assert [one["description"] for one in changed["media_attachments"]] == ["The second disc", "Disc 3"]
    assert "Look here." in changed["content"]
    kept = await sent(phone, path, {"status": "Only words."}, method="PUT")
    assert len(kept["media_attachments"]) == 2
    far = await published(de, Draft(Kind.NOTE, "From afar", "Text", "de"), fr)
    parent = await arrived(phone, "From afar")
    one = await handed_in(phone)
    sentence = await refused(phone, data={"status": "Look.", "in_reply_to_id": parent["id"], "media_ids[]": one["id"]})
    assert "on what that rests" in sentence and f"/p/{parent['id']}?answer=" in sentence and far
    away = {"status": f"@ada@{de.domain} look", "visibility": "direct", "media_ids[]": (await handed_in(phone))["id"]}
    assert "/compose?draft=" in await refused(phone, data=away)
    assert "at most" in await refused(phone, data={"status": "Many", "media_ids[]": ["x"] * 9})


async def test_pictures_of_a_form_on_our_pages_are_not_taken_along(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    home = await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, "Hers", "Text", "fr"), (), Reach.HOME, "")
    async with Browser(fr) as browser:
        await browser.login("ben")
        await browser.post(f"/drafts/reply/{home}", {"text": "Begun here", "language": "fr", "mark": "page"})
    made = await handed_in(phone)
    answer = {"status": "Look.", "in_reply_to_id": home, "media_ids[]": made["id"]}
    assert "begun to write this" in await refused(phone, data=answer)
    kept = await fr.its.drafts.of((await fr.author("ben")).actor, "reply", home)  # type: ignore[arg-type]
    assert kept is not None and kept.written.text == "Begun here"
    [only] = (await fr.its.database.read(lambda tx: tx.rows("SELECT what FROM pictures WHERE gone_at IS NULL")))
    assert only["what"] == "new"
