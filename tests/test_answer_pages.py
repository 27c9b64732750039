"""Answering is the shortest way on the screen; what answers are, rest on and came to be stands there in words."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.models import Role
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[tuple[Running, Browser, Browser]]:
    async with countries(tmp_path, "de") as (de,), Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        yield de, ada, ben


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page)
    assert found is not None
    return found[1]


async def answer(browser: Browser, post_id: str, text: str, **more: str) -> str:
    """What the form below a conversation sends; the id of the answer."""
    status, where = await browser.post(f"/p/{post_id}/reply", {"text": text, "language": "de"} | more)
    assert status == 303
    return where.rpartition("#p-")[2]


async def test_an_answer_from_the_list_is_one_field_and_one_button_and_sent_once(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case())
    page = (await ben.get("/?tab=all"))[1]
    form = re.search(rf'<form method="post" action="/p/{post_id}/reply">.*?</form>', page, re.DOTALL)
    assert form is not None and form[0].count("<textarea") == form[0].count("<button") == 1
    assert re.findall(r'value="(\w+)" checked', form[0]) == ["answer"]
    sent = {"text": "Heparin.", "language": hidden(form[0], "language"), "form": hidden(form[0], "form")}
    for _ in range(2):
        status, where = await ben.post(f"/p/{post_id}/reply", sent)
        assert status == 303 and "#p-" in where
    assert await de.count("posts", "kind = 'reply'") == 1
    assert (await ben.post(f"/p/{post_id}/reply", sent | {"text": " "}))[0] == 400
    assert "Heparin." in (await ada.get(f"/p/{post_id}"))[1]


async def test_a_question_back_and_evidence_say_what_they_are(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case())
    question = await answer(ben, post_id, "Seit wann?", reply_kind="question")
    await answer(ben, post_id, "Siehe auch 10.1000/182.", reply_kind="evidence", sources="PMID 31978945, NCT01234567 10.1000/182")
    await answer(ben, post_id, "Und nun?", reply_kind="riddle")
    page = (await ada.get(f"/p/{post_id}"))[1]
    for mark in ('<span class="mark asks">Question back</span>', '<span class="mark evidence">Evidence</span>'):
        assert page.count(mark) == 1
    assert "You were asked back: this waits for you" in page and f'href="/p/{question}#p-{question}"' in page
    works = re.findall(r'<li><a href="([^"]+)" rel="nofollow noopener noreferrer">([^<]+)<', page)
    assert sorted(works) == [("https://clinicaltrials.gov/study/NCT01234567", "NCT01234567"),
                             ("https://doi.org/10.1000/182", "doi:10.1000/182"),
                             ("https://pubmed.ncbi.nlm.nih.gov/31978945", "PMID 31978945")]
    assert "Asked back, waiting for the author" in (await ben.get("/?tab=all"))[1]
    assert "asks you back about your case, which waits for you." in (await ada.get("/notifications"))[1]
    await answer(ada, question, "Seit gestern.")
    assert "asked back" not in (await ada.get("/?tab=all"))[1].lower()


async def test_what_is_no_work_is_said_and_nothing_is_lost(room: tuple[Running, Browser, Browser]) -> None:
    de, _, ben = room
    post_id = await published(de, case())
    status, page = await ben.post(f"/p/{post_id}/reply", {
        "text": "Ein langer Text.", "language": "de", "reply_kind": "evidence", "sources": "in the Lancet"})
    assert status == 400 and "is no DOI, PMID or NCT number." in page and "Ein langer Text." in page
    assert 'value="evidence" checked' in page and 'value="in the Lancet"' in page and await de.count("posts") == 1


async def test_a_correction_is_offered_told_and_shown_with_the_difference(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case())
    made = await answer(ben, post_id, "Zehn Milligramm.")
    page = (await ben.get(f"/p/{made}/edit"))[1]
    assert 'name="corrects" value="advice"' in page and 'name="reply_kind" value="answer" checked' in page
    form = {"text": "Ein Milligramm.", "revision": "1", "corrects": "advice"}
    status, page = await ben.post(f"/p/{made}/edit", form | {"reason": " "})
    assert status == 400 and "Please say in one line why." in page and 'value="advice" checked' in page
    assert (await ben.post(f"/p/{made}/edit", form | {"reason": "Die Dosis."}))[0] == 303
    for path in ("/", "/bookmarks"):
        assert " data-pressing>" in (await ada.get(path))[1]
    assert " data-pressing>" not in (await ben.get("/"))[1]
    thread = (await ada.get(f"/p/{post_id}"))[1]
    assert '<span class="mark warn">Clinical correction</span>' in thread and "Die Dosis." in thread
    listed = (await ada.get("/notifications"))[1]
    place = re.search(r'href="(/p/[^"]+/history)#v-2"', listed)
    assert place is not None and "corrected the advice in what was written." in listed
    history = (await ada.get(place[1]))[1]
    assert "Die Dosis." in history and "<del>" in history and "<ins>" in history
    assert " data-pressing>" not in (await ada.get("/"))[1]


async def test_a_recall_is_asked_about_once_more_and_folds_the_text(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case())
    made = await answer(ben, post_id, "Zehn Milligramm.")
    assert f"/p/{made}/recall" in (await ben.get(f"/p/{post_id}"))[1] and "/recall" not in (await ada.get(f"/p/{post_id}"))[1]
    assert "Recall this answer?" in (await ben.get(f"/p/{made}/recall"))[1]
    assert (await ben.post(f"/p/{made}/recall", {"reason": ""}))[0] == 400
    assert (await ada.post(f"/p/{made}/recall", {"reason": "Nein."}))[0] == 403
    assert await ben.post(f"/p/{made}/recall", {"reason": "Zehnfach zu hoch."}) == (303, f"/p/{made}#p-{made}")
    assert "recalled an answer as wrong." in (await ada.get("/notifications"))[1]
    page = (await ada.get(f"/p/{post_id}"))[1]
    assert re.search(r"Recalled by its author.*Zehnfach zu hoch\..*<details>.*Zehn Milligramm\.", page, re.DOTALL)
    assert " data-pressing>" not in (await ada.get("/"))[1]
    page = (await ben.get(f"/p/{post_id}"))[1]
    assert f"/p/{made}/edit" not in page and f"/p/{made}/delete" in page
    assert (await ben.get(f"/p/{made}/recall"))[0] == 303
    assert (await ben.post(f"/p/{made}/edit", {"text": "Doch.", "revision": "2"}))[0] == 409
    assert (await ada.get(f"/p/{post_id}/recall"))[0] == 303


async def test_what_one_follows_is_found_again(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case("Which valve?"))
    assert "Nothing followed yet" in (await ben.get("/followed"))[1]
    assert await ben.post(f"/p/{post_id}/follow", {"wish": "do", "back": "/followed"}) == (303, f"/followed#p-{post_id}")
    assert "Which valve?" in (await ben.get("/followed"))[1] and "Which valve?" not in (await ada.get("/followed"))[1]
    await answer(ada, post_id, "Ich weiß mehr.")
    assert "answered in a conversation you follow." in (await ben.get("/notifications"))[1]


async def test_a_conversation_is_muted_where_it_stands_and_found_again(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    post_id = await published(de, case("Which valve?"))
    assert f"/p/{post_id}/mute" in (await ada.get(f"/p/{post_id}"))[1] and "/mute" not in (await ada.get("/?tab=country"))[1]
    back = f"/p/{post_id}"
    assert await ada.post(f"/p/{post_id}/mute", {"wish": "do", "back": back}) == (303, f"{back}#p-{post_id}")
    await answer(ben, post_id, "Ich weiß mehr.")
    assert "Which valve?" not in (await ada.get("/notifications"))[1]
    page = (await ada.get("/followed?show=muted"))[1]
    assert "Which valve?" in page and f"/p/{post_id}/mute" in page
    await ada.post(f"/p/{post_id}/mute", {"wish": "undo", "back": "/followed?show=muted"})
    assert "Nothing muted" in (await ada.get("/followed?show=muted"))[1]


async def test_a_pinned_question_stands_first_on_the_profile_and_once(room: tuple[Running, Browser, Browser]) -> None:
    de, ada, ben = room
    first, second = await published(de, case("Which valve?")), await published(de, case("Which stent?"))
    assert f"/p/{first}/pin" in (await ada.get(f"/p/{first}"))[1] and f"/p/{first}/pin" not in (await ben.get(f"/p/{first}"))[1]
    assert await ada.post(f"/p/{first}/pin", {"wish": "do", "back": f"/p/{first}"}) == (303, f"/p/{first}#p-{first}")
    page = (await ben.get(f"/@ada@{de.domain}"))[1]
    assert page.count(f'id="p-{first}"') == 1 and page.index("Pinned") < page.index(f"p-{first}") < page.index(f"p-{second}")
    assert (await ben.post(f"/p/{first}/pin", {"wish": "do", "back": ""}))[0] == 400
    await ada.post(f"/p/{first}/pin", {"wish": "undo", "back": f"/p/{first}"})
    assert "Pinned" not in (await ben.get(f"/@ada@{de.domain}"))[1]


async def test_paper_has_the_case_its_answers_and_the_readers_mark_and_nothing_to_press(
        room: tuple[Running, Browser, Browser]) -> None:
    de, _, ben = room
    post_id = await published(de, case("Which valve?"))
    await answer(ben, post_id, "Mechanisch, siehe https://example.org/valves.")
    recalled = await answer(ben, post_id, "Zehn Milligramm.")
    await ben.post(f"/p/{recalled}/recall", {"reason": "Zu viel."})
    status, page = await ben.get(f"/p/{post_id}/print")
    assert status == 200 and f"Printed for @ben@{de.domain} on " in page and "Which valve?" in page
    assert "Mechanisch" in page and "Zu viel." in page and "Zehn Milligramm." not in page
    assert not re.search(r"<(?:nav|form|button|script|input)\b", page)
    assert await de.count("thread_reads") == 1
    await de.add_doctor("stu", Role.STUDENT)
    async with Browser(de) as student:
        await student.login("stu")
        assert "Printed for @stu@" in (await student.get(f"/p/{post_id}/print"))[1]
    consult = await de.its.compose.consult(await de.author("ada"), case(), [(await de.author("ben")).actor])
    async with Browser(de) as student:
        await student.login("stu")
        assert (await student.get(f"/p/{consult}/print"))[0] == 404


async def test_a_page_that_is_only_kept_ready_is_not_opened(room: tuple[Running, Browser, Browser]) -> None:
    de, _, ben = room
    post_id = await published(de, case())
    async with ben.session.get(f"{de.url}/p/{post_id}", headers={"sec-purpose": "prefetch"}) as response:
        assert response.status == 200
    assert await de.count("thread_reads") == 0
    await ben.get(f"/p/{post_id}")
    assert await de.count("thread_reads") == 1
