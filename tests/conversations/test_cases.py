"""A case with all its parts arrives as it was written; its author marks what has helped and tells how it ended, everywhere; and
whoever knows nothing of parts reads all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.clock import rfc3339
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.text import lines
from posts import seals
from posts.cases import CASE_STATES, state_of
from posts.models import Aim, CaseFacts, Draft, Kind, Reach, State
from posts.parts import NO_PARTS, TEXTS, Congress, Effect, Outcome, Parts, Row, Section, Study
from posts.telling import Told
from tests.conversations.test_the_whole_path import published
from tests.servers import FakeSibling, Running, countries, know, until

PARTS = Parts(tuple(Section(heading, source=f"Under **{heading}**.") for heading in TEXTS),
              (Row(-3, "Fever & chills"), Row(0, "Came to us"), Row(2, "Better")))
CASE = Draft(Kind.CASE, "Which test <first>?", "Some **clinical** text.", "en",
             CaseFacts(("cardiology",), "30-39", "f", "diagnostic", ("sarcoidosis",)), parts=PARTS)
STUDY = Draft(
    Kind.NOTE, "Less bleeding?", "Shown by a large trial.", "de", CaseFacts(("haematology",), aim=Aim.STUDY), parts=Parts(
        study=Study("10.1000/182", "randomised", 12_034, Effect("hr", "0.80", "0.70", "0.94"), "Public money")))


async def card_of(at: Running, question: str) -> Any:
    ben = (await at.author("ben")).actor
    page = await at.its.timelines.home(ben, "all", None)
    return next(post for post in page.posts if post.question == question)


async def sent(at: Running, kind: str) -> dict[str, Any]:
    rows = await at.its.database.read(lambda tx: tx.rows(
        "SELECT body FROM outbox WHERE type = ? ORDER BY id DESC LIMIT 1", (kind,)))
    made: dict[str, Any] = json.loads(rows[0]["body"])["object"]
    return made


async def answered(de: Running, fr: Running, text: str) -> tuple[str, str]:
    """An answer of a French doctor's to the newest case, as it is called there and here."""
    card = await card_of(fr, CASE.question)
    there = await fr.its.compose.reply(await fr.author("ben", "reply"), card.id, text, "fr")
    await until(lambda: de.count("posts", f"kind = 'reply' AND html LIKE '%{text}%'"))
    root = await card_of(de, CASE.question)
    thread = (await de.its.threads.thread((await de.author("ada")).actor, root.id)).posts
    return there, next(post.id for post in thread if text in post.html)


async def test_a_case_with_all_its_parts_arrives_as_it_was_written(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        made = await published(de, CASE, fr)
        await until(lambda: fr.count("posts"))
        [here] = (await de.its.threads.thread((await de.author("ada")).actor, made)).posts
        card = await card_of(fr, CASE.question)
        [there] = (await fr.its.threads.thread((await fr.author("ben")).actor, card.id)).posts
        assert there.facts == here.facts == CASE.facts and there.state == State.OPEN and there.kind == Kind.CASE
        assert there.html == here.html == "<p>Some <strong>clinical</strong> text.</p>"
        assert [(one.heading, one.html) for one in there.parts.sections] == [
            (heading, f"<p>Under <strong>{heading}</strong>.</p>") for heading in TEXTS]
        assert there.parts.timeline == PARTS.timeline and there.parts.outcome is None
        assert all(not one.source for one in there.parts.sections)


async def test_whoever_knows_no_parts_reads_all_of_it_once(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await published(de, CASE, fr)
        await published(de, STUDY, fr)
        await until(lambda: fr.count("posts", "kind = 'note'"))
        study = await sent(de, "Create")
        words = " | ".join(lines(study["content"]))
        assert words.startswith("Less bleeding? | ") and "Hämatologie" in words and "Shown by a large trial." in words
        assert "10.1000/182" in words and "0.80" in words and "0.70" in words and "0.94" in words and "Public money" in words
        assert 'href="https://doi.org/10.1000/182"' in study["content"] and "12.034" in words
        rows = await de.its.database.read(lambda tx: tx.rows("SELECT body FROM outbox WHERE type = 'Create' ORDER BY id"))
        case = json.loads(rows[0]["body"])["object"]
        read = lines(case["content"])
        assert read[0] == "Which test <first>?" and read[1].startswith("Diagnostic · Cardiology · Woman, 30-39 · Sarcoidosis")
        assert read[2] == "Some clinical text." and "Fever & chills" in " ".join(read) and "Day \u22123" in " ".join(read)
        assert [line for line in read if line.startswith("Under")] == [f"Under {heading}." for heading in TEXTS]
        assert case["contentMap"] == {"en": case["content"]}
        assert case["parts"]["text"] == "<p>Some <strong>clinical</strong> text.</p>"
        assert list(read).index("Patient information") < list(read).index("Timeline") < list(read).index("Discussion")


async def test_parts_that_cannot_be_read_whole_leave_the_content_as_it_is(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", friends=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        for number, parts in enumerate((
                {"text": "<p>x</p>", "genetics": "BRCA"}, {"text": 5}, {"sections": []}, "none",
                {"text": "x", "sections": [{"heading": "history", "content": "a"}] * 2},
                {"text": "x", "sections": [{"heading": "a b", "content": "a"}]},
                {"text": "x", "timeline": [{"day": 99_999, "content": "a"}]},
                {"text": "x", "timeline": [{"day": 1, "content": "a\n\u202eb"}]},
                {"text": "x", "study": {"doi": "javascript:alert(1)"}},
                {"text": "x", "study": {"effect": {"measure": "hr", "value": "NaN"}}},
                {"text": "x", "congress": {"starts": "2026-02-30", "ends": "2026-03-01"}},
                {"text": "x", "congress": {"starts": "2026-02-02", "ends": "2026-02-01"}},
                {"text": "x", "congress": {"starts": "2026-02-02", "ends": "2026-02-03", "link": "http://x.example"}},
                {"text": "x", "outcome": {"content": "a", "published": "soon"}},
                {"text": "<p>" + "x" * 66_000 + "</p>"})):
            note = fake.note(de, f"q{number}", parts=parts, content="<p>All of it</p>") | {"name": f"q{number}"}
            assert (await fake.send(de, fake.activity("Create", note, f"q{number}")))[0] == 202, parts
            card = await card_of(de, f"q{number}")
            assert (card.html, card.parts) == ("<p>All of it</p>", NO_PARTS), parts
        strange = {"text": '<p onclick="x">Text</p><script>1</script>', "sections": [
            {"heading": "genomics", "content": "<p>Of <em>later</em><img src=x></p>"}],
            "study": {"design": "quantum", "effect": {"measure": "vibes", "value": "1"}}}
        facts = {"aim": "wisdom", "specialties": ["alchemy"], "conditions": ["<b>", "E85.4"]}
        note = fake.note(de, "strange", parts=strange, facts=facts, state="pondering") | {"name": "strange"}
        assert (await fake.send(de, fake.activity("Create", note, "strange")))[0] == 202
        card = await card_of(de, "strange")
        assert card.html == "<p>Text</p>" and card.facts.conditions == ("E85.4",) and card.state is None
        assert [(one.heading, one.html) for one in card.parts.sections] == [("genomics", "<p>Of <em>later</em></p>")]


async def test_marks_open_and_answer_a_case_and_its_outcome_makes_it_known_in_every_country(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it") as (de, fr, it):
        made = await published(de, CASE, fr, it)
        await until(lambda: fr.count("posts"))
        await until(lambda: it.count("posts"))
        there, here = await answered(de, fr, "Echo first")
        await until(lambda: it.count("posts", "kind = 'reply'"))
        ada, ben = await de.author("ada"), (await fr.author("ben")).actor
        assert (await card_of(fr, CASE.question)).state == State.OPEN

        await de.its.cases.mark(ada, here, helpful=True)
        await de.its.cases.mark(ada, here, helpful=True)
        for other in (fr, it):
            await until(lambda other=other: other.count("posts", "state = 'answered' AND revision = 2"))  # type: ignore[misc]
        posts = (await fr.its.threads.thread(ben, there)).posts
        assert [post.helpful for post in posts] == [False, True] and posts[0].updated is None
        [told] = (await fr.its.notifications.page(ben, None)).shown
        assert told.kind == Told.HELPFUL and told.place == f"/p/{there}#p-{there}" and told.people[0].name == "Dr Ada"

        await de.its.cases.mark(ada, here, helpful=False)
        await until(lambda: fr.count("posts", "state = 'open' AND revision = 3"))
        assert (await fr.its.notifications.page(ben, None)).shown == ()

        await de.its.cases.mark(ada, here, helpful=True)
        await de.its.cases.tell_outcome(ada, made, "It was **amyloid**.")
        await de.its.cases.tell_outcome(ada, made, "It was **amyloid**.")
        for other in (fr, it):
            await until(lambda other=other: other.count("posts", "state = 'known' AND revision = 5"))  # type: ignore[misc]
        root = (await fr.its.threads.thread(ben, there)).posts[0]
        assert root.parts.outcome is not None and root.parts.outcome.html == "<p>It was <strong>amyloid</strong>.</p>"
        assert {one.kind for one in (await fr.its.notifications.page(ben, None)).shown} == {Told.HELPFUL, Told.OUTCOME}
        assert await it.count("notifications") == 0
        assert (await sent(de, "Update"))["helpful"] == [(await fr.its.threads.thread(ben, there)).posts[1].uri]
        changes = (await fr.its.threads.history(ben, root.id)).changes
        assert changes[0].text_differs and "amyloid" in changes[0].now.html and len(changes) == 2

        await de.its.cases.tell_outcome(ada, made, "  ")
        await until(lambda: fr.count("posts", "state = 'answered' AND revision = 6"))
        assert (await fr.its.threads.thread(ben, there)).posts[0].parts.outcome is None


async def test_only_who_asked_marks_and_tells_and_nothing_else_is_marked(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", friends=False) as (de,):
        ada, ben = await de.author("ada"), await de.author("ben")
        case = await published(de, CASE)
        note = await published(de, Draft(Kind.NOTE, "A note?", "Text", "de"))
        answer = await de.its.compose.reply(ben, case, "One", "de")
        own = await de.its.compose.reply(ada, case, "Mine", "de")
        to_note = await de.its.compose.reply(ben, note, "Two", "de")
        for attempt, wrong in (
                (de.its.cases.mark(ben, answer, helpful=True), Refused), (de.its.cases.tell_outcome(ben, case, "x"), Refused),
                (de.its.cases.mark(ada, own, helpful=True), Refused), (de.its.cases.mark(ada, case, helpful=True), InvalidInput),
                (de.its.cases.mark(ada, to_note, helpful=True), NotFound), (de.its.cases.tell_outcome(ada, note, "x"), NotFound),
                (de.its.cases.mark(ada, "0000000000000", helpful=True), NotFound),
                (de.its.cases.tell_outcome(ada, case, "x" * 8_001), InvalidInput)):
            with pytest.raises(wrong):
                await attempt
        assert await de.count("posts", "helpful <> '' OR revision > 1") == 0
        with pytest.raises(Conflict):
            CASE_STATES.check("known", "known")
        assert state_of((), Parts(outcome=Outcome("x"))) == State.KNOWN and state_of(("a",), NO_PARTS) == State.ANSWERED


async def test_an_edit_changes_facts_and_parts_keeps_the_outcome_and_shows_the_difference(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ada = await de.author("ada")
        made = await published(de, CASE, fr)
        await de.its.cases.tell_outcome(ada, made, "All well.")
        parts = Parts((Section("history", source="Smoker, no more."),), (Row(1, "Worse"),))
        facts = CaseFacts(("neurology",), "40-49", "f", "therapeutic")
        await de.its.editing.edit(ada, made, CASE.question, CASE.text, 2, facts=facts, parts=parts)
        await until(lambda: fr.count("posts", "revision = 3"))
        ben, card = (await fr.author("ben")).actor, await card_of(fr, CASE.question)
        [root] = (await fr.its.threads.thread(ben, card.id)).posts
        assert root.facts == facts and root.parts.html_of("history") == "<p>Smoker, no more.</p>" and root.state == State.KNOWN
        assert root.parts.timeline == (Row(1, "Worse"),) and root.parts.outcome is not None
        assert await fr.count("topic_posts", "topic = 'cardiology'") == 0 and await fr.count("topic_posts", "topic = 'neurology'")
        newest = (await fr.its.threads.history(ben, root.id)).changes[0]
        assert newest.text is not None
        for change, word in (("added", "Smoker"), ("removed", "Fever"), ("added", "Therapeutic")):
            assert word in " ".join(piece.text for line in newest.text for piece in line if piece.change == change)
        for wrong in (CaseFacts(("neurology",), aim="study"), CaseFacts(())):
            with pytest.raises(InvalidInput):
                await de.its.editing.edit(ada, made, "Other?", CASE.text, 3, facts=wrong, parts=parts)


async def test_news_and_congresses_come_from_desks_and_say_who_pays(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await de.its.desks.add("desk", "Desk", "ada")
        news = Draft(Kind.NOTE, "A shortage.", "Text", "de", CaseFacts(aim=Aim.NEWS), parts=Parts(sponsor=""))
        congress = Draft(Kind.NOTE, "The congress", "Text", "de", CaseFacts(aim=Aim.CONGRESS), parts=Parts(
            congress=Congress("2026-11-26", "2026-11-28", "Lyon", "https://congress.example/2026")))
        for draft in (news, congress):
            with pytest.raises(Refused, match="editorial desks"):
                await published(de, draft, fr)
            seen = de.its.compose.network_digest(await de.its.compose.destinations())
            desk = await de.its.credentials.desk(de.doctors["ada"], "desk")
            await de.its.compose.publish(desk, draft, (fr.url,), Reach.COUNTRIES, seen)
        await until(lambda: fr.count("posts", "question = 'The congress'"))
        assert (await card_of(fr, "A shortage.")).parts.sponsor == ""
        assert (await card_of(fr, "The congress")).parts.congress == congress.parts.congress
        assert "26.11.2026" in (await sent(de, "Create"))["content"]
        for wrong in (Draft(Kind.NOTE, "A sponsor of a note", "Text", "de", parts=Parts(sponsor="")),
                      Draft(Kind.NOTE, "Sections", "Text", "de", CaseFacts(), parts=PARTS),
                      Draft(Kind.NOTE, "Both", "Text", "de", CaseFacts(), parts=STUDY.parts)):
            with pytest.raises(InvalidInput):
                await published(de, wrong, fr)


async def test_the_seal_holds_for_a_siblings_copy_with_parts_and_for_no_other(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        made = await published(de, CASE, fr)
        await until(lambda: fr.count("posts"))
        _, here = await answered(de, fr, "Echo first")
        await de.its.cases.mark(await de.author("ada"), here, helpful=True)
        await de.its.cases.tell_outcome(await de.author("ada"), made, "Well.")
        await until(lambda: fr.count("posts", "state = 'known'"))
        document = await sent(de, "Update")
        assert seals.holds(document, de.its.identity.seal)
        assert seals.holds(document | {"content": "<p>Said otherwise by another version.</p>"}, de.its.identity.seal)
        for name, value in (("parts", document["parts"] | {"text": "<p>No.</p>"}), ("helpful", []), ("parts", None),
                            ("parts", document["parts"] | {"outcome": {"content": "Died.", "published": rfc3339(0)}})):
            assert not seals.holds(document | {name: value}, de.its.identity.seal)
