"""What left the country: everything a sibling was sent and everything it has read, also of one that is revoked and of posts
that are deleted, and as a file that a spreadsheet can be trusted with."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest
from aiohttp import web

from actors.profiles import Said
from actors.store import by_uri
from core.database import Tx
from core.errors import InvalidInput
from core.ids import public
from federation.allowlist import Direction, Purpose
from federation.disclosures import Disclosed, Disclosure, Span, Way, span_of
from instance.disclosed import as_csv, as_json
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.scripted import Scripted, refusal, scripted
from tests.servers import PASSWORD, FakeSibling, Running, countries, know, until
from tests.test_delivery import all_are, rows, send, uri, working
from tests.test_leaving import published
from tests.test_pages import Browser

_ALWAYS = Span(0, 1 << 60)


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def all_of(de: Running, domain: str, span: Span = _ALWAYS) -> list[Disclosure]:
    await de.its.disclosures.flush()
    row = await de.its.siblings.row(domain)
    return [*(await de.its.disclosures.page(row.id, span)).rows]


async def befriended(de: Running, fr: Scripted) -> None:
    await know(de, fr.fake)


async def test_every_kind_that_is_sent_stands_there_once_by_its_own_uri(de: Running) -> None:
    async with scripted() as fr, working(de.its):
        await befriended(de, fr)
        ada, ben = await de.author("ada"), await de.author("ben")
        post = await published(de, "Ours?", fr.origin)
        poll = Draft(Kind.POLL, "Which?", "", "de", CaseFacts(), PollDraft(("a", "b"), False, de.its.clock.ms() + 3_600_000))
        digest = de.its.compose.network_digest(await de.its.compose.destinations())
        await de.its.compose.publish(ada, poll, (fr.origin,), Reach.COUNTRIES, digest)
        await de.its.compose.reply(ben, post, "An answer.", "de")
        await de.its.reactions.like(await de.its.credentials.require_verified(de.doctors["ben"]), post)
        asked = fr.fake.question(de)
        assert (await fr.fake.send(de, fr.fake.activity("Create", asked)))[0] == 202
        theirs = await de.its.database.read(lambda tx: tx.row("SELECT id FROM posts WHERE sibling_id IS NOT NULL"))
        assert theirs is not None
        await de.its.polls.vote(await de.author("ada", "vote"), public(theirs["id"]), (0,))
        doctor = await de.its.credentials.require_verified(de.doctors["ada"])
        doc = await de.its.database.read(lambda tx: by_uri(tx, fr.fake.actor))
        assert doc is not None
        await de.its.relations.follow(doctor, doc)
        await de.its.profiles.change(doctor, Said("About me.", discoverable=True))
        await de.its.editing.delete(ada.actor, post)
        await until(lambda: _settled(de))
        found = await all_of(de, fr.domain)
        kinds = Counter(one.kind for one in found)
        assert {Disclosed.POLL, Disclosed.VOTE, Disclosed.FOLLOW, Disclosed.PERSON, Disclosed.DELETION} <= set(kinds)
        assert all(one.way == Way.SENT and one.acknowledged and "#" not in one.uri for one in found)
        assert {one.uri for one in found if one.kind == Disclosed.PERSON} == {ada.actor.uri}
        assert len(found) == len(fr.received) - sum(one.method == "GET" for one in fr.received)
        assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
        totals = await de.its.disclosures.totals((await de.its.siblings.row(fr.domain)).id, _ALWAYS)
        assert {total.kind: total.number for total in totals} == dict(kinds) and all(total.unsure == 0 for total in totals)
        await de.its.siblings.revoke(fr.domain, "test", "left")
        assert await all_of(de, fr.domain) == found  # it outlives the revocation, as it did the deletion


async def _settled(de: Running) -> bool:
    return await de.count("deliveries", "state = 'pending'") == 0


async def test_what_was_on_the_wire_without_an_acknowledgement_may_have_arrived(de: Running) -> None:
    async with scripted() as fr:
        await befriended(de, fr)
        row = await de.its.siblings.row(fr.domain)
        fr.script = lambda one: refusal(400, uri("no")) if one.name == "no" else web.Response(
            status=202 if one.name == "ok" else 500)
        sibling = de.its.allowlist.admit(fr.origin, Direction.OUT, Purpose.DELIVERY)
        for name in ("ok", "no", "bad"):
            await send(de.its, [sibling], name)
        async with working(de.its):
            await until(lambda: all_are(de.its, "acked", "ok"))
            await until(lambda: all_are(de.its, "parked", "no"))
            await until(lambda: de.count("deliveries", "tries > 0"))
        await de.its.siblings.pause(fr.domain, "test", "test")
        await send(de.its, [sibling], "never")
        await de.its.siblings.revoke(fr.domain, "test", "left")
        found = {one.uri.rsplit("/", 1)[1]: one.acknowledged for one in await all_of(de, fr.domain)}
        assert found == {"ok": True, "no": False, "bad": False}
        assert set(await rows(de.its)) == {"ok", "no", "bad", "never"}
        [total] = await de.its.disclosures.totals(row.id, _ALWAYS)
        assert (total.number, total.unsure) == (3, 2)


async def test_what_a_sibling_reads_is_counted_by_the_hour_and_by_nobody_else(de: Running) -> None:
    fr, it = FakeSibling("fr", 2), FakeSibling("it", 3)
    for fake in (fr, it):
        await know(de, fake)
    ada = await de.author("ada")
    post = await published(de, "Ours?", fr.origin)
    reply = await de.its.compose.reply(ada, post, "Mine.", "de")
    for _ in range(3):
        assert (await fr.get(f"{de.url}/posts/{post}"))[0] == 200
    for path in (f"/posts/{reply}", f"/posts/{post}/replies", "/actors/" + ada.actor.uri.rsplit("/", 1)[1],
                 f"/.well-known/webfinger?resource=acct:ada@{de.domain}", "/members", "/actor/outbox"):
        assert (await fr.get(de.url + path))[0] == 200, path
    assert (await it.get(f"{de.url}/posts/{post}"))[0] == 404
    found = await all_of(de, fr.origin.split("://")[1])
    assert {(one.kind, one.uri, one.times, one.acknowledged) for one in found} == {
        (Disclosed.POST, f"{de.url}/posts/{post}", 3, None), (Disclosed.ANSWER, f"{de.url}/posts/{reply}", 1, None),
        (Disclosed.LIST, f"{de.url}/posts/{post}/replies", 1, None), (Disclosed.PERSON, ada.actor.uri, 2, None)}
    assert await all_of(de, it.origin.split("://")[1]) == []
    assert await de.count("disclosures") == 4
    await fr.get(f"{de.url}/posts/{post}")
    await de.its.disclosures.flush()
    assert await de.count("disclosures", "count = 4") == 1


async def test_memory_is_bounded_and_nothing_that_was_read_goes_uncounted(de: Running) -> None:
    fr = await FakeSibling("fr", 2).listed(de, "active")
    row = await de.its.siblings.row(fr.origin.split("://")[1])
    for number in range(6_000):
        de.its.disclosures.record(row.id, Disclosed.POST, f"{de.url}/posts/{number}")
    await de.its.disclosures.flush()
    whole = await de.its.database.read(lambda tx: tx.row("SELECT count(*) AS n, sum(count) AS times FROM disclosures"))
    assert whole is not None and tuple(whole) == (4_097, 6_000)


async def test_pages_follow_each_other_without_a_gap_also_where_moments_are_the_same(de: Running) -> None:
    async with scripted() as fr:
        await befriended(de, fr)
        row = await de.its.siblings.row(fr.domain)

        def fill(tx: Tx) -> None:
            for number in range(1, 41):
                tx.run("INSERT INTO outbox (id, uri, type, object_key, about_key, body, digest, created_at)"
                       " VALUES (?, ?, 'Create', x'00', x'00', x'', '', 0)", (number, f"{de.url}/posts/s{number}"))
                state = "acked" if number % 3 else "pending"
                tx.run("INSERT INTO deliveries (sibling_id, sequence, outbox_id, object_key, lane, state, settled_at, tried_at)"
                       " VALUES (?, ?, ?, x'00', 1, ?, ?, ?)", (row.id, number, number, state, number // 10, number // 10))
                tx.run("INSERT INTO disclosures (bucket, sibling_id, kind, target, first_at, last_at, count)"
                       " VALUES (0, ?, 'post', ?, 0, ?, 1)", (row.id, f"{de.url}/posts/f{number}", number // 10))

        await de.its.database.write(fill)
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await de.its.disclosures.page(row.id, _ALWAYS, cursor, 7)
            seen += [one.uri for one in page.rows]
            cursor = page.cursor
        assert len(seen) == len(set(seen)) == 80
        some = await de.its.disclosures.page(row.id, Span(1, 3))
        assert {one.at for one in some.rows if one.way == Way.SENT} == {1, 2}
        assert len((await de.its.disclosures.page(row.id, _ALWAYS, "nonsense", 100)).rows) == 80


def test_a_span_is_days_or_moments_and_says_which_of_them_is_wrong() -> None:
    day = 86_400_000
    assert span_of("2026-01-01", "2026-01-01", UTC, 0).end - span_of("2026-01-01", "2026-01-01", UTC, 0).first == day
    assert span_of("", "", UTC, 5) == (0, 6)
    assert span_of("2026-01-01T12:00:00Z", "2026-01-01", UTC, 0).end % day == 0
    for first, last, field in (("yesterday", "", "from"), ("", "9", "to"), ("2026-01-02", "2026-01-01", "to")):
        with pytest.raises(InvalidInput) as caught:
            span_of(first, last, UTC, 1 << 50)
        assert caught.value.field == field


async def _given(*found: Disclosure) -> AsyncIterator[Disclosure]:
    for one in found:
        yield one


async def test_a_file_is_csv_as_spreadsheets_read_it_and_runs_nothing() -> None:
    evil = [Disclosure(0, Disclosed.POST, f"{start}cmd|' /C calc'!A0", Way.SENT, True, 1) for start in "=+-@\t"]
    odd = Disclosure(0, Disclosed.POST, 'https://a.example/"x",y\r\nz', Way.FETCHED, None, 2)
    text = "".join([piece async for piece in as_csv(_given(*evil, odd))])
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    assert head == ["when", "kind", "uri", "way", "acknowledged", "times"] and text.startswith(",".join(head) + "\r\n")
    assert all(line[2].startswith("'") and line[4] == "true" for line in lines[:-1]) and len(lines) == 6
    assert lines[-1] == ["1970-01-01T00:00:00Z", "post", 'https://a.example/"x",y\r\nz', "fetched", "", "2"]
    assert json.loads("".join([piece async for piece in as_json(_given(odd))])) == [
        {"when": "1970-01-01T00:00:00Z", "kind": "post", "uri": odd.uri, "way": "fetched", "acknowledged": None, "times": 2}]
    assert json.loads("".join([piece async for piece in as_json(_given())])) == []


async def test_operators_see_it_and_take_it_along_and_that_is_audited(de: Running) -> None:
    fr = FakeSibling("fr", 2)
    await know(de, fr)
    post = await published(de, "Geheimnis?", fr.origin)
    assert (await fr.get(f"{de.url}/posts/{post}"))[0] == 200
    await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
    domain = fr.origin.split("://")[1]
    async with Browser(de) as olga:
        await olga.login("olga")
        assert (await olga.get("/admin/disclosures"))[0] == 200
        status, page = await olga.get(f"/admin/disclosures?sibling={domain}")
        assert status == 200 and f"{de.url}/posts/{post}" in page and "Geheimnis" not in page
        assert (await olga.get(f"/admin/disclosures?sibling={domain}&from=x"))[0] == 400
        assert (await olga.get("/admin/disclosures?sibling=nobody.example"))[0] == 404
        status, page = await olga.get(f"/admin/disclosures?sibling={domain}&to=2001-01-01")
        assert status == 200 and "Nothing left in this time" in page
        for form, opening in (("csv", "when,kind,uri"), ("json", "[\n{")):
            status, text = await olga.post("/admin/disclosures/export", {"sibling": domain, "form": form})
            assert status == 200 and text.startswith(opening) and post in text
        assert (await olga.post("/admin/disclosures/export", {"sibling": domain, "form": "xls"}))[0] == 400
    assert await de.count("audit", "action = 'disclosures.exported' AND by = 'olga'") == 2
