"""Mentions and hashtags are found where people mean them, nowhere else, and what is linked passes the gate unchanged."""

from __future__ import annotations

import contextlib
import json
import re
import time
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.tags import find, handle, hashtag, led, link
from core.text import LINK_REL, clean, render_now
from tests.test_text import _assert_harmless

_HOSTILE = [entry["html"] for entry in json.loads((Path(__file__).parent / "hostile_html.json").read_text("utf-8"))["payloads"]]
_HOME = "https://de.example"


def linked(markdown: str) -> str:
    """A text as it would be stored, if there were somebody of every name."""
    html = render_now(markdown)
    return link(html, {mention: (f"{_HOME}/actors/1?a&b", mention) for mention in find(html).mentions}, f"{_HOME}/tags/")


@pytest.mark.parametrize(("markdown", "mentions"), [
    ("@ada@de.example", ["@ada@de.example"]),
    ("Was meint @ada@de.example?", ["@ada@de.example"]),
    ("(@Ada@De.Example), @ada@de.example. @ada@de.example's", ["@ada@de.example"]),
    ("@ada@127.0.0.1:8101, und @ben@127.0.0.1:8102.", ["@ada@127.0.0.1:8101", "@ben@127.0.0.1:8102"]),
    ("@ada@localhost:8101: so", ["@ada@localhost:8101"]),
    ("@ada@de.localhost:8101", ["@ada@de.localhost:8101"]),
    ("@ada@127.0.0.1.evil.example und @ada@localhost.evil.example",
     ["@ada@127.0.0.1.evil.example", "@ada@localhost.evil.example"]),
    ("@ada@de.example:30 Uhr", ["@ada@de.example"]),
    ("@ada, @ben.", ["@ada", "@ben"]),
    ("**@ada**: _@ben_ und ~~@cleo~~", ["@ada", "@ben", "@cleo"]),
    ("- @ada\n- @ben", ["@ada", "@ben"]),
    ("| @ada | b |\n|---|---|\n| 1 | @ben |", ["@ada", "@ben"]),
    ("@a_b.c-d@x_y-z.example", ["@a_b.c-d@x_y-z.example"]),
    ("<@ada@de.example>", ["@ada@de.example"]),
    ("@ada@bücher.example", ["@ada@bücher.example"]),
    ("ada@de.example, a.b@c.example und x+@de.example", []),
    ("<ada@de.example>", []),
    ("*a*@de.example, a<sub>2</sub>@de.example", []),
    ("https://x.example/@ada@de.example?a=@ben#c", []),
    ("[@ada](https://x.example)@ben", []),
    ("ftp://x.example/@ada", []),
    ("`@ada@de.example` und\n\n    @ben\n\n```\n@cleo\n```", []),
    ("@ @@ada @ada@ @ada@@de.example @a@b@c @_x", []),
    ("@" + "a" * 61, []),
    ("3 @ 5, @", []),
])
def test_a_mention_is_a_name_and_no_mail_address(markdown: str, mentions: list[str]) -> None:
    assert list(find(render_now(markdown)).mentions) == mentions


@pytest.mark.parametrize(("markdown", "hashtags"), [
    ("#Sepsis", ["sepsis"]),
    ("#Sepsis, #SEPSIS und (#sepsis).", ["sepsis"]),
    ("#Straße #STRASSE", ["strasse"]),
    ("#caf\u00e9 #cafe\u0301", ["caf\u00e9"]),
    ("#Größe2 #ácido_úrico #πνεύμονας", ["grösse2", "ácido_úrico", "πνεύμονασ"]),
    ("#B12 #12b #2026er", ["b12", "12b", "2026er"]),
    ("#sepsis-Schock #a.b", ["sepsis", "a"]),
    ("**#a** _#b_", ["a", "b"]),
    ("#a#b", ["a"]),
    ("# Überschrift\n\n#Kein Titel", ["kein"]),
    ("#1 #2026 #_ #__ # ## #-a", []),
    ("##a a#b C#dur &#x; /#a", []),
    ("`#a`\n\n    #b\n\n[#c](https://x.example) https://x.example/#d", []),
    ("#" + "a" * 61, []),
    ("#" + "ß" * 31, []),
])
def test_a_hashtag_is_a_word_and_no_number(markdown: str, hashtags: list[str]) -> None:
    assert list(find(render_now(markdown)).hashtags) == hashtags


def test_what_is_linked_says_what_was_meant() -> None:
    html = link(render_now("@Ada und @ben@fr.example, @niemand: #Größe & <b> a@b.example"), {
        "@ada": ("https://de.example/actors/1?a&b", "@ada@de.example"),
        "@ben@fr.example": ("https://fr.example/actors/2", "@ben@fr.example")}, "https://de.example/tags/")
    assert html == (
        f'<p><a href="https://de.example/actors/1?a&amp;b" rel="{LINK_REL}">@ada@de.example</a> und'
        f' <a href="https://fr.example/actors/2" rel="{LINK_REL}">@ben@fr.example</a>, @niemand:'
        f' <a href="https://de.example/tags/gr%C3%B6sse" rel="{LINK_REL}">#Größe</a> &amp; &lt;b&gt; a@b.example</p>')
    assert find(html) == (("@niemand",), ())  # nothing is linked twice
    assert led(html, [("https://de.example/actors/1?a&b", "/@ada@de.example"), ("https://de.example/tags/gr%C3%B6sse", "/tags/g")]
               ) == html.replace(f'"https://de.example/actors/1?a&amp;b" rel="{LINK_REL}"', '"/@ada@de.example"').replace(
                   f'"https://de.example/tags/gr%C3%B6sse" rel="{LINK_REL}"', '"/tags/g"')


def test_a_text_without_any_stays_as_it_is() -> None:
    for markdown in ("Ein **Text** & mehr: 3 < 4", "a@b.example #1 @niemand", "`@ada #b`"):
        html = render_now(markdown)
        assert link(html, {}, "https://de.example/tags/") == html


def test_names_are_read_out_of_mentions_only() -> None:
    assert [handle(text) for text in ("@ada@de.example", "@ada", "@dr.ada-b_c@127.0.0.1:8101")] == ["ada", "ada", "dr.ada-b_c"]
    for text in ("", "@", "ada", "ada@de.example", "@ada@", "@ada@de.example ", "@a/b@de.example", "@<b>@x", "@a\n", "@ada@b@c"):
        assert handle(text) is None, text


@pytest.mark.parametrize("mark", ["@", "#"])
def test_more_than_anybody_means_is_refused(mark: str) -> None:
    most = " ".join(f"{mark}name{number}" for number in range(20))
    assert sum(map(len, find(render_now(f"{most} {most}")))) == 20
    with pytest.raises(InvalidInput, match="at most 20") as caught:
        find(render_now(f"{most} {mark}oneMore"))
    assert caught.value.field == "text"


@given(st.text(max_size=70))
def test_a_hashtag_is_the_same_however_often_it_is_made_one(word: str) -> None:
    name = hashtag(word)
    if name is not None:
        assert hashtag(name) == name and 0 < len(name) <= 60
        assert find(clean(f"#{name}")).hashtags == (name,)
        assert hashtag(word.upper().lower()) is not None


@given(st.lists(st.one_of(
    st.text(max_size=8),
    st.sampled_from([
        "@ada", "@ada@de.example", "@", "#", "#Sepsis", "#1", "<", ">", "&", "&lt;", "&#64;ada", "&#35;tag", '"', "'", "`", "*",
        "_", "[", "](", ")", "https://a.example/", "<a href='", "\n", "\n\n    ", " ", "a@b.example", "\x02", ":8101", "127.1"],
    )), max_size=25).map("".join))
@settings(max_examples=400, deadline=None)
def test_whatever_is_typed_is_linked_harmlessly_and_says_the_same(markdown: str) -> None:
    html = render_now(markdown)
    made = linked(markdown)
    _assert_harmless(made)
    words = [" ".join(unescape(re.sub(r"<[^>]*>", "", text)).split()) for text in (html, made)]
    assert words[0].lower() == words[1].lower()
    assert all(href.startswith(("https://", "http://", "mailto:")) for href in re.findall(r'href="([^"]*)"', made))


@pytest.mark.parametrize("html", _HOSTILE, ids=lambda html: html[:40])
def test_hostile_html_gets_no_help_from_tags(html: str) -> None:
    for text in (clean(f"@ada@de.example {html} #Sepsis"), clean(html.replace(">", ">@ada#a")), render_now(f"{html} @ada #b")):
        mentions = {mention: (f"{_HOME}/actors/1", mention) for mention in find(text).mentions}
        _assert_harmless(link(text, mentions, f"{_HOME}/tags/"))


@pytest.mark.parametrize("unit", [
    "@", "#", "@a", "@a ", "#a ", "@a@", "@a.", "@" + "a." * 30, "@" + "a" * 60 + "@" + "b." * 126, "@a@" + "b-" * 200, "&amp;",
    "&lt;", "#" + "a" * 60, "#" + "a" * 61, "@a@127.", "@a@localhost:", "@a@" + "x." * 5, "<em>@a</em>", "<p>#a</p>", "\u0301",
    "#\u0301"])
def test_the_longest_hostile_text_does_not_hold_anybody_up(unit: str) -> None:
    html = (unit * (100_000 // len(unit) + 1))[:100_000]
    start = time.process_time()
    with contextlib.suppress(InvalidInput):
        find(html)
    assert time.process_time() - start < 1.0
