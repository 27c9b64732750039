"""Writing and reacting in an app, across two countries: what goes out, to whom, and what takes a second step."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from actors.models import Role
from core.ids import public
from instance import looks
from instance.api.writing import headed
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import published
from tests.phones import Phone
from tests.servers import Running, countries, until
from tests.test_api_reading import arrived
from tests.test_pages import Browser, fields

STATUSES = "/api/v1/statuses"
AHV = "756.8297.0572.04"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


@pytest.fixture
async def phone(pair: tuple[Running, Running]) -> AsyncIterator[Phone]:
    async with Phone(pair[1]) as one:
        yield await one.log_in("ben")


async def sent(phone: Phone, path: str = STATUSES, data: Any = None, *, method: str = "POST", key: str = "") -> dict[str, Any]:
    status, said, _ = await phone.ask(method, path, data, headers={"Idempotency-Key": key} if key else {})
    assert status == 200, said
    return dict(said)


async def refused(phone: Phone, path: str = STATUSES, data: Any = None, *, method: str = "POST", status: int = 422) -> str:
    """The sentence that the phone shows, in English."""
    got, said, _ = await phone.ask(method, path, data, headers={"accept-language": "en"})
    assert got == status and said["error"] == said["error_description"], (got, said)
    return str(said["error"])


@pytest.mark.parametrize(("typed", "warning", "question", "text"), [
    ("Which test?\n\nShe coughs.", "", "Which test?", "She coughs."),
    ("# Which test?\nShe coughs.", "", "Which test?", "She coughs."),
    ("She coughs.", "Which test?", "Which test?", "She coughs."),
    ("Which test?", "", "Which test?", "Which test?"),
    ("@ada which test?\nShe coughs.", "", "which test? She coughs.", "@ada which test?\nShe coughs."),
    ("#sepsis\nText", "", "#sepsis Text", "#sepsis\nText"),
    ("@ada", "", "@ada", "@ada"),
    ("word " * 40, "", "word " * 15 + "word …", ("word " * 40).strip()),
    ("x" * 400, "", "x" * 80 + " …", "x" * 400),
    ("", "", "", ""),
])
def test_the_question_of_what_was_typed_into_one_field(typed: str, warning: str, question: str, text: str) -> None:
    assert headed(typed, warning) == (question, text)


def test_a_poll_needs_no_more_than_its_question() -> None:
    assert headed("Which?", "", may_be_empty=True) == ("Which?", "")


async def test_what_an_app_publishes_stays_at_home_and_leads_its_author_abroad(pair: tuple[Running, Running],
                                                                               phone: Phone) -> None:
    de, fr = pair
    made = await sent(phone, data={"status": "Which test?\n\nShe *coughs*. #sepsis", "visibility": "public", "language": "en"})
    assert "Which test?" in made["content"] and "<em>coughs</em>" in made["content"] and made["visibility"] == "private"
    assert made["language"] == "en" and made["tags"][0]["name"] == "sepsis" and made["account"]["acct"] == "ben"
    found = re.search(r'href="([^"]+/compose\?abroad=\w+)"', made["content"])
    assert found is not None and unescape(found[1]) == f"{fr.url}/compose?abroad={made['id']}"
    await fr.add_doctor("cleo")
    async with Phone(fr) as other:
        seen = await (await other.log_in("cleo")).get(f"{STATUSES}/{made['id']}")
        assert "Which test?" in seen["content"] and "/compose" not in seen["content"]
    async with Browser(fr) as browser:  # the second step: the page that the link leads to, and all that stands on it
        await browser.login("ben")
        page = (await browser.get(f"/compose?abroad={made['id']}"))[1]
        assert 'value="Which test?"' in page and fields(page)["asked_from"] == made["id"]
        written = fields(page) | {"kind": "note", "question": "Which test?", "text": "She *coughs*. #sepsis", "language": "en",
                                  "origin": de.url, "signature": "name"}
        page = (await browser.post("/compose", written | {"step": "confirm"}))[1]
        assert "Step 3 of 3" in page, page
        assert (await browser.post("/compose", written | fields(page) | {"step": "publish"}))[0] == 303
    await until(lambda: de.count("posts"))
    assert await fr.count("posts", "parent_id IS NULL") == 2
    for wrong in ({"visibility": "everybody"}, {"scheduled_at": "2030-01-01T00:00:00Z"}, {"language": "not a language"},
                  {"status": ""}, {"status": "x" * 100_000}, {"poll[options][]": "a", "poll[expires_in]": "60"},
                  {"status": f"Ask @nobody@{de.domain}"}, {"status": f"Ask @ada@{de.domain}"}):
        await refused(phone, data={"status": "Some text"} | wrong)
    assert await fr.count("posts", "parent_id IS NULL") == 2


async def test_a_form_is_sent_once(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    first = await sent(phone, data={"status": "One"}, key="k1")
    assert (await sent(phone, data={"status": "One"}, key="k1"))["id"] == first["id"]
    other = await sent(phone, data={"status": "Two"}, key="k1")
    assert other["id"] != first["id"] and await fr.count("posts") == 2
    answer = {"status": "Yes.", "in_reply_to_id": first["id"]}
    made = await sent(phone, data=answer, key="k2")
    assert (await sent(phone, data=answer, key="k2"))["id"] == made["id"] and await fr.count("posts") == 3
    async with Phone(fr) as adas:
        await adas.log_in("ada")
        assert (await sent(adas, data={"status": "One"}, key="k1"))["id"] != first["id"]


async def test_an_answer_goes_to_whoever_reads_what_it_answers(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    post_id = await published(de, Draft(Kind.CASE, "Which test first?", "She coughs.", "de", CaseFacts(("cardiology",))), fr)
    parent = await arrived(phone, "Which test first?")
    made = await sent(phone, data={"status": f"A scan, @ada@{de.domain}.", "in_reply_to_id": parent["id"], "visibility": "public",
                                   "spoiler_text": "First thought"})
    assert made["in_reply_to_id"] == parent["id"] and made["content"].startswith("<p>First thought</p>")
    await until(lambda: de.count("posts", "parent_id IS NOT NULL"))
    async with Phone(de) as theirs:
        await theirs.log_in("ada")
        context = await theirs.get(f"{STATUSES}/{post_id}/context")
        assert "A scan" in context["descendants"][0]["content"]
    answer = {"status": "Between us", "in_reply_to_id": parent["id"]}
    assert "new direct message" in await refused(phone, data=answer | {"visibility": "direct"})
    await refused(phone, data=answer | {"poll[options][]": "a", "poll[expires_in]": "600"})
    await refused(phone, data=answer | {"in_reply_to_id": public(1)}, status=404)
    assert await fr.count("posts", "parent_id IS NOT NULL") == 1


async def test_direct_is_a_consult_with_the_doctors_it_names(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    made = await sent(phone, data={"status": "@ada between us?", "visibility": "direct"})
    assert made["content"].count("between us?") == 1  # it is its own question
    assert made["visibility"] == "direct" and [one["acct"] for one in made["mentions"]] == ["ada"]
    assert "/compose" not in made["content"]
    assert "Name at least one" in await refused(phone, data={"status": "Between us?", "visibility": "direct"})
    assert "Name at least one" in await refused(phone, data={"status": "@ben to myself", "visibility": "direct"})
    async with Phone(fr) as adas:
        await adas.log_in("ada")
        answer = await sent(adas, data={"status": "Indeed.", "in_reply_to_id": made["id"], "visibility": "direct"})
        assert answer["visibility"] == "direct"
    far = {"status": f"@ada@{de.domain} between us?", "visibility": "direct"}
    sentence = await refused(phone, data=far)
    assert sentence == await refused(phone, data=far) and await fr.count("drafts") == 1
    link = re.search(r"http\S+", sentence)
    assert link is not None and "(Germany)" in sentence
    async with Browser(fr) as browser:
        await browser.login("ben")
        page = (await browser.get(link[0].removeprefix(fr.url)))[1]
        assert "between us?" in page
        written = fields(page) | {"kind": "note", "question": "between us?", "text": far["status"], "language": "fr",
                                  "reach": "named", "doctor": f"@ada@{de.domain}"}
        page = (await browser.post("/compose", written | {"step": "confirm"}))[1]
        assert (await browser.post("/compose", written | fields(page) | {"step": "publish"}))[0] == 303, page
    await until(lambda: de.count("posts"))
    async with Phone(de) as theirs:
        await theirs.log_in("ada")
        told = (await theirs.get("/api/v1/notifications"))[0]
        assert told["status"]["visibility"] == "direct" and "between us?" in told["status"]["content"]


async def test_what_could_say_who_the_patient_is_takes_a_second_look(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    soft = {"status": "Which test?\n\nMr Smith came on 5 April 2024.", "language": "en"}
    sentence = await refused(phone, data=soft)
    assert "“Mr Smith” (A name); “5 April 2024” (An exact date)." in sentence and "10 minutes" in sentence
    await refused(phone, data=soft)  # at once: an app repeats by itself
    told = fr.its.second_looks._told
    assert await fr.count("posts") == 0
    for key in told:
        told[key] -= (looks.SECONDS + 1) * 1000
    await refused(phone, data=soft | {"status": soft["status"] + " Mrs Jones too."})
    made = await sent(phone, data=soft)
    assert "Mr Smith" in made["content"]
    for key in told:
        told[key] -= (looks.MINUTES + 1) * 60_000
    await refused(phone, data=soft)  # too long ago
    for _ in range(2):
        sentence = await refused(phone, data={"status": f"The card {AHV}"})
        assert AHV not in sentence
        for key in told:
            told[key] -= (looks.SECONDS + 1) * 1000
    await refused(phone, f"{STATUSES}/{made['id']}", {"status": f"The card {AHV}"}, method="PUT")
    await refused(phone, f"{STATUSES}/{made['id']}", {"status": "Mr Brown came."}, method="PUT")
    await refused(phone, data={"status": "Mr Brown came.", "in_reply_to_id": made["id"]})
    await refused(phone, data={"status": "Which?", "poll[options][]": ["Mr Brown", "b"], "poll[expires_in]": "600"})
    assert await fr.count("posts") == 1 and await fr.count("revisions") == 0


@pytest.mark.parametrize("poll", [{}, {"poll[options][]": ["a", "b"], "poll[expires_in]": "600"}])
async def test_a_text_that_is_its_own_question_asks_what_it_says_after_a_change(
        poll: dict[str, Any], pair: tuple[Running, Running], phone: Phone) -> None:
    for typed in ("Give 10 mg?", "Give 10 mg #now?"):
        made = await sent(phone, data={"status": typed} | poll)
        path = f"{STATUSES}/{made['id']}"
        source = await phone.get(f"{path}/source")
        assert (source["text"], source["spoiler_text"]) == (typed, "")
        changed = await sent(phone, path, {"status": "Give 1 mg #soon?"}, method="PUT")
        assert "10 mg" not in changed["content"] and changed["content"].count("Give 1 mg") == 1
        gone = await sent(phone, path, method="DELETE")
        assert (gone["text"], gone["spoiler_text"]) == ("Give 1 mg #soon?", "")


async def test_our_pages_say_a_text_that_is_its_own_question_once(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    poll = {"poll[options][]": ["a", "b"], "poll[expires_in]": "600"}
    line = "CRP or PCT under 2 days & later, see https://example.org/a? #sepsis"
    async with Browser(fr) as ada:
        await ada.login("ada")
        for more in ({}, poll):
            made = await sent(phone, data={"status": line, **more})
            paths = "/?tab=all", f"/p/{made['id']}", f"/p/{made['id']}/print"
            pages = [(await ada.get(path))[1].split("<main")[1] for path in paths]
            assert [page.count("PCT under 2 days &amp; later") for page in pages] == [1, 1, 1]
            [heading] = re.findall(r"<h1[^>]*>(.*)</h1>", pages[1])
            assert 'href="/tags/sepsis"' in heading and 'href="https://example.org/a?"' in heading
            assert "later, see" in made["content"]
            await sent(phone, f"{STATUSES}/{made['id']}", method="DELETE")
        made = await sent(phone, data={"status": f"{line}\n\nShe is 30."})
        page = (await ada.get(f"/p/{made['id']}"))[1].split("<main")[1]
        assert page.count("PCT under 2 days &amp; later") == 2 and "<p>She is 30.</p>" in page


async def test_a_post_is_changed_and_deleted_with_its_source(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    made = await sent(phone, data={"status": "Which test?\n\nOne *two*"})
    path = f"{STATUSES}/{made['id']}"
    source = await phone.get(f"{path}/source")
    assert (source["text"], source["spoiler_text"]) == ("One *two*", "Which test?")
    changed = await sent(phone, path, {"status": "Three", "spoiler_text": source["spoiler_text"]}, method="PUT")
    assert "Three" in changed["content"] and "Which test?" in changed["content"] and changed["edited_at"]
    changed = await sent(phone, path, {"spoiler_text": "Another?"}, method="PUT")
    assert "Three" in changed["content"] and "Another?" in changed["content"]
    async with Phone(fr) as adas:
        await adas.log_in("ada")
        for method, status in (("PUT", 403), ("DELETE", 404)):
            await refused(adas, path, {"status": "Mine"}, method=method, status=status)
    gone = await sent(phone, path, method="DELETE")
    assert (gone["text"], gone["spoiler_text"], gone["id"]) == ("Three", "Another?", made["id"])
    await refused(phone, path, method="DELETE", status=404)
    assert await fr.count("posts", "erased_at IS NULL") == 0


async def test_polls_are_asked_and_voted_in_across_the_border(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    async with phone.session.post(STATUSES, headers={"authorization": f"Bearer {phone.token}"}, json={
            "status": "Which?", "poll": {"options": ["a", "b"], "expires_in": 3600, "multiple": False}}) as response:
        own = await response.json()
        assert response.status == 200, own
    titled = await sent(phone, data={"status": "Which #one?", "poll[options][]": ["a", "b"], "poll[expires_in]": "600"})
    assert titled["content"].count("Which") == 1  # it is its own question
    assert [one["title"] for one in own["poll"]["options"]] == ["a", "b"] and own["poll"]["voted"] is True
    await refused(phone, f"/api/v1/polls/{own['id']}/votes", {"choices[]": "0"})  # nobody votes in her own
    await refused(phone, f"{STATUSES}/{own['id']}", {"poll[options][]": ["a", "c"], "poll[expires_in]": "600"}, method="PUT")
    again = await sent(phone, f"{STATUSES}/{own['id']}", {"poll[options][]": ["a", "b"], "status": "More"}, method="PUT")
    assert "More" in again["content"]
    ends = de.its.clock.ms() + 3_600_000
    await published(de, Draft(Kind.POLL, "What now?", "Text", "de", CaseFacts(), PollDraft(("x", "y"), False, ends)), fr)
    status = await arrived(phone, "What now?")
    path = f"/api/v1/polls/{status['id']}/votes"
    for wrong in ({}, {"choices[]": "7"}, {"choices[]": ["0", "1"]}, {"choices[]": "x"}):
        await refused(phone, path, wrong)
    voted = await sent(phone, path, {"choices[]": "1"})
    assert voted["voted"] and voted["own_votes"] == [1]
    await refused(phone, path, {"choices[]": "0"})
    assert await fr.count("votes") == 1


async def test_likes_passing_on_and_keeping_are_done_and_taken_back(pair: tuple[Running, Running], phone: Phone) -> None:
    de, fr = pair
    await published(de, Draft(Kind.NOTE, "Guideline", "Text", "de"), fr)
    post = await arrived(phone, "Guideline")
    path = f"{STATUSES}/{post['id']}"
    assert (await sent(phone, f"{path}/favourite"))["favourited"] and (await sent(phone, f"{path}/bookmark"))["bookmarked"]
    passed = await sent(phone, f"{path}/reblog")
    assert passed["reblog"]["id"] == post["id"] and passed["reblog"]["reblogged"] and passed["account"]["acct"] == "ben"
    await until(lambda: de.count("likes"))
    await until(lambda: de.count("boosts"))
    assert (await sent(phone, f"{STATUSES}/{passed['id']}/unreblog"))["reblogged"] is False  # apps take either id
    assert (await sent(phone, f"{path}/unfavourite"))["favourited"] is False
    assert (await sent(phone, f"{path}/unbookmark"))["bookmarked"] is False
    await refused(phone, f"{path}/pin")
    own = await sent(phone, data={"status": "Mine"})
    await refused(phone, f"{STATUSES}/{own['id']}/favourite")
    consult = await sent(phone, data={"status": "@ada between us?", "visibility": "direct"})
    await refused(phone, f"{STATUSES}/{consult['id']}/reblog", status=403)
    for what in ("favourite", "reblog", "bookmark", "mute"):
        await refused(phone, f"{STATUSES}/{public(1)}/{what}", status=404)
    await until(lambda: _none(de, "likes"))
    await until(lambda: _none(de, "boosts"))


async def test_what_one_likes_is_a_list_and_what_one_has_pinned_stands_first(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    hers = [await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, asked, "Text", "fr"), (), Reach.HOME, "")
            for asked in ("One", "Two", "Three")]
    for one in hers:
        await sent(phone, f"{STATUSES}/{one}/favourite")
    await sent(phone, f"{STATUSES}/{hers[1]}/unfavourite")
    status, page, headers = await phone.ask("GET", "/api/v1/favourites?limit=1")
    assert status == 200 and [one["id"] for one in page] == [hers[2]] and 'rel="next"' in headers["link"]
    assert [one["id"] for one in await phone.get(f"/api/v1/favourites?max_id={hers[2]}")] == [hers[0]]
    own = [(await sent(phone, data={"status": f"Mine {number}"}))["id"] for number in range(6)]
    pinned = f"/api/v1/accounts/{(await phone.get('/api/v1/accounts/verify_credentials'))['id']}/statuses?pinned=true"
    assert await phone.get(pinned) == []
    for one in own[:5]:
        assert (await sent(phone, f"{STATUSES}/{one}/pin"))["pinned"]
    assert "5" in (await refused(phone, f"{STATUSES}/{own[5]}/pin"))
    assert [one["id"] for one in await phone.get(pinned)] == own[4::-1]
    assert not (await sent(phone, f"{STATUSES}/{own[0]}/unpin"))["pinned"]
    assert (await sent(phone, f"{STATUSES}/{own[5]}/pin"))["pinned"]
    assert [one["id"] for one in await phone.get(pinned)] == own[:0:-1]


async def test_a_muted_conversation_says_nothing_more(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    own = await sent(phone, data={"status": "Mine"})
    ada = await fr.author("ada")
    answer = await fr.its.compose.reply(ada, own["id"], "Answer", "fr")
    assert (await sent(phone, f"{STATUSES}/{answer}/mute"))["muted"] and (await phone.get(f"{STATUSES}/{own['id']}"))["muted"]
    before = await phone.get("/api/v1/notifications")
    await fr.its.compose.reply(ada, own["id"], "Another", "fr")
    assert await phone.get("/api/v1/notifications") == before
    assert not (await sent(phone, f"{STATUSES}/{own['id']}/unmute"))["muted"]
    await fr.its.compose.reply(ada, own["id"], "A third", "fr")
    assert await phone.get("/api/v1/notifications") != before


async def test_consults_are_conversations_with_what_was_written_last(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    ada = await fr.author("ada")
    ben = await fr.author("ben")
    draft = Draft(Kind.CASE, "Between us?", "Text", "fr", CaseFacts(("cardiology",)))
    begun = [await fr.its.compose.consult(ada, draft, [ben.actor]) for _ in range(2)]
    last = await fr.its.compose.reply(ada, begun[0], "And this", "fr")
    status, page, headers = await phone.ask("GET", "/api/v1/conversations?limit=1")
    assert status == 200 and 'rel="next"' in headers["link"]
    [first] = page
    assert (first["id"], first["last_status"]["id"], first["unread"]) == (begun[0], last, True)
    assert [one["acct"] for one in first["accounts"]] == ["ada"] and first["last_status"]["visibility"] == "direct"
    [second] = await phone.get(f"/api/v1/conversations?max_id={last}")
    assert second["id"] == second["last_status"]["id"] == begun[1]
    assert (await sent(phone, f"/api/v1/conversations/{begun[0]}/read"))["unread"] is False
    assert [one["unread"] for one in await phone.get("/api/v1/conversations")] == [False, True]
    own = await sent(phone, data={"status": "Mine"})
    for elsewhere in (own["id"], public(1), "x"):
        await refused(phone, f"/api/v1/conversations/{elsewhere}/read", status=404)


async def _none(at: Running, table: str) -> bool:
    return await at.count(table) == 0


async def test_the_conversations_of_a_consult_stay_among_those_in_it(pair: tuple[Running, Running], phone: Phone) -> None:
    _, fr = pair
    made = await sent(phone, data={"status": "@ada secret?", "visibility": "direct"})
    await fr.add_doctor("cleo")
    async with Phone(fr) as other:
        await other.log_in("cleo")
        for what in ("favourite", "bookmark", "reblog", "mute", "pin"):
            await refused(other, f"{STATUSES}/{made['id']}/{what}", status=404)
        for method in ("PUT", "DELETE"):
            await refused(other, f"{STATUSES}/{made['id']}", {"status": "x"}, method=method, status=404)
        await refused(other, data={"status": "Me too", "in_reply_to_id": made["id"]}, status=404)
        await refused(other, "/api/v1/reports", {"account_id": made["account"]["id"], "status_ids[]": made["id"]}, status=404)
    assert await fr.count("posts") == 1


async def test_a_student_reads_and_answers_and_asks_nobody(pair: tuple[Running, Running]) -> None:
    _, fr = pair
    await fr.add_doctor("stud", Role.STUDENT)
    post = await fr.its.compose.publish(await fr.author("ada"), Draft(Kind.NOTE, "Hers", "Text", "fr"), (), Reach.HOME, "")
    async with Phone(fr) as phone:
        await phone.log_in("stud")
        await refused(phone, data={"status": "May I?"}, status=403)
        await refused(phone, f"{STATUSES}/{post}/reblog", status=403)
        assert (await sent(phone, f"{STATUSES}/{post}/favourite"))["favourited"]
