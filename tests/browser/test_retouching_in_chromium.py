"""A picture is changed by mouse and by keys, and without a script by numbers; one that moves starts when somebody wants it to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image

from posts.drafts import Sheet
from posts.shelves import Upload
from tests.browser.chromium import Chromium
from tests.browser.hands import Mouse, sign_in
from tests.browser.window import Window
from tests.drawn import opened
from tests.illustrated import new_sheet
from tests.radiographs import radiograph
from tests.servers import Running, countries


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        yield de


async def light(at: Running, frames: int = 1) -> tuple[Sheet, Upload]:
    """A picture in work without a dark place in it: 400 × 300 pixels, or frames that become lighter."""
    sheet = new_sheet(at)
    values = numpy.stack([numpy.full((300, 400), 120 + 20 * number, numpy.uint8) for number in range(frames)])
    file = radiograph(values if frames > 1 else values[0], WindowCenter="100", WindowWidth="256", FrameTime="40")
    return sheet, await at.its.workbench.add((await at.author("ada")).actor, sheet, file)


async def edited(at: Running, sheet: Sheet) -> Image.Image:
    """The picture as it is now."""
    ada = (await at.author("ada")).actor
    [upload] = await at.its.media.in_work(ada, sheet)
    return opened(await at.its.media.pixels(ada, sheet, upload.name))


async def opened_editor(de: Running, window: Window, sheet: Sheet, upload: Upload) -> None:
    await sign_in(Mouse(window), de, "ada")
    await window.go(f"{de.url}/drafts/new/{sheet.about}/pictures/{upload.name}/edit")


async def test_a_rectangle_is_drawn_with_the_mouse_and_burned_in_by_the_server(de: Running, browser: Chromium) -> None:
    window = await browser.open()
    sheet, upload = await light(de)
    await opened_editor(de, window, sheet, upload)
    await window.until("document.querySelector('[data-drawing] canvas') !== null")
    left, top, scale = await window.evaluate(
        "(() => { const box = document.querySelector('[data-drawing] canvas').getBoundingClientRect();"
        " return [box.left, box.top, box.width / 400]; })()")
    way = (("mousePressed", 100, 50), ("mouseMoved", 150, 100), ("mouseMoved", 200, 150), ("mouseReleased", 200, 150))
    for kind, x, y in way:
        await window.call("Input.dispatchMouseEvent", type=kind, x=left + x * scale, y=top + y * scale, button="left",
                          buttons=1, clickCount=1)
    fields = await window.evaluate("['x', 'y', 'width', 'height'].map(name => Number(document.getElementById(name).value))")
    assert all(abs(found - wanted) <= 1 for found, wanted in zip(fields, (100, 50, 100, 100), strict=True)), fields
    await window.click("[data-marking] .row .button", leaves=True)
    image = await edited(de, sheet)
    assert image.getpixel((150, 100)) == 0 and image.getpixel((90, 100)) > 90 < image.getpixel((210, 160))  # type: ignore[operator]


async def test_a_rectangle_is_drawn_with_keys_alone(de: Running, browser: Chromium) -> None:
    window = await browser.open()
    sheet, upload = await light(de)
    await opened_editor(de, window, sheet, upload)
    await window.until("document.querySelector('[data-drawing] canvas') !== null")
    await window.tab_to("[data-drawing] canvas")
    await window.press(" ")
    for _ in range(5):
        await window.press("ArrowRight", back=True)  # with Shift: ten pixels
    for _ in range(3):
        await window.press("ArrowDown", back=True)
    await window.press(" ")
    assert "At 250, 180" in await window.evaluate("document.querySelector('[data-drawing] + output').textContent")
    await window.press("Enter", leaves=True)
    image = await edited(de, sheet)
    assert image.getpixel((225, 165)) == 0 and image.getpixel((225, 190)) > 90 < image.getpixel((190, 165))  # type: ignore[operator]


async def test_without_a_script_numbers_do_the_same(de: Running, window: Window) -> None:
    sheet, upload = await light(de)
    await opened_editor(de, window, sheet, upload)
    hands = Mouse(window)
    assert not await window.has("[data-drawing] canvas")
    await hands.tick("[name=unit][value='%']")
    for field, value in {"x": "50", "y": "50", "width": "50", "height": "50"}.items():
        await hands.write(f"#{field}", value)
    await hands.push("[data-marking] .row .button")
    image = await edited(de, sheet)
    assert image.getpixel((390, 290)) == 0 and image.getpixel((190, 140)) > 90  # type: ignore[operator]
    await hands.push("button[value=undo]")
    assert (await edited(de, sheet)).getpixel((390, 290)) > 90  # type: ignore[operator]


async def test_a_film_stands_still_until_it_is_played_and_is_stepped_by_keys(de: Running, browser: Chromium,
                                                                             tmp_path: Path) -> None:
    window = await browser.open()
    sheet, upload = await light(de, frames=5)
    await sign_in(Mouse(window), de, "ada")
    await window.go(f"{de.url}/drafts/new/{sheet.about}/pictures/{upload.name}")
    said = "document.querySelector('[data-film] output').textContent"
    await window.until(f"{said} === 'Frame 1 of 5'")
    shade = "document.querySelector('[data-film] canvas').getContext('2d').getImageData(200, 150, 1, 1).data[0]"
    first = await window.evaluate(shade)
    await window.tab_to("[data-film] canvas")
    assert await window.evaluate(said) == "Frame 1 of 5", "nothing moves by itself"
    await window.press("ArrowRight")
    assert await window.evaluate(said) == "Frame 2 of 5" and await window.evaluate(shade) > first
    await window.press("ArrowLeft")
    await window.press("ArrowLeft")
    assert await window.evaluate(said) == "Frame 5 of 5"
    await window.press(" ")
    assert await window.evaluate("document.querySelector('[data-act=play]').textContent") == "Stop"
    await window.until(f"{said} !== 'Frame 5 of 5'")
    await window.press(" ")
    stopped = await window.evaluate(said)
    assert await window.evaluate(said) == stopped
    plain = await browser.open(scripts=False)
    await sign_in(Mouse(plain), de, "ada")
    await plain.go(f"{de.url}/drafts/new/{sheet.about}/pictures/{upload.name}")
    assert "5 frames, from left to right" in await plain.text() and "Play" not in await plain.text()
    await plain.picture(tmp_path / "sheet.png")
    assert Image.open(BytesIO((tmp_path / "sheet.png").read_bytes())).height > 300
