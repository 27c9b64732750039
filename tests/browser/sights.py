"""Everything there is to see, as data: who sees which page, and what a form that was sent answers. A new page belongs here;
`test_axe` says so as long as it is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from actors.models import Role
from actors.relations import Circle
from core.database import Tx
from core.ids import public
from posts.drafts import Sheet, What, Written
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.browser.chromium import Chromium
from tests.browser.hands import Mouse, sign_in
from tests.browser.window import Window
from tests.servers import PASSWORD, Running, until

TEXT = ("## Verlauf\n\n**Drei** Wochen, <keine> Besserung.\n\n- erstens\n- zweitens\n\n"
        "| Test | Wert |\n|---|---|\n| CRP | 12 |\n\n> Zitat")


class Sight(NamedTuple):
    """A page, or with `sent` what a form in it answers: for each step the button, and what its form's fields are given
    before it is pressed (`*` ticks all). A page that shows itself is simply its path."""

    path: str
    status: int = 200
    sent: tuple[tuple[str, Mapping[str, str]], ...] = ()


_NEXT = ".row .button"
_POLL = (_NEXT, {"question": "Wann?", "options": "Heute\nMorgen"})
_NOTE = (_NEXT, {"question": "Wann?", "text": "Heute oder morgen?"})

SIGHTS: dict[str, tuple[str | Sight, ...]] = {
    "": (  # a visitor
        "/login", Sight("/nothing", 404), Sight("/login", 401, ((".door .button", {"handle": "ada", "password": "guessed it"}),)),
    ),
    "ada": (
        "/", "/?tab=following", "/?tab=all", "/?tab=waiting", "/?tab=abroad", "/?tab=country", "/?before=0000000000001", "/mine",
        "/p/{case}", "/p/{note}", "/p/{unvoted}", "/p/{several}", "/p/{own}", "/p/{voted}", "/p/{closed}", "/p/{erased}",
        "/p/{unvoted}?results=1", "/p/{case}?answer={answer}", "/p/{hers}/edit", "/p/{case}/edit", "/p/{case}/delete",
        "/p/{hers}/history", "/consults", "/drafts", "/p/{consult}", "/p/{consult}/edit", "/p/{home}", "/compose?abroad={home}",
        "/compose?draft={draft}", "/compose?kind=case", "/compose?kind=poll", "/compose?kind=note",
        "/@ada", "/@stu", "/@ben", "/@ada@{sibling}", "/@ben@{sibling}", "/directory", "/directory?country=",
        "/directory?name=nobody", "/directory?name=@ben@{sibling}", "/settings/profile",
        *(f"/follows?tab={circle}" for circle in Circle), Sight("/@nobody", 404),
        Sight("/directory?name=@nobody@x.example", 400, (("main form[method=post] .button", {}),)),
        Sight("/settings/profile", 400, ((_NEXT, {"about": "x" * 501}),)),
        Sight("/nothing", 404), Sight("/p/0000000000000", 404),
        Sight("/compose?kind=case", 400, ((_NEXT, {}),)),
        Sight("/compose?kind=poll", 400, ((_NEXT, {"question": "Wann?", "options": "Heute\nHeute"}),)),
        Sight("/compose?kind=poll", 200, (_POLL,)),
        Sight("/compose?kind=poll", 400, (_POLL, ("button[value=confirm]", {"reach": "countries"}))),
        Sight("/compose?kind=poll", 200, (_POLL, ("button[value=confirm]", {"reach": "countries", "origin": "*"}))),
        Sight("/compose?kind=note&to=@ben", 200, (_NOTE, ("button[value=confirm]", {}))),
        Sight("/compose?kind=note&to=@nobody", 400, (_NOTE, ("button[value=confirm]", {}))),
        Sight("/compose?abroad={home}", 200, ((_NEXT, {}),)),
        Sight("/p/{consult}", 409, (("#answer [formaction]", {"version": "", "mark": "another"}),)),
        Sight("/p/{case}", 400, (("#answer .button", {"text": " "}),)),
        Sight("/p/{several}", 400, ((".poll .button", {}),)),
        Sight("/p/{case}/edit", 400, ((_NEXT, {"question": " "}),)),
        Sight("/p/{hers}/edit", 409, ((_NEXT, {"revision": "1", "text": "Noch anders."}),)),
    ),
    "stu": (  # a student
        "/", "/mine", "/p/{case}", "/p/{unvoted}", Sight("/compose", 403),
    ),
    "old": (  # a doctor whose verification does not hold
        "/mine", "/p/{lapsed}/delete", Sight("/", 403),
    ),
    "op": (
        "/admin/siblings", "/admin/siblings?sort=queued", "/admin/siblings/{sibling}", "/admin/refusals",
        "/admin/refusals?before=1", Sight("/nothing", 404),
        Sight("/admin/siblings", 400, ((_NEXT, {"domain": "it.example", "country": "it", "fingerprint": "0"}),)),
    ),
}
"""By handle in the German instance. Places in braces are the keys of what `furnish` made."""


async def furnish(de: Running, fr: Running) -> dict[str, str]:
    """An operator, a student and a doctor whose time is over; a case with nested answers and a deleted one, polls in every
    state, a note, a deleted question, a refusal. Returns what a path can name."""
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    for handle, role in (("stu", Role.STUDENT), ("old", Role.DOCTOR)):
        await de.add_doctor(handle, role)
    ada, ben, old, claire = await de.author("ada"), await de.author("ben"), await de.author("old"), await fr.author("ben")
    compose = de.its.compose
    seen = compose.network_digest(await compose.destinations())
    facts = CaseFacts(("cardiology", "haematology"), "80-89", "x", "therapeutic")
    later = de.its.clock.ms() + 3_600_000
    asked = Draft(Kind.CASE, "Welche Untersuchung zuerst?", TEXT, "de", facts)
    note = Draft(Kind.NOTE, "Mitteilung", TEXT, "de")
    made = {"sibling": fr.domain, "note": await compose.publish(ben, note, (), Reach.HOME, ""),
            "lapsed": await compose.publish(old, note, (), Reach.HOME, ""),
            "erased": await compose.publish(ada, asked, (fr.url,), Reach.NETWORK, seen)}
    made["case"] = parent = await compose.publish(ada, asked, (fr.url,), Reach.NETWORK, seen)
    for name, author, several in (("unvoted", ben, False), ("several", ben, True), ("own", ada, False), ("voted", ben, False),
                                  ("closed", ben, False)):
        options = ("Ein langer Satz, der auf einem Telefon umbricht", "Nein", "Donaudampfschifffahrtsgesellschaft" * 2)
        draft = Draft(Kind.POLL, f"Umfrage: {name}?", "", "de", facts, PollDraft(options, several, later))
        made[name] = await compose.publish(author, draft, (fr.url,), Reach.NETWORK, seen)
    await de.its.polls.vote(ada, made["voted"], (0,))
    answers = []
    for number, author in enumerate((ben, ada, ben, ada, ben, ada)):
        parent = await compose.reply(author, parent, f"Antwort {number}. {TEXT}", "de")
        answers.append(parent)
    made |= {"hers": answers[3], "answer": answers[4]}
    await de.its.editing.delete(ada.actor, answers[1])
    await de.its.editing.edit(ada, made["hers"], "", "Anders.", None, 1)
    await compose.reply(ben, made["erased"], "Gute Frage.", "de")
    await de.its.editing.delete(ada.actor, made["erased"])
    uri = f"{de.url}/posts/{made['case']}"
    await until(lambda: fr.count("posts", f"uri = '{uri}'"))
    there = await fr.its.timelines.home(claire.actor, "all", None)
    await fr.its.compose.reply(claire, next(post.id for post in there.posts if post.uri == uri), "Depuis Lyon.", "fr")
    await until(lambda: de.count("posts", "language = 'fr'"))
    await _acquaint(de, fr)
    made |= await _confer(de, fr, asked)
    await de.its.database.write(lambda tx: _let_time_pass(tx, de.its.clock.ms() - 1000))
    de.its.refusals.record(direction="in", origin="https://a-rather-long-name.stranger.example", purpose="inbox",
                           reason="unlisted", path="/inbox/" + "x" * 150)
    return made


async def _acquaint(de: Running, fr: Running) -> None:
    """Ada follows Ben, is asked by the student, has blocked one colleague in France and muted another one."""
    ada, ben, stu = [await de.its.credentials.require_verified(de.doctors[handle]) for handle in ("ada", "ben", "stu")]
    its = de.its.relations
    await its.follow(ada, ben.actor)
    await its.accept(ben, ada.actor)
    await its.follow(stu, ada.actor)
    await its.block(ada.actor, await de.its.directory.resolve(f"@ada@{fr.domain}"))
    await its.mute(ada.actor, await de.its.directory.resolve(f"@ben@{fr.domain}"), de.its.clock.ms() + 3_600_000)
    await de.its.profiles.change(ada, "Herz und Gefäße.\n" + "Donaudampfschifffahrtsgesellschaft" * 3, discoverable=True)


async def _confer(de: Running, fr: Running, asked: Draft) -> dict[str, str]:
    """A consult across the border, a question of home that is asked abroad, drafts of a post and of two answers."""
    ada, compose = await de.author("ada"), de.its.compose
    colleagues = await de.its.colleagues.named(ada.actor, [f"@ben@{fr.domain}", "@ben"])
    made = {"consult": await compose.consult(ada, asked, colleagues), "draft": public(de.its.ids.new()),
            "home": await compose.publish(ada, asked, (), Reach.HOME, "")}
    await compose.publish(ada, asked, (fr.url,), Reach.COUNTRIES, compose.network_digest(await compose.destinations()),
                          asked_from=made["home"])
    begun = Written(question="Begonnen, " * 12, text=TEXT, language="de", doctors=("@ben",), reach="named")
    gone = await compose.publish(await de.author("ben"), asked, (), Reach.HOME, "")
    for sheet in (Sheet(What.NEW, made["draft"]), Sheet(What.REPLY, made["consult"]), Sheet(What.REPLY, gone)):
        await de.its.drafts.keep(ada.actor, sheet, begun)
    await de.its.editing.delete((await de.author("ben")).actor, gone)
    return made


def _let_time_pass(tx: Tx, before: int) -> None:
    """One poll has ended by now, one verification has run out."""
    tx.run("UPDATE polls SET ends_at = ? WHERE post_id = (SELECT id FROM posts WHERE question = 'Umfrage: closed?')", (before,))
    tx.run("UPDATE actors SET verified_until = ? WHERE handle = 'old'", (before,))


async def sights(browser: Chromium, de: Running, fr: Running, *, scripts: bool) -> AsyncIterator[tuple[str, Window]]:
    """One sight after the other: what it is called, and the window that shows it."""
    made = await furnish(de, fr)
    windows = {}
    for handle, seen in SIGHTS.items():
        window = windows[handle] = await browser.open(scripts=scripts)
        if handle:
            await sign_in(Mouse(window), de, handle)
        for sight in seen:
            sight = sight if isinstance(sight, Sight) else Sight(sight)
            await _show(window, de.url, sight._replace(path=sight.path.format(**made)))
            yield f"{sight.path} of {handle or 'a visitor'}{', sent' if sight.sent else ''}", window
    siblings, one = de.its.siblings, fr.domain
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "paused": lambda: siblings.pause(one, "op", "Wartung"),
        "revoked": lambda: siblings.revoke(one, "op", "Schluss"),
        "proposed": lambda: siblings.add(one, "fr", fr.its.identity.fingerprint, by="op")}
    for state, change in changes.items():
        await change()
        for handle, path in (("op", f"/admin/siblings/{one}"), ("ada", f"/p/{made['case']}"), ("ada", "/compose?kind=case")):
            await _show(windows[handle], de.url, Sight(path))
            assert handle != "op" or await windows[handle].has(f"h1 .mark.{state}")
            yield f"{path} of {handle} while the sibling is {state}", windows[handle]
    await _show(windows["op"], de.url, Sight(f"/admin/siblings/{one}", 400, (("#fingerprint ~ button", {"fingerprint": "0"}),)))
    yield "a sibling approved with a wrong fingerprint", windows["op"]


async def _show(window: Window, url: str, sight: Sight) -> None:
    await window.go(url + sight.path)
    assert await window.evaluate("location.pathname + location.search") == sight.path, "it led elsewhere"
    for button, typed in sight.sent:
        await window.evaluate(f"({_FILL})({json.dumps(button)}, {json.dumps(dict(typed))})")
        await window.click(button, leaves=True)
    status = await window.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
    assert status == sight.status, (sight, status, await window.text())


_FILL = """(button, typed) => {
  const form = document.querySelector(button).form;
  form.noValidate = true;
  for (const field of form.elements) {
    const value = typed[field.name];
    if (value === undefined) continue;
    if (["radio", "checkbox"].includes(field.type)) field.checked = [field.value, "*"].includes(value);
    else field.value = value;
  }
}"""
