"""The picture tour: goes through a fresh demo as doctors and operators do, and writes what is to be seen into docs/pictures.

    python -m tests.browser.tour [scene …]

Each scene is photographed light, dark, and on a telephone. All is made anew each time; what was started ends with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy
import pyotp
from PIL import Image, ImageDraw, ImageFont

from instance.seed.drawing import drawn
from tests.browser.chromium import Chromium, chromium
from tests.browser.hands import Mouse, enter

_ROOT = Path(__file__).parents[2]
PICTURES = _ROOT / "docs" / "pictures"
_COUNTRIES = 7
_READY = "Ready after"
_READY_SECONDS = 240.0
_FOUND_SECONDS = 20.0
_WORDS, _SHADES = 40, 18  # colours: of the page, and of the pictures in it
MOST_BYTES = 2_500_000


class Look(NamedTuple):
    """A window's width, how much of a page is shown at most (CSS pixels), and its colours."""

    width: int
    most: int
    dark: bool = False


LOOKS = {"light": Look(1280, 1500), "dark": Look(1280, 1500, dark=True), "phone": Look(390, 1500)}


class Cast:
    """Those who show the tour, each in a window of their own, signed in when they are needed first."""

    def __init__(self, browser: Chromium, instances: list[dict[str, Any]], directory: Path) -> None:
        self._browser, self.directory = browser, directory
        self._instances = {one["country"]: one for one in instances}
        self._there: dict[str, Mouse] = {}

    def url(self, country: str) -> str:
        return str(self._instances[country]["url"])

    async def person(self, who: str) -> Mouse:
        """The hands of `handle@country`."""
        if who not in self._there:
            handle, _, country = who.rpartition("@")
            place = self._instances[country]
            login = next(one for one in (*place["doctors"], *place["operators"]) if one["handle"] == handle)
            hands = Mouse(await self._browser.open())
            await hands.window.call("Network.enable")
            await hands.window.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": "en"})
            secret = login.get("second_factor", "")
            await enter(hands, place["url"], handle, login["password"], pyotp.TOTP(secret).now() if secret else "")
            self._there[who] = hands
        return self._there[who]

    async def visit(self, who: str, path: str) -> Mouse:
        """Somebody at a page of her own instance."""
        hands = await self.person(who)
        await hands.window.go(self.url(who.rpartition("@")[2]) + path)
        return hands

    async def search(self, who: str, words: str, question: str) -> Mouse:
        """Somebody who looks for words and sees a question that begins like this; the index follows what comes, so she may have
        to look again."""
        limit = time.monotonic() + _FOUND_SECONDS
        while True:
            hands = await self.visit(who, f"/search?q={quote(words)}")
            if await hands.window.evaluate(f"{_found(question)} !== undefined"):
                return hands
            assert time.monotonic() < limit, f"{words} does not find {question}: {await hands.window.text()}"

    async def find(self, who: str, words: str, question: str) -> Mouse:
        """The same, and she opens it."""
        hands = await self.search(who, words, question)
        await hands.window.go(await hands.window.evaluate(f"{_found(question)}.href"))
        return hands


def _found(question: str) -> str:
    begins = f"link.textContent.trim().startsWith({json.dumps(question)})"
    return f"[...document.querySelectorAll('main h2 a')].find((link) => {begins})"


async def home(cast: Cast) -> Mouse:
    return await cast.visit("anna.becker@de", "/")


async def case(cast: Cast) -> Mouse:
    """Her case with its pictures, once she has read what was corrected."""
    hands = await cast.visit("anna.becker@de", "/notifications")
    if await hands.window.has(".all-read"):
        await hands.push(".all-read button")
    return await cast.find("anna.becker@de", "Lyme-Karditis", "AV-Block III°")


async def answers(cast: Cast) -> Mouse:
    """What other countries have said to it: a question back, evidence, a corrected dose, advice that was recalled."""
    return await case(cast)


async def abroad(cast: Cast) -> Mouse:
    """The same picture as a colleague in another country looks at it."""
    hands = await cast.find("hugo.petit@fr", "Lyme-Karditis", "AV-Block III°")
    await hands.push(".pictures li:first-child a")
    return hands


async def compose(cast: Cast) -> Mouse:
    """A text that says too much, with what was noticed beside it."""
    hands = await cast.visit("anna.becker@de", "/compose?kind=case")
    await hands.write("#question", "Vorhofflimmern nach Hüftoperation: Wann wieder antikoagulieren?")
    await hands.write("#text", "Frau Lindner, 93 Jahre, wurde am 4.3.2026 an der Hüfte operiert. Seit dem dritten Tag"
                      " Vorhofflimmern, Hb stabil bei 10,1 g/dl. Angehörige erreichbar unter 0171 2345678.")
    await hands.pick("#specialties", "cardiology")
    await hands.push(".form > .row .button")
    return hands


async def editor(cast: Cast) -> Mouse:
    """A film with a name on it: an arrow is drawn in already, and a rectangle is being drawn over the name."""
    hands = await cast.visit("anna.becker@de", "/compose?kind=case")
    file = cast.directory / "film.png"
    file.write_bytes(_film("BEISPIEL^WALPURGA   *01.01.1950   F"))
    await hands.write("#question", "Was ist am Hilus?")
    await hands.push("button[value=pictures]")
    await hands.attach("#file", file)
    await hands.push("form[enctype] .button")
    await hands.push("main a[href$='/edit']")
    await hands.tick("[name=tool][value=arrow]")
    await _drag(hands, (300, 505), (120, 620))
    await hands.push("[data-marking] .row .button")
    await hands.tick("[name=tool][value=box]")
    await _drag(hands, (18, 16), (520, 58))
    return hands


async def poll(cast: Cast) -> Mouse:
    """Who voted how, as only its author sees it."""
    hands = await cast.find("anna.becker@de", "Makrolid", "Makrolid")
    assert "Italy" in await hands.window.evaluate("document.querySelector('#counted .cells').textContent")
    return hands


async def search(cast: Cast) -> Mouse:
    """A German word finds what an Italian colleague has written."""
    return await cast.search("miriam.stein@de", "Sarkoidose", "Ili ingranditi")


async def network(cast: Cast) -> Mouse:
    return await cast.visit("op-lena@de", "/admin/siblings")


async def application(cast: Cast) -> Mouse:
    """Somebody who wants to join, with what speaks for it."""
    hands = await cast.visit("op-lena@de", "/admin/applications")
    await hands.window.go(await hands.window.evaluate("document.querySelector('main a[href^=\"/admin/applications/\"]').href"))
    return hands


SCENES: dict[str, Callable[[Cast], Awaitable[Mouse]]] = {
    scene.__name__: scene for scene in (home, case, answers, abroad, poll, search, compose, editor, network, application)}
BEGINS = {"answers": "h2.answers"}
"""Where a picture begins, and shows nothing beside it, if it does not show the page from above."""
_TALLER = {"answers": 400}


def _film(words: str) -> bytes:
    """A radiograph as devices hand it out: with a line written into it."""
    image, into = Image.open(BytesIO(drawn("hilar-nodes"))), BytesIO()
    ImageDraw.Draw(image).text((24, 22), words, 255, ImageFont.load_default(26))
    image.save(into, "PNG")
    return into.getvalue()


async def _drag(hands: Mouse, begin: tuple[int, int], end: tuple[int, int]) -> None:
    """Draw with the mouse from one pixel of the picture in work to another."""
    board = "document.querySelector('[data-drawing] canvas')"
    await hands.window.until(f"{board} !== null")
    left, top, scale = await hands.window.evaluate(
        f"(() => {{ const board = {board}; board.scrollIntoView({{behavior: 'instant'}});"
        " const box = board.getBoundingClientRect(); return [box.left, box.top, box.width / board.width]; })()")
    for kind, (x, y) in (("mousePressed", begin), ("mouseMoved", end), ("mouseReleased", end)):
        await hands.window.call("Input.dispatchMouseEvent", type=kind, x=left + x * scale, y=top + y * scale, button="left",
                                buttons=1, clickCount=1)


async def photograph(hands: Mouse, name: str, directory: Path) -> None:
    """The page that is open, in every look."""
    window = hands.window
    for called, look in LOOKS.items():
        await window.resize(look.width, dark=look.dark)
        await window.evaluate("scrollTo(0, 0)")
        left, top, right, bottom = 0, 0, look.width, await window.evaluate("document.documentElement.scrollHeight")
        await window.resize(look.width, bottom, dark=look.dark)  # what is loaded when it comes into sight is in sight
        await window.until("[...document.images].every((image) => !image.checkVisibility()"
                           " || (image.complete && image.naturalWidth > 0))")
        await window.evaluate("document.activeElement.blur()")
        if name in BEGINS:
            left, top, right = await window.evaluate(
                f"[{_box('main')}.left - 24, {_box(BEGINS[name])}.top - 24, {_box('main')}.right + 24]")
        most = look.most + _TALLER.get(name, 0)
        spot = (max(0, int(left)), int(top), min(look.width, int(right)), min(int(top) + most, bottom))
        file = directory / f"{name}-{called}.png"
        seen = await _taken(hands, file, spot)
        await window.evaluate("document.querySelectorAll('img, canvas').forEach((one) => { one.style.visibility = 'hidden'; })")
        words = await _taken(hands, file, spot)
        await window.evaluate("document.querySelectorAll('img, canvas').forEach((one) => { one.style.visibility = ''; })")
        _painted(seen, words).save(file, optimize=True)
    await window.resize(1280)


def _box(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"


async def _taken(hands: Mouse, file: Path, spot: tuple[int, int, int, int]) -> Image.Image:
    """A part of the page as it is."""
    await hands.window.picture(file)
    with Image.open(file) as whole:
        return whole.convert("RGB").crop(spot)


def _painted(seen: Image.Image, words: Image.Image) -> Image.Image:
    """A picture of a page in few colours: those that its words and grounds use most, as they are, and some more for what is in
    its pictures (`words` is without them)."""
    flat = sorted(words.getcolors(words.width * words.height) or (), reverse=True)[:_WORDS]
    drawn_in = numpy.asarray(seen)[(numpy.asarray(seen) != numpy.asarray(words)).any(2)]
    rest = Image.fromarray(drawn_in[None]) if len(drawn_in) else words
    more = rest.quantize(_SHADES, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = numpy.array([*(colour for _, colour in flat), *zip(*[iter(more[:3 * _SHADES])] * 3, strict=True)], numpy.int32)
    pixels = numpy.asarray(seen, numpy.int32) @ numpy.array((1 << 16, 1 << 8, 1), numpy.int32)
    colours, which = numpy.unique(pixels, return_inverse=True)
    apart = numpy.stack((colours >> 16, colours >> 8 & 255, colours & 255), 1)[:, None] - palette
    nearest = numpy.argmin((apart * apart).sum(2), 1).astype(numpy.uint8)
    made = Image.fromarray(nearest[which].reshape(pixels.shape), "P")
    made.putpalette(palette.astype(numpy.uint8).tobytes())
    return made


@contextmanager
def demo(directory: Path) -> Iterator[list[dict[str, Any]]]:
    """The demo's countries on free ports, fresh; gives what `demo.json` says of them. All of it ends with the block."""
    log, ready = directory / "demo.log", False
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "instance", "demo", "--base-port", str(_free_ports()), "--dir", str(directory / "demo"),
             "--fresh"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=_ROOT)
    try:
        limit = time.monotonic() + _READY_SECONDS
        while not ready:
            assert process.poll() is None and time.monotonic() < limit, f"The demo did not start: {log.read_text('utf-8')}"
            time.sleep(0.2)
            ready = _READY in log.read_text("utf-8")
        yield json.loads((directory / "demo" / "demo.json").read_text("utf-8"))["instances"]
    finally:
        process.send_signal(signal.SIGTERM if ready else signal.SIGINT)  # before it is ready only the latter lets it clean up
        process.wait(60)


def _free_ports() -> int:
    """The first of so many loopback ports in a row that nobody listens at."""
    for base in range(20_000 + os.getpid() % 10_000, 60_000, _COUNTRIES):
        try:
            for port in range(base, base + _COUNTRIES):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise AssertionError("There are no free ports.")


async def _show(instances: list[dict[str, Any]], names: list[str], directory: Path) -> None:
    async with chromium() as browser:
        cast = Cast(browser, instances, directory)
        for name in names:
            await photograph(await SCENES[name](cast), name, PICTURES)
            print(f"  {name}", flush=True)
        complaints = [one for window in browser.windows.values() for one in window.complaints]
        assert not complaints, complaints


def main(names: list[str]) -> None:
    """Make the pictures of some scenes, or of all."""
    unknown = set(names) - SCENES.keys()
    assert not unknown, f"There are no such scenes: {', '.join(sorted(unknown))}. There are: {', '.join(SCENES)}."
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, demo(Path(directory)) as instances:
        asyncio.run(_show(instances, names or list(SCENES), Path(directory)))
    size = sum(file.stat().st_size for file in PICTURES.iterdir())
    print(f"{size / 1e6:.2f} MB of pictures in {PICTURES.relative_to(_ROOT)}")
    assert size <= MOST_BYTES, "That is more than a repository should carry; show less of a page or fewer colours."


if __name__ == "__main__":
    main(sys.argv[1:])
