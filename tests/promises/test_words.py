"""Everything a person reads can be translated, and a page speaks one language only.

A sentence can be translated when it is a literal that the extraction finds. So errors are literals with named places,
templates have no words outside gettext, and a catalogue made of everything that was found covers whole pages.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyotp
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from jinja2 import Environment, nodes
from quart import render_template, render_template_string

from actors.relations import Circle
from catalogues import ERRORS, PACKAGES, ROOT, extracted
from core.countries import CODES, pack, specialties, specialty_title
from core.errors import InvalidInput
from core.i18n import Translations, catalogue_path, language_name
from core.settings import Settings
from core.words import N_
from federation.allowlist import Purpose, SiblingState
from federation.refusals import SENTENCES
from federation.signatures.keys import fingerprint_words, grouped
from instance.app import create_pages
from tests.conversations.test_consults import met
from tests.servers import PASSWORD, Running, countries, until
from tests.test_pages import Browser, fields
from tests.test_relations import doctor

TEMPLATES = sorted(path for kind in ("html", "txt") for path in (ROOT / "templates").rglob(f"*.{kind}"))
BRANDS = {"Konsil", "UTC"}
_READ_ALOUD = {"alt", "aria-label", "aria-description", "placeholder", "title"}
_PLACE = re.compile(r"%\((\w+)\)s")
_LETTERS = re.compile(r"[^\W\d_]+")


class Call(NamedTuple):
    """Where an error or a marked word is made."""

    where: str
    name: str
    node: ast.Call


@cache
def calls() -> tuple[Call, ...]:
    found = []
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in ERRORS | {"N_"}:
                    found.append(Call(f"{path.relative_to(ROOT)}:{node.lineno}", name, node))
    return tuple(found)


def literal(node: ast.Call) -> str | None:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


@cache
def templates() -> dict[str, tuple[str, nodes.Template]]:
    environment = Environment(extensions=["jinja2.ext.i18n"])
    return {path.name: (path.read_text("utf-8"), environment.parse(path.read_text("utf-8")))
            for path in TEMPLATES}


def test_every_error_is_a_literal_sentence() -> None:
    made = [call for call in calls() if call.name in ERRORS]
    assert len(made) > 150
    assert [call.where for call in made if literal(call.node) is None] == []
    assert [call.where for call in calls() if call.name == "N_" and literal(call.node) is None] == []


def test_every_place_in_an_error_has_its_value() -> None:
    wrong = []
    for call in calls():
        if call.name in ERRORS:
            given = next((keyword.value for keyword in call.node.keywords if keyword.arg == "values"), ast.Dict([], []))
            names = {key.value for key in given.keys if isinstance(key, ast.Constant)} if isinstance(given, ast.Dict) else None
            if names != set(_PLACE.findall(literal(call.node) or "")):
                wrong.append(call.where)
    assert wrong == []


def test_an_error_speaks_english_to_programs_and_the_readers_language_to_people() -> None:
    german = {"A %(what)s has %(state)s.": "%(state)s hat ein %(what)s.", "open": "offen"}
    error = InvalidInput("A %(what)s has %(state)s.", values={"what": "open", "state": N_("open")})
    assert str(error) == error.message == error.problem()["title"] == "A open has open."
    assert error.said(lambda text: german.get(text, text)) == "offen hat ein open."
    assert InvalidInput("100 % of it").said(str) == "100 % of it"


def test_babel_finds_every_sentence() -> None:
    sentences = {literal(call.node) for call in calls()}
    assert sentences <= extracted()
    assert {*SENTENCES.values(), *SiblingState, *Purpose} <= extracted()
    for _, tree in templates().values():
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in ("_", "gettext"):
                assert isinstance(call.args[0], nodes.Const) and call.args[0].value in extracted()
            elif isinstance(call.node, nodes.Name) and call.node.name == "ngettext":
                assert tuple(arg.value for arg in call.args[:2] if isinstance(arg, nodes.Const)) in extracted()


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES))
def test_a_template_has_no_words_outside_gettext(name: str) -> None:
    source, tree = templates()[name]
    data, expressions = _taken_apart(source)
    page = Visible(everything=True)
    page.feed(data)
    seen = " ".join(page.texts)
    assert _LETTERS.findall(_without(seen, BRANDS)) == []
    for mark, expression in expressions.items():
        if mark in seen:
            (output,) = Environment(extensions=["jinja2.ext.i18n"]).parse(expression).find_all(nodes.Output)
            assert _LETTERS.findall(" ".join(text for part in output.nodes for text in _shown(part))) == [], expression
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in ("_", "gettext", "ngettext"):
            assert isinstance(call.args[0], nodes.Const), "words made in Python go through the filter `said`"


def _taken_apart(source: str) -> tuple[str, dict[str, str]]:
    """A template's HTML with a mark for each `{{ … }}`, and what stands behind the marks."""
    source = re.sub(r"\{% block (width|ask) %\}.*?\{% endblock %\}", "", source)  # they fill a class attribute
    source = re.sub(r"\{% macro marks?e?d?\(.*?\{% endmacro %\}", "", source, flags=re.DOTALL)  # attributes and nothing else
    html, inside = "", ""
    expressions: dict[str, str] = {}
    for _, kind, text in Environment().lex(source):
        if kind == "data":
            html += text
        elif kind == "variable_begin" or inside:
            inside += text
            if kind == "variable_end":
                mark = chr(0xE000 + len(expressions))
                html, expressions[mark], inside = html + mark, inside, ""
    return html, expressions


class Visible(HTMLParser):
    """The texts of a page that are read or read aloud; those that say themselves which language they are in on demand."""

    def __init__(self, *, everything: bool = False) -> None:
        super().__init__()
        self._everything = everything
        self.texts: list[str] = []
        self.language = ""
        self._foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang") or ""
        elif self._foreign:
            self._foreign += [tag] if tag == self._foreign[0] else []
        elif "lang" in given and not self._everything and tag not in ("input", "img", "br", "link"):
            self._foreign.append(tag)
        if not self._foreign:
            self.texts += [value for name, value in attrs if name in _READ_ALOUD and value]

    def handle_endtag(self, tag: str) -> None:
        if self._foreign and self._foreign[-1] == tag:
            self._foreign.pop()

    def handle_data(self, data: str) -> None:
        if not self._foreign:
            self.texts.append(data)


def _shown(node: nodes.Node) -> Iterator[str]:
    """The literals that an expression can put on the page by itself."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from _shown(node.expr1)
        if node.expr2 is not None:
            yield from _shown(node.expr2)
    elif isinstance(node, nodes.Or | nodes.And | nodes.Add):
        yield from _shown(node.left)
        yield from _shown(node.right)
    elif isinstance(node, nodes.Concat):
        for part in node.nodes:
            yield from _shown(part)
    elif isinstance(node, nodes.Dict):
        for pair in node.items:
            yield from _shown(pair.value)
    elif isinstance(node, nodes.Getitem | nodes.Getattr | nodes.Filter) and node.node is not None:
        yield from _shown(node.node)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get":
        yield from _shown(node.node)
        for argument in node.args[1:]:
            yield from _shown(argument)


def _without(text: str, known: set[str]) -> str:
    for word in sorted(known, key=len, reverse=True):
        text = text.replace(word, " ")
    return text


def pseudo_german(directory: Path) -> Translations:
    """A catalogue in which every sentence is itself in «quotes»: what stands outside them on a page was not looked up."""
    catalogue = Catalog(locale="de")
    for message in extracted():
        catalogue.add(message, f"«{message}»" if isinstance(message, str) else tuple(f"«{form}»" for form in message))
    path = catalogue_path(directory, "de")
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_po(file, catalogue)
    return Translations(directory)


def _not_translated(page: str, data: set[str]) -> list[str]:
    visible = Visible()
    visible.feed(page)
    assert visible.language == "de"
    text = " ".join(" ".join(visible.texts).split())
    while (inner := re.sub(r"«[^«»]*»", " ", text)) != text:
        text = inner
    return _LETTERS.findall(_without(text, data | BRANDS))


def spoken(*languages: str) -> Callable[[Settings], Settings]:
    """Settings that offer these languages."""
    return lambda settings: msgspec.structs.replace(
        settings, instance=msgspec.structs.replace(settings.instance, languages=languages))


async def test_a_page_in_another_language_has_no_english_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    data = {pack(code).name_in("de") for code in CODES} | {pack(code).notice_in("de") for code in CODES} | {
        specialty_title(code, "de") for code in specialties()} | {language_name(code) for code in ("de", "fr", "it", "es", "en")}
    async with countries(tmp_path, "fr", "it", settled=spoken("fr", "de", "en")) as (fr, it), \
            Browser(fr) as ada, Browser(fr) as operator:
        await fr.its.accounts.add_operator("op", "Operator", PASSWORD)
        for browser in (ada, operator):
            browser.session.headers["accept-language"] = "de-AT, en;q=0.5"
        for one in (fr, it):
            data |= {one.domain, one.url, one.its.identity.name, fingerprint_words(one.its.identity.fingerprint),
                     grouped(one.its.identity.fingerprint)}
        data |= {"Dr Ada", "Dr Ben", f"@ben@{fr.domain}", "Operator", "FR", "IT", "Laquelle?", "Texte", "Autre", "ab" * 32}
        data.add("sepsis")
        data |= {"Dr Ben", "Dr Zoe", "Dr Leo", "@ada", "@ben", "@zoe", "@leo", "@x", "x" * 501}
        pages = [await ada.get("/login"), await ada.post("/login", {"handle": "ada", "password": "wrong"}),
                 await ada.get("/nothing"), *[await ada.get(path) for path in ("/imprint", "/privacy", "/terms", "/notice")],
                 await ada.get("/notice?reference=ABCD-EFGH"), await ada.post("/notice", {"concern": "", "text": "Texte"})]
        assert "Kein Notfalldienst" in pages[0][1]
        assert await ada.login("ada") == 303 and await operator.login("op") == 303
        written = {"kind": "case", "question": "Laquelle?", "text": "Texte", "language": "fr", "specialties": "cardiology",
                   "age_band": "30-39", "sex": "f", "aim": "diagnostic", "ground": "anonymous", "no_name": "1"}
        pages += [await ada.get("/"), await ada.get("/compose?kind=case"), await ada.get("/compose?kind=poll"),
                  await ada.post("/compose", written | {"step": "audience", "text": ""}),
                  await ada.post("/compose", written | {"step": "audience"}),
                  await ada.post("/compose", written | {"step": "confirm", "reach": "countries"}),
                  await ada.post("/compose", written | {"step": "confirm", "reach": "network", "signature": "role"})]
        where = (await ada.post("/compose", written | fields(pages[-1][1]) | {"step": "publish"}))[1]
        await until(lambda: it.count("posts"))
        edited = fields((await ada.get(f"{where}/edit"))[1]) | {"question": "Laquelle?", "text": "Autre"}
        edited["specialties"] = "cardiology"
        assert (await ada.post(f"{where}/edit", edited))[0] == 303
        answer = await fr.its.compose.reply(await fr.author("ben"), where.removeprefix("/p/"), "Texte", "fr")
        await fr.its.editing.edit(await fr.author("ben"), answer, "", "Autre", 1)
        pages += [await ada.get("/notifications"), await ada.get(f"/p/{answer}/history")]
        pages += [await ada.get("/"), await ada.get(where), await ada.post(f"{where}/reply", {"text": "", "language": "fr"}),
                  await ada.get(f"{where}/edit"), await ada.get(f"{where}/delete"), await ada.get(f"{where}/history"),
                  await ada.get("/p/0000000000000"), await ada.get("/mine"), await ada.get("/settings?saved=language"),
                 await ada.post("/settings/language", {"language": "nonsense"}), await ada.get("/privacy"),
                  await ada.get("/notifications"), await ada.get("/settings/mail"), await ada.get("/mail/confirm/x"),
                  await ada.post("/mail/stop/x", {}), await ada.get("/specialties"),
                  await ada.get("/specialties/cardiology"), await ada.get("/specialties/urology"),
                  await ada.get("/specialties/cardiology?tab=waiting"), await ada.get("/specialties/nothing"),
                  await ada.get("/tags/sepsis")]
        pages += await _secured(ada)
        await _met(fr, it)
        pages += [await ada.get("/directory"), await ada.get(f"/directory?name=@ben@{it.domain}"),
                  await ada.get("/directory?name=x"), await ada.post("/directory", {"name": "@x"}),
                  *[await ada.get(f"/@{one}") for one in ("ada", "ben", "zoe", "leo", f"ada@{it.domain}", f"ben@{it.domain}")],
                  *[await ada.get(f"/follows?tab={circle}") for circle in (*Circle, "following&before=0")],
                  await ada.post("/@ben/relation", {"do": "mute", "hours": "x"}),
                  await ada.get("/settings/profile"), await ada.post("/settings/profile", {"about": "x" * 501})]
        notices = [await fr.its.outside.take("other", "Texte", "Autre", "fr", "203.0.113.5") for _ in range(2)]
        await fr.its.outside.handle(notices[0], "Texte", "op")
        pages += await _consulted(fr, ada, written)
        data |= {*notices, "ABCD", "EFGH", "op"}
        named = written | {"text": f"@ben@{it.domain}", "step": "confirm", "reach": "home"}
        await met(fr, it, "ben")
        pages += [await ada.post("/compose", named), await ada.post("/compose", named | {"text": "@nobody@home"})]
        assert "Add Italien to the readers" in pages[-2][1]
        await _refused(fr)
        wrong = {"domain": "not a domain", "country": "it", "fingerprint": "ab" * 32}
        pages += [await operator.get("/compose"), await operator.get("/admin/siblings"),
                  await operator.get(f"/admin/siblings/{it.domain}"), await operator.get("/admin/refusals"),
                  await operator.post("/admin/siblings/new", wrong), await operator.get("/admin/siblings/new"),
                  *[await operator.get(f"/admin/{path}") for path in (
                      "identity", "audit", "audit?by=nobody", "refusals?who=nobody", f"siblings/{it.domain}/describe")],
                  await operator.post("/admin/audit/verify", {}),
                  await operator.post(f"/admin/siblings/{it.domain}/describe", {"review_on": "x"}),
                  await operator.get("/admin/siblings/nobody.example"), await operator.get("/admin/notices"),
                 await operator.get("/admin/notices?tab=handled"), await operator.get("/admin/notices?reference=ABCD-EFGH"),
                 await operator.get("/admin/notices?before=1"), await operator.get("/admin/notices?before=1&tab=handled"),
                 *[await operator.get(f"/admin/notices/{reference}") for reference in notices],
                 await operator.post(f"/admin/notices/{notices[1]}", {"note": ""})]
        data |= {"nobody.example", "nobody", "127.0.0.1"}
        for entry in await fr.its.audit.list(99):
            data |= {entry.by, entry.target, entry.detail, entry.hash.hex(), entry.hash.hex()[:12]}
        for one in (fr, it):
            data |= {grouped(one.its.identity.fingerprint)[:9], grouped(one.its.identity.fingerprint)[-4:],
                     *((key := one.its.identity.documents.multibase), key[:12], key[-6:])}
        for _, page in pages:
            assert _not_translated(page, data - {""}) == []
        assert "Frankreich" in pages[9][1] and "Kardiologie" in pages[10][1] and "Italiano" in pages[10][1]


async def _secured(ada: Browser) -> list[tuple[int, str]]:
    """How she signs in, with an app that was just set up, and the page that asks who is there."""
    here = "/settings/security"
    assert (await ada.post(f"{here}/codes/begin", {}))[0] == 303
    pages = [await ada.get(f"{here}/codes")]
    key = re.search(r'<p class="mono key">([A-Z2-7 ]+)</p>', pages[0][1])
    assert key is not None
    code = pyotp.TOTP(key[1].replace(" ", "")).now()
    made = (await ada.post(f"{here}/codes", {"code": code}))[1]
    pages[0] = (200, pages[0][1].replace(key[1], ""))
    pages += [(200, re.sub(r'<li class="mono">[^<]*</li>', "", made)), await ada.get(here), await ada.get("/unlock?next=/"),
              await ada.post("/unlock", {"unlock_password": "x"}), await ada.post("/login/passkey", {}),
              await ada.post(f"{here}/password", {"old": "x"}), await ada.post("/login", {"handle": "ada", "password": PASSWORD}),
              await ada.get("/login/second"), await ada.post("/login/second", {"code": "x"}),
              await ada.get("/reset"), await ada.get("/reset/x"), await ada.get("/welcome/x")]
    return [page for page in pages if page[0] != 303]


async def _consulted(at: Running, ada: Browser, written: dict[str, str]) -> list[tuple[int, str]]:
    """A consult with its answer begun, one that goes wrong, a question that is asked abroad; empty pages before."""
    named = written | {"reach": "named", "doctor": "@ben"}
    pages = [await ada.get("/consults"), await ada.get("/drafts"), await ada.get("/compose?to=@ben"),
             await ada.post("/compose", named | {"doctor": "", "step": "confirm"}),
             await ada.post("/compose", named | {"step": "confirm"})]
    where = (await ada.post("/compose", named | fields(pages[-1][1]) | {"step": "publish"}))[1]
    pages.append(await ada.get(where))
    begun = fields(pages[-1][1]) | {"text": "Texte", "language": "fr"}
    assert (await ada.post(f"/drafts/reply{where.removeprefix('/p')}", begun))[0] == 303
    pages += [await ada.post(f"/drafts/reply{where.removeprefix('/p')}", begun | {"mark": "another"}), await ada.get(where),
              await ada.get(f"{where}/edit"), await ada.get("/consults"), await ada.get("/drafts")]
    home = (await ada.post("/compose", written | {"reach": "home", "step": "publish"}))[1]
    abroad = fields((await ada.get(f"/compose?abroad={home.removeprefix('/p/')}"))[1])
    abroad |= {"ground": "anonymous", "no_name": "1"}
    pages += [await ada.get(home), await ada.post("/compose", written | abroad | {"step": "audience"})]
    pages.append(await ada.post("/compose", written | abroad | {"reach": "network", "signature": "name", "step": "confirm"}))
    assert (await ada.post("/compose", written | fields(pages[-1][1]) | {"step": "publish"}))[0] == 303
    return [*pages, await ada.get(home)]


async def _met(at: Running, other: Running) -> None:
    """People whom `ada` stands to in every way there is."""
    its = at.its.relations
    for handle in ("zoe", "leo"):
        await at.add_doctor(handle)
    ada, ben, zoe, leo = [await doctor(at, handle) for handle in ("ada", "ben", "zoe", "leo")]
    there, far = [await at.its.directory.resolve(f"@{handle}@{other.domain}") for handle in ("ada", "ben")]
    await its.follow(ben, ada.actor)
    await its.follow(ada, there)
    await its.follow(zoe, ada.actor)
    await its.accept(ada, zoe.actor)
    await its.follow(ada, zoe.actor)
    await its.accept(zoe, ada.actor)
    await its.block(ada.actor, leo.actor)
    await its.mute(ada.actor, zoe.actor, at.its.clock.ms() + 3_600_000)
    await its.mute(ada.actor, far)
    await at.its.accounts.suspend("leo", "left", "test")


async def _refused(at: Running) -> None:
    """Leave a line in the refusal log."""
    at.its.refusals.record(direction="in", origin=at.url, purpose=Purpose.INBOX, reason="signature-missing")
    await at.its.refusals.flush()


async def test_the_browser_chooses_the_language_then_the_country_then_english(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    async with countries(tmp_path, "de", "fr", friends=False) as (de, fr), Browser(de) as at_home, Browser(fr) as abroad:
        for browser, wish, language in (
                (at_home, "", "de"), (at_home, "en, de;q=0.4", "en"), (at_home, "fr", "de"), (at_home, "*", "de"),
                (abroad, "", "en"), (abroad, "fr-CA, fr", "en"), (abroad, "fr, de;q=0.1", "de")):
            for path in ("/login", "/nothing"):
                page = (await browser.get(path, **{"accept-language": wish}))[1]
                assert f'<html lang="{language}"' in page and ("«" in page) == (language == "de"), (wish, path)
        assert "Not for emergencies: call 15." in (await abroad.get("/login"))[1]


async def test_the_languages_of_the_settings_are_all_that_are_offered_the_first_one_first(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo_german(tmp_path / "locale")
    monkeypatch.setattr("instance.context.LOCALE", tmp_path / "locale")
    for number, (languages, wish, language) in enumerate((
            (("de",), "en", "de"), (("en",), "de", "en"), (("en", "de"), "", "en"), (("en", "de"), "de", "de"),
            (("fr",), "de", "en"))):
        async with countries(tmp_path / str(number), "de", worker=False, settled=spoken(*languages)) as (de,), \
                Browser(de) as visitor:
            assert f'<html lang="{language}"' in (await visitor.get("/login", **{"accept-language": wish}))[1], languages


async def test_what_others_wrote_is_never_taken_for_markup_in_an_error(tmp_path: Path) -> None:
    error = InvalidInput("“%(typed)s” is no country.", values={"typed": "<b>100 %"})
    problem = '{% import "macros.html" as m with context %}{{ m.problem(error) }}'
    async with countries(tmp_path, "de") as (de,):
        app = create_pages(de.its)
        async with app.test_request_context("/"):
            for page in (await render_template("error.html", error=error), await render_template_string(problem, error=error)):
                assert "“&lt;b&gt;100 %” is no country." in page and "<b>" not in page
