"""The whole way of a doctor, in a real browser: she applies and is verified, gets a passkey, asks the network, is reported and
cleared, takes her archive along and leaves, and is gone here and abroad. In two languages, and once by keyboard alone."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.browser.chromium import Chromium
from tests.browser.hands import Hands, Keyboard, Mouse, sign_in
from tests.browser.looking import look
from tests.browser.window import Window
from tests.drawn import LINES, drawn, written
from tests.mailserver import MailServer, mailserver
from tests.servers import PASSWORD, Running, countries, until

NAME, ADDRESS, CHOSEN = "Dr. Anna Beispiel", "anna@klinik.example", "seven lanterns under the harbour"
ANSWER, WORRY, REASON = "Thorax und Urin zuerst.", "Ort und Beruf stehen darin.", "Ort und Beruf stehen nicht darin."
TOLD = ".places a[href='/notifications']"
SENT = "main .row .button"
DAY = 86_400


class Country(NamedTuple):
    """What is asked of her where she applies, and what she writes."""

    kind: str
    document: tuple[str, ...]
    register: str
    number: str
    chamber: str
    answers: Mapping[str, str]
    specialty: str
    privacy: str
    question: str
    text: str


COUNTRIES = {
    "de": Country(
        "approbation", LINES, "efn", "802760107654328", "be",
        {"university": "Charité", "licence-year": "2009", "licence-authority": "LAGeSo"}, "Kardiologie", "Datenschutz",
        "Welches Labor bei unklarem Fieber?", "Drei Wochen Fieber, kein Befund."),
    "fr": Country(
        "diploma", ("Diplôme d'État", "", "de docteur en médecine", "Mme Anna Beispiel", "", "Paris, le 2 février 2008"),
        "rpps", "10007654329", "", {"university": "Sorbonne Université", "licence-year": "2009"}, "Cardiologie",
        "Confidentialité", "Quel bilan devant une fièvre prolongée ?", "Trois semaines de fièvre, rien au bilan."),
}
"""By code; there its first language is spoken."""


@pytest.mark.parametrize(("kind", "code", "other"), [(Mouse, "de", "fr"), (Mouse, "fr", "de"), (Keyboard, "de", "fr")],
                         ids=["in German", "in French", "by keyboard alone"])
async def test_a_doctor_goes_the_whole_way(browser: Chromium, tmp_path: Path, kind: type[Mouse | Keyboard], code: str,
                                           other: str) -> None:
    async with mailserver() as mail, countries(tmp_path, code, other, settled=mail.used(), domain="localhost") as (home, abroad):
        for at in (home, abroad):
            await at.its.accounts.add_operator("op", "Operator", PASSWORD)
        anna, colleague = kind(await browser.open()), kind(await browser.open())
        op, theirs = Mouse(await browser.open()), Mouse(await browser.open())
        country = COUNTRIES[code]
        await key_in(anna.window)

        await apply(anna, home, mail, country, drawn_in(tmp_path / "diploma.png", country))
        await enter(op, home, "op")
        handle = await verify(op, home)
        await settle_in(anna, home, mail, handle)

        await ask(anna, home, country)
        await until(lambda: abroad.count("posts"))
        await enter(colleague, abroad, "ada")
        place = await answer_and_report(colleague, abroad, country)
        await until(lambda: home.count("reports"))
        await keep(op, home, country)
        await enter(theirs, abroad, "op")
        await show_again(theirs, abroad)
        await be_told(anna, home, colleague, abroad, country)

        await take_along(anna, home, country, tmp_path / "downloads")
        await leave(anna, home, handle)
        for at in (home, abroad):
            at.its.clock.offset += 15 * DAY
        await until(lambda: home.count("departures", "done_at IS NOT NULL"), 20)
        await until(lambda: abroad.count("posts", "erased_at IS NOT NULL"))
        await be_gone(anna, home, handle)
        await be_gone_abroad(colleague, abroad, place, country)
        for hands in (anna, colleague, op, theirs):
            assert hands.window.complaints == []


def drawn_in(file: Path, country: Country) -> Path:
    """Her document, as she has photographed it."""
    file.write_bytes(written(drawn(lines=country.document), "PNG"))
    return file


async def key_in(window: Window) -> None:
    """Her telephone, which keeps passkeys."""
    await window.call("WebAuthn.enable")
    await window.call("WebAuthn.addVirtualAuthenticator", options={
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True})


async def here(hands: Hands, at: Running, path: str) -> None:
    """Somebody of this country is on this page; it speaks her language, and is well made in it."""
    found, language, privacy = await hands.window.evaluate(
        "[location.pathname, document.documentElement.lang, document.querySelector('.foot [href=\"/privacy\"]').innerText]")
    assert re.fullmatch(path, found), (found, await hands.window.text())
    assert (language, privacy) == (at.country, COUNTRIES[at.country].privacy), found
    assert await look(hands.window, found) == []


async def posted(mail: MailServer, what: str) -> str:
    """The link of this kind in the newest mail, once it has come."""
    def found() -> re.Match[str] | None:
        return re.search(rf"http\S+/{what}/\S+", mail.taken[-1].text) if mail.taken else None

    await until(found)
    link = found()
    assert link is not None
    return link[0]


async def enter(hands: Hands, at: Running, handle: str) -> None:
    """Sign in, in the language of the country."""
    await at_the_door(hands, at)
    await sign_in(hands, at, handle)


async def at_the_door(hands: Hands, at: Running) -> None:
    """She comes to the door and chooses her language there."""
    await hands.window.go(at.url)
    if await hands.window.evaluate("document.documentElement.lang") != at.country:
        await hands.push(f".foot a[hreflang={at.country}]")
    await here(hands, at, "/login")


async def apply(anna: Hands, at: Running, mail: MailServer, country: Country, document: Path) -> None:
    """From the door, in her language, to having handed it in."""
    window = anna.window
    await at_the_door(anna, at)
    await anna.push("main a[href='/join']")
    await here(anna, at, "/join")
    await anna.write("#address", ADDRESS)
    await anna.push(SENT)
    await here(anna, at, "/join")
    await window.go(await posted(mail, "join"))
    await here(anna, at, "/join/[^/]+")
    await anna.push("main .button")
    await here(anna, at, ".*/person")
    await anna.write("#name", NAME)
    await anna.tick("input[name=role][value=doctor]")
    await anna.pick("#specialties", "cardiology")
    await anna.push(SENT)
    await here(anna, at, ".*/register")
    if country.chamber:
        await anna.pick("#chamber", country.chamber)
    await anna.pick("#register", country.register)
    await anna.write("#number", country.number)
    for field, said in country.answers.items():
        await anna.write(f"#answer-{field}", said)
    await anna.push(SENT)
    await here(anna, at, ".*/documents")
    await anna.tick(f"input[name=kind][value={country.kind}]")
    await anna.attach("#file", document)
    await anna.push("form[enctype] .button")
    await here(anna, at, ".*/documents")
    assert await window.has(".handed-in li")
    await anna.push("#added .button:not(.second)")  # what comes next stands out, not another document
    await here(anna, at, ".*/consents")
    for code in ("privacy", "truth", "secrecy"):
        await anna.tick(f"input[value={code}]")
    await anna.push(SENT)
    await here(anna, at, ".*/check")
    said = await window.text()
    for part in (NAME, country.specialty, country.number, *country.answers.values()):
        assert part in said, part
    await anna.push(SENT)
    await here(anna, at, "/join/[^/]+")
    assert await at.count("applications", "state = 'submitted'") == 1


async def verify(op: Hands, at: Running) -> str:
    """An operator looks at number and document, and lets her in; her handle."""
    await op.push(".places a[href='/admin/applications']")
    await here(op, at, "/admin/applications")
    await op.push("main tbody a")
    await here(op, at, "/admin/applications/[^/]+")
    shown = "(({complete, naturalWidth}) => complete && naturalWidth > 600)(document.querySelector('.paper img'))"
    await op.window.evaluate("document.querySelector('.paper img').scrollIntoView()")
    await op.window.until(shown)
    assert await at.count("audit", "action = 'document.viewed'") == 1
    handle = str(await op.window.evaluate("document.querySelector('#handle').value"))
    await op.tick("form.choice input[name=method][value=register]")
    await op.write("#evidence", "Urkunde und Verzeichnis verglichen.")
    await op.write("#register_text", NAME)
    await op.push("form.choice .button")
    await here(op, at, "/admin/applications/[^/]+")
    assert await at.count("applications", "state = 'accepted'") == 1
    return handle


async def settle_in(anna: Hands, at: Running, mail: MailServer, handle: str) -> None:
    """A password by the link in the mail, a passkey, and from then on the passkey alone."""
    await anna.window.go(await posted(mail, "welcome"))
    await here(anna, at, "/welcome/[^/]+")
    assert NAME in await anna.window.text()
    await anna.write("#password", CHOSEN)
    await anna.push(".door .button")
    await here(anna, at, "/settings/security")
    await anna.push("#passkeys .button")
    await here(anna, at, "/settings/security/passkeys/new")
    await anna.write("#name", "Telefon")
    await anna.push(SENT)
    await here(anna, at, "/settings/security")
    assert await at.count("passkeys") == 1
    await anna.push("header form .plain")
    await here(anna, at, "/login")
    await anna.push("[data-passkey] .button")
    await here(anna, at, "/")
    assert NAME in await anna.window.text() and await at.count("sessions", "proof = 'passkey'") == 1


async def ask(anna: Hands, at: Running, country: Country) -> None:
    """Her first case goes to the whole network."""
    await anna.push("header a[href='/compose']")
    await here(anna, at, "/compose")
    await anna.write("#question", country.question)
    await anna.write("#text", country.text)
    await anna.pick("#specialties", "cardiology")
    await anna.push(".row .button")
    await here(anna, at, "/compose")
    await anna.tick("input[name=reach][value=network]")
    await anna.tick("input[name=signature][value=name]")
    await anna.tick("input[name=ground][value=anonymous]")
    await anna.tick("input[name=no_name]")
    await anna.push("button[value=confirm]")
    await here(anna, at, "/compose")
    assert country.text in await anna.window.text()
    await anna.push("button[value=publish]")
    await here(anna, at, "/p/[^/]+")
    assert country.question in await anna.window.text()


async def answer_and_report(colleague: Hands, at: Running, country: Country) -> str:
    """A colleague abroad reads it, answers, and finds that the patient can be recognised: at once nobody there sees it."""
    await read(colleague, at, country)
    assert country.text in await colleague.window.text()
    place = str(await colleague.window.evaluate("location.pathname"))
    await colleague.write("#answer textarea", ANSWER)
    await colleague.push("#answer .button")
    await colleague.push(f"a[href='{place}/report']")
    await here(colleague, at, ".*/report")
    await colleague.tick("input[name=category][value=recognisable]")
    await colleague.write("#text", WORRY)
    await colleague.tick("input[name=share]")
    await colleague.push(SENT)
    await here(colleague, at, "/reports/[^/]+")
    await colleague.window.go(at.url + place)
    await here(colleague, at, place)
    said = await colleague.window.text()
    assert country.text not in said and country.question not in said and ANSWER in said
    return place


async def read(hands: Hands, at: Running, country: Country) -> None:
    """From home to her case."""
    await hands.push(".brand")
    await here(hands, at, "/")
    await hands.push(".also a[href$='specialties']")
    path = await hands.window.evaluate("document.querySelector('main h2 a').getAttribute('href')")
    await hands.push(f"h2 a[href='{path}']")
    await here(hands, at, path)
    assert country.question in await hands.window.text()


async def keep(op: Hands, at: Running, country: Country) -> None:
    """The operators of her country read the report, which does not say whose it is, and decide that it stays."""
    await op.push(".places a[href='/admin/reports']")
    await here(op, at, "/admin/reports")
    await op.push("main tbody a")
    await here(op, at, "/admin/reports/[^/]+")
    said = await op.window.text()
    assert country.text in said and WORRY in said and "Dr Ada" not in said
    await op.tick("input[name=result][value=kept]")
    await op.write("#reason", REASON)
    await op.push("form[action$=decide] .button")
    await here(op, at, "/admin/reports/[^/]+")
    assert await at.count("matters", "state = 'kept'") == 1


async def show_again(theirs: Hands, at: Running) -> None:
    """The operators abroad, who have hidden it, let it be seen again."""
    await until(lambda: at.count("matters", "state = 'kept'"))
    await theirs.window.go(f"{at.url}/admin/reports?tab=elsewhere")
    await theirs.push("main tbody a")
    await here(theirs, at, "/admin/reports/[^/]+")
    assert REASON in await theirs.window.text()
    await theirs.push("form[action$=hide] .button")


async def be_told(anna: Hands, home: Running, colleague: Hands, abroad: Running, country: Country) -> None:
    """Both are told what was decided and why; it can be read again."""
    await anna.push(TOLD)
    await here(anna, home, "/notifications")
    await anna.push("main a[href^='/reports/']")
    await here(anna, home, "/reports/[^/]+")
    said = await anna.window.text()
    assert REASON in said and WORRY not in said and "Dr Ada" not in said
    await colleague.push(TOLD)
    await colleague.push("main a[href^='/reports/']")
    await here(colleague, abroad, "/reports/[^/]+")
    assert REASON in await colleague.window.text() and not await colleague.window.has(f"{TOLD} .count")  # she has read it
    await read(colleague, abroad, country)
    assert country.text in await colleague.window.text()


async def take_along(anna: Hands, at: Running, country: Country, into: Path) -> None:
    """She has her archive made, and downloads it with her password."""
    await anna.push("header .to-settings")
    await here(anna, at, "/settings")
    await anna.push("main nav a[href='/settings/export']")
    await here(anna, at, "/settings/export")
    await anna.push("main form .button")
    await here(anna, at, "/settings/export")
    while not await anna.window.has("form[action$=file]"):
        await anna.push("main p a[href='/settings/export']")
    await here(anna, at, "/settings/export")
    await anna.write("#password", CHOSEN)
    into.mkdir()
    async with anna.window.downloading(into):
        await anna.unfold("form[action$=file] .button")
    [file] = into.iterdir()
    with zipfile.ZipFile(file) as archive:
        assert country.question in archive.read("outbox.json").decode("utf-8") or any(
            country.question in archive.read(name).decode("utf-8", "replace") for name in archive.namelist()), archive.namelist()


async def leave(anna: Hands, at: Running, handle: str) -> None:
    """She leaves, and sees it on every page."""
    await anna.push("main nav a[href='/settings/leave']")
    await here(anna, at, "/settings/leave")
    await anna.write("#handle", handle)
    await anna.write("#password", CHOSEN)
    await anna.push(".button.danger")
    await here(anna, at, "/settings/leave")
    await anna.push(".brand")
    await here(anna, at, "/")
    assert await anna.window.has("main .going")


async def be_gone(anna: Hands, at: Running, handle: str) -> None:
    """Nobody gets in by her name, and nothing of hers is left."""
    await anna.push(".brand")
    await here(anna, at, "/login")
    await anna.write("#handle", handle)
    await anna.write("#password", CHOSEN)
    await anna.push(".door .button")
    await here(anna, at, "/login")
    assert not await anna.window.has(".who") and await anna.window.has("#error-login")
    assert await at.count("actors", f"name = '{NAME}'") == await at.count("passkeys") == 0
    assert await at.count("documents", "deleted_at IS NULL") == await at.count("applications", f"name = '{NAME}'") == 0
    await until(lambda: not [*at.its.settings.path("documents").rglob("*")])


async def be_gone_abroad(colleague: Hands, at: Running, place: str, country: Country) -> None:
    """Where her case was stands only what others wrote, and nobody of her name is to be found."""
    await enter(colleague, at, "ada")
    await colleague.window.go(at.url + place)
    await here(colleague, at, place)
    said = await colleague.window.text()
    assert ANSWER in said and country.question not in said and country.text not in said and NAME not in said
    await colleague.push(".places a[href='/directory']")
    assert NAME not in await colleague.window.text()
    assert await at.count("actors", f"name = '{NAME}'") == 0
