"""A morning of two doctors in two countries, each at a browser of her own: clicked and typed from signing in to deleting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.hands import Hands, Keyboard, Mouse, sign_in
from tests.browser.window import Window
from tests.servers import countries, until

QUESTION, POLL = "Erst das Labor oder gleich die Bildgebung?", "Wer von uns impft selbst?"
BEFORE, AFTER = "Drei Wochen Fieber, kein Befund.", "Drei Wochen Fieber, jetzt ein Herzgeräusch."
TOLD = ".places a[href='/notifications']"
ANSWER = "Chez nous d'abord le laboratoire."


@pytest.mark.parametrize(("hands", "scripts"), [(Mouse, True), (Mouse, False), (Keyboard, False)],
                         ids=["with JavaScript", "without JavaScript", "by keyboard alone"])
async def test_two_doctors_in_two_countries_have_a_morning(
        browser: Chromium, tmp_path: Path, hands: Callable[[Window], Hands], scripts: bool) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, ben = [hands(await browser.open(scripts=scripts)) for _ in range(2)]
        await sign_in(ada, de, "ada")
        await sign_in(ben, fr, "ben")

        case = await ask(ada, "case", QUESTION, BEFORE)
        await ask(ada, "poll", POLL, "", "Alle\nNiemand")
        await until(lambda: fr.count("polls"))

        await read(ben, QUESTION)
        assert BEFORE in await ben.window.text()
        kept = await ben.window.evaluate("location.href")
        await answer(ben, ANSWER)
        await read(ben, POLL)
        await vote(ben, "Niemand")
        await until(lambda: de.count("polls", "voters = 1"))

        await be_told(ada)
        said = await ada.window.text()
        assert ANSWER in said and "Dr Ben" in said
        await edit(ada, case, AFTER)
        await until(lambda: fr.count("posts", "revision = 2"))
        await read(ada, POLL)
        assert "100" in await ada.window.evaluate("document.querySelector('.option:nth-child(2)').innerText")

        for doctor in (ada, ben):
            await read(doctor, QUESTION)
            said = await doctor.window.text()
            assert AFTER in said and BEFORE not in said
            await doctor.push(".root a[href$='/history']")
            said = await doctor.window.text()
            assert BEFORE in said and AFTER not in said  # what was changed stands between the lines
            marked = await doctor.window.evaluate("['del', 'ins'].map((mark) => document.querySelector(mark).innerText)")
            assert "kein Befund" in marked[0] and "jetzt ein Herzgeräusch" in marked[1]
            await doctor.unfold("main summary")
            assert AFTER in await doctor.window.text()

        await delete(ada, case)
        await until(lambda: fr.count("posts", "erased_at IS NOT NULL"))
        await home(ben)
        said = await ben.window.text()
        assert QUESTION not in said and POLL in said
        await ben.window.go(kept)
        said = await ben.window.text()
        assert QUESTION not in said and AFTER not in said and ANSWER in said
        assert ada.window.complaints == [] and ben.window.complaints == []


async def home(hands: Hands) -> None:
    """All that concerns her specialties, answered or not."""
    await hands.push(".brand")
    await hands.push(".also a[href$='specialties']")


async def read(hands: Hands, question: str) -> None:
    """From home to the post with this question."""
    await home(hands)
    path = await hands.window.evaluate(
        f"[...document.querySelectorAll('h2 a')].find((link) => link.innerText === {json.dumps(question)})?.getAttribute('href')")
    assert path, f"{question} is not on {await hands.window.text()}"
    await hands.push(f"h2 a[href='{path}']")
    assert question in await hands.window.text()


async def ask(hands: Hands, kind: str, question: str, text: str, options: str = "") -> str:
    """Write, choose France, look once more, publish; returns where it is."""
    await hands.push("header a[href='/compose']")
    if kind != "case":
        await hands.push(f"button[name=turn][value={kind}]")
    await hands.write("#question", question)
    if text:
        await hands.write("#text", text)
    if options:
        await hands.write("#options", options)
    await hands.pick("#specialties", "cardiology")
    await hands.push(".row .button")
    await hands.tick("input[name=reach][value=countries]")
    await hands.tick("input[name=origin]")
    await hands.tick("input[name=signature][value=name]")
    await hands.tick("input[name=ground][value=anonymous]")
    await hands.tick("input[name=no_name]")
    await hands.push("button[value=confirm]")
    assert question in await hands.window.text()
    await hands.push("button[value=publish]")
    assert question in await hands.window.text()
    return str(await hands.window.evaluate("location.pathname"))


async def be_told(hands: Hands) -> None:
    """From the mark at the places through the notification to the post; then the mark is gone."""
    await home(hands)
    assert await hands.window.has(f"{TOLD} .count")
    await hands.push(TOLD)
    assert QUESTION in await hands.window.text()
    await hands.push(".told .unread .where a")
    assert QUESTION in await hands.window.text() and not await hands.window.has(f"{TOLD} .count")


async def answer(hands: Hands, text: str) -> None:
    await hands.write("#answer textarea", text)
    await hands.push("#answer .button")
    assert text in await hands.window.text()


async def vote(hands: Hands, option: str) -> None:
    place = await hands.window.evaluate(
        f"[...document.querySelectorAll('.option .name')].findIndex((name) => name.innerText === {json.dumps(option)})")
    await hands.tick(f".poll input[value='{place}']")
    await hands.push(".poll .button")
    assert await hands.window.has(f".option:nth-child({place + 1}) .mine")


async def edit(hands: Hands, path: str, text: str) -> None:
    await hands.push(f"a[href='{path}/edit']")
    await hands.write("#text", text)
    await hands.push(".row .button")
    assert text in await hands.window.text()


async def delete(hands: Hands, path: str) -> None:
    await hands.push(".back a")
    await hands.push(f"a[href='{path}/delete']")
    await hands.push(".button.danger")
    assert QUESTION not in await hands.window.text()
