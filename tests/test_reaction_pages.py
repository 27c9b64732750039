"""The buttons Like, Pass on and Keep, the bookmarks, and who did what, as a doctor meets them without a script."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from posts import reactions, threads, timelines
from tests.conversations.test_consults import CASE
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries, until
from tests.test_pages import Browser


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[tuple[Running, Browser, Browser]]:
    """A German instance without a worker, and the browsers of Ada and Ben."""
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada, Browser(de) as ben:
        assert await ada.login("ada") == 303 and await ben.login("ben") == 303
        yield de, ada, ben


def buttons(page: str, post_id: str) -> dict[str, tuple[str, str]]:
    """Of each button under a post: what it wishes, and whether it looks pressed."""
    found = re.findall(rf'formaction="/p/{post_id}/(\w+)" name="wish" value="(\w+)" aria-pressed="(\w+)"', page)
    return {name: (wish, pressed) for name, wish, pressed in found}


def back(page: str, post_id: str) -> str:
    found = re.search(rf'action="/p/{post_id}/like".*?name="back" value="([^"]*)"', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


async def test_buttons_do_what_they_say_and_come_back_to_the_post(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case())
    for path in ("/?tab=all", f"/p/{post_id}"):
        page = (await ben.get(path))[1]
        seldom = ("mute",) if path.startswith("/p/") else ()  # stands in the conversation only
        assert buttons(page, post_id) == {name: ("do", "false") for name in ("like", "boost", "follow", "bookmark", *seldom)}
        assert back(page, post_id) == path and 'title="To those who follow you and can read it already"' in page
        for name, table in (("like", "likes"), ("boost", "boosts"), ("follow", "case_follows"), ("bookmark", "bookmarks")):
            form = {"wish": "do", "back": back(page, post_id)}
            for _ in range(2):  # a page that is out of date cannot do the opposite
                assert await ben.post(f"/p/{post_id}/{name}", form) == (303, f"{path}#p-{post_id}")
                assert await de.count(table) == 1
            assert buttons((await ben.get(path))[1], post_id)[name] == ("undo", "true")
            assert buttons((await ada.get(path))[1], post_id).get(name, ("do", "false")) == ("do", "false")
        assert f'<a href="/p/{post_id}/likes" aria-label="1 like">1</a>' in (await ben.get(path))[1]
        for name, table in (("like", "likes"), ("boost", "boosts"), ("follow", "case_follows"), ("bookmark", "bookmarks")):
            for _ in range(2):
                assert await ben.post(f"/p/{post_id}/{name}", form | {"wish": "undo"}) == (303, f"{path}#p-{post_id}")
                assert await de.count(table) == 0


async def test_a_button_leads_nowhere_else_and_nothing_happens_without_a_wish(room: tuple[Running, Browser, Browser]) -> None:
    de, _, ben = room
    post_id = await published(de, case())
    for wrong in ("https://evil.example/", "//evil.example", "/\\evil.example", "evil", "", "/\r\nx: y", "/p/" + "x" * 2000):
        status, where = await ben.post(f"/p/{post_id}/bookmark", {"wish": "do", "back": wrong})
        assert status == 303 and where.endswith(f"#p-{post_id}"), wrong
        assert where == f"/p/{post_id}#p-{post_id}" if len(wrong) < 1000 else len(where) < 1100, wrong
    assert (await ben.post(f"/p/{post_id}/bookmark", {"wish": "do", "back": "/mine#elsewhere"}))[1] == f"/mine#p-{post_id}"
    for form in ({}, {"wish": ""}, {"wish": "toggle"}):
        for name in ("like", "boost"):
            status, page = await ben.post(f"/p/{post_id}/{name}", form)
            assert status == 400 and "Nothing was done" in page
    assert await de.count("likes") == await de.count("boosts") == 0


async def test_what_cannot_be_done_is_not_offered_and_refused(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    await de.add_doctor("stu", Role.STUDENT)
    post_id = await published(de, case())
    consult = await de.its.compose.consult(await de.author("ada"), CASE, [(await de.author("ben")).actor])
    async with Browser(de) as student:
        await student.login("stu")
        assert set(buttons((await ada.get("/?tab=all"))[1], post_id)) == {"boost", "bookmark"}
        assert set(buttons((await student.get("/?tab=all"))[1], post_id)) == {"like", "follow", "bookmark"}
        assert set(buttons((await ada.get(f"/p/{post_id}"))[1], post_id)) == {"boost", "mute", "pin", "bookmark"}
        assert set(buttons((await ben.get(f"/p/{consult}"))[1], consult)) == {"like", "mute", "bookmark"}
        for browser, path, status in ((ada, f"/p/{post_id}/like", 400), (student, f"/p/{post_id}/boost", 403),
                                      (ben, f"/p/{consult}/boost", 403), (ben, f"/p/{consult}/follow", 400),
                                      (student, f"/p/{consult}/follow", 404), (student, f"/p/{consult}/like", 404),
                                      (student, f"/p/{consult}/bookmark", 404)):
            assert (await browser.post(path, {"wish": "do"}))[0] == status, path
        assert (await student.post(f"/p/{post_id}/like", {"wish": "do"}))[0] == 303
        for path in (f"/p/{consult}/likes", f"/p/{consult}/boosts", f"/p/{'0' * 13}/likes"):
            assert (await student.get(path))[0] == 404
        await ben.post(f"/p/{post_id}/boost", {"wish": "do"})
        assert "passed on 1 time</a>" in (await student.get("/?tab=all"))[1] and "1 like</a>" in (await ada.get("/?tab=all"))[1]
        await ada.post(f"/p/{post_id}/delete", {})
        assert buttons((await ben.get(f"/p/{post_id}"))[1], post_id) == {}
    assert await de.count("likes") == await de.count("boosts") == 0


async def test_what_is_kept_is_found_page_by_page_and_let_go_where_it_stands(
        room: tuple[Running, Browser, Browser], monkeypatch: pytest.MonkeyPatch) -> None:
    de, ada, ben = room
    monkeypatch.setattr(timelines, "PAGE", 2)
    assert "Nothing kept yet" in (await ben.get("/bookmarks"))[1]
    made = [await published(de, case(f"Question {number}?")) for number in range(3)]
    for post_id in made:
        await ben.post(f"/p/{post_id}/bookmark", {"wish": "do"})
    first = (await ben.get("/bookmarks"))[1]
    assert first.index("Question 2?") < first.index("Question 1?") and "Question 0?" not in first
    assert 'href="/bookmarks" aria-current="page"' in first and "Nothing kept yet" in (await ada.get("/bookmarks"))[1]
    older = re.search(r'href="(/bookmarks\?before=\w+)"', first)
    assert older is not None
    second = (await ben.get(older[1]))[1]
    assert "Question 0?" in second and "Question 1?" not in second and back(second, made[0]) == older[1]
    assert (await ben.post(f"/p/{made[0]}/bookmark", {"wish": "undo", "back": older[1]}))[1] == f"{older[1]}#p-{made[0]}"
    assert "These were all of them" in (await ben.get(older[1]))[1]


async def test_a_button_in_a_long_conversation_comes_back_to_its_page(
        room: tuple[Running, Browser, Browser], monkeypatch: pytest.MonkeyPatch) -> None:
    de, _, ben = room
    monkeypatch.setattr(threads, "ANSWERS", 2)
    root = await published(de, case())
    answers = [await de.its.compose.reply(await de.author("ada"), root, f"Answer {number}", "de") for number in range(3)]
    later = f"/p/{root}?after={answers[1]}"
    page = (await ben.get(later))[1]
    assert back(page, answers[2]) == later and buttons(page, answers[0]) == {}
    assert (await ben.post(f"/p/{answers[2]}/like", {"wish": "do", "back": later}))[1] == f"{later}#p-{answers[2]}"
    failed = (await ben.post(f"/p/{root}/reply", {"text": "", "language": "de"}))[1]  # shown at an address nobody can go back to
    assert back(failed, root) == f"/p/{root}"


async def test_who_liked_and_who_passed_on_are_named_with_their_country(
        room: tuple[Running, Browser, Browser], monkeypatch: pytest.MonkeyPatch) -> None:
    de, ada, ben = room
    monkeypatch.setattr(reactions, "PEOPLE", 1)
    await de.add_doctor("stu", Role.STUDENT)
    post_id = await published(de, case())
    likes, boosts = f"/p/{post_id}/likes", f"/p/{post_id}/boosts"
    for path in (likes, boosts):
        assert "Nobody yet" in (await ada.get(path))[1]
    async with Browser(de) as student:
        await student.login("stu")
        for browser in (ben, student):
            await browser.post(f"/p/{post_id}/like", {"wish": "do"})
    await ben.post(f"/p/{post_id}/boost", {"wish": "do"})
    page = (await ada.get(likes))[1]
    assert f'<a href="/@stu@{de.domain}">Dr Stu</a>' in page and "Student, Cardiology" in page and "Dr Ben" not in page
    assert "What would you do?" in page and 'Liked <span class="count">2</span>' in page
    older = re.search(rf'href="({likes}\?before=\w+)"', page)
    assert older is not None
    second = (await ada.get(older[1]))[1]
    assert f'<a href="/@ben@{de.domain}">Dr Ben</a>' in second and "Earlier ones" not in second
    assert f'<a href="/@ben@{de.domain}">Dr Ben</a>' in (await ada.get(boosts))[1]


async def test_a_like_from_abroad_is_named_at_home(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ada, Browser(fr) as ben:
        await ada.login("ada")
        await ben.login("ben")
        post_id = await published(de, case(), fr)
        await until(lambda: fr.count("posts"))
        found = re.search(r'formaction="(/p/\w+/like)"', (await ben.get("/?tab=all"))[1])
        assert found is not None
        assert (await ben.post(found[1], {"wish": "do", "back": "/?tab=all"}))[0] == 303
        await until(lambda: de.count("likes"))
        page = (await ada.get(f"/p/{post_id}/likes"))[1]
        assert f'<a href="/@ben@{fr.domain}">Dr Ben</a>' in page and "<span>France</span>" in page
