"""Letting go of a sibling: what hangs on it, the order to erase, and what is left when something goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from core.errors import Conflict, InvalidInput, KonsilError, Refused
from federation.allowlist import Direction, Purpose
from instance.assembly import Assembly
from posts.models import CaseFacts, Draft, Kind, Reach
from tests.scripted import Scripted, scripted, slowly
from tests.servers import FakeSibling, Running, countries, know
from tests.test_delivery import rows, send
from tests.test_pages import Browser
from tests.test_siblings import audit


@pytest.fixture
async def fr() -> AsyncIterator[Scripted]:
    async with scripted() as sibling:
        yield sibling


async def actions(its: Assembly) -> list[str]:
    return [action for _, action, _ in await audit(its)][3:]  # without how it was let in


async def test_an_order_to_erase_holds_no_content_and_comes_between_the_pause_and_the_revocation(
        its: Assembly, fr: Scripted) -> None:
    await send(its, [await fr.befriend(its)], "a1")
    seen: list[str] = []

    def script(_: object) -> web.Response:
        row = its.database.glance("SELECT state FROM siblings")
        seen.append(row["state"] if row is not None else "")
        return web.Response(status=202)

    fr.script = script
    row = await its.leaving.revoke(fr.domain, "olga", "left", erase=True)
    assert row.state == "revoked" and seen == ["paused"]
    [sent] = fr.received
    document = json.loads(sent.body)
    actor = its.identity.actor_uri
    assert document.pop("@context") and document.pop("id").startswith(f"{actor}#erasure-")
    assert document == {"type": "Delete", "actor": actor, "object": actor}
    assert await actions(its) == ["sibling.paused", "sibling.erasure-ordered", "sibling.erasure-received", "sibling.revoked"]
    [order] = await its.leaving.orders(row.id)
    assert order.received and order.settled is not None and order.by == "olga" and order.why == ""
    assert await rows(its) == {"a1": ("parked", "revoked")}  # what waited was not sent before


@pytest.mark.parametrize(("script", "why"), [
    (lambda _: web.Response(status=410), "It answered 410."),
    (lambda _: web.Response(status=200), "It answered 200."),
    (lambda _: slowly(9, web.Response(status=202)), "It was reached and gave no answer")])
async def test_it_is_revoked_whatever_it_answers_and_that_is_kept(its: Assembly, fr: Scripted, script: object, why: str) -> None:
    await fr.befriend(its)
    fr.script = script  # type: ignore[assignment]
    row = await its.leaving.revoke(fr.domain, "olga", "left", erase=True)
    [order] = await its.leaving.orders(row.id)
    assert row.state == "revoked" and not order.received and order.settled and order.why.startswith(why)
    assert (await its.leaving.newest_orders())[row.id] == order
    assert len(fr.received) == 1 and (await actions(its))[-2:] == ["sibling.erasure-unconfirmed", "sibling.revoked"]


async def test_it_is_revoked_where_nobody_answers_at_all(its: Assembly) -> None:
    async with scripted() as fr:
        await fr.befriend(its)
    row = await its.leaving.revoke(fr.domain, "olga", "left", erase=True)
    [order] = await its.leaving.orders(row.id)
    assert row.state == "revoked" and not order.received and order.why.startswith("It could not be reached")


async def test_one_that_was_never_let_in_is_not_asked_and_nobody_without_a_reason(its: Assembly, fr: Scripted) -> None:
    await its.siblings.add(fr.domain, "fr", fr.fake.described().fingerprint, descriptor=fr.fake.described())
    with pytest.raises(Conflict, match="Only an active or paused sibling"):
        await its.leaving.revoke(fr.domain, "olga", "left", erase=True)
    for erase in (True, False):
        with pytest.raises(InvalidInput, match="Say why"):
            await its.leaving.revoke(fr.domain, "olga", " ", erase=erase)
    assert fr.received == [] and (await its.siblings.row(fr.domain)).state == "proposed"
    assert (await its.leaving.revoke(fr.domain, "olga", "left", erase=False)).state == "revoked"


async def test_who_dies_on_the_way_leaves_a_paused_sibling_and_an_order_without_an_outcome(its: Assembly, fr: Scripted) -> None:
    await fr.befriend(its)
    fr.script = lambda _: slowly(30, web.Response(status=202))
    revoking = asyncio.create_task(its.leaving.revoke(fr.domain, "olga", "left", erase=True))
    while not fr.received:
        await asyncio.sleep(0.01)
    revoking.cancel()
    await asyncio.gather(revoking, return_exceptions=True)
    row = await its.siblings.row(fr.domain)
    [order] = await its.leaving.orders(row.id)
    assert row.state == "paused" and order.settled is None and not order.received
    fr.script = lambda _: web.Response(status=202)
    row = await its.leaving.revoke(fr.domain, "olga", "left", erase=True)
    newest, first = await its.leaving.orders(row.id)
    assert row.state == "revoked" and newest.received and first == order


async def test_the_gate_is_asked_again_when_the_first_byte_would_leave(its: Assembly, fr: Scripted) -> None:
    admitted = await fr.befriend(its)
    for act in (its.siblings.pause, its.siblings.revoke):
        admitted = its.allowlist.admit(fr.origin, Direction.OUT, Purpose.DELIVERY)
        fetching = its.allowlist.admit(fr.origin, Direction.OUT, Purpose.FETCH)
        before = len(fr.received)
        await act(fr.domain, "olga", "test")
        for work in (its.client.post(admitted, b"{}", "x"), its.client.get(fetching, f"{fr.origin}/actors/1")):
            with pytest.raises(KonsilError) as caught:
                await work
            assert caught.value.reason in ("paused", "not-admitted")
        assert len(fr.received) == before
        if act == its.siblings.pause:
            await its.siblings.resume(fr.domain, "olga")
            await its.client.post(its.allowlist.admit(fr.origin, Direction.OUT, Purpose.DELIVERY), b"{}", "x")
    with pytest.raises(Refused):
        its.allowlist.admit(fr.origin, Direction.OUT, Purpose.ERASURE)
    assert len(fr.received) == 1  # over a connection that was kept, too


async def published(de: Running, question: str, *origins: str) -> str:
    draft = Draft(Kind.CASE, question, "Text", "de", CaseFacts(("cardiology",)))
    digest = de.its.compose.network_digest(await de.its.compose.destinations())
    reach = Reach.COUNTRIES if origins else Reach.HOME
    return await de.its.compose.publish(await de.author("ada"), draft, origins, reach, digest)


async def test_ties_count_what_hangs_on_one_sibling_and_on_no_other(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr, it = FakeSibling("fr", 2), FakeSibling("it", 3)
        for fake in (fr, it):
            await know(de, fake)
        row = await de.its.siblings.row(fr.origin.split("://")[1])
        ada = await de.author("ada")
        await published(de, "At home?")
        await published(de, "Theirs?", fr.origin)
        await published(de, "Not theirs?", it.origin)
        for number in range(2):
            case = fr.note(de, f"n{number}") | {"name": "Quoi?", "state": "open", "facts": {"specialties": ["cardiology"]}}
            assert (await fr.send(de, fr.activity("Create", case, f"c{number}")))[0] == 202
        assert (await fr.send(de, fr.activity("Create", fr.question(de), "q")))[0] == 202
        assert (await fr.send(de, fr.activity("Create", fr.note(de, "named", to=[ada.actor.uri]), "k")))[0] == 202
        assert (await fr.send(de, fr.activity("Follow", ada.actor.uri, "f")))[0] == 202
        await de.its.database.write(lambda tx: tx.run(
            "UPDATE deliveries SET state = 'acked', settled_at = 1 WHERE sibling_id = ?", (row.id,)))
        ties = await de.its.ties.of(row.id)
        assert (ties.accounts, ties.posts, ties.shared, ties.followers, ties.following) == (1, 4, 1, 1, 0)
        assert (ties.threads, ties.consults, ties.queued, ties.undeleted) == (4, 1, 0, 0)
        every = await de.its.ties.all()
        assert every[row.id] == ties and len(every) == 2 and {one.queued for one in every.values()} == {0, 1}


async def test_the_pages_say_what_it_means_and_want_a_reason(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), scripted() as fr:
        await fr.befriend(de.its)
        await de.its.accounts.add_operator("olga", "Olga", "correct horse battery")
        await published(de, "Theirs?", fr.origin)
        base = f"/admin/siblings/{fr.domain}"
        async with Browser(de) as olga:
            await olga.login("olga")
            status, page = await olga.get(f"{base}/pause")
            assert status == 200 and "there is: 1 open thread and 1 queued activity." in page
            status, page = await olga.post(f"{base}/pause", {"reason": " "})
            assert status == 400 and "Say why: it stays in the audit log." in page
            assert (await de.its.siblings.row(fr.domain)).state == "active"
            assert (await olga.post(f"{base}/pause", {"reason": "maintenance"}))[0] == 303
            assert (await de.its.siblings.row(fr.domain)).state == "paused"
            assert (await olga.post(f"{base}/pause", {"reason": "again"}))[0] == 409
            status, page = await olga.get(f"{base}/revoke")
            assert status == 200 and "1 queued activity will never be confirmed; its author reads that." in page
            assert (await olga.post(f"{base}/revoke", {"reason": "left", "erase": "1"}))[0] == 303
            status, page = await olga.get(f"{base}/revoke")
            assert "it confirmed on" in page and "Revoke now" not in page
        assert [json.loads(one.body)["type"] for one in fr.received] == ["Delete"]
