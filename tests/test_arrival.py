"""What an author sees of her post on its way: every country of the audience, and who has confirmed its deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from quart import render_template_string

from core.database import Row, Tx
from federation import descriptor
from instance.app import create_pages
from posts.models import DeliveryView, PostView, Reach
from tests.conversations.test_the_whole_path import case, published
from tests.servers import Running, countries, until
from tests.test_pages import Browser

MACRO = '{% import "macros.html" as m with context %}{{ m.arrival(post) }}'


async def seen(at: Running, post_id: str) -> PostView:
    return (await at.its.threads.thread((await at.author("ada")).actor, post_id)).posts[0]


async def delivery(at: Running, post_id: str) -> DeliveryView:
    found = (await seen(at, post_id)).delivery
    assert found is not None
    return found


async def acked(at: Running, number: int) -> bool:
    return await at.count("deliveries", "state = 'acked'") == number


async def line_of(at: Running, post_id: str) -> str:
    app = create_pages(at.its)
    async with app.test_request_context("/", headers={"accept-language": "en"}):
        return " ".join((await render_template_string(MACRO, post=await seen(at, post_id))).split())


async def readmit(at: Running, other: Running) -> None:
    await at.befriend(descriptor.read(descriptor.export(other.its.identity)))


async def test_every_country_of_the_audience_is_counted_and_has_its_own_word(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it", "es", "gb") as (de, fr, it, es, gb):
        await it.its.siblings.pause(de.domain, "test", "test")  # waits
        post_id = await published(de, case(), fr, it, es, gb, reach=Reach.NETWORK)
        await until(lambda: acked(de, 3))
        await de.its.database.write(lambda tx: tx.run(
            "UPDATE deliveries SET state = 'parked', reason = 'refused It is addressed to nobody here.' WHERE state = 'acked'"
            " AND sibling_id = (SELECT id FROM siblings WHERE country = 'es')"))
        await de.its.siblings.revoke(gb.domain, "test", "left")
        found = await delivery(de, post_id)
        assert found.received == ("fr",) and found.total == 4
        assert [code for code, _ in found.waiting] == ["it"]
        assert found.refused == (("es", "It refused this: It is addressed to nobody here."),)
        now = de.its.clock.ms()
        assert [code for code, _ in found.outside] == ["gb"] and now - 60_000 < found.outside[0][1] <= now
        said = await line_of(de, post_id)
        assert "Received by 1 of 4 countries" in said and "IT waiting since" in said
        assert "Spain has not got it. It refused this: It is addressed to nobody here." in said
        assert said.count("Great Britain: outside our control since") == 1


async def test_an_erased_post_shows_who_has_confirmed_the_deletion(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr", "it", "es") as (de, fr, it, es):
        post_id = await published(de, case(), fr, it, es, reach=Reach.NETWORK)
        await until(lambda: acked(de, 3))
        await it.its.siblings.pause(de.domain, "test", "test")
        await de.its.siblings.revoke(es.domain, "test", "left")
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        await until(lambda: fr.count("tombstones"))

        async def confirmed() -> bool:
            return (await delivery(de, post_id)).received == ("fr",)

        await until(confirmed)
        found = await delivery(de, post_id)
        assert found.total == 3
        assert [code for code, _ in found.waiting] == ["it"] and [code for code, _ in found.outside] == ["es"]
        said = await line_of(de, post_id)
        assert "Erased in DE, FR;" in said and "waiting: IT since" in said
        assert "Spain: outside our control since" in said
        assert await es.count("tombstones") == 0

        await readmit(de, es)  # what was deleted meanwhile is deleted there too
        await until(lambda: es.count("tombstones"))
        assert await es.count("posts", "html <> ''") == 0
        await it.its.siblings.resume(de.domain, "test")
        await de.its.siblings.resume(it.domain, "test")

        async def everywhere() -> bool:
            return (await delivery(de, post_id)).received == ("es", "fr", "it")

        await until(everywhere)
        assert "Erased in DE, ES, FR, IT<" in await line_of(de, post_id)


async def test_a_country_that_was_revoked_before_it_got_the_post_is_not_counted_as_having_it(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await fr.its.siblings.pause(de.domain, "test", "test")
        post_id = await published(de, case(), fr)
        await de.its.siblings.revoke(fr.domain, "test", "test")
        assert "Received by 0 of 1 country" in await line_of(de, post_id)
        await readmit(de, fr)
        found = await delivery(de, post_id)
        assert found.refused == (("fr", "It was revoked before it had confirmed this."),)
        assert await fr.count("posts") == 0  # nothing older than its activation


async def test_a_page_of_my_posts_asks_once_for_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [0]
    rows = Tx.rows

    def counted(tx: Tx, sql: str, parameters: Any = ()) -> list[Row]:
        asked[0] += 1
        return rows(tx, sql, parameters)

    async with countries(tmp_path, "de", "fr", worker=False) as (de, fr):
        ada = (await de.author("ada")).actor
        monkeypatch.setattr(Tx, "rows", counted)
        counts = []
        for _ in range(2):
            for _ in range(6 if counts else 1):
                await published(de, case(), fr)
            asked[0] = 0
            page = await de.its.timelines.home(ada, "all", None)
            counts.append(asked[0])
        assert len(page.posts) == 7 and all(post.delivery is not None for post in page.posts)
        assert counts[0] == counts[1] <= 10


async def test_only_the_author_sees_where_it_has_arrived(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Browser(de) as ada, Browser(de) as ben:
        post_id = await published(de, case(), fr)
        await until(lambda: de.count("deliveries", "state = 'acked'"))
        assert await ada.login("ada") == await ben.login("ben") == 303
        assert "Received by 1 of 1 country" in (await ada.get(f"/p/{post_id}"))[1]
        assert "Received by" not in (await ben.get(f"/p/{post_id}"))[1]
