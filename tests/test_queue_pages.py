"""What waits, on the pages of its author and of operators, while one country cannot be reached and another one works."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from core.settings import Settings
from federation.store import OPEN_DELETION
from posts.models import Reach
from tests.conversations.test_the_whole_path import case
from tests.servers import PASSWORD, FakeSibling, Running, countries, know, until
from tests.test_pages import Browser, fields

TEXT = "Some <strong>clinical</strong> text."


def impatient(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, federation=msgspec.structs.replace(
        settings.federation, retry_first_seconds=0.1, retry_limit_seconds=0.4))


class Place(NamedTuple):
    """Germany and France are up, Spain is on the list and does not answer."""

    de: Running
    fr: Running
    es: FakeSibling

    @property
    def gone(self) -> str:
        return self.es.origin.split("://")[1]

    async def published(self, question: str = "What would you do?") -> str:
        its = self.de.its
        seen = its.compose.network_digest(await its.compose.destinations())
        return await its.compose.publish(await self.de.author("ada"), case(question), (self.fr.url, self.es.origin),
                                         Reach.NETWORK, seen)

    async def settled(self, many: int = 1) -> None:
        """What could arrive has arrived, and what could not has been tried."""
        await until(lambda: self.de.count("deliveries", "state = 'acked'"))
        await until(lambda: self._failing(many))

    async def _failing(self, many: int) -> bool:
        line = await self.de.its.queues.of(self.gone)
        return line.failing_since is not None and line.depth >= many

    async def set(self, sql: str, *values: Any) -> None:
        await self.de.its.database.write(lambda tx: tx.run(sql, values))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with countries(tmp_path, "de", "fr", settled=impatient) as (de, fr):
        es = FakeSibling("es", 9)
        await know(de, es)
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield Place(de, fr, es)


def words(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_an_author_reads_on_each_of_her_posts_which_country_it_waits_for(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    async with Browser(place.de) as ada, Browser(place.de) as ben:
        assert await ada.login("ada") == await ben.login("ben") == 303
        for path in ("/?tab=all", f"/p/{post_id}", "/mine"):
            said = words((await ada.get(path))[1])
            assert re.search(r"Received by 1 of 2 countries, ES waiting since \d\d:\d\d", said), path
            assert re.search(r"France: received \d\d:\d\d", said) and "nothing gets through there since" in said, path
            assert "Received by" not in (await ben.get(path))[1]


async def test_a_country_that_holds_it_counts_as_waiting_and_is_said_to_have_it(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    await place.set("UPDATE deliveries SET state = 'held', settled_at = ? WHERE state = 'acked'", place.de.its.clock.ms())
    async with Browser(place.de) as ada:
        await ada.login("ada")
        said = words((await ada.get(f"/p/{post_id}"))[1])
    assert "Received by 0 of 2 countries" in said and "FR has it, but not yet what it belongs to" in said
    assert "waits there unseen until what it belongs to has come too" in said


async def test_whoever_chooses_readers_is_told_what_does_not_get_through(place: Place) -> None:
    await place.published()
    await place.settled()
    stuck = "nothing gets through since"
    async with Browser(place.de) as ada:
        await ada.login("ada")
        form = {"kind": "note", "question": "Who?", "text": "Text", "language": "de", "step": "audience"}
        page = (await ada.post("/compose", form))[1]
        assert page.count(stuck) == 2 and "it will get this when it is back" in page  # beside the country, and at the colleagues
        form |= fields(page)
        again = {**form, "reach": "countries", "origin": place.es.origin, "signature": "name", "step": "confirm"}
        assert stuck in (await ada.post("/compose", again))[1]
        doctor = f"@{place.es.person()['preferredUsername']}@{place.gone}"
        named = {**form, "reach": "named", "doctor": doctor, "step": "confirm"}
        page = (await ada.post("/compose", named))[1]
        assert "Only these colleagues" in page and stuck in page
        assert "Spain: nothing gets through since" in (await ada.get(f"/{doctor}"))[1]
        page = (await ada.post("/compose", {**form, "reach": "home", "step": "confirm"}))[1]
        assert "it does not leave the country" in page and stuck not in page


async def test_the_answer_button_says_who_gets_it_later(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    async with Browser(place.de) as ben:
        await ben.login("ben")
        page = (await ben.get(f"/p/{post_id}"))[1]
        assert "Spain: nothing gets through since" in page[page.index('id="answer"'):]
        assert "France: nothing" not in page
        await place.de.its.siblings.pause(place.gone, "op", "maintenance")
        page = (await ben.get(f"/p/{post_id}"))[1]
        form = page[page.index('id="answer"'):]
        assert "Spain: paused since" in form and "it will get this when it goes on" in form and "nothing gets" not in form


async def test_silence_is_told_too_and_not_before_it_is_long(tmp_path: Path) -> None:
    """Nothing fails, nothing is confirmed: the one that sends is not running."""
    async with countries(tmp_path, "de", worker=False) as [de]:
        es, fr = FakeSibling("es", 9), FakeSibling("fr", 10)
        for sibling in (es, fr):
            await know(de, sibling)
        its = de.its
        seen = its.compose.network_digest(await its.compose.destinations())
        await its.compose.publish(await de.author("ada"), case(), (es.origin, fr.origin), Reach.NETWORK, seen)
        assert [(one.country, one.state) for one in await its.compose.destinations()] == [("es", "up"), ("fr", "up")]
        long_ago = its.clock.ms() - 3_600_000
        await its.database.write(lambda tx: tx.run("UPDATE outbox SET created_at = ?", (long_ago,)))
        await its.database.write(lambda tx: tx.run(
            "UPDATE deliveries SET state = 'acked' WHERE sibling_id = (SELECT id FROM siblings WHERE country = 'fr')"))
        [spain, france] = await its.compose.destinations()
        assert (spain.country, spain.state, spain.since, france.state) == ("es", "waiting", long_ago, "up")


async def test_a_deletion_names_the_countries_and_stands_in_a_list_until_all_have_confirmed(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    async with Browser(place.de) as ada, Browser(place.de) as ben:
        assert await ada.login("ada") == await ben.login("ben") == 303
        page = (await ada.get("/mine/deletions"))[1]
        assert "Nothing is on its way" in page
        assert (await ada.post(f"/p/{post_id}/delete", {}))[0] == 303
        await until(lambda: _deleted(place))
        for path in (f"/p/{post_id}", "/mine/deletions", "/mine/deletions?show=all", "/mine/deletions?show=nonsense"):
            said = words((await ada.get(path))[1])
            assert re.search(r"Erased in DE, FR; waiting: ES since \d\d:\d\d", said), (path, said)
            assert re.search(r"France: erased \d\d:\d\d", said) and "Spain: waiting since" in said, path
            assert TEXT not in said and "What would you do?" not in said
        assert "1 deletion is on its way" in (await ada.get("/mine"))[1]
        assert "/mine/deletions" in (await ada.get(f"/p/{post_id}"))[1]
        assert "Nothing has remained unconfirmed" in (await ada.get("/mine/deletions?show=ended"))[1]
        assert "Erased in" not in (await ben.get("/mine/deletions?show=all"))[1]
        await place.set(f"UPDATE deliveries AS d SET state = 'acked', settled_at = 5 WHERE {OPEN_DELETION}")
        assert "Nothing is on its way" in (await ada.get("/mine/deletions"))[1]
        assert "Erased in DE, ES, FR" in words((await ada.get("/mine/deletions?show=all"))[1])


async def _deleted(place: Place) -> bool:
    return await place.de.count("deliveries", "deletes = 1 AND state = 'acked'") == 1


async def test_ones_own_deletions_are_read_a_page_at_a_time_and_need_no_badge(place: Place) -> None:
    its, ada = place.de.its, (await place.de.author("ada")).actor
    made = [await place.published(f"Question {number}?") for number in range(23)]
    for post_id in made[1:]:
        await its.editing.delete(ada, post_id)
    await place.set("UPDATE actors SET verified_until = 5 WHERE id = ?", ada.id)
    async with Browser(place.de) as browser:
        await browser.login("ada")
        seen, path = [], "/mine/deletions?show=all"
        while path:
            status, page = await browser.get(path)
            assert status == 200 and "/p/" not in page.split("<main")[1]
            seen += re.findall(r'<article class="card" id="p-(\w+)"', page)
            more = re.search(r'href="([^"]+)" rel="next"', page)
            path = more[1].replace("&amp;", "&") if more else ""
        assert seen == made[:0:-1]


async def test_operators_see_each_line_with_its_trouble_and_what_to_do(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    async with Browser(place.de) as op, Browser(place.de) as ada:
        assert await op.login("op") == await ada.login("ada") == 303
        page = (await op.get("/admin/queue"))[1]
        said = words(page)
        assert 'href="/admin/queue"' in page and f'href="/admin/queue/{place.gone}"' in page
        assert "It could not be reached" in said and "Ask its operators whether its server is well" in said
        assert "urgent: 0 fresh: 1 backlog: 0" in said and "nothing waits" in said
        page = (await op.get(f"/admin/queue/{place.gone}"))[1]
        assert f"{place.gone}/1" in page and f"/posts/{post_id}" in page and "Try everything now" in page
        for path in ("/admin/queue", f"/admin/queue/{place.gone}", "/admin/deletions"):
            page = (await op.get(path))[1]
            assert "What would you do?" not in page and "clinical" not in page
            assert (await ada.get(path))[0] == 404
        assert (await op.post(f"/admin/queue/{place.gone}", {"act": "line"}))[0] == 303
        assert await place.de.count("audit", "action = 'sibling.retry' AND by = 'op'") == 1
        assert (await op.get("/admin/queue/nowhere.example"))[0] == 404
        assert (await op.post("/admin/queue/nowhere.example", {"act": "line"}))[0] == 404


async def test_an_operator_drops_one_for_a_reason_and_its_author_reads_it(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    await place.set("UPDATE deliveries SET state = 'parked', reason = 'refused Not for us.', settled_at = 5"
                    " WHERE state = 'pending'")
    base = f"/admin/queue/{place.gone}"
    async with Browser(place.de) as op, Browser(place.de) as ada:
        assert await op.login("op") == await ada.login("ada") == 303
        page = (await op.get(base))[1]
        assert "It refused this: Not for us." in page and "Try all parked again" in page and f"{base}/1/drop" in page
        page = (await op.get(f"{base}/1/drop"))[1]
        assert "Spain will never get this." in page and "This cannot be undone." in page
        for reason, said in ((" ", "Say why"), ("x" * 201, "At most 200")):
            status, page = await op.post(f"{base}/1/drop", {"reason": reason})
            assert status == 400 and said in page and "Nothing was changed" in page
        assert await place.de.count("deliveries", "state = 'parked'") == 1
        assert (await op.post(f"{base}/1/drop", {"reason": "They have closed."}))[0] == 303
        said = words((await ada.get(f"/p/{post_id}"))[1])
        assert "Spain has not got it. An operator here has ended this: They have closed." in said
        status, page = await op.post(f"{base}/1/drop", {"reason": "again"})
        assert status == 409 and "There is nothing to drop" in page
        for path in ("99/drop", "x/drop"):
            assert (await op.get(f"{base}/{path}"))[0] == 404
        assert "ended something that was to be sent" in (await op.get("/admin/audit"))[1]


async def test_a_dropped_deletion_is_said_to_both_and_counted_apart(place: Place) -> None:
    post_id = await place.published()
    await place.settled()
    await place.de.its.editing.delete((await place.de.author("ada")).actor, post_id)
    await until(lambda: _deleted(place))
    base = f"/admin/queue/{place.gone}"
    async with Browser(place.de) as op, Browser(place.de) as ada:
        assert await op.login("op") == await ada.login("ada") == 303
        page = (await op.get("/admin/deletions"))[1]
        assert f"/posts/{post_id}" in page and f"{place.gone}/2" in page and "waits to be sent" in page
        for nothing in ("state=held", f"sibling={place.fr.domain}", f"sibling={place.gone}&state=dropped"):
            assert "No such deletion" in (await op.get(f"/admin/deletions?{nothing}"))[1]
        for nonsense in ("state=x", "sibling=nowhere", "before=x"):
            assert (await op.get(f"/admin/deletions?{nonsense}"))[0] == 200
        await place.set("UPDATE deliveries SET state = 'parked', reason = 'refused No.', settled_at = 5 WHERE deletes = 1"
                        " AND state = 'pending'")
        assert "Spain will not be asked to erase it." in (await op.get(f"{base}/2/drop"))[1]
        assert (await op.post(f"{base}/2/drop", {"reason": "They have closed."}))[0] == 303
        assert "They have closed." in (await op.get("/admin/deletions?state=dropped"))[1]
        for path in ("/admin/queue", base):
            assert "1 deletion dropped" in (await op.get(path))[1]
        said = words((await ada.get("/mine/deletions?show=ended"))[1])
        assert "Spain has not confirmed it. An operator here has ended this: They have closed." in said
        assert "Nothing is on its way" in (await ada.get("/mine/deletions"))[1]


async def test_parked_ones_are_tried_again_one_by_one_or_all(place: Place) -> None:
    for number in range(3):
        await place.published(f"Question {number}?")
    await place.settled(3)
    await place.set("UPDATE deliveries SET state = 'parked', reason = 'too-large', settled_at = 5 WHERE state = 'pending'")
    await place.set("UPDATE outbox SET body = x'' WHERE id = (SELECT outbox_id FROM deliveries WHERE state = 'parked'"
                    " ORDER BY sequence LIMIT 1)")
    base = f"/admin/queue/{place.gone}"
    async with Browser(place.de) as op:
        await op.login("op")
        page = (await op.get(base))[1]
        assert "Its text was erased here: it cannot be sent any more." in page and page.count('value="item"') == 2
        assert await op.post(base, {"act": "item", "sequence": "2"}) == (303, f"{base}?sent=1")
        status, page = await op.post(base, {"act": "item", "sequence": "1"})
        assert status == 409 and "Its text was erased here, so it cannot be sent" in page
        status, where = await op.post(base, {"act": "parked"})
        assert where == f"{base}?sent=1&kept=1"
        said = words((await op.get(where))[1])
        assert "1 activity was put back into the line. 1 stays parked, because its text was erased here." in said
        await place.de.its.siblings.revoke(place.gone, "op", "left")
        status, page = await op.post(base, {"act": "line"})
        assert status == 409 and "What waits is kept" in page
        assert "Try all parked again" not in (await op.get(base))[1]


async def test_a_long_line_is_read_a_page_at_a_time(place: Place) -> None:
    its = place.de.its
    await place.published()
    await place.settled()
    await its.siblings.pause(place.gone, "op", "maintenance")
    for number in range(60):
        await place.published(f"Question {number}?")
    await place.set("UPDATE deliveries SET tries = 0, next_try = 0 WHERE state = 'pending'")
    base = f"/admin/queue/{place.gone}"
    async with Browser(place.de) as op:
        await op.login("op")
        seen, path = [], base
        while path:
            page = (await op.get(path))[1]
            seen += re.findall(rf">{place.gone}/(\d+)</span>\s*<span class=\"line", page)
            more = re.search(r'href="(\?after=[^"#]+)#waiting" rel="next"', page)
            path = base + more[1] if more else ""
        assert [int(one) for one in seen] == list(range(1, 62))
        await place.set("UPDATE deliveries SET state = 'parked', reason = 'too-large' WHERE state = 'pending'")
        seen, path = [], base
        while path:
            page = (await op.get(path))[1]
            seen += re.findall(rf">{place.gone}/(\d+)</span>\s*<span class=\"line", page)
            more = re.search(r'href="(\?ended=\d+)#parked" rel="next"', page)
            path = base + more[1] if more else ""
        assert [int(one) for one in seen] == list(range(1, 62))
