"""The scheduled look at siblings' keys: what nobody confirmed pauses and alarms, once; what is no actor changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.errors import Conflict, KonsilError, NotFound
from core.settings import Settings
from federation.allowlist import Direction, Purpose
from federation.siblingkeys import Sight
from federation.signatures.keys import fingerprint
from instance.assembly import Assembly
from tests.servers import AP, FakeSibling, Running, countries, until
from tests.test_announcements import PUBLISHED, announcement, next_key, pair

HOUR = 3_600_000


class Elsewhere:
    """A server that answers for a sibling's /actor, with whatever the test wants."""

    def __init__(self, port: int) -> None:
        self.fake = FakeSibling("fr", port=port)
        self.asked = 0
        self.answer: Any = None
        self.kind, self.status = AP, 200

    @property
    def domain(self) -> str:
        return self.fake.origin.split("://")[1]

    def actor(self, public_pem: str, **changes: Any) -> dict[str, Any]:
        origin = self.fake.origin
        return {"id": f"{origin}/actor", "type": "Application", "name": "Fake", "country": "fr", "inbox": f"{origin}/inbox",
                "publicKey": {"id": f"{origin}/actor#some", "owner": f"{origin}/actor", "publicKeyPem": public_pem}} | changes

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert (request.method, request.path) == ("GET", "/actor") and "signature" not in request.headers
        if isinstance(self.answer, bytes):
            return web.Response(status=self.status, body=self.answer, content_type=self.kind)
        return web.json_response(self.answer, status=self.status, content_type=self.kind)


@pytest.fixture
async def there(unused_tcp_port: int) -> AsyncIterator[Elsewhere]:
    one = Elsewhere(unused_tcp_port)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield one
    await runner.cleanup()


@pytest.fixture
async def de(tmp_path: Path, there: Elsewhere) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False, friends=False) as (one,):
        await there.fake.listed(one, "active")
        yield one


async def standing(its: Assembly) -> Any:
    return await its.database.read(lambda tx: [tuple(row) for row in tx.rows(
        "SELECT id, state, reason, key_id, public_pem, fingerprint, next_key_id FROM siblings")])


async def hours_pass(its: Assembly, hours: float) -> None:
    await its.database.write(lambda tx: tx.run(
        "UPDATE sibling_details SET pinned_at = pinned_at - ?, seen_key_at = seen_key_at - ?", (hours * HOUR,) * 2))
    its.keywatch._tried = {number: at - int(hours * HOUR) for number, at in its.keywatch._tried.items()}


async def test_the_pinned_key_is_looked_at_once_an_hour_and_nothing_happens(de: Running, there: Elsewhere) -> None:
    there.answer = there.actor(there.fake.public_pem)
    before = await standing(de.its)
    assert await de.its.keywatch.look_due() == 0 and there.asked == 0  # it was compared when it was proposed
    for round_ in (1, 2):
        await hours_pass(de.its, 1.01)
        assert [await de.its.keywatch.look_due() for _ in range(3)] == [1, 0, 0] and there.asked == round_
    assert await standing(de.its) == before
    row = await de.its.siblings.row(there.domain)
    assert row.succession.seen == row.fingerprint and row.succession.seen_at


async def test_a_change_that_nobody_announced_pauses_and_alarms_once(
        de: Running, there: Elsewhere, capsys: pytest.CaptureFixture[str]) -> None:
    there.answer = there.actor(pair()[1])
    await hours_pass(de.its, 1.01)
    assert await de.its.keywatch.look_due() == 1
    row = await de.its.siblings.row(there.domain)
    strange = fingerprint(pair()[1])
    assert row.shows_strange_key and row.state == "paused" and strange in row.reason and "nobody announced" in row.reason
    assert (row.fingerprint, row.next_pem, row.succession.seen) == (fingerprint(there.fake.public_pem), "", strange)
    assert [(entry.by, entry.action) for entry in await de.its.audit.list(2)] == [
        ("konsil", "sibling.paused"), ("konsil", "sibling.key-strange")]
    said = capsys.readouterr().out
    assert said.count("paused because of its key") == 1 and strange in said and "error" in said
    await hours_pass(de.its, 5)
    assert await de.its.keywatch.look_due() == 0  # it is paused: no second alarm
    assert (await there.fake.get(f"{de.url}/members"))[0] == 503
    with pytest.raises(Conflict):
        await de.its.keywatch.look(there.domain)
    await de.its.siblings.resume(there.domain, "olga")  # without having done anything about it
    assert await de.its.keywatch.look_due() == 1
    assert (await de.its.siblings.row(there.domain)).state == "paused"


async def test_what_is_no_actor_or_cannot_be_had_changes_nothing(de: Running, there: Elsewhere) -> None:
    strange, origin = pair()[1], there.fake.origin
    whole = there.actor(strange)
    before = await standing(de.its)
    answers: list[tuple[Any, str, int]] = [
        (b"", AP, 200), (b"<html>login</html>", "text/html", 200), (b"{", AP, 200), (b"[]", AP, 200), (b"x" * 300_000, AP, 200),
        (whole, "text/html", 200), (whole, AP, 500), (whole, AP, 404), (whole, AP, 302), (whole, "application/json", 200),
        (whole | {"publicKey": None}, AP, 200), (whole | {"publicKey": "x"}, AP, 200), (whole | {"type": "Person"}, AP, 200),
        (whole | {"publicKey": whole["publicKey"] | {"publicKeyPem": "x"}}, AP, 200),
        (whole | {"publicKey": whole["publicKey"] | {"owner": f"{origin}/x"}}, AP, 200),
        (whole | {"id": "https://other.example/actor"}, AP, 200), (there.actor(strange, inbox="https://other.example/"), AP, 200)]
    for number, (there.answer, there.kind, there.status) in enumerate(answers, start=1):
        await hours_pass(de.its, 1.01)
        assert await de.its.keywatch.look_due() == 1 and there.asked == number
        assert await standing(de.its) == before, there.answer
        assert await de.its.keywatch.look_due() == 0  # in its time, not at once
        with pytest.raises(KonsilError):
            await de.its.keywatch.look(there.domain)
        there.asked -= 1
    row = await de.its.siblings.row(there.domain)
    assert (row.state, row.succession.seen) == ("active", "")


async def test_a_published_key_in_use_is_never_taken(de: Running, there: Elsewhere) -> None:
    there.answer = there.actor(PUBLISHED)
    before = await standing(de.its)
    with pytest.raises(KonsilError, match="published example"):
        await de.its.keywatch.look(there.domain)
    assert await standing(de.its) == before


async def test_an_announced_key_in_use_before_it_is_confirmed_pauses_and_a_confirmed_one_takes_over(
        de: Running, there: Elsewhere) -> None:
    fake = there.fake
    assert (await fake.send(de, announcement(fake, next_key(fake))))[0] == 202
    there.answer = there.actor(pair()[1])
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.STRANGE
    row = await de.its.siblings.row(there.domain)
    assert row.state == "paused" and "announced" in row.reason and row.announced == fingerprint(pair()[1])
    await de.its.sibling_keys.confirm(there.domain, "olga", row.announced)
    await de.its.siblings.resume(there.domain, "olga")
    assert (await fake.get(f"{de.url}/members"))[0] == 200
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.CHANGED
    assert (await fake.get(f"{de.url}/members"))[0] == 401
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.PINNED


async def test_a_failed_signature_changes_nothing(de: Running, there: Elsewhere) -> None:
    before = await standing(de.its)
    forger = FakeSibling("fr", pair=pair())
    forger.origin, forger.key_id = there.fake.origin, there.fake.key_id
    for _ in range(20):
        assert (await forger.get(f"{de.url}/members"))[0] == 401
        assert (await forger.send(de, announcement(there.fake, next_key(there.fake))))[0] == 401
    assert await standing(de.its) == before and await de.count("announced_keys") == 0


async def test_nobody_but_active_siblings_is_looked_at(de: Running, there: Elsewhere) -> None:
    there.answer = there.actor(there.fake.public_pem)
    await de.its.siblings.pause(there.domain, "olga", "test")
    await hours_pass(de.its, 2)
    assert await de.its.keywatch.look_due() == 0
    await de.its.siblings.revoke(there.domain, "olga", "test")
    assert await de.its.keywatch.look_due() == 0 and there.asked == 0
    with pytest.raises(NotFound):
        await de.its.keywatch.look("it.example")


async def test_the_worker_looks_by_itself(tmp_path: Path, there: Elsewhere) -> None:
    def soon(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, key_look_minutes=0.001))

    there.answer = there.actor(pair()[1])
    async with countries(tmp_path, "de", friends=False, settled=soon) as (de,):
        await there.fake.listed(de, "active")

        async def paused() -> bool:
            return (await de.its.siblings.row(there.domain)).state == "paused"

        await until(paused, 15)
        await asyncio.sleep(0.1)


async def test_with_four_eyes_two_operators_compare_the_key(tmp_path: Path) -> None:
    def eyes(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, federation=msgspec.structs.replace(settings.federation, four_eyes=True))

    async with countries(tmp_path, "de", worker=False, friends=False, settled=eyes) as (de,):
        fake, keys = FakeSibling("fr"), de.its.sibling_keys
        domain = fake.origin.split("://")[1]
        await de.its.siblings.add(domain, "fr", fake.described().fingerprint, descriptor=fake.described(), by="ora")
        await de.its.siblings.approve(domain, "oda", fingerprint=fake.described().fingerprint)
        await fake.send(de, announcement(fake, next_key(fake)))
        mark = fingerprint(pair()[1])
        with pytest.raises(KonsilError, match="--as HANDLE"):
            await keys.confirm(domain, "cli:root", mark)
        row = await keys.confirm(domain, "olga", mark)
        assert (row.next_pem, row.succession.compared_by) == ("", "olga")
        with pytest.raises(KonsilError, match="another operator"):
            await keys.confirm(domain, "olga", mark)
        with pytest.raises(KonsilError, match="Nothing was changed"):
            await keys.confirm(domain, "omar", fake.described().fingerprint)
        assert not (await de.its.siblings.row(domain)).next_pem
        assert (await keys.confirm(domain, "omar", mark)).succession.next_fingerprint == mark
        again = announcement(fake, next_key(fake, 1), "k3")
        assert (await fake.send(de, again))[0] == 202
        assert (await keys.refuse(domain, "olga")).next_pem == ""  # one is enough to take back


async def learnt(its: Assembly) -> tuple[str, str]:
    [row] = await its.database.read(lambda tx: tx.rows("SELECT document_key, bundle_inbox FROM siblings"))
    return row["document_key"], row["bundle_inbox"]


async def forget(its: Assembly) -> None:
    await its.database.write(lambda tx: tx.run("UPDATE siblings SET document_key = '', bundle_inbox = ''"))


def whole(there: Elsewhere, document_key: str | None = None, public_pem: str = "") -> dict[str, Any]:
    fake = there.fake
    made = there.actor(fake.public_pem, endpoints={"bundleInbox": f"{fake.origin}/inbox/bundle"}) | fake.vouched(document_key)
    return made | {"publicKey": made["publicKey"] | {"id": fake.key_id} | ({"publicKeyPem": public_pem} if public_pem else {})}


async def test_a_document_key_that_is_not_known_is_looked_for_soon_and_then_less_and_less_often(
        de: Running, there: Elsewhere) -> None:
    its = de.its
    await forget(its)
    there.answer = there.actor(there.fake.public_pem)  # an older release, which has none
    assert [await its.keywatch.look_due() for _ in range(2)] == [1, 0]
    looks = 0
    for _ in range(720):  # an hour, every five seconds
        its.clock.offset += 5
        looks += await its.keywatch.look_due()
    assert 5 <= looks <= 12 and there.asked == looks + 1 and await learnt(its) == ("", "")
    its.clock.offset += 3600
    there.answer = whole(there)
    assert await its.keywatch.look_due() == 1
    assert await learnt(its) == (there.fake.document_key.multibase, f"{there.fake.origin}/inbox/bundle")
    sibling = its.allowlist.admit(there.fake.origin, Direction.OUT, Purpose.DELIVERY)
    assert (sibling.document_key, sibling.bundle_inbox) == await learnt(its)
    its.clock.offset += 5
    assert await its.keywatch.look_due() == 0  # from now on once an hour


async def test_a_changed_document_key_is_taken_over_written_down_and_told(
        de: Running, there: Elsewhere, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = there.fake.document_key.multibase, FakeSibling("fr", pair=pair()).document_key.multibase
    there.answer = whole(there)
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.PINNED  # it is the one from its descriptor
    assert [entry.action for entry in await de.its.audit.list(9)].count("sibling.document-key") == 0
    there.answer = whole(there, after)
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.PINNED
    assert (await learnt(de.its))[0] == after == (await de.its.siblings.row(there.domain)).document_key
    [entry] = await de.its.audit.list(1)
    assert (entry.by, entry.action, entry.detail) == ("konsil", "sibling.document-key", f"{before} to {after}")
    assert capsys.readouterr().out.count("signs its documents with another key") == 1
    await de.its.keywatch.look(there.domain)
    assert (await de.its.audit.list(1))[0].seq == entry.seq


async def test_what_no_pinned_key_vouches_for_changes_nothing(de: Running, there: Elsewhere) -> None:
    known, other = await learnt(de.its), FakeSibling("fr", pair=pair())
    other.origin, other.key_id = there.fake.origin, there.fake.key_id
    forged = whole(there, other.document_key.multibase)
    for answer in (forged | {"voucher": None}, forged | {"voucher": other.vouched()["voucher"]},
                   forged | {"voucher": there.fake.vouched()["voucher"]},
                   forged | {"assertionMethod": []}, there.actor(there.fake.public_pem)):
        there.answer = answer
        assert (await de.its.keywatch.look(there.domain)).sight == Sight.PINNED
        assert await learnt(de.its) == known
    there.answer = forged | {"voucher": other.vouched()["voucher"]} | {
        "publicKey": forged["publicKey"] | {"publicKeyPem": other.public_pem}}  # vouched for, by a key nobody has pinned
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.STRANGE
    assert await learnt(de.its) == known
    assert "sibling.document-key" not in [entry.action for entry in await de.its.audit.list(20)]


async def test_a_key_that_takes_over_vouches_too(de: Running, there: Elsewhere) -> None:
    fake, later = there.fake, FakeSibling("fr", pair=pair())
    later.origin = fake.origin
    assert (await fake.send(de, announcement(fake, next_key(fake))))[0] == 202
    await de.its.sibling_keys.confirm(there.domain, "olga", fingerprint(pair()[1]))
    there.answer = whole(there, public_pem=pair()[1]) | later.vouched(later.document_key.multibase)
    there.answer["voucher"]["creator"] = fake.key_id
    assert (await de.its.keywatch.look(there.domain)).sight == Sight.CHANGED
    assert await learnt(de.its) == (later.document_key.multibase, f"{fake.origin}/inbox/bundle")


async def test_two_instances_learn_from_each_other_within_seconds(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await forget(de.its)
        await until(lambda: de.count("siblings", f"document_key = '{fr.its.identity.documents.multibase}'"), 15)
        assert (await learnt(de.its))[1] == f"{fr.url}/inbox/bundle"
        assert await learnt(fr.its) == (de.its.identity.documents.multibase, f"{de.url}/inbox/bundle")
