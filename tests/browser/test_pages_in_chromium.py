"""Pages as people see them: every page in light, dark, on a phone and at 200 % zoom, and by keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from actors.relations import Circle
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.browser.chromium import Chromium, chromium
from tests.servers import PASSWORD, Running, countries, until
from tests.test_relations import doctor

AUDIT = Path(__file__).with_name("audit.js").read_text("utf-8")
WINDOWS = {"desk": (1280, False), "desk, dark": (1280, True), "200 % zoom": (640, False), "phone, dark": (390, True),
           "narrow": (320, False)}
TEXT = ("## Verlauf\n\n**Drei** Wochen, <keine> Besserung.\n\n- erstens\n- zweitens\n\n"
        "| Test | Wert |\n|---|---|\n| CRP | 12 |\n\n> Zitat")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        await de.add_doctor("stu", Role.STUDENT)
        yield de, fr


@pytest.fixture
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as window:
        await window.window(1280)
        yield window


async def login(browser: Chromium, at: Running, handle: str) -> None:
    await browser.call("Network.clearBrowserCookies")
    await browser.go(f"{at.url}/login")
    await browser.until("document.activeElement.id === 'handle'")
    await browser.type(handle)
    await browser.press("Tab")
    await browser.type(PASSWORD)
    await browser.press("Enter", leaves=True)
    assert await browser.evaluate("document.querySelector('.who') !== null")


async def look(browser: Chromium, where: str) -> list[str]:
    """What is wrong with the open page in each of the windows."""
    wrong = []
    for name, (width, dark) in WINDOWS.items():
        await browser.window(width, dark=dark)
        wrong += [f"{where}, {name}: {sentence}" for sentence in await browser.evaluate(AUDIT)]
    await browser.window(1280)
    return wrong


async def furnish(de: Running, fr: Running) -> dict[str, str]:
    """A case with nested answers and a deleted one, polls in every state, a note: path by name."""
    ada, ben, claire = await de.author("ada"), await de.author("ben"), await fr.author("ben")
    compose = de.its.compose
    seen = compose.network_digest(await compose.destinations())
    facts = CaseFacts(("cardiology", "haematology"), "80-89", "x", "therapeutic")
    later = de.its.clock.ms() + 3_600_000
    asked = Draft(Kind.CASE, "Welche Untersuchung zuerst?", TEXT, "de", facts)
    case = await compose.publish(ada, asked, (fr.url,), Reach.NETWORK, seen)
    made = {"note": await compose.publish(ben, Draft(Kind.NOTE, "Mitteilung", TEXT, "de"), (), Reach.HOME, "")}
    for name, author, several in (("unvoted", ben, False), ("several", ben, True), ("own", ada, False), ("voted", ben, False)):
        options = ("Ein langer Satz, der auf einem Telefon umbricht", "Nein", "Donaudampfschifffahrtsgesellschaft" * 2)
        draft = Draft(Kind.POLL, f"Umfrage: {name}?", "", "de", facts, PollDraft(options, several, later))
        made[name] = await compose.publish(author, draft, (fr.url,), Reach.NETWORK, seen)
    await de.its.polls.vote(ada, made["voted"], (0,))
    parent = case
    for number, author in enumerate((ben, ada, ben, ada, ben, ada)):
        parent = await compose.reply(author, parent, f"Antwort {number}. {TEXT}", "de")
        made[f"answer {number}"] = parent
    await de.its.editing.delete(ada.actor, made["answer 1"])
    await de.its.editing.edit(ada, made["answer 3"], "", "Anders.", None, 1)
    await until(lambda: fr.count("posts", "parent_id IS NOT NULL AND erased_at IS NULL"))
    there = await fr.its.timelines.home(claire.actor, "all", None)
    await fr.its.compose.reply(claire, next(post.id for post in there.posts if post.kind == Kind.CASE), "Depuis Lyon.", "fr")
    await until(lambda: de.count("posts", "language = 'fr'"))
    return {"case": case} | made


async def people(de: Running, fr: Running) -> list[str]:
    """Ada asks, is asked, follows, mutes and blocks; the pages where that is seen."""
    ada, ben, stu = await doctor(de, "ada"), await doctor(de, "ben"), await doctor(de, "stu")
    its = de.its.relations
    for one, other in ((ada, ben), (stu, ada)):
        await its.follow(one, other.actor)
    await its.accept(ben, ada.actor)
    await its.mute(ada.actor, ben.actor, de.its.clock.ms() + 3_600_000)
    await its.block(ada.actor, await de.its.directory.resolve(f"@ada@{fr.domain}"))
    await de.its.profiles.change(ada, "Herz und Gefäße.\n" + "Donaudampfschifffahrtsgesellschaft" * 3, discoverable=True)
    return ["/@ada", "/@stu", "/@ben", f"/@ada@{fr.domain}", f"/@ben@{fr.domain}", "/directory", "/directory?country=",
            "/directory?name=nobody", f"/directory?name=@ben@{fr.domain}", "/settings/profile",
            *(f"/follows?tab={circle}" for circle in Circle)]


async def test_doctors_pages_read_well_in_every_window(pair: tuple[Running, Running], browser: Chromium) -> None:
    de, fr = pair
    made = await furnish(de, fr)
    await browser.go(f"{de.url}/login")
    wrong = await look(browser, "login")
    await login(browser, de, "ada")
    paths = ["/", "/?tab=following", "/?tab=all", "/?tab=waiting", "/?tab=abroad", "/?tab=country", "/?before=0000000000001",
             *(f"/p/{post}" for name, post in made.items() if not name.startswith("answer")), f"/p/{made['unvoted']}?results=1",
             f"/p/{made['case']}?answer={made['answer 4']}", f"/p/{made['answer 3']}/edit", f"/p/{made['case']}/edit",
             f"/p/{made['case']}/delete", f"/p/{made['answer 3']}/history",
             "/compose?kind=case", "/compose?kind=poll", "/compose?kind=note", *await people(de, fr)]
    for path in paths:
        await browser.go(de.url + path)
        wrong += await look(browser, path)
    assert wrong == [] and browser.complaints == []
    for path in ("/nothing", "/p/0000000000000"):
        await browser.go(de.url + path)
        wrong += await look(browser, path)
    await login(browser, de, "stu")
    for path in ("/", f"/p/{made['unvoted']}", "/compose"):
        await browser.go(de.url + path)
        wrong += await look(browser, f"{path} of a student")
    assert wrong == []


async def test_operators_pages_read_well_in_every_window(pair: tuple[Running, Running], browser: Chromium) -> None:
    de, fr = pair
    await login(browser, de, "op")
    one = f"/admin/siblings/{fr.domain}"
    wrong = []
    for path in ("/admin/siblings", "/admin/siblings?sort=queued", one, "/admin/refusals"):
        await browser.go(de.url + path)
        wrong += await look(browser, path)
    de.its.refusals.record(direction="in", origin="https://a-rather-long-name.stranger.example", purpose="inbox",
                           reason="unlisted", path="/inbox/" + "x" * 150)
    await browser.go(f"{de.url}/admin/refusals")
    wrong += await look(browser, "refusal log with a stranger")
    fingerprint = fr.its.identity.fingerprint
    for state, change in (("paused", de.its.siblings.pause(fr.domain, "op", "Wartung")),
                          ("revoked", de.its.siblings.revoke(fr.domain, "op", "Schluss")),
                          ("proposed", de.its.siblings.add(fr.domain, "fr", fingerprint, by="op"))):
        await change
        await browser.go(de.url + one)
        assert await browser.evaluate(f"document.querySelector('h1 .mark.{state}') !== null")
        wrong += await look(browser, state)
    assert wrong == [] and browser.complaints == []


async def test_by_keyboard_alone_a_doctor_asks_corrects_and_publishes(pair: tuple[Running, Running], browser: Chromium) -> None:
    de, fr = pair
    await login(browser, de, "ada")
    await browser.press("Tab")
    assert await browser.evaluate("document.activeElement.matches('.skip')")
    await browser.press("Enter")
    await browser.until("document.activeElement.id === 'work'")
    await browser.go(f"{de.url}/compose?kind=poll")
    await browser.tab_to("#question")
    await browser.type("Welches zuerst?")
    await browser.tab_to("#options")
    await browser.type("Dieses\ndieses zuletzt\nDieses")
    await browser.tab_to(".row .button")
    await browser.press("Enter", leaves=True)
    await browser.until("document.activeElement.id === 'options'")  # the focus waits at the mistake
    assert await browser.evaluate("document.querySelector('#question').value") == "Welches zuerst?"
    assert await look(browser, "mistake") == []
    await browser.evaluate("document.activeElement.value = ''")
    await browser.type("Dieses\nJenes")
    await browser.tab_to(".row .button")
    await browser.press("Enter", leaves=True)
    assert await look(browser, "audience") == []
    await browser.tab_to("input[name=reach]")
    await browser.press("ArrowDown")
    await browser.tab_to("input[name=origin]")
    await browser.press(" ")
    await browser.tab_to("button[value=confirm]")
    await browser.press("Enter", leaves=True)
    assert await look(browser, "last look") == []
    await browser.tab_to("button[value=publish]")
    await browser.press("Enter", leaves=True)
    assert await browser.evaluate("document.querySelector('h1').textContent") == "Welches zuerst?"
    await until(lambda: fr.count("posts"))
    await login(browser, de, "ben")
    await browser.go(f"{de.url}/?tab=all")
    await browser.tab_to("input[name=choice]")
    await browser.press(" ")
    await browser.tab_to(".poll .button")
    await browser.press("Enter", leaves=True)
    assert await browser.evaluate("document.querySelector('.mine') !== null") and await look(browser, "voted") == []


async def test_an_ended_session_gives_the_text_back(pair: tuple[Running, Running], browser: Chromium) -> None:
    de, _ = pair
    await login(browser, de, "ada")
    await browser.go(f"{de.url}/compose?kind=note")
    await browser.tab_to("#question")
    await browser.type("Bleibt das?")
    await browser.tab_to("#text")
    await browser.type("Ja.")
    await browser.call("Network.clearBrowserCookies")
    await browser.tab_to(".row .button")
    await browser.press("Enter", leaves=True)
    assert "session has ended" in await browser.evaluate("document.body.innerText") and await look(browser, "ended") == []
    kept = await browser.evaluate("Object.fromEntries(new FormData(document.querySelector('main form')))")
    assert (kept["question"], kept["text"]) == ("Bleibt das?", "Ja.") and await de.count("posts") == 0
