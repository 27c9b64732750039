"""Mentions and hashtags across borders: whoever cannot read something is not named in it, and what points somewhere arrives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInput, NotFound
from core.text import LINK_REL
from federation.documents import parse
from posts import store
from posts.models import Audience, CaseFacts, Draft, Kind, Mention, Reach, Tags
from posts.store import Post
from tests.conversations.test_consults import met
from tests.conversations.test_the_whole_path import published
from tests.servers import FakeSibling, Running, countries, know, until
from tests.test_pages import Browser, fields


def note(text: str) -> Draft:
    return Draft(Kind.NOTE, "A question?", text, "de")


async def stored(at: Running, where: str = "1 = 1") -> Post:
    [post] = await at.its.database.read(lambda tx: store.select(tx, where, ()))
    return post


async def shown(at: Running, handle: str, post_id: str) -> str:
    posts = (await at.its.threads.thread((await at.author(handle)).actor, post_id)).posts
    return next(post.html for post in posts if post.id == post_id)


async def sent(at: Running) -> list[dict[str, Any]]:
    """The objects that are in the outbox, oldest first."""
    rows = await at.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox ORDER BY id"))
    return [parse(row["body"])["object"] for row in rows]


async def test_a_mention_and_a_hashtag_arrive_and_lead_to_pages_of_the_readers_own_instance(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        claire, ada, ben = await met(de, fr, "ada"), (await de.author("ada")).actor, (await de.author("ben")).actor
        text = f"Was meint {claire.mention}? Und @Ben, @niemand, a@{fr.domain}? #Sepsis #Größe #1"
        made = await published(de, note(text), fr)
        await until(lambda: fr.count("posts"))
        tags = Tags((Mention(claire.uri, claire.mention), Mention(ben.uri, ben.mention)), ("sepsis", "grösse"))
        for place in (de, fr):
            post = await stored(place)
            assert post.tags == tags
            for href, says in ((claire.uri, claire.mention), (ben.uri, ben.mention), (f"{de.url}/tags/sepsis", "#Sepsis"),
                               (f"{de.url}/tags/gr%C3%B6sse", "#Größe")):
                assert f'<a href="{href}" rel="{LINK_REL}">{says}</a>' in post.html
            assert f"@niemand, a@{fr.domain}? " in post.html and post.html.count("<a ") == 4
        [document] = await sent(de)
        assert document["tag"] == [
            {"type": "Mention", "href": claire.uri, "name": claire.mention},
            {"type": "Mention", "href": ben.uri, "name": ben.mention},
            {"type": "Hashtag", "href": f"{de.url}/tags/sepsis", "name": "#sepsis"},
            {"type": "Hashtag", "href": f"{de.url}/tags/gr%C3%B6sse", "name": "#grösse"}]
        [card] = (await fr.its.timelines.topic(claire, "#sepsis", None)).posts
        for html in (await shown(de, "ada", made), card.html, (await de.its.threads.history(ada, made)).changes[0].now.html):
            assert re.findall(r'<a href="([^"]*)">', html) == [
                f"/{claire.mention}", f"/{ben.mention}", "/tags/sepsis", "/tags/gr%C3%B6sse"]
        assert await it.count("posts") == await it.count("topic_posts") == 0


async def test_somebody_who_will_not_read_it_is_not_named_in_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        ada, ben = await de.author("ada"), (await de.author("ben")).actor
        claire, giulia = await met(de, fr, "ada"), await met(de, it, "ben")
        compose = de.its.compose
        seen = compose.network_digest(await compose.destinations())
        home, french = Audience(Reach.HOME, (de.url,)), Audience(Reach.COUNTRIES, (de.url, fr.url))
        draft = note(f"{giulia.mention}?")
        for attempt in (compose.preview(draft, home), compose.publish(ada, draft, (), Reach.HOME, ""),
                        compose.preview(draft, french), compose.publish(ada, draft, (fr.url,), Reach.COUNTRIES, seen)):
            with pytest.raises(InvalidInput) as caught:
                await attempt
            assert caught.value.field == "text" and caught.value.message == (
                f"{giulia.mention} is not among those who will read this. Add Italy to the readers, or take the mention out.")
        with pytest.raises(InvalidInput, match=rf"{claire.mention} is not among the colleagues you are asking\."):
            await compose.consult(ada, note(f"{claire.mention} {ben.mention}"), [ben])
        assert await de.count("posts") == await de.count("outbox") == 0
        assert giulia.mention in (await compose.preview(draft)).html  # before readers are chosen, it is only somebody's name

        made = await compose.publish(ada, note(f"{claire.mention}?"), (fr.url,), Reach.COUNTRIES, seen)
        consult = await compose.consult(ada, note(f"{claire.mention} und {giulia.mention}"), [claire, giulia])
        await compose.publish(ada, draft, (fr.url, it.url), Reach.NETWORK, seen)
        for attempt in (compose.reply(ada, made, f"{giulia.mention}!", "de"),
                        compose.reply(ada, consult, f"{ben.mention}!", "de"),
                        de.its.editing.edit(ada, made, "A question?", f"{giulia.mention}!", 1),
                        de.its.editing.edit(ada, consult, "A question?", "@ben!", 1)):
            with pytest.raises(InvalidInput, match="cannot read this, and who reads it is settled"):
                await attempt
        assert await de.count("posts") == 3 and await de.count("revisions") == 0
        await compose.reply(ada, made, f"{claire.mention}!", "de")
        await until(lambda: fr.count("posts", "parent_id IS NOT NULL"))
        assert (await stored(fr, "parent_id IS NOT NULL")).tags.mentions == (Mention(claire.uri, claire.mention),)


async def test_a_name_that_is_nobodys_is_an_error_with_a_domain_and_a_word_without(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await de.add_doctor("zoe", proven=False)
        for name in (f"@nobody@{de.domain}", f"@zoe@{de.domain}", f"@nobody@{fr.domain}", "@ada@elsewhere.example", "@ada@home",
                     "@ada@127.0.0.1:1"):
            with pytest.raises(InvalidInput, match=re.escape(f"is called {name}.")) as caught:
                await de.its.compose.preview(note(f"Was meint {name}."))
            assert caught.value.field == "text"
        assert (await de.its.compose.preview(note("@nobody, @zoe @12"))).html == "<p>@nobody, @zoe @12</p>"


async def test_editing_brings_tags_up_to_date_and_keeps_those_who_have_left(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire, ben = await de.author("ada"), await met(de, fr, "ada"), await met(de, fr, "ben")
        made = await published(de, note(f"{claire.mention} #alt #beides"), fr)
        await until(lambda: fr.count("topic_posts", "topic = '#alt'"))
        await de.its.database.write(lambda tx: tx.run("UPDATE actors SET gone_at = 1 WHERE id = ?", (claire.id,)))
        with pytest.raises(InvalidInput, match="Nobody in the network"):
            await de.its.compose.reply(ada, made, f"{claire.mention}", "de")
        await de.its.editing.edit(ada, made, "A question?", f"{claire.mention} {ben.mention} #neu #beides", 1)
        await until(lambda: fr.count("topic_posts", "topic = '#neu'"))
        for place in (de, fr):
            assert (await stored(place)).tags == Tags(
                (Mention(claire.uri, claire.mention), Mention(ben.uri, ben.mention)), ("neu", "beides"))
            assert await place.count("topic_posts") == 2
        await de.its.editing.edit(ada, made, "A question?", "Nothing any more.", 2)
        await until(lambda: fr.count("posts", "revision = 3"))
        for place in (de, fr):
            assert (await stored(place)).tags == Tags() and await place.count("topic_posts") == 0


async def test_erasing_takes_tags_and_topics_along(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        claire = await met(de, fr, "ada")
        draft = Draft(Kind.CASE, "A question?", f"{claire.mention} #planted9d3f", "de", CaseFacts(("cardiology",)))
        made = await published(de, draft, fr)
        await until(lambda: fr.count("topic_posts"))
        assert await de.count("topic_posts") == 3 and await de.count("posts", "tags <> ''") == 1
        await de.its.editing.delete((await de.author("ada")).actor, made)
        await until(lambda: fr.count("tombstones"))
        for place in (de, fr):
            assert await place.count("topic_posts") == await place.count("posts", "tags <> ''") == 0
            directory = Path(place.its.settings.instance.data_dir)
            await until(lambda directory=directory: not any(  # type: ignore[misc]
                b"planted9d3f" in path.read_bytes() for path in directory.iterdir() if path.is_file()))


async def test_a_consult_says_on_the_wire_that_it_is_for_some_people_only(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada, claire, ben = await de.author("ada"), await met(de, fr, "ada"), await met(de, fr, "ben")
        await de.its.compose.consult(ada, note(f"{claire.mention}, #sepsis?"), [claire, ben])
        [document] = await sent(de)
        assert document["tag"] == [
            {"type": "Mention", "href": claire.uri, "name": claire.mention}, {"type": "Mention", "href": ben.uri},
            {"type": "Hashtag", "href": f"{de.url}/tags/sepsis", "name": "#sepsis"}]
        await until(lambda: fr.count("consults"))
        assert (await stored(fr)).tags == Tags((Mention(claire.uri, claire.mention),), ("sepsis",))
        assert await fr.count("topic_posts") == await de.count("topic_posts") == 0  # a consult stands in no list


_ELSE = "https://fr.example/actors/1"
_TAGS: dict[str, tuple[Any, Tags]] = {
    "nothing": (None, Tags()),
    "an empty list": ([], Tags()),
    "no list": ("Mention", Tags()),
    "a number": (7, Tags()),
    "one alone": ({"type": "Hashtag", "name": "#Sepsis"}, Tags((), ("sepsis",))),
    "things that are none": ([None, 1, "x", [], {}, {"type": "Mention"}, {"type": 1, "name": "#a"}, {"name": "#a"},
                              {"type": "Emoji", "name": ":a:"}, {"type": "Hashtag", "name": ["#a"]}], Tags()),
    "hostile hashtags": ([{"type": "Hashtag", "name": name} for name in (
        "#<script>", "#a b", "#1", "", "#", "##a", "#" + "a" * 61, "a" * 100_000, "#a\x00", "#../admin", "#a\"on=x", "#\u202ea")],
        Tags()),
    "hashtags in other dresses": ([{"type": "Hashtag", "name": name, "href": "javascript:alert(1)"} for name in (
        "#SEPSIS", "sepsis", "#Stra\u00dfe", "#STRASSE")], Tags((), ("sepsis", "strasse"))),
    "hostile mentions": ([{"type": "Mention", "name": name, "href": href} for name, href in (
        ("@ada", "javascript:alert(1)"), ("@ada", "/actors/1"), ("@ada", "//fr.example/actors/1"), ("@ada", "http://fr.example/a"),
        ("@ada", "https://fr.example/" + "x" * 1024), ("@" + "a" * 200, _ELSE), ("@<b>", _ELSE), ("", _ELSE), ("@", _ELSE),
        ("@a/../b", _ELSE), ("@a b", _ELSE), ("@ada", "https://fr.example\\@evil.example/"), ("@ada", "mailto:a@fr.example"),
        ("@ada", ""))] + [{"type": "Mention", "href": _ELSE}, {"type": "Mention", "href": _ELSE, "name": None}], Tags()),
    "mentions that lie about where somebody lives": ([
        {"type": "Mention", "href": _ELSE, "name": "@ada@de.example"}, {"type": "Mention", "href": _ELSE, "name": "@ben"},
        {"type": "Mention", "href": "https://it.example/actors/2", "name": "ben"}],
        Tags((Mention(_ELSE, "@ada@fr.example"), Mention("https://it.example/actors/2", "@ben@it.example")))),
    "too many": ([{"type": "Hashtag", "name": f"#a{number}"} for number in range(5000)],
                 Tags((), tuple(f"a{number}" for number in range(20)))),
}


async def test_hostile_tags_are_passed_over_and_the_post_is_taken(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        for number, (what, (tag, becomes)) in enumerate(_TAGS.items()):
            create = fake.activity("Create", fake.note(de, f"n{number}", tag=tag), f"a{number}")
            assert (await fake.send(de, create))[0] == 202, what
            changed = {"tag": [{"type": "Hashtag", "name": "#other"}], "revision": 2}
            for revision, more in ((1, {}), (2, changed), (3, {"tag": tag, "revision": 3})):
                if more:
                    update = fake.activity("Update", fake.note(de, f"n{number}", **more), f"u{number}-{revision}")
                    assert (await fake.send(de, update))[0] == 202, what
                post = await stored(de, f"uri = '{fake.origin}/posts/n{number}'")
                assert post.tags == (Tags((), ("other",)) if revision == 2 else becomes), what
                assert await de.count("topic_posts", f"post_id = {post.id}") == len(post.tags.hashtags), what


async def test_only_a_link_with_a_tag_is_led_to_a_page_of_ours_and_none_that_is_stored_is_relative(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        evil = "https://evil.example/actors/1"
        content = (f'<p><a href="{fake.actor}" class="mention">@doc</a> <a href="{evil}">@ada@{de.domain}</a>'
                   f' <a href="{fake.origin}/tags/sepsis">#sepsis</a> <a href="https://evil.example/tags/sepsis">#sepsis</a>'
                   f' <a href="{fake.origin}/tags/other">#other</a> <a href="/@ada@{de.domain}">@ada</a>'
                   ' <a href="/tags/sepsis">x</a>'
                   f' &lt;a href="{fake.actor}" rel="{LINK_REL}"&gt;</p>')
        tag = [{"type": "Mention", "href": fake.actor, "name": "@doc"}, {"type": "Hashtag", "name": "#sepsis", "href": evil}]
        assert (await fake.send(de, fake.activity("Create", fake.note(de, content=content, tag=tag))))[0] == 202
        post = await stored(de)
        assert not re.search(r'href="(?!https?://)', post.html)
        [card] = (await de.its.timelines.topic((await de.author("ada")).actor, "#sepsis", None)).posts
        assert re.findall(r"<a [^>]*>", card.html) == [
            f'<a href="/@doc@{fake.origin.removeprefix("http://")}">', f'<a href="{evil}" rel="{LINK_REL}">',
            '<a href="/tags/sepsis">', f'<a href="https://evil.example/tags/sepsis" rel="{LINK_REL}">',
            f'<a href="{fake.origin}/tags/other" rel="{LINK_REL}">', f'<a rel="{LINK_REL}">', f'<a rel="{LINK_REL}">']


async def test_a_mention_outside_the_audience_leads_back_to_the_readers_with_everything_kept(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ada:
        await ada.login("ada")
        claire = await met(de, fr, "ada")
        written = {"kind": "note", "question": "Which?", "text": f"{claire.mention} #Sepsis", "language": "de"}
        status, page = await ada.post("/compose", written | {"step": "audience"})
        assert status == 200
        for step in ("confirm", "publish"):
            status, page = await ada.post("/compose", written | {"step": step, "reach": "home", "was": "home"})
            assert status == 400 and f"{claire.mention} is not among those who will read this. Add France" in page
            assert 'id="error-text"' in page and 'value="home" checked' in page and fields(page)["text"] == written["text"]
        assert await de.count("posts") == 0
        status, page = await ada.post("/compose", written | {"step": "confirm", "reach": "network", "signature": "name"})
        assert status == 200 and f'<a href="/{claire.mention}">{claire.mention}</a>' in page and '<a href="/tags/sepsis">' in page
        assert (await ada.post("/compose", written | fields(page) | {"step": "publish"}))[0] == 303
        status, page = await ada.post("/compose", written | {"step": "audience", "text": "@nobody@home"})
        assert status == 400 and "Nobody in the network is called @nobody@home." in page and "@nobody@home</textarea>" in page
        root = f"/p/{(await de.its.timelines.mine((await de.author('ada')).actor, None)).posts[0].id}"
        for path, more in ((f"{root}/reply", {}), (f"{root}/edit", {"question": "Which?", "revision": "1"})):
            status, page = await ada.post(path, {"text": "@nobody@home", "language": "de"} | more)
            assert status == 400 and 'id="error-text"' in page and "@nobody@home</textarea>" in page


async def test_a_mention_in_a_consult_opens_it_to_nobody(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        ada, ben = (await de.author("ada")).actor, (await de.author("ben")).actor
        tag = [{"type": "Mention", "href": ben.uri, "name": ben.mention}, {"type": "Hashtag", "name": "#sepsis"}]
        assert (await fake.send(de, fake.activity("Create", fake.note(de, to=[ada.uri], tag=tag))))[0] == 202
        post = await stored(de)
        assert post.tags.mentions == (Mention(ben.uri, ben.mention),) and not post.audience.admits(ben)
        with pytest.raises(NotFound):
            await de.its.threads.thread(ben, (await de.its.timelines.consults(ada, None)).posts[0].id)
        assert (await de.its.timelines.topic(ben, "#sepsis", None)).posts == ()
