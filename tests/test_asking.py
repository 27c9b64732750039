"""So many asks a day reach a doctor by name: at home whoever asks learns it before she sends, and from abroad nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.attention import Attention
from core.errors import InvalidInput
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.servers import Running, countries, until
from tests.test_pages import Browser, fields

CASE = Draft(Kind.CASE, "Which?", "Text", "de", CaseFacts(("cardiology",)))
DAY = 86_400


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def limit(at: Running, handle: str, asks: int) -> None:
    await at.its.attentions.change(at.doctors[handle], Attention(asks=asks))


async def consult(at: Running, asker: str, asked: str, question: str = "Which?") -> str:
    found = await at.its.directory.resolve(f"@{asked}@{at.domain}")
    return await at.its.compose.consult(await at.author(asker), Draft(Kind.NOTE, question, "Text", "de"), [found])


async def told(at: Running, handle: str) -> int:
    return await at.count("notification_events e JOIN notifications n ON n.id = e.notification_id",
                          f"n.kind IN ('consult', 'mention') AND n.actor_id = {at.doctors[handle].actor_id}")


async def test_at_home_who_asks_too_much_is_told_before_anything_is_sent(de: Running) -> None:
    await limit(de, "ben", 1)
    await consult(de, "ada", "ben")
    with pytest.raises(InvalidInput) as refused:
        await consult(de, "ada", "ben", "Again?")
    assert refused.value.reason == "asks" and "tomorrow" in refused.value.message and await de.count("posts") == 1
    async with Browser(de) as ada:
        await ada.login("ada")
        written = {"kind": "note", "question": "Again?", "text": "Text", "language": "de", "reach": "named", "doctor": "@ben"}
        status, page = await ada.post("/compose", written | {"step": "confirm"})
        assert status == 400 and "as often as she wants" in page and "Again?" in page and 'aria-invalid="true"' in page
        de.its.clock.offset += DAY
        await ada.login("ada")
        status, page = await ada.post("/compose", written | {"step": "confirm"})
        assert status == 200
        await consult(de, "ada", "ben", "Between")  # and who was faster counts
        assert (await ada.post("/compose", written | fields(page) | {"step": "publish"}))[0] == 400
    await limit(de, "ben", 0)
    with pytest.raises(InvalidInput, match="at the moment"):
        await consult(de, "ada", "ben")


async def test_answers_in_a_consult_are_no_asks(de: Running) -> None:
    await limit(de, "ben", 1)
    post = await consult(de, "ada", "ben")
    for _ in range(3):
        await de.its.compose.reply(await de.author("ada", "reply"), post, "And @ben?", "de")
    assert await told(de, "ben") == 4 and await de.count("asks") == 1


async def test_a_mention_beyond_it_is_published_and_told_another_day(de: Running) -> None:
    await limit(de, "ben", 1)
    naming = Draft(Kind.CASE, "Which?", "What do you say, @ben?", "de", CaseFacts(("cardiology",)))
    posts = [await de.its.compose.publish(await de.author("ada"), naming, (), Reach.HOME, "") for _ in range(3)]
    assert await told(de, "ben") == 1 and await de.count("posts") == 3
    async with Browser(de) as ada:
        await ada.login("ada")
        written = {"kind": "note", "question": "Again?", "text": "Or you, @ben?", "language": "de", "reach": "home"}
        assert "was asked by name often enough today" in (await ada.post("/compose", written | {"step": "confirm"}))[1]
    assert await de.its.asking.tell_due() == 0
    de.its.clock.offset += DAY
    assert await de.its.asking.tell_due() == 1 and await told(de, "ben") == 2  # the oldest first, and no more than a day takes
    author = await de.author("ada")
    await de.its.editing.delete(author.actor, posts[2])
    de.its.clock.offset += DAY
    assert await de.its.asking.tell_due() == 0 and await told(de, "ben") == 2  # what is gone is told no more


async def test_who_is_shunned_takes_nobodys_place(de: Running) -> None:
    await limit(de, "ben", 1)
    await de.add_doctor("eve")
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO shuns (actor_id, other_id, kind, at) SELECT b.id, e.id, 'mute', 1 FROM actors b, actors e"
        " WHERE b.handle = 'ben' AND e.handle = 'eve'"))
    await consult(de, "eve", "ben")
    await consult(de, "ada", "ben")
    assert await told(de, "ben") == 1 and await de.count("asks") == 1


async def test_from_abroad_it_lies_in_her_list_and_she_is_told_another_day(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await limit(fr, "ben", 1)
        found = await de.its.directory.resolve(f"@ben@{fr.domain}")
        for question in ("One?", "Two?"):
            await de.its.compose.consult(await de.author("ada"), Draft(Kind.NOTE, question, "Text", "de"), [found])
        await until(lambda: fr.count("posts"), 15)
        await until(lambda: fr.count("asks", "told_at IS NULL"), 15)
        assert await fr.count("asks") == 2 and await told(fr, "ben") == 1
        async with Browser(fr) as ben:
            await ben.login("ben")
            page = (await ben.get("/consults"))[1]
            assert "One?" in page and "Two?" in page

        async def arrived() -> bool:
            return await de.count("deliveries", "state <> 'acked'") == 0

        await until(arrived)  # nothing was refused, and whoever asked learns nothing of it
        fr.its.clock.offset += DAY
        await fr.its.asking.tell_due()
        assert await told(fr, "ben") == 2


async def test_the_page_sets_it_and_says_what_is_wrong(de: Running) -> None:
    async with Browser(de) as ada:
        await ada.login("ada")
        form = {"quiet": "1", "from": "22:00", "until": "06:30", "weekends": "1", "asks": "3"}
        assert (await ada.post("/settings/attention", form))[0] == 303
        assert await de.its.attentions.of(de.doctors["ada"]) == Attention(1320, 390, True, 3)
        page = (await ada.get("/settings/attention"))[1]
        assert 'name="until" value="06:30"' in page and 'value="3"' in page
        for wrong, said in (({"asks": "x"}, "0 to 50"), ({"from": "25:00"}, "like 22:00"), ({"until": "22:00"}, "two different")):
            status, page = await ada.post("/settings/attention", form | wrong)
            assert status == 400 and said in page and "Nothing was changed" in page
        assert (await ada.post("/settings/attention", form | {"quiet": ""}))[0] == 303
        assert await de.its.attentions.of(de.doctors["ada"]) == Attention(0, 0, True, 3)
