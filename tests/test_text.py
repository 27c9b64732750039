"""No text, typed here or arriving, reaches a page with anything but the allowlist, or holds the server up."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, Unavailable
from core.text import _PARAGRAPHS, TAGS, Renderer, check_bounds, clean, plain, render_now

_HOSTILE = json.loads((Path(__file__).parent / "hostile_html.json").read_text("utf-8"))["payloads"]
_ATTRIBUTES = {"href", "rel", "dir", "lang", "start", "align"}
_SLOW = "a\n-\n" * 5000
_REL = "nofollow noopener noreferrer"


class _Reader(HTMLParser):
    """Collects what a browser would see: tags, attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.other: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_decl(self, decl: str) -> None:
        self.other.append(decl)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)


def _assert_harmless(html: str) -> None:
    seen = _Reader(html)
    assert seen.other == []
    for tag, attributes in seen.tags:
        assert tag in TAGS
        assert set(attributes) <= _ATTRIBUTES
        if tag == "a":
            assert attributes["rel"] == _REL
            href = attributes.get("href")
            assert href is None or re.match(r"(?i)(https?://[^/\\@]|mailto:)", href), href
        else:
            assert "href" not in attributes
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", html)
    assert clean(html) == html


@pytest.mark.parametrize("entry", _HOSTILE, ids=lambda entry: entry["html"][:40])
def test_hostile_html_leaves_only_the_allowlist(entry: dict[str, Any]) -> None:
    cleaned = clean(entry["html"])
    _assert_harmless(cleaned)
    if "becomes" in entry:
        assert cleaned == entry["becomes"]


@pytest.mark.parametrize("entry", _HOSTILE, ids=lambda entry: entry["html"][:40])
def test_hostile_html_typed_as_markdown_leaves_only_the_allowlist(entry: dict[str, Any]) -> None:
    _assert_harmless(render_now(entry["html"]))


@given(st.lists(st.one_of(
    st.text(max_size=12),
    st.sampled_from(["<", "</", ">", "<a href='", "<svg>", "<math>", "<style>", "<!--", "-->", "<p>", "<table>", "<td>",
                     "javascript:", "onload=", "\"", "'", "&lt;", "&#x6a;", "\x00", "`", "[", "](", ")", "*", "\n> ",
                     "|-|", "https://a.example"])), max_size=30).map("".join))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_or_typed_comes_out_harmless(text: str) -> None:
    _assert_harmless(clean(text))
    _assert_harmless(render_now(text))


_INNER = st.lists(st.one_of(st.text(max_size=12), st.sampled_from([
    "<br>", "<em>1</em>", "<code>x y</code>", "<sub>\n</sub>", "<strong></strong>", "<em><code>x</code></em>", "<em>1</sub>", ">",
    "&lt;", "\u00a0", "\r\n", "\u202e", "</p>", "<p>"])), max_size=4).map("".join)


@given(st.lists(st.tuples(
    st.sampled_from(["<p>", "<p dir='ltr'>", ""]), _INNER, st.sampled_from(["</p>", "</p>\n", ""])), max_size=3))
@settings(max_examples=500, deadline=None)
def test_what_is_let_through_at_once_comes_out_as_with_care(paragraphs: list[tuple[str, str, str]]) -> None:
    html = "".join(part for paragraph in paragraphs for part in paragraph)
    made = clean(html)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.text._PARAGRAPHS", re.compile("(?!)"))
        assert clean(html) == made


@pytest.mark.parametrize("html", ["<p>" + "x<em>" * 20_000, "<p>" + "<em>x</em>" * 9_000 + "<", "<p></p>" * 14_000 + "<p"])
def test_letting_through_takes_time_in_proportion(html: str) -> None:
    started = time.thread_time()
    assert _PARAGRAPHS.fullmatch(html) is None
    assert time.thread_time() - started < 0.2


@pytest.mark.parametrize("href", [
    "javascript:alert(1)", "data:text/html,x", "/admin", "//evil.example", "#x", "https://de.example@evil.example/",
    "https://de.example\\@evil.example/", "https:evil", "ftp://a.example/", "https://a.example/" + "x" * 2000, ""])
def test_a_link_that_is_not_plainly_web_or_mail_loses_its_address(href: str) -> None:
    assert clean(f'<a href="{href}">x</a>') == f'<a rel="{_REL}">x</a>'
    assert "href" not in render_now(f"[x](<{href}>)")


def test_honest_links_keep_their_address_and_vouch_for_nobody() -> None:
    for href in ("https://a.example", "http://a.example:8080/x?y=1#z", "mailto:station3@a.example"):
        assert clean(f'<a href="{href}" target="_top" rel="me">x</a>') == f'<a href="{href}" rel="{_REL}">x</a>'


@pytest.mark.parametrize("html", [
    "<ul><li>" * 30_000, "<b>" * 5000, "&" * 20_001, "x" * 100_001,
    "".join(f"<b c={number}>" for number in range(60)) + "<p>" * 1000])
def test_arriving_html_that_could_hold_the_server_is_refused_unparsed(html: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean(html)
    assert caught.value.reason == "too-complex"


@pytest.mark.parametrize(("markdown", "html"), [
    ("CRP <5, K > 3 & **Na** *135*", "<p>CRP &lt;5, K &gt; 3 &amp; <strong>Na</strong> <em>135</em></p>"),
    ("SpO<sub>2</sub> 10<sup>9</sup>/l ~~alt~~", "<p>SpO<sub>2</sub> 10<sup>9</sup>/l <del>alt</del></p>"),
    ("#Sepsis und #1", "<p>#Sepsis und #1</p>"),
    ("# Befund", "<h3>Befund</h3>"),
    ("#### Labor", "<h4>Labor</h4>"),
    ("eins\nzwei", "<p>eins<br>\nzwei</p>"),
    ("3. drei\n4. vier", '<ol start="3">\n<li>drei</li>\n<li>vier</li>\n</ol>'),
    ("morgens 1 Tbl.am Abend a.de", "<p>morgens 1 Tbl.am Abend a.de</p>"),
    ("siehe https://a.example/x?a=1&b=2.",
     f'<p>siehe <a href="https://a.example/x?a=1&amp;b=2" rel="{_REL}">https://a.example/x?a=1&amp;b=2</a>.</p>'),
    ("`<b> https://a.example &`", "<p><code>&lt;b&gt; https://a.example &amp;</code></p>"),
    ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>"),
    ("![EKG](https://a.example/ekg.png)", f'<p><a href="https://a.example/ekg.png" rel="{_REL}">EKG</a></p>'),
    ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
    ("a\x020\x03 `b`", "<p>a0 <code>b</code></p>"),
])
def test_clinical_markdown_means_what_was_typed(markdown: str, html: str) -> None:
    assert render_now(markdown) == html


def test_a_laboratory_table_keeps_its_alignment_and_its_size() -> None:
    rows = "".join(f"| Wert {number} | {number} | mmol/l |\n" for number in range(400))
    html = render_now("| Name | Wert | Einheit |\n|:-|-:|:-:|\n" + rows)
    assert html.count("<tr>") == 401 and html.count('<td align="right">') == 400
    _assert_harmless(html)


def test_one_text_leaves_nothing_for_the_next() -> None:
    with pytest.raises(RecursionError):
        render_now("- " * 5000 + "a")
    assert render_now("b") == "<p>b</p>"
    render_now("[x]: https://a.example\n\n[x]")
    assert render_now("[x]") == "<p>[x]</p>"


def test_plain_gives_the_words_on_one_line_within_the_limit() -> None:
    html = "<p>K &lt; 3,5<br>Na</p><ul><li>eins</li><li>zwei</li></ul><script>x</script>"
    assert plain(html, 100) == "K < 3,5 Na eins zwei"
    assert plain(html, 12) == "K < 3,5 Na…"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert plain("", 10) == plain(html, 0) == ""


@given(st.text(max_size=80), st.integers(0, 40))
def test_plain_never_exceeds_its_limit(html: str, limit: int) -> None:
    assert len(plain(html, limit)) <= limit


@pytest.mark.parametrize("markdown", [
    "> " * 13 + "x", " " * 161 + "- x", "[" * 10_000, "[a](" * 5000, "(" * 51, "\t" * 41 + "x"])
def test_nesting_nobody_writes_is_refused_before_it_costs_anything(markdown: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_bounds(markdown, 20_000)
    assert caught.value.reason == "too-complex"


def test_ordinary_nesting_and_the_full_length_pass() -> None:
    check_bounds("> > > - [a](https://a.example) (b (c))\n" + "    " * 6 + "- x", 20_000)
    check_bounds(":( " * 40 + "\n\n" + ":( " * 40, 20_000)
    check_bounds("x" * 20_000, 20_000)
    with pytest.raises(InvalidInput) as caught:
        check_bounds("x" * 20_001, 20_000)
    assert caught.value.reason == "too-long"


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    made = Renderer(2.0, 20_000)
    yield made
    await made.close()


async def test_the_renderer_gives_what_render_now_gives_and_keeps_its_process(renderer: Renderer) -> None:
    assert renderer.running is None
    texts = ["*a* ü \U0001f600 https://a.example", "", "CRP <5 \ud800", "x" * 20_000]
    for text in texts:
        assert await renderer.render(text) == render_now(text)
    first = renderer.running
    assert await asyncio.gather(*(renderer.render(str(number)) for number in range(20))) == [
        f"<p>{number}</p>" for number in range(20)]
    assert first is not None and renderer.running == first


async def test_hostile_markdown_ends_within_the_deadline_and_the_next_text_is_set() -> None:
    renderer = Renderer(0.4, 20_000)
    assert await renderer.render("a") == "<p>a</p>"
    child = renderer.running
    assert child is not None
    begun = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        await renderer.render(_SLOW)
    assert caught.value.reason == "too-complex"
    assert time.monotonic() - begun < 5
    assert renderer.running is None
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert await renderer.render("b") == "<p>b</p>"
    await renderer.close()


@pytest.mark.parametrize("text", ["- " * 5000 + "a", "a\n" * 10_000, "*_" * 10_000])
async def test_a_text_the_libraries_trip_over_is_refused_and_the_process_stays(renderer: Renderer, text: str) -> None:
    await renderer.render("a")
    child = renderer.running
    with pytest.raises(InvalidInput) as caught:
        await renderer.render(text)
    assert caught.value.reason == "too-complex"
    assert await renderer.render("b") == "<p>b</p>" and renderer.running == child


async def test_what_is_out_of_bounds_starts_no_process(renderer: Renderer) -> None:
    for text in ("[" * 100, "x" * 20_001):
        with pytest.raises(InvalidInput):
            await renderer.render(text)
    assert renderer.running is None


async def test_a_killed_process_is_replaced(renderer: Renderer) -> None:
    await renderer.render("a")
    child = renderer.running
    assert child is not None
    os.kill(child, signal.SIGKILL)
    for _ in range(200):
        if renderer.running is None:
            break
        await asyncio.sleep(0.01)
    assert await renderer.render("b") == "<p>b</p>" and renderer.running != child


async def test_an_idle_process_is_stopped_and_started_again() -> None:
    renderer = Renderer(2.0, 20_000, idle=0.05)
    await renderer.render("a")
    for _ in range(300):
        if renderer.running is None:
            break
        await asyncio.sleep(0.01)
    assert renderer.running is None
    assert await renderer.render("b") == "<p>b</p>"
    await renderer.close()
    assert renderer.running is None


async def test_an_answer_nobody_waits_for_never_reaches_the_next_text(renderer: Renderer) -> None:
    await renderer.render("a")
    task = asyncio.create_task(renderer.render(_SLOW))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await renderer.render("b") == "<p>b</p>"


async def test_a_long_line_is_told_to_come_back(renderer: Renderer) -> None:
    answers = await asyncio.gather(*(renderer.render("a") for _ in range(40)), return_exceptions=True)
    assert sum(answer == "<p>a</p>" for answer in answers) == 32
    assert sum(isinstance(answer, Unavailable) and bool(answer.retry_after) for answer in answers) == 8


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
async def test_the_child_knows_nothing_of_its_parents_environment(
        renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONSIL_SECRET_FOR_THIS_TEST", "x")
    await renderer.render("a")
    process = Path(f"/proc/{renderer.running}")
    environ, status = (process / "environ").read_bytes(), (process / "status").read_text()
    assert b"PYTHONUTF8=1" in environ and b"KONSIL" not in environ
    [resident] = re.findall(r"VmRSS:\s+([0-9]+) kB", status)
    assert int(resident) < 64 * 1024
