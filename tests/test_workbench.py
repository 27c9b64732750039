"""Pictures in work are changed and printed anew; what they are printed from is seen by nobody, and gone when they are sent."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy
import pytest
from PIL import Image

from core.errors import Conflict, InvalidInput, NotFound, TooMany
from core.markings import Arrow, Box, Crop
from core.plates import Film, Reason, Window
from posts.models import Draft, Kind, Reach
from tests.drawn import opened, written
from tests.illustrated import ANONYMOUS, new_sheet, scan
from tests.radiographs import SECRET, lettered, radiograph, ramp
from tests.servers import Running, countries, until
from tests.test_pages import Browser

WRITTEN = ("GRÜNSPAN, WALPURGA", "*12.03.1951 ID 4471193")


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        yield de


def plates(at: Running) -> list[Path]:
    directory = at.its.settings.path("plates")
    return sorted(directory.iterdir()) if directory.is_dir() else []


def cine(frames: int = 6) -> Any:
    return numpy.stack([numpy.full((60, 90), 20 + 30 * number, numpy.uint8) for number in range(frames)])


async def test_a_window_is_chosen_anew_and_marks_are_taken_back_without_the_file(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    bench = de.its.workbench
    first = await bench.add(ada, sheet, radiograph(ramp(100, 300)))
    assert (first.width, first.height, first.film, first.doubts) == (300, 100, None, ())
    second = await bench.show(ada, sheet, first.name, Window(-600, 1_500), inverted=True)
    third = await bench.mark(ada, sheet, second.name, Box(0, 0, 50, 100), Crop(10, 0, 200, 80))
    assert (third.width, third.height) == (200, 80) and len({first.name, second.name, third.name}) == 3
    image = opened(await de.its.media.pixels(ada, sheet, third.name))
    assert image.size == (200, 80) and image.getpixel((20, 40)) == 0
    fourth = await bench.take_back(ada, sheet, third.name)
    assert (fourth.width, fourth.height) == (300, 100)
    fifth = await bench.take_back(ada, sheet, fourth.name, all_of_them=True)
    sixth = await bench.show(ada, sheet, fifth.name, None, inverted=False)
    assert sixth.digest == first.digest and len(plates(de)) == 1
    with pytest.raises(NotFound):
        await bench.mark(ada, sheet, first.name, Box(0, 0, 5, 5))
    with pytest.raises(NotFound):
        await bench.mark((await de.author("ben")).actor, sheet, sixth.name, Box(0, 0, 5, 5))
    with pytest.raises(InvalidInput):
        await bench.mark(ada, sheet, sixth.name, Box(900, 0, 5, 5))
    assert (await bench.of(ada, sheet, sixth.name)).order.marks == ()


async def test_a_photograph_can_be_marked_too_and_keeps_what_was_said_of_it(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    made = await de.its.workbench.add(ada, sheet, scan())
    assert plates(de) == [] and (await de.its.workbench.of(ada, sheet, made.name)).open
    await de.its.media.describe(ada, sheet, made.name, alt="A disc", sort="photo", warning="", seen=True)
    marked = await de.its.workbench.mark(ada, sheet, made.name, Box(200, 100, 400, 300))
    assert (marked.alt, marked.sort, marked.ready) == ("A disc", "photo", False), "it has to be looked at again"
    assert opened(await de.its.media.pixels(ada, sheet, marked.name)).getpixel((300, 200)) == (0, 0, 0)
    back = await de.its.workbench.take_back(ada, sheet, marked.name)
    assert min(opened(await de.its.media.pixels(ada, sheet, back.name)).getpixel((300, 200))) > 240  # type: ignore[type-var]
    with pytest.raises(InvalidInput) as error:
        await de.its.workbench.show(ada, sheet, back.name, Window(40, 400), inverted=False)
    assert error.value.reason == "window"


async def test_what_may_have_writing_in_it_is_not_ready_before_somebody_has_looked(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    say = {"alt": "A fan", "sort": "radiology", "warning": "", "seen": True}
    made = await de.its.workbench.add(ada, sheet, radiograph(lettered(WRITTEN), Modality="US", BurnedInAnnotation="NO"))
    assert made.doubts == (Reason.SEEN,)
    with pytest.raises(InvalidInput) as error:
        await de.its.media.describe(ada, sheet, made.name, **say)  # type: ignore[arg-type]
    assert error.value.field == "clean" and not (await de.its.media.one(ada, sheet, made.name)).ready
    seen = (await de.its.workbench.of(ada, sheet, made.name)).seen
    assert seen is not None and seen.lettered
    cut = await de.its.workbench.mark(ada, sheet, made.name, seen.crops[0])
    assert cut.doubts == ()
    await de.its.media.describe(ada, sheet, cut.name, **say)  # type: ignore[arg-type]
    assert (await de.its.media.one(ada, sheet, cut.name)).ready
    said = await de.its.workbench.add(ada, sheet, radiograph(BurnedInAnnotation="YES"))
    again = await de.its.workbench.mark(ada, sheet, said.name, Crop(0, 20, 96, 44))
    assert again.doubts == (Reason.SAID,), "what its file says no mark takes back"
    await de.its.media.describe(ada, sheet, again.name, clean=True, **say)  # type: ignore[arg-type]
    assert (await de.its.media.one(ada, sheet, again.name)).ready
    photograph = await de.its.workbench.add(ada, sheet, _screen())
    assert photograph.doubts == (Reason.SEEN,), "of a screen as well"


def _screen() -> bytes:
    return written(Image.fromarray(lettered(WRITTEN)).convert("RGB"))


async def test_a_plate_is_gone_when_the_picture_is_sent_removed_or_old(de: Running) -> None:
    author, sheet = await de.author("ada"), new_sheet(de)
    ada, bench = author.actor, de.its.workbench
    made = await bench.add(ada, sheet, radiograph())
    await de.its.media.describe(ada, sheet, made.name, alt="A ramp", sort="radiology", warning="", seen=True)
    removed = await bench.add(ada, new_sheet(de), radiograph())
    assert await de.count("plates") == 2
    draft = Draft(Kind.NOTE, "What is it?", "A ramp.", "en")
    await de.its.compose.publish(author, draft, (), Reach.HOME, "", sheet=sheet, basis=ANONYMOUS)
    assert await de.count("plates") == 1 and await de.count("plates", f"name = '{removed.name}'") == 1
    [row] = await de.its.database.read(lambda tx: tx.rows("SELECT what, about FROM pictures WHERE name = ?", (removed.name,)))
    assert row["what"] == "new"
    await de.its.database.write(lambda tx: tx.run("UPDATE plates SET made_at = made_at - 24 * 3600000 - 1"))
    await bench.tidy()
    assert await de.count("plates") == 0
    for path in plates(de):
        _age(path)
    await bench.sweep()
    assert plates(de) == []


def _age(path: Path) -> None:
    os.utime(path, (0, 0))


async def test_a_file_that_is_still_needed_is_not_swept_and_one_that_is_lost_is_a_sentence(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    made = await de.its.workbench.add(ada, sheet, radiograph())
    [path] = plates(de)
    _age(path)
    await de.its.workbench.sweep()
    made = await de.its.workbench.mark(ada, sheet, made.name, Arrow(5, 5, 9, 9))
    path.unlink()
    with pytest.raises(Conflict) as error:
        await de.its.workbench.mark(ada, sheet, made.name, Box(0, 0, 5, 5))
    assert error.value.reason == "plate-lost"
    assert (await de.its.media.one(ada, sheet, made.name)).name == made.name, "the picture is there as it was"


async def test_a_film_is_one_sheet_that_is_marked_frame_by_frame(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    made = await de.its.workbench.add(ada, sheet, radiograph(cine(), FrameTime="50"))
    assert made.film is not None and (made.film.frames, made.film.milliseconds) == (6, 50)
    marked = await de.its.workbench.mark(ada, sheet, made.name, Box(0, 0, 20, 20))
    frames = [opened(await de.its.workbench.frame(ada, sheet, marked.name, number)) for number in range(6)]
    greys = [frame.getpixel((60, 40)) for frame in frames]
    assert {frame.size for frame in frames} == {(90, 60)} and greys == sorted(greys) and greys[0] < greys[5]  # type: ignore[type-var, operator, index]
    assert all(frame.getpixel((8, 8)) == 0 for frame in frames)
    assert opened(await de.its.media.pixels(ada, sheet, marked.name, small=True)).size == (96, 64), "a cell"
    with pytest.raises(NotFound):
        await de.its.workbench.frame(ada, sheet, marked.name, 6)
    await de.its.database.write(lambda tx: tx.run("DELETE FROM plates"))
    assert not (await de.its.workbench.of(ada, sheet, marked.name)).open
    with pytest.raises(Conflict) as error:
        await de.its.workbench.mark(ada, sheet, marked.name, Box(0, 0, 20, 20))
    assert error.value.reason == "plate-over"


async def test_a_film_comes_to_a_colleague_abroad_as_a_sheet_and_how_to_play_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        author, sheet = await de.author("ada"), new_sheet(de)
        made = await de.its.workbench.add(author.actor, sheet, radiograph(cine(), FrameTime="50"))
        await de.its.media.describe(author.actor, sheet, made.name, alt="A pulse", sort="radiology", warning="", seen=True)
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        draft = Draft(Kind.NOTE, "What is it?", "A pulse.", "en")
        await de.its.compose.publish(author, draft, (fr.url,), Reach.COUNTRIES, seen, sheet=sheet, basis=ANONYMOUS)

        async def came() -> bool:
            return bool(await fr.count("posts", "pictures <> ''"))

        await until(came)
        ben = (await fr.author("ben")).actor
        [post] = (await fr.its.timelines.home(ben, "all", None)).posts
        [picture] = post.pictures
        assert picture.film == made.film and isinstance(picture.film, Film)
        whole, small = [opened(await fr.its.gallery.picture(ben, post.id, 1, small=one)) for one in (False, True)]
        assert whole.size == (made.width, made.height)
        assert small.size == (made.width // picture.film.columns, made.height // picture.film.rows)
        async with Browser(fr) as browser:
            await browser.login("ben")
            page = (await browser.get(f"/p/{post.id}/pictures/1"))[1]
            assert 'data-frames="6"' in page and 'data-ms="50"' in page and "films.js" in page
            assert "6 frames, from left to right" in page


async def test_no_word_of_a_data_set_and_no_file_name_is_on_the_disk_or_in_an_answer(de: Running) -> None:
    planted = [SECRET.encode(), b"Walpurga", b"secret-name.dcm", b"19510312"]
    data = radiograph(PatientName=SECRET, PatientBirthDate="19510312", ImageComments=SECRET, InstitutionName=SECRET)
    data = SECRET.encode().ljust(128, b"x") + data[128:] + SECRET.encode()
    async with Browser(de) as ada:
        await ada.login("ada")
        about = new_sheet(de).about
        form = aiohttp.FormData()
        form.add_field("file", data, filename="secret-name.dcm", content_type="application/dicom")
        status, one = await ada.post(f"/drafts/new/{about}/pictures", form)
        assert status == 303
        pages = [(await ada.get(path))[1].encode() for path in (one, f"{one}/edit", f"/drafts/new/{about}/pictures")]
        for size in ("pixels/whole", "pixels/small", "frame/0"):
            async with ada.session.get(f"{one}/{size}") as answer:
                assert answer.status == 200
                pages.append(await answer.read() + repr(answer.headers).encode())
        assert not [word for word in planted for page in pages if word in page]
    directory = Path(de.its.settings.instance.data_dir)
    lying = [path for path in directory.rglob("*") if path.is_file()]
    assert len(lying) > 4
    assert not [(path.name, word) for path in lying for word in planted if word in path.read_bytes()]


async def test_a_picture_is_changed_by_forms_alone(de: Running) -> None:
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        about = new_sheet(de).about
        form = aiohttp.FormData()
        form.add_field("file", radiograph(lettered(WRITTEN), Modality="US", BurnedInAnnotation=""), filename="x")
        status, one = await ada.post(f"/drafts/new/{about}/pictures", form)
        assert status == 303
        page = (await ada.get(one))[1]
        assert "Look closely." in page and "devices often write names" in page and "looks like writing" in page
        digest = re.search(r'name="seen" value="(\w+)"', page)[1]  # type: ignore[index]
        status, page = await ada.post(one, {"alt": "A fan", "sort": "radiology", "seen": digest})
        assert status == 400 and 'id="error-clean"' in page
        page = (await ada.get(f"{one}/edit"))[1]
        assert re.search(r"Cut off \d+ pixels above", page) and re.search("Black out th(is|ese)", page)
        assert (await ben.get(f"{one}/edit"))[0] == 404 and (await ben.post(f"{one}/edit", {"do": "undo"}))[0] == 404
        for wrong, field in (({"tool": "box", "x": "a"}, "x"), ({"tool": "brush", "points": "1"}, "points"), ({}, "tool")):
            told = {"do": "mark", "unit": "px", "x": "1", "y": "1", "width": "5", "height": "5", "thickness": "5"}
            status, page = await ada.post(f"{one}/edit", told | wrong)
            assert status == 400 and f'id="error-{field}"' in page
        status, page = await ada.post(f"{one}/edit", {"do": "window", "level": "x", "span": "4"})
        assert status == 400 and 'id="error-level"' in page
        steps: tuple[dict[str, str], ...] = (
            {"do": "strip-0"}, {"do": "mark", "tool": "crop", "unit": "%", "x": "0", "y": "0", "width": "50", "height": "100"},
            {"do": "mark", "tool": "brush", "unit": "px", "points": "10,10 50,60", "thickness": "9"},
            {"do": "mark", "tool": "arrow", "unit": "px", "x": "90", "y": "90", "width": "40", "height": "-20"},
            {"do": "window", "level": "90", "span": "200", "inverted": "1"}, {"do": "undo"}, {"do": "window-own"})
        for step in steps:
            status, where = await ada.post(f"{one}/edit", step)
            assert status == 303, step
            one = where.partition("/edit")[0]
        page = (await ada.get(f"{one}/edit"))[1]
        assert page.count("<li>Cut:") == 2 and page.count("<li>Brushed over:") == 1 and "<li>Arrow" not in page
        assert (await ada.post(f"{one}/edit", {"do": "strip-9"}))[0] == 404
        status, where = await ada.post(f"{one}/edit", {"do": "restart"})
        assert status == 303
        page = (await ada.get(where.partition("#")[0]))[1]
        assert "What was done" not in page and "640 × 480 pixels" in page


async def test_changes_are_counted(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    made = await de.its.workbench.add(ada, sheet, scan())
    now = de.its.clock.ms()
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO login_attempts (subject, window_start, count) VALUES (?, ?, 300)", (f"prints:{ada.id}", now)))
    with pytest.raises(TooMany):
        await de.its.workbench.mark(ada, sheet, made.name, Box(0, 0, 5, 5))


async def test_two_tabs_do_not_overwrite_each_other(de: Running) -> None:
    ada, sheet = (await de.author("ada")).actor, new_sheet(de)
    made = await de.its.workbench.add(ada, sheet, radiograph())
    done = await asyncio.gather(*(de.its.workbench.mark(ada, sheet, made.name, Box(0, 0, 5 + n, 5)) for n in range(2)),
                                return_exceptions=True)
    assert sorted(isinstance(one, NotFound) for one in done) == [False, True]
    [left] = await de.its.media.in_work(ada, sheet)
    assert len((await de.its.workbench.of(ada, sheet, left.name)).order.marks) == 1
    assert hashlib.sha256(await de.its.media.pixels(ada, sheet, left.name)).hexdigest() == left.digest
