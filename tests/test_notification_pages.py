"""What a doctor is told, as she sees it: the list, the counts beside each page, what was changed, and her mail."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import case, published
from tests.mailserver import MailServer, mailserver
from tests.servers import Running, countries, until
from tests.test_mailboxes import link
from tests.test_pages import Browser


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mailserver() as made:
        yield made


@pytest.fixture
async def de(tmp_path: Path, server: MailServer) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", settled=server.used()) as (made,):
        yield made


@pytest.fixture
async def ada(de: Running) -> AsyncIterator[Browser]:
    async with Browser(de) as browser:
        assert await browser.login("ada") == 303
        yield browser


def read(page: str) -> str:
    """A page's words as they are read, markup and blanks aside."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page.split("<main", 1)[1].split("</main", 1)[0])).split())


def count(page: str) -> str:
    """The number beside Notifications in the left column."""
    found = re.search(r'href="/notifications"[^>]*>Notifications'
                      r'(?: <span class="count">(\S+) <span class="unseen">unread</span></span>)?</a>', page)
    assert found is not None
    return found[1] or ""


async def unread(ada: Browser) -> list[str]:
    return re.findall(r'<li id="n-(\w+)" class="unread">', (await ada.get("/notifications"))[1])


async def test_the_list_says_who_did_what_and_the_count_stands_beside_every_page(de: Running, ada: Browser) -> None:
    assert "Nothing yet" in (await ada.get("/notifications"))[1] and count((await ada.get("/"))[1]) == ""
    post = await published(de, case("Which <test>?"))
    for handle in ("cleo", "dora", "emil"):
        await de.add_doctor(handle)
    for handle in ("ben", "cleo", "dora", "emil"):
        await de.its.compose.reply(await de.author(handle), post, "Answer", "de")
    page = (await ada.get("/notifications"))[1]
    assert "New Dr Emil, Dr Dora and 2 more answered your case. Which <test>?" in read(page)
    assert count(page) == count((await ada.get("/mine"))[1]) == "1" and "Which <test>" not in page


async def test_opening_the_conversation_reads_what_is_about_it_and_nothing_else_does(de: Running, ada: Browser) -> None:
    post, other = await published(de, case()), await published(de, case("Another?"))
    first = await de.its.compose.reply(await de.author("ben"), post, "Answer", "de")
    await de.its.compose.reply(await de.author("ben"), other, "Answer", "de")
    for path in ("/", "/mine", "/notifications", "/notifications?show=unread", f"/p/{other}/edit"):
        await ada.get(path)
    await ada.get(f"/p/{post}", **{"sec-purpose": "prefetch;prerender"})
    async with ada.session.head(f"/p/{post}") as response:
        assert response.status == 200
    assert len(await unread(ada)) == 2
    assert f'href="/p/{first}#p-{first}"' in (await ada.get("/notifications"))[1]
    assert count((await ada.get(f"/p/{first}"))[1]) == "1"  # that page itself counts it no more
    assert len(await unread(ada)) == 1
    page = (await ada.get("/notifications?show=unread"))[1]
    assert "Another?" in page and "What would you do?" not in page


async def test_one_and_all_can_be_read_by_button(de: Running, ada: Browser) -> None:
    for question in ("One?", "Two?", "Three?"):
        await de.its.compose.reply(await de.author("ben"), await published(de, case(question)), "Answer", "de")
    first, *_ = await unread(ada)
    assert await ada.post(f"/notifications/{first}/read", {"show": "unread"}) == (303, "/notifications?show=unread")
    assert first not in await unread(ada)
    page = (await ada.get("/notifications"))[1]
    newest = re.search(r'name="newest" value="(\w+)"', page)
    assert newest is not None
    await de.its.compose.reply(await de.author("ben"), await published(de, case("Four?")), "Answer", "de")
    assert await ada.post("/notifications/read", {"newest": newest[1]}) == (303, "/notifications")
    assert len(await unread(ada)) == 1
    assert (await ada.post("/notifications/0000000000000/read", {}))[0] == 404
    async with Browser(de) as ben:
        await ben.login("ben")
        assert (await ben.post(f"/notifications/{first}/read", {}))[0] == 404
        await ben.post("/notifications/read", {"newest": "7zzzzzzzzzzzz"})
    assert len(await unread(ada)) == 1
    async with aiohttp.ClientSession(de.url, cookie_jar=ada.session.cookie_jar) as elsewhere, elsewhere.post(
            "/notifications/read", data={"newest": "7zzzzzzzzzzzz"}, headers={"sec-fetch-site": "cross-site"}) as response:
        assert response.status == 403
    assert len(await unread(ada)) == 1


async def test_every_kind_has_its_sentence(de: Running, ada: Browser) -> None:
    ben = await de.author("ben")
    post = await published(de, case())
    answer = await de.its.compose.reply(await de.author("ada"), post, "Own answer", "de")
    await de.its.compose.reply(ben, answer, "To that", "de")
    poll = await published(de, Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(
        ("a", "b"), False, de.its.clock.ms() + 60_000)))
    bens = await de.its.compose.publish(ben, Draft(Kind.POLL, "His?", "", "de", CaseFacts(), PollDraft(
        ("a", "b"), False, de.its.clock.ms() + 60_000)), (), Reach.HOME, "")
    await de.its.polls.vote(await de.author("ada", "vote"), bens, (0,))
    await de.its.compose.reply(ben, poll, "Answer", "de")
    await de.its.compose.consult(ben, case("Would you operate?"), [(await de.author("ada")).actor])
    note = await published(de, Draft(Kind.NOTE, "Note", "Text", "de"))
    her, him = [await de.its.credentials.require_verified(de.doctors[handle]) for handle in ("ada", "ben")]
    await de.its.reactions.like(him, note)
    await de.its.reactions.boost(ben, note)
    await de.its.relations.follow(him, her.actor)
    await de.its.relations.follow(her, him.actor)
    await de.its.relations.accept(him, her.actor)
    de.its.clock.offset = 61

    async def closed() -> bool:
        return await de.count("notifications", "kind = 'closed'") == 3

    await until(closed)
    page = read((await ada.get("/notifications"))[1])
    for sentence in (
            "Dr Ben answered your poll.", "Dr Ben asks you for a consult.", "Dr Ben likes your question.",
            "Dr Ben passed your question on.", "Dr Ben wants to follow you.", "You follow Dr Ben from now on.",
            "Your poll has closed.", "A poll you voted in has closed.", "Dr Ben answered your case."):
        assert sentence in page, sentence
    before = len(await unread(ada))
    await ada.get("/follows?tab=followers")
    assert len(await unread(ada)) == before
    await ada.get("/follows")  # the requests stand here
    assert len(await unread(ada)) == before - 1


async def test_a_changed_answer_leads_to_what_changed_and_its_history_reads_it(de: Running, ada: Browser) -> None:
    post = await published(de, case())
    answer = await de.its.compose.reply(await de.author("ben"), post, "Start **heparin** now.\n\nWait.", "de")
    await de.its.editing.edit(await de.author("ben"), answer, "", "Start **heparin** tomorrow.\n\nWait <b>.", 1)
    page = (await ada.get("/notifications"))[1]
    assert "Dr Ben changed an answer to your case. See what changed" in read(page)
    assert f'href="/p/{answer}/history#v-2"' in page
    await ada.get(f"/p/{post}")  # reads the answer, but not what changed in it
    assert len(await unread(ada)) == 1
    page = (await ada.get(f"/p/{answer}/history"))[1]
    assert re.search(r"Start heparin\s+<del><span[^>]*>taken out: </span>now\.<span[^>]*> end of it</span></del>\s+"
                     r"<ins><span[^>]*>added: </span>tomorrow\.<span", page)
    assert "&lt;b&gt;" in page and 'id="v-2"' in page and 'id="v-1"' in page and "As first written" in page
    assert await unread(ada) == [] and count(page) == ""


async def test_versions_that_differ_too_much_stand_side_by_side_and_formatting_is_no_change(de: Running, ada: Browser) -> None:
    post = await published(de, case())
    texts = ["Some **words**.", "Some *words*.", " ".join(f"a{n}" for n in range(700)), " ".join(f"b{n}" for n in range(700))]
    answer = await de.its.compose.reply(await de.author("ben"), post, texts[0], "de")
    for revision, text in enumerate(texts[1:], start=1):
        await de.its.editing.edit(await de.author("ben"), answer, "", text, revision)
    now, third, second, first = (await ada.get(f"/p/{answer}/history"))[1].split("<article")[1:]
    assert "Too much has changed" in now and "a699" in now and "b699" in now and "<ins>" not in now
    assert "Too much has changed" in third and "No word was changed" in second and "<del>" not in first


async def test_a_long_history_is_read_page_by_page(de: Running, ada: Browser) -> None:
    post = await published(de, case())
    for revision in range(1, 25):
        await de.its.editing.edit(await de.author("ada"), post, f"Question {revision}?", "Text", revision)
    page = (await ada.get(f"/p/{post}/history"))[1]
    older = re.search(r'href="\?before=(\w+)"', page)
    assert older is not None and page.count("<article") == 20 and "<del>" in page and "As first written" not in page
    page = (await ada.get(f"/p/{post}/history?before={older[1]}"))[1]
    assert page.count("<article") == 5 and "As first written" in page and "Back to the newest" in page


async def test_a_doctor_sets_her_mail_and_confirms_it_without_a_session(de: Running, ada: Browser, server: MailServer) -> None:
    page = (await ada.get("/settings/mail"))[1]
    assert 'value="none" checked' in page and 'href="/settings/mail"' in (await ada.get("/notifications"))[1]
    status, page = await ada.post("/settings/mail", {"address": "ada@klinik", "rhythm": "daily"})
    assert status == 400 and 'value="ada@klinik"' in page and 'id="error-address"' in page and 'value="daily" checked' in page
    status, page = await ada.post("/settings/mail", {"address": "", "rhythm": "daily"})
    assert status == 400 and "Say at which address" in page
    assert (await ada.post("/settings/mail", {"address": "ada@klinik.example", "rhythm": "daily"}))[0] == 303
    await until(lambda: bool(server.taken))
    await until(lambda: de.count("mails", "state = 'sent'"))
    page = (await ada.get("/settings/mail"))[1]
    assert "We have sent a link to ada@klinik.example" in page and 'value="daily" checked' in page
    token = link(server.taken[0].text, "confirm")
    async with Browser(de) as nobody:
        for path in (f"/mail/confirm/{token}", "/mail/confirm/nonsense"):
            status, page = await nobody.get(path)
            assert status == 200 and "Confirm this address" in page and "klinik" not in page and "Ada" not in page
        assert await de.count("mailboxes", "address <> ''") == 0  # looking at the link is not opening it
        assert (await nobody.post("/mail/confirm/nonsense", {}))[0] == 404
        assert (await nobody.post(f"/mail/confirm/{token}", {}, **{"sec-fetch-site": "cross-site"}))[0] == 403
        status, page = await nobody.post(f"/mail/confirm/{token}", {})
        assert status == 200 and "This address is confirmed" in page and "klinik" not in page
        assert (await nobody.post(f"/mail/confirm/{token}", {}))[0] == 404
    assert "confirmed" in (await ada.get("/settings/mail"))[1]


async def test_a_mail_program_stops_digests_with_one_post_from_anywhere(de: Running, ada: Browser, server: MailServer) -> None:
    await ada.post("/settings/mail", {"address": "ada@klinik.example", "rhythm": "daily"})
    await until(lambda: bool(server.taken))
    assert (await ada.post(f"/mail/confirm/{link(server.taken[0].text, 'confirm')}", {}))[0] == 200
    token = de.its.mailboxes.stop_token(de.doctors["ada"].id, "ada@klinik.example")
    answers = []
    async with aiohttp.ClientSession(de.url) as program:
        for path in (f"/mail/stop/{token}", "/mail/stop/nonsense"):
            async with program.get(path) as response:
                assert response.status == 200
            assert await de.count("mailboxes", "rhythm = 'daily'") == 1
        for path in ("/mail/stop/nonsense", f"/mail/stop/{token}"):
            async with program.post(path, data="List-Unsubscribe=One-Click", headers={
                    "content-type": "application/x-www-form-urlencoded"}) as response:
                answers.append((response.status, await response.text()))
    assert answers[0] == answers[1] and answers[0][0] == 200 and await de.count("mailboxes", "rhythm = 'daily'") == 0


async def test_where_no_mail_is_sent_none_is_offered(tmp_path: Path) -> None:
    async with countries(tmp_path, "fr") as (fr,), Browser(fr) as ben:
        await ben.login("ben")
        assert "/settings/mail" not in (await ben.get("/notifications"))[1]
        assert "sends no mail" in (await ben.get("/settings/mail"))[1]
        assert (await ben.post("/settings/mail", {"address": "a@b.example", "rhythm": "daily"}))[0] == 404
        assert await fr.count("mailboxes") == await fr.count("mails") == 0


async def test_only_the_verified_are_told(de: Running) -> None:
    await de.add_doctor("zoe", proven=False)
    async with Browser(de) as zoe, Browser(de) as visitor:
        await zoe.login("zoe")
        assert 'href="/notifications"' not in (await zoe.get("/mine"))[1]
        for path in ("/notifications", "/settings/mail"):
            assert (await zoe.get(path))[0] == 403 and (await visitor.get(path))[0] == 303
        assert (await zoe.post("/notifications/read", {}))[0] == 403
        assert (await zoe.post("/settings/mail", {"address": "zoe@klinik.example", "rhythm": "daily"}))[0] == 403
    assert await de.count("mails") == 0
