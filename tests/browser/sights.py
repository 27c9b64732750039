"""Everything there is to see, as data: who sees which page, and what a form that was sent answers. A new page belongs here;
`test_axe` says so as long as it is missing. What it is to show is made in `house`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from actors.relations import Circle
from posts.models import Shelf
from tests.browser.chromium import Chromium
from tests.browser.hands import Mouse, sign_in
from tests.browser.house import House
from tests.browser.window import Window
from tests.servers import PASSWORD


class Sight(NamedTuple):
    """A page, or with `sent` what a form in it answers: for each step the button, and what its form's fields are given
    before it is pressed (`*` ticks all). A page that shows itself is simply its path."""

    path: str
    status: int = 200
    sent: tuple[tuple[str, Mapping[str, str]], ...] = ()


_NEXT = "main .row .button"
_DESK = "main form.card .button"
_DECIDE = "form[action$=decide] .button"
_CONFIRM = "button[value=confirm]"
_POLL = (_NEXT, {"question": "Wann?", "options": "Heute\nMorgen"})
_NOTE = (_NEXT, {"question": "Wann?", "text": "Heute oder morgen?"})

SIGHTS: dict[tuple[str, str], tuple[str | Sight, ...]] = {
    ("de", ""): (  # a visitor
        "/login", "/reset", "/reset/{reset}", "/welcome/{welcome}",
        "/imprint", "/privacy", "/terms", "/notice", "/notice?reference=ABCD-EFGH", "/mail/confirm/{confirm}",
        "/mail/stop/{stop}", "/offline",
        "/join", "/join?sent=1", "/join?invitation=nobody", "/join/{join_unconfirmed}",
        *(f"/join/{{join_empty}}{step}" for step in ("", "/person", "/register", "/consents", "/check", "/withdraw")),
        *(f"/join/{{join_full}}{step}" for step in ("", "/person", "/register", "/consents", "/check")),
        *(f"/join/{{join_{state}}}" for state in ("submitted", "asked", "accepted", "rejected", "withdrawn", "lapsed")),
        Sight("/join/no-such-link", 404), Sight("/join", 400, ((_NEXT, {"address": "nowhere"}),)),
        Sight("/join/{join_empty}/person", 400, ((_NEXT, {"name": " "}),)),
        Sight("/join/{join_empty}/register", 400, ((_NEXT, {"chamber": ""}),)),
        Sight("/join/{join_full}/register", 400, ((_NEXT, {"answer-licence-year": "bald"}),)),
        Sight("/join/{join_empty}/consents", 400, ((_NEXT, {}),)),
        Sight("/join/{join_rejected}", 400, ((_NEXT, {"appeal": " "}),)),
        Sight("/login", 200, ((".door .button", {"handle": "ben", "password": PASSWORD}),)),
        Sight("/login", 401, ((".door .button", {"handle": "ben", "password": PASSWORD}), (".door .button", {"code": "1"}))),
        Sight("/reset", 200, ((".door .button", {"who": "ada"}),)), Sight("/reset/no-such-link", 404),
        Sight("/reset/{reset}", 400, ((".door .button", {"password": "password1234"}),)),
        Sight("/reset/{reset}", 200, ((".door .button", {"password": "several words of nothing"}),)),
        Sight("/nothing", 404), Sight("/login", 401, ((".door .button", {"handle": "ada", "password": "guessed it"}),)),
        Sight("/notice", 400, ((_NEXT, {"text": "Das bin ich."}),)), Sight("/notice", 400, ((_NEXT, {"concern": "other"}),)),
        Sight("/mail/confirm/no-such-link", 404, (("main .button", {}),)),
        Sight("/mail/stop/{stop}", 200, (("main .button", {}),)),
        "/join/{applies}/documents", "/join/{applied}/documents", Sight("/join/nobody/documents", 404),
        Sight("/join/{applies}/documents", 400, (("form[enctype] .button", {"kind": "*"}),)),
        Sight("/join/{applies}/documents", 200, (("main li .plain", {}),)),
    ),
    ("de", "ada"): (
        "/notifications", "/notifications?show=unread",
        "/", "/?tab=following", "/?tab=abroad", "/?tab=waiting", "/?before=0000000000001", "/consults", "/bookmarks", "/mine",

        "/p/{shown}", "/p/{shown}/pictures/1", "/p/{shown}/pictures/2?with=3", "/p/{covered}", "/p/{covered}/pictures/1",
        "/p/{covered}/pictures/1?show=1", "/p/{shown_abroad}/pictures/1", "/p/{shown}/edit", "/p/{shown}/delete",
        "/drafts/new/{sheet}/pictures", "/drafts/new/{sheet}/pictures/{described}", "/drafts/new/{sheet}/pictures/{undescribed}",
        "/compose?draft={sheet}", Sight("/p/{shown}/pictures/9", 404),
        Sight("/drafts/new/{sheet}/pictures/{undescribed}", 400, ((
            "form.card .row .button", {"alt": " ", "sort": "photo", "seen": "*"}),)),
        "/mine/deletions", "/mine/deletions?show=ended", "/mine/deletions?show=all",
        "/drafts", "/privacy", "/specialties", "/specialties/cardiology", "/specialties/urology", "/tags/sepsis", "/tags/other",
        "/conditions", "/conditions?q=sarko", "/conditions?q=x%20y", "/conditions?specialty=cardiology",
        "/conditions/sarcoidosis", "/conditions/minoca",
        "/search", "/search?q=Untersuchung", "/search?q=antwort&kind=reply&since=2026-01", "/search?q=nothing+at+all&sex=x",
        "/search?q=uns&whose=consults", "/search?specialty=cardiology&answers=without", "/search?q=uns&before=0",
        "/directory", "/directory?country=", "/directory?name=nobody", "/directory?name=@ben@{sibling}",
        *(f"/follows?tab={circle}" for circle in Circle),
        "/@ada", "/@ben", "/@stu", "/@eva", "/@ben@{sibling}", "/@ada@{sibling}", "/@doc@{left}", "/p/{lost}",
        "/invite", "/settings", "/settings?saved=language", "/settings/mail", "/settings/profile", "/unlock?next=/",
        "/settings/attention", "/settings/attention?saved=attention", "/p/{been}", "/?tab=all",
        "/settings/security", "/settings/security?saved=password", "/settings/security/codes", "/settings/verification",
        "/oauth/authorize?{asks}", Sight("/oauth/authorize?{asks}", 200, (("main [value=allow]", {}),)),
        Sight("/oauth/authorize?{asks}&code_challenge_method=plain", 400), Sight("/oauth/authorize?client_id=nobody", 400),
        Sight("/settings/security", 400, (("#password .button", {"old": "x", "password": "several words"}),)),
        Sight("/settings/security/codes", 400, ((_NEXT, {"code": "1"}),)),
        Sight("/unlock?next=/", 401, ((".door .button", {"unlock_password": "guessed it"}),)),
        "/settings/export", "/settings/leave", "/settings/leave?saved=stay",
        "/p/{case}", "/p/{case}?answer={answer}", "/p/{home}", "/p/{note}", "/p/{unvoted}", "/p/{unvoted}?results=1",
        "/p/{own}", "/p/{closed}", "/p/{by_role}", "/p/{known}", "/p/{known}/edit", "/p/{known}/outcome", "/p/{known}/history",
        "/p/{shown_study}", "/p/{shown_study}/edit", "/compose?kind=study",
        Sight("/p/{known}/outcome", 400, ((_NEXT, {"text": "@nobody@nowhere.example"}),)),
        "/p/{news}", "/p/{study}", "/p/{congress}", "/p/{machine}", "/p/{confirmed}", "/p/{french}",
        "/?tab=news", "/?tab=asked", "/congresses", "/compose?kind=news", "/compose?kind=congress",
        "/compose?kind=study&desk=redaktion",
        *(f"/specialties/cardiology?tab={shelf}" for shelf in Shelf), "/specialties/urology?tab=congresses", "/@redaktion",
        "/p/{voted}", "/p/{erased}", "/p/{consult}", "/p/{consult}/edit", "/p/{hers}/edit", "/p/{case}/edit", "/p/{case}/delete",
        "/followed", "/followed?before=0000000000001", "/followed?show=muted",
        "/p/{dose}", "/p/{dose}/print", "/p/{case}/print", "/p/{erased}/print",
        "/p/{corrected}/history", "/p/{recalled}/history", "/p/{corrected}/edit", "/p/{thanks}/recall",
        Sight("/p/{thanks}/recall", 400, ((_NEXT, {"reason": " "}),)),
        Sight("/p/{corrected}/edit", 400, ((_NEXT, {"corrects": "advice", "text": "Zwei.", "reason": " "}),)),
        Sight("/p/{dose}", 400, (("#answer .button", {"text": "Siehe", "reply_kind": "evidence", "sources": "im Buch"}),)),
        "/reports", "/reports/opened", "/reports/{complained}", "/reports/{takedown}", "/p/{hidden}", "/p/{taken}",
        "/p/{note}/report", Sight("/p/{note}/report", 400, ((_NEXT, {}),)), Sight("/p/{home}/report", 403),
        Sight("/p/{note}/report", 400, ((_NEXT, {"category": "other", "text": " "}),)),
        Sight("/reports/{takedown}", 400, ((_NEXT, {"appeal": " "}),)),
        "/p/{case}/history", "/p/{hers}/history", "/p/{case}/likes", "/p/{case}/boosts",
        "/compose?kind=case", "/compose?kind=poll", "/compose?draft={draft}", "/compose?abroad={home}",
        *(Sight(path, 404) for path in (
            "/nothing", "/p/0000000000000", "/specialties/nothing", "/conditions/nothing", "/tags/1", "/@nobody")),
        *(f"/drafts/reply/{{answer}}/pictures/{{{name}}}{page}" for name in ("retouched", "film") for page in ("", "/edit")),
        Sight("/drafts/reply/{answer}/pictures/{retouched}/edit", 400, (("form[data-marking] .row .button", {"x": "links"}),)),
        Sight("/drafts/reply/{answer}/pictures/{retouched}/edit", 400, (("form:has(#level) > .row:last-child .button",
                                                                        {"level": "hell"}),)),
        Sight("/compose?kind=case", 400, ((_NEXT, {}),)),
        Sight("/compose?kind=note", 400, ((_NEXT, {"question": "Wer?", "text": "@nobody@home"}),)),
        Sight("/compose?kind=poll", 400, ((_NEXT, {"question": "Wann?", "options": "Heute\nHeute"}),)),
        Sight("/compose?kind=note", 200, ((_NEXT, {"question": "Wer?", "text": "Frau M. am 3.4.2024 im Klinikum Fulda."}),)),
        Sight("/compose?kind=note", 200, ((_NEXT, {"question": "Wer?", "text": "Frau M."}), ("button[name=apply]", {}))),
        Sight("/compose?kind=note", 400, ((_NEXT, {"question": "Wer?", "text": "Karte 756.9217.0769.85 von Frau M."}),)),
        Sight("/compose?kind=note", 200, ((_NEXT, {"question": "Wer?", "text": "Frau M."}), ("button[name=looked]", {}),
                                          (_CONFIRM, {}))),
        Sight("/compose?kind=poll", 200, (_POLL,)),
        Sight("/compose?kind=poll", 400, (_POLL, (_CONFIRM, {"reach": "countries"}))),
        Sight("/compose?kind=poll", 400, (_POLL, (_CONFIRM, {"reach": "countries", "origin": "*"}))),
        Sight("/compose?kind=poll", 200, (_POLL, (_CONFIRM, {"reach": "countries", "origin": "*", "signature": "role"}))),
        Sight("/compose?kind=note&to=@ben", 200, (_NOTE, (_CONFIRM, {}))),
        Sight("/compose?kind=note&to=@nobody", 400, (_NOTE, (_CONFIRM, {}))),
        Sight("/compose?abroad={home}", 200, ((_NEXT, {}),)),
        Sight("/p/{consult}", 409, (("#answer .row [formaction]", {"version": "", "mark": "another"}),)),
        Sight("/p/{case}", 400, (("#answer .button", {"text": " "}),)),
        Sight("/p/{several}", 400, ((".poll .button", {}),)), Sight("/p/{own}", 200, ((".counted .button", {}),)),
        Sight("/p/{case}/edit", 400, ((_NEXT, {"question": " "}),)),
        Sight("/p/{case}/edit", 200, ((_NEXT, {"text": "Frau M. am 3.4.2024."}),)),
        Sight("/p/{case}?answer={case}", 200, (("#answer .row .button", {"text": "Frau M. am 3.4.2024."}),)),
        Sight("/p/{hers}/edit", 409, ((_NEXT, {"revision": "1", "text": "Noch anders."}),)),
        Sight("/directory?name=@nobody@x.example", 400, (("main form[method=post] .button", {}),)),
        Sight("/settings/profile", 400, (("form[action$=profile] .button", {"about": "x" * 501}),)),
        Sight("/settings/mail", 400, ((_NEXT, {"address": "nowhere"}),)),
        Sight("/settings/attention", 400, (("form[action$=attention] .button", {"asks": "99"}),)),
        Sight("/settings/attention", 400, (("form[action$=attention] .button", {"from": ""}),)),
        Sight("/settings/leave", 400, ((".button.danger", {"handle": "ben", "password": "guessed it"}),)),
        Sight("/settings/leave", 400, ((".button.danger", {"handle": "ada", "password": "guessed it"}),)),
    ),
    ("de", "eva"): (  # somebody who leaves, and has her archive
        "/", "/settings/leave", "/settings/export",
        Sight("/settings/export", 400, (("form[action$=file] .button", {"password": "guessed it"}),)),
    ),
    ("de", "stu"): (  # a student
        "/invite", "/", "/mine", "/p/{case}", "/p/{unvoted}", "/settings/export", Sight("/compose", 403),
    ),
    ("de", "old"): (  # a doctor whose verification does not hold
        "/mine", "/drafts", "/settings", "/settings/verification", "/settings/export", "/p/{lapsed}/delete", Sight("/", 403),
    ),
    ("de", "op"): (
        "/admin/siblings", "/admin/siblings?sort=queued", "/admin/siblings/{sibling}",
        "/admin/siblings/{sibling}/describe", "/admin/siblings/{sibling}/checks", "/admin/siblings/{sibling}/checks/{passed}",
        "/admin/siblings/{trying}", "/admin/siblings/{trying}/checks", "/admin/siblings/{trying}/checks/{failed}",
        "/admin/siblings/{sibling}/pause", "/admin/siblings/{sibling}/revoke", "/admin/siblings/{left}/revoke",
        "/admin/siblings/{left}/pause", "/admin/disclosures", "/admin/disclosures?sibling={sibling}",
        "/admin/disclosures?sibling={left}&from=2026-01-01", "/admin/audience", "/admin/audience?post={case}",
        "/admin/audience?draft=fr", "/admin/audience?draft=@ben",
        Sight("/admin/disclosures?sibling={sibling}&from=yesterday", 400), Sight("/admin/audience?post=nothing", 404),
        Sight("/admin/audience?draft=zz", 400),
        "/admin/queue", "/admin/queue/{left}", "/admin/queue/{sibling}", "/admin/queue/{waits}",
        "/admin/queue/{waits}/{ended}/drop", "/admin/queue/{waits}/{gone}/drop", "/admin/deletions",
        "/admin/deletions?state=held",
        "/admin/deletions?sibling={waits}",
        "/admin/deletions?before=0000000000001-0000000000001",
        Sight("/admin/queue/{waits}/{ended}/drop", 400, ((_NEXT, {"reason": " "}),)),
        "/admin/applications", "/admin/applications?tab=asked", "/admin/applications?tab=decided",
        "/admin/applications?after=9999999999999-1", "/admin/statistics",
        *(f"/admin/applications/{{decide_{name}}}" for name in (
            "seen", "proposed", "asked", "rejected", "student", "appeal", "renewal")),
        Sight("/admin/applications/{decide_seen}", 400, (("form.choice .button", {"method": "register", "evidence": " "}),)),
        Sight("/admin/applications/{decide_seen}", 400, (("details.choice .button.second", {}),)),
        Sight("/admin/applications/{decide_seen}", 400, (("details.choice .button.danger", {}),)),
        Sight("/admin/applications/{decide_proposed}", 400, (("[value=decline]", {"reason": " "}),)),
        "/admin/verifications", "/admin/verifications?after=9999999999999999-1", "/admin/verifications/ada",
        "/admin/verifications/old", "/admin/verifications/sus", "/admin/verifications/wit",
        Sight("/admin/verifications?handle=nobody", 404),
        Sight("/admin/verifications/ada", 400, (("[value=suspend]", {"reason": " "}),)),
        Sight("/admin/verifications/ada", 400, (("[value=withdraw]", {"reason": "x"}),)),
        Sight("/admin/verifications/wit", 400, (("[value=verify]", {"evidence": " "}),)),
        "/admin/departures", "/admin/departures?before=0000000000001",
        "/admin/desks", Sight("/admin/desks", 404, ((_DESK, {"name": "Neu", "handle": "neu", "doctor": "nobody"}),)),
        Sight("/admin/desks", 404, (("[action$='redaktion/hand-over'] .button", {"doctor": "nobody"}),)),
        "/admin/siblings/new", "/admin/identity", "/admin/audit", "/admin/audit?by=nobody", "/admin/audit?before=1",
        "/admin/refusals", "/admin/refusals?direction=in&reason=unlisted", "/admin/refusals?who=nobody",
        "/admin/keys", "/admin/siblings/{sibling}/key",
        Sight("/admin/siblings/{sibling}/key", 400, (("#key-fingerprint ~ button", {"fingerprint": "0"}),)),
        "/admin/reports", "/admin/reports?tab=elsewhere", "/admin/reports?tab=decided", "/admin/reports?before=zzzzzzzzzzzzz",
        "/admin/reports/{hides}", "/admin/reports/{takedown}", "/admin/opened", "/admin/posts/{note}/open",
        Sight("/admin/reports/{hides}", 400, ((_DECIDE, {"result": "kept", "reason": " "}),)),
        Sight("/admin/reports/{hides}", 400, ((_DECIDE, {"reason": "Weil."}),)), Sight("/admin/opened?post=nothing", 404),
        Sight("/admin/posts/{note}/open", 400, ((_NEXT, {"reason": " "}),)),
        Sight("/admin/posts/{note}/open", 200, ((_NEXT, {"reason": "Hinweis von außen."}),)),
        Sight("/admin/posts/{note}/open", 400, ((_NEXT, {"reason": "Hinweis von außen."}), (_NEXT, {}))),
        "/admin/refusals?before=1", "/admin/notices", "/admin/notices?tab=handled", "/admin/notices?before=1",
        "/admin/notices/{waiting}", "/admin/notices/{handled}", "/settings", "/settings/security",
        Sight("/settings/security", 200, (("#recovery .button", {}),)),
        "/admin/unmask", "/admin/unmask?before=0000000000001", "/admin/unmask/{proposed}", "/admin/unmask/{found}",
        Sight("/admin/unmask/{found}", 200, (("main .button", {}),)),
        Sight("/admin/unmask", 400, ((_NEXT, {"post": "nobody", "reason": " "}),)),
        Sight("/admin/siblings/{trying}/checks", 400, (("#untested ~ button", {"reason": " "}),)),
        Sight("/nothing", 404), Sight("/admin/notices?reference=AAAA-AAAA", 404),
        Sight("/admin/notices/{waiting}", 400, ((_NEXT, {"note": " "}),)),
        Sight("/admin/siblings/new", 400, ((_NEXT, {"domain": "it.example", "country": "it", "fingerprint": "0"}),)),
        Sight("/admin/siblings/{sibling}/describe", 400, ((_NEXT, {"operator": "x" * 301}),)),
        Sight("/admin/audit", 200, (("main form[action$=verify] .button", {}),)),
    ),
    ("it", "ada"): (  # where nobody has done anything yet
        "/", "/?tab=following", "/?tab=abroad", "/?tab=waiting", "/notifications", "/consults", "/bookmarks", "/followed",
        "/drafts", "/mine",
        "/?tab=news", "/congresses", *(f"/specialties/urology?tab={shelf}" for shelf in Shelf),
        "/join", "/settings/mail", "/settings/security", "/settings/security/passkeys/new", "/reports", "/reports/opened",
    ),
    ("it", "op"): (
        "/admin/queue", "/admin/deletions", "/admin/siblings", "/admin/refusals", "/admin/audit?by=nobody", "/admin/notices",
        "/admin/applications", "/admin/applications?tab=asked", "/admin/applications?tab=decided", "/admin/statistics",
        "/admin/unmask", "/admin/reports", "/admin/opened",
        "/admin/departures", "/admin/desks",
    ),
}
"""By country of the instance and handle. Places in braces are the keys of what `house` has made."""


async def walk(browser: Chromium, house: House, look: Callable[[Window, str], Awaitable[list[str]]]) -> list[str]:
    """Show everything, one sight after the other, to `look`, which gets the window and what the sight is called and says what
    is wrong. The doctor who has most to see looks around beside all others, since there are two cores."""
    windows: dict[tuple[str, str], Window] = {}

    async def see(viewers: list[tuple[str, str]]) -> list[str]:
        wrong = []
        for country, handle in viewers:
            at = house.at(country)
            window = windows[country, handle] = await browser.open()
            if handle:
                await sign_in(Mouse(window), at, handle)
            for sight in SIGHTS[country, handle]:
                sight = sight if isinstance(sight, Sight) else Sight(sight)
                await _show(window, at.url, sight._replace(path=sight.path.format(**house.made)))
                name = f"{sight.path} of {handle or 'a visitor'} in {country}"
                wrong += await look(window, f"{name}, sent" if sight.sent else name)
        return wrong

    most = max(SIGHTS, key=lambda who: len(SIGHTS[who]))
    beside = await asyncio.gather(see([most]), see([who for who in SIGHTS if who != most]))
    return [*beside[0], *beside[1], *await _states(house, windows["de", "ada"], windows["de", "op"], look)]


async def _states(house: House, ada: Window, op: Window, look: Callable[[Window, str], Awaitable[list[str]]]) -> list[str]:
    """What a paused, a revoked and a proposed sibling changes."""
    siblings, url, one = house.de.its.siblings, house.de.url, house.fr.domain
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "paused": lambda: siblings.pause(one, "op", "Wartung"), "revoked": lambda: siblings.revoke(one, "op", "Schluss"),
        "proposed": lambda: siblings.add(one, "fr", house.fr.its.identity.fingerprint, by="op")}
    wrong = []
    for state, change in changes.items():
        await change()
        await _show(op, url, Sight(f"/admin/siblings/{one}"))
        assert await op.has(f"h1 .mark.{state}")
        wrong += await look(op, f"the sibling, {state}")
        await _show(ada, url, Sight(f"/p/{house.made['case']}"))
        wrong += await look(ada, f"a case while the sibling is {state}")
    await _show(op, url, Sight(f"/admin/siblings/{one}", 400, (("#fingerprint ~ button", {"fingerprint": "0"}),)))
    return wrong + await look(op, "a sibling confirmed with a wrong fingerprint")


async def _show(window: Window, url: str, sight: Sight) -> None:
    await window.go(url + sight.path)
    assert await window.evaluate("location.pathname + location.search") == sight.path, "it led elsewhere"
    for button, typed in sight.sent:
        await window.evaluate(f"({_FILL})({json.dumps(button)}, {json.dumps(dict(typed))})")
        await window.click(button, leaves=True)
    status = await window.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
    assert status == sight.status, (sight, status, await window.text())


_FILL = """(button, typed) => {
  document.querySelector(button).closest("details")?.setAttribute("open", "");
  const form = document.querySelector(button).form;
  form.noValidate = true;
  for (const field of form.elements) {
    const value = typed[field.name];
    if (value === undefined) continue;
    if (["radio", "checkbox"].includes(field.type)) field.checked = [field.value, "*"].includes(value);
    else field.value = value;
  }
}"""
