"""Pictures on posts: taken in, described, published, seen abroad by signed requests only, and gone with their post."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import pytest
from PIL import Image

from core.errors import Conflict, InvalidInput, NotFound, TooMany
from core.ids import number
from posts.drafts import Sheet, What, Written
from posts.models import PostView
from posts.sought import Filters
from tests.illustrated import ANONYMOUS, described, illustrated, new_sheet, scan
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_pages import Browser, fields

NUMBER = "Die Karte 756.8297.0572.04 im Bild"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


def files(at: Running) -> list[str]:
    directory = at.its.settings.path("pictures")
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


async def there(at: Running) -> PostView:
    """The only conversation at an instance, for its ben, once it has come with its pictures."""
    async def came() -> bool:
        return bool(await at.count("posts", "pictures <> ''"))

    await until(came)
    [post] = (await at.its.timelines.home((await at.author("ben")).actor, "all", None)).posts
    return post


async def pixels(browser: Browser, path: str) -> tuple[int, bytes, aiohttp.typedefs.LooseHeaders]:
    async with browser.session.get(path, allow_redirects=False) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_picture_goes_from_upload_to_a_colleague_abroad_without_a_script(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    async with Browser(de) as ada, Browser(fr) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        page = (await ada.get("/compose?kind=case"))[1]
        written = fields(page) | {"kind": "case", "question": "What is the disc?", "text": "A disc.", "language": "en",
                                  "specialties": "cardiology", "aim": "diagnostic"}
        about = written["draft"]
        async with ada.session.post(f"/drafts/new/{about}", data=written | {"then": "pictures"}, allow_redirects=False,
                                    headers={"accept": "text/html", "origin": de.url}) as response:
            assert (response.status, response.headers["location"]) == (303, f"/drafts/new/{about}/pictures")
        form = aiohttp.FormData()
        form.add_field("file", scan(), filename="Anna Example.jpg", content_type="image/jpeg")
        status, one = await ada.post(f"/drafts/new/{about}/pictures", form)
        assert status == 303 and one.startswith(f"/drafts/new/{about}/pictures/")
        page = (await ada.get(one))[1]
        digest = fields(page).get("seen") or re.search(r'name="seen" value="(\w+)"', page)[1]  # type: ignore[index]
        for field, wrong in {"alt": "", "sort": "", "warning": "x", "seen": "1"}.items():
            told = {"alt": "A white disc", "sort": "radiology", "warning": "wound", "seen": digest} | {field: wrong}
            status, page = await ada.post(one, told)
            assert status == 400 and f'id="error-{field}"' in page
        page = (await ada.get(f"/compose?draft={about}"))[1]
        assert "1 picture goes along." in page and "1 is not ready yet." in page
        words = {name: written[name] for name in ("question", "text", "language", "specialties", "aim")}
        status, page = await ada.post("/compose", fields(page) | words | {"step": "publish", "reach": "home"})
        assert status == 400 and "Picture 1 is not ready" in page
        assert (await ada.post(one, {"alt": "A white disc", "sort": "radiology", "warning": "wound", "seen": digest}))[0] == 303
        page = (await ada.get(f"/compose?draft={about}"))[1]
        assert "1 picture goes along." in page and "not ready" not in page
        choice = {"reach": "countries", "origin": fr.url, "signature": "name", "ground": "consent", "no_name": "1"}
        status, page = await ada.post("/compose", fields(page) | words | choice | {"step": "confirm"})
        assert status == 200 and "A white disc" in page and "The patient has agreed to it" in page
        status, where = await ada.post("/compose", fields(page) | {"step": "publish"})
        assert status == 303
        page = (await ada.get(where))[1]
        assert 'alt="A white disc"' in page and "Wound: show the picture" in page and "Read by @ada@" in page
        assert "The patient has agreed to it. Pictures: Radiology. Countries: DE, FR" in " ".join(page.split())
        post = await there(fr)
        page = (await ben.get(f"/p/{post.id}"))[1]
        assert 'alt="A white disc"' in page and "Wound: show the picture" in page and "The patient has agreed" not in page
        for size, most in (("whole", 900), ("small", 640)):
            status, body, headers = await pixels(ben, f"/p/{post.id}/pictures/1/{size}")
            image = Image.open(BytesIO(body))
            assert status == 200 and image.format == "JPEG" and max(image.size) == most
            assert headers["Cache-Control"] == "private, no-store" and headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in headers["Content-Security-Policy"] and headers["Content-Type"] == "image/jpeg"
        page = (await ben.get(f"/p/{post.id}/pictures/1"))[1]
        assert "Picture 1 of 1" in page and "Read by @ben@" in page and "<summary>Wound" in page
        assert "<summary>Wound" not in (await ben.get(f"/p/{post.id}/pictures/1?show=1"))[1]
    assert files(fr) == [] and len(files(de)) == 2
    assert await de.count("drafts") == 0 and await fr.count("pictures") == 0


async def test_only_instances_in_the_audience_get_it_and_only_while_the_gate_is_open(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    sibling, stranger = FakeSibling("es", 10), FakeSibling("it", 9)
    await know(de, sibling)
    post = await illustrated(de, (sibling.origin,))
    home = await illustrated(de)
    names = {row["post_id"]: row["name"] for row in await de.its.database.read(
        lambda tx: tx.rows("SELECT post_id, name FROM pictures"))}
    shared, kept = (f"{de.url}/media/{names[number(one)]}" for one in (post, home))

    async def signed(who: FakeSibling, url: str) -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session, session.get(url, headers=who.headers("GET", url)) as response:
            return response.status, await response.read()

    status, body = await signed(sibling, shared)
    [picture] = (await de.its.threads.thread((await de.author("ada")).actor, post)).posts[0].pictures
    assert status == 200 and hashlib.sha256(body).hexdigest() == picture.digest
    assert (await signed(sibling, kept))[0] == (await signed(sibling, f"{shared}x"))[0] == 404
    assert (await signed(stranger, shared))[0] == 403
    async with aiohttp.ClientSession() as session, session.get(shared) as response:
        assert response.status == 401
    await de.its.disclosures.flush()
    assert await de.count("disclosures", "kind = 'picture'") == 1
    await de.its.editing.delete((await de.author("ada")).actor, post)
    assert (await signed(sibling, shared))[0] == 404
    await until(lambda: len(files(de)) == 2)


async def test_who_may_not_read_the_post_sees_no_picture(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    post = await illustrated(de)
    author, sheet = await de.author("ada"), new_sheet(de)
    upload = await described(de, author, sheet)
    async with Browser(de) as visitor, Browser(de) as ben:
        await ben.login("ben")
        assert (await pixels(visitor, f"/p/{post}/pictures/1/whole"))[0] == 303
        assert (await pixels(ben, f"/p/{post}/pictures/1/whole"))[0] == 200
        for path in (f"/p/{post}/pictures/2/whole", f"/p/{post}/pictures/0/whole", f"/p/{post}/pictures/1/huge",
                     f"/p/{post}/pictures/2", f"/drafts/new/{sheet.about}/pictures/{upload.name}",
                     f"/drafts/new/{sheet.about}/pictures/{upload.name}/pixels/whole"):
            assert (await pixels(ben, path))[0] == 404, path
        assert (await ben.post(f"/drafts/new/{sheet.about}/pictures/{upload.name}/remove", {}))[0] == 404
    assert await de.its.media.one(author.actor, sheet, upload.name) == upload


async def test_what_leaves_with_a_picture_says_on_what_that_rests_and_what_stays_need_not(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    for basis in (None, msgspec.structs.replace(ANONYMOUS, ground="x"), msgspec.structs.replace(ANONYMOUS, ground="no-patient"),
                  msgspec.structs.replace(ANONYMOUS, no_name=False)):
        with pytest.raises(InvalidInput) as error:
            await illustrated(de, (fr.url,), basis=basis)
        assert error.value.reason == "basis"
    assert await de.count("posts") == await de.count("bases") == 0
    home = await illustrated(de, basis=None)
    assert await de.its.consents.of((await de.author("ada")).actor, home) is None
    abroad = await illustrated(de, (fr.url,), pictures=2)
    record = await de.its.consents.of((await de.author("ada")).actor, abroad)
    assert record is not None and (record.ground, record.sorts, record.countries) == ("anonymous", ("radiology",), ("de", "fr"))
    assert await de.its.consents.of((await de.author("ben")).actor, abroad) is None


async def test_an_edit_takes_pictures_away_for_good_and_brings_new_ones(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,), pictures=2)
    ada = await de.author("ada")
    before = (await de.its.threads.thread(ada.actor, post)).posts[0].pictures
    await there(fr)
    sheet = Sheet(What.EDIT, post)
    await described(de, ada, sheet, scan((700, 700)), "A new one")
    await de.its.editing.edit(ada, post, "What is the disc?", "A disc.", 1, sheet, without=[before[0].name])
    after = (await de.its.threads.thread(ada.actor, post)).posts[0].pictures
    assert [one.alt for one in after] == ["Picture number 2", "A new one"]
    await until(lambda: len(files(de)) == 4)

    async def came() -> bool:
        return [one.alt for one in (await there(fr)).pictures] == ["Picture number 2", "A new one"]

    await until(came)
    post_there = await there(fr)
    body = await fr.its.gallery.picture((await fr.author("ben")).actor, post_there.id, 2)
    assert Image.open(BytesIO(body)).size == (700, 700)


async def test_pictures_go_with_their_draft_or_after_some_hours_and_stay_with_a_draft_that_is_kept(
        pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, loose, kept, blank = await de.author("ada"), new_sheet(de), new_sheet(de), new_sheet(de)
    for sheet in (loose, kept, blank):
        await described(de, ada, sheet)
    await de.its.drafts.keep(ada.actor, kept, Written(text="Something"))
    await de.its.drafts.keep(ada.actor, blank, Written())
    assert len(files(de)) == 6
    (de.its.settings.path("pictures") / "nobodys").write_bytes(b"left behind")
    await de.its.media.tidy()
    assert len(files(de)) == 6
    await de.its.database.write(lambda tx: tx.run("UPDATE pictures SET touched_at = touched_at - 86400000"))
    await de.its.media.tidy()
    assert len(files(de)) == 2 and len(await de.its.media.in_work(ada.actor, kept)) == 1
    await de.its.drafts.discard(ada.actor, What.NEW, kept.about)
    await until(lambda: files(de) == [])
    assert await de.count("pictures") == 0


async def test_there_are_not_more_than_a_post_may_have_and_not_too_many_at_once(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, sheet = await de.author("ada"), new_sheet(de)
    for _ in range(8):
        await described(de, ada, sheet)
    with pytest.raises(Conflict) as error:
        await de.its.media.add(ada.actor, sheet, scan())
    assert error.value.reason == "enough" and len(files(de)) == 16
    await de.its.database.write(lambda tx: tx.run("DELETE FROM login_attempts"))
    for _ in range(60):
        await de.its.media.begin(ada.actor)
    with pytest.raises(TooMany):
        await de.its.media.begin(ada.actor)


async def test_other_pixels_take_the_place_of_a_picture_in_work_and_have_to_be_looked_at_again(
        pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, sheet = await de.author("ada"), new_sheet(de)
    first, second = [await described(de, ada, sheet) for _ in range(2)]
    drawn = await de.its.darkroom.picture(scan((640, 480)), 3_000)
    made = await de.its.media.keep(ada.actor, sheet, drawn, old=first.name)
    found = await de.its.media.in_work(ada.actor, sheet)
    assert [one.name for one in found] == [made.name, second.name] and made.name != first.name
    assert (found[0].alt, found[0].sort, found[0].ready, found[0].width) == (first.alt, first.sort, False, 640)
    assert Image.open(BytesIO(await de.its.media.pixels(ada.actor, sheet, made.name))).size == (640, 480)
    with pytest.raises(NotFound):
        await de.its.media.keep(ada.actor, sheet, drawn, old=first.name)
    with pytest.raises(NotFound):
        await de.its.media.keep((await de.author("ben")).actor, sheet, drawn, old=made.name)
    await until(lambda: len(files(de)) == 4)


async def test_a_picture_whose_file_is_lost_is_a_sentence_and_the_post_stays(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    post = await illustrated(de)
    for path in de.its.settings.path("pictures").iterdir():
        path.unlink()
    async with Browser(de) as ben:
        await ben.login("ben")
        status, page = await ben.get(f"/p/{post}/pictures/1")
        assert status == 200 and "not on the disk any more" in page and "Picture number 1" in page
        assert (await ben.get(f"/p/{post}"))[0] == 200 and (await pixels(ben, f"/p/{post}/pictures/1/whole"))[0] == 404


async def test_an_answer_has_pictures_too(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,))
    seen = await there(fr)
    ben, sheet = await fr.author("ben", "reply"), Sheet(What.REPLY, seen.id)
    await described(fr, ben, sheet, scan((500, 400)))
    with pytest.raises(InvalidInput):
        await fr.its.compose.reply(ben, seen.id, "Look.", "fr", sheet=sheet)
    await fr.its.compose.reply(ben, seen.id, "Look.", "fr", sheet=sheet, basis=msgspec.structs.replace(
        ANONYMOUS, ground="no-patient"))
    await until(lambda: de.count("posts", "kind = 'reply' AND pictures <> ''"))
    ada = (await de.author("ada")).actor
    answer = (await de.its.threads.thread(ada, post)).posts[1]
    bodies = await asyncio.gather(*(de.its.gallery.picture(ada, answer.id, 1) for _ in range(5)))
    assert Image.open(BytesIO(bodies[0])).size == (500, 400) and len(set(bodies)) == 1
    await fr.its.disclosures.flush()
    assert await fr.count("disclosures", "kind = 'picture' AND count = 1") == 1


async def test_what_identifies_in_the_words_for_a_picture_is_shown_beside_them_and_a_number_goes_nowhere(
        pair: tuple[Running, Running]) -> None:
    de, _ = pair
    ada, sheet = await de.author("ada"), new_sheet(de)
    made = await de.its.media.add(ada.actor, sheet, scan())
    with pytest.raises(InvalidInput) as error:
        await de.its.media.describe(ada.actor, sheet, made.name, alt=NUMBER, sort="photo", warning="", seen=True)
    assert (error.value.field, error.value.reason) == ("alt", "identifies")
    where = f"/drafts/new/{sheet.about}/pictures/{made.name}"
    told = {"sort": "photo", "warning": "", "seen": made.digest}
    async with Browser(de) as browser:
        await browser.login("ada")
        status, page = await browser.post(where, told | {"alt": NUMBER})
        assert status == 400 and 'id="error-alt"' in page and 'id="findings-alt"' in page and 'name="looked"' not in page
        alt = "Frau Muster, die Hand"
        status, page = await browser.post(where, told | {"alt": alt})
        looked = re.search(r'name="looked" value="(\w+)"', page)
        assert status == 200 and 'id="findings-alt"' in page and looked is not None
        assert not (await de.its.media.one(ada.actor, sheet, made.name)).ready
        apply = re.search(r'name="apply" value="([^"]+)"', page)
        assert apply is not None
        status, page = await browser.post(where, told | {"alt": alt, "apply": apply[1]})
        assert status == 200 and "Replaced." in page and "Muster" not in page
        assert (await browser.post(where, told | {"alt": alt, "looked": looked[1]}))[0] == 303
    assert (await de.its.media.one(ada.actor, sheet, made.name)).alt == alt


async def test_a_post_is_found_by_the_words_for_its_pictures_until_they_are_taken_away(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post, ada = await illustrated(de, (fr.url,)), await de.author("ada")
    there_too = (await there(fr)).id
    for at, found in ((de, post), (fr, there_too)):
        while await at.its.indexing.step():
            pass
        reader = (await at.author("ben")).actor
        assert [one.post.id for one in (await at.its.search.find(reader, "picture number", Filters(), None)).found] == [found]
        assert [one.post.id for one in (await at.its.search.find(reader, '"number 1"', Filters(), None)).found] == [found]
    [picture] = (await de.its.threads.thread(ada.actor, post)).posts[0].pictures
    await de.its.editing.edit(ada, post, "What is the disc?", "A disc.", 1, Sheet(What.EDIT, post), without=[picture.name])
    assert (await de.its.search.find(ada.actor, "picture", Filters(), None)).found == ()


async def test_a_conversation_on_paper_has_its_pictures(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    post = await illustrated(de)
    async with Browser(de) as browser:
        await browser.login("ben")
        page = (await browser.get(f"/p/{post}/print"))[1]
    assert f'src="/p/{post}/pictures/1/small"' in page and 'loading="lazy"' not in page


async def test_an_answer_that_is_recalled_folds_its_pictures_away(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    post, ben = await illustrated(de), await de.author("ben", "reply")
    await described(de, ben, Sheet(What.REPLY, post), alt="Another disc")
    answer = await de.its.compose.reply(ben, post, "Look.", "en", sheet=Sheet(What.REPLY, post))
    await de.its.editing.recall(ben, answer, "It was another one.")
    async with Browser(de) as browser:
        await browser.login("ada")
        page = (await browser.get(f"/p/{post}"))[1]
    folded = page[page.index("What it said, and no longer holds"):]
    assert page.count('alt="Another disc"') == 1 and 'alt="Another disc"' in folded[:folded.index("</details>")]


async def test_the_words_for_a_published_picture_are_corrected_like_any_text(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,), pictures=2)
    await there(fr)
    [first, second] = (await de.its.threads.thread((await de.author("ada")).actor, post)).posts[0].pictures
    async with Browser(de) as browser:
        await browser.login("ada")
        page = (await browser.get(f"/p/{post}/edit"))[1]
        assert first.alt in page and f'name="pictured" value="{second.name}"' in page
        typed = [*((name, value) for name, value in fields(page).items() if name not in ("pictured", "kind")),
                 ("question", "What is the disc?"), ("text", "A disc.")]

        async def say(second_alt: str) -> tuple[int, str]:
            return await browser.post(f"/p/{post}/edit", [*typed, *(
                pair for one, alt in ((first, "The left disc, swollen"), (second, second_alt))
                for pair in (("pictured", one.name), ("alt", alt)))])

        status, page = await say(" ")
        assert status == 400 and 'id="error-alts"' in page and "The left disc, swollen" in page
        status, page = await say("Frau Muster, the right disc")
        assert status == 200 and 'id="findings-alts"' in page
        assert (await say("The right disc"))[0] == 303

    async def came() -> bool:
        return [one.alt for one in (await there(fr)).pictures] == ["The left disc, swollen", "The right disc"]

    await until(came)
    assert len(files(de)) == 4  # the pictures are the same, and so is what it rests on that they left
