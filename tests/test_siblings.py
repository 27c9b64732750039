"""What operators do with the allowlist: pinned keys, declared steps, an audit row for each, and nothing half done."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import msgspec
import pytest

from core.errors import Conflict, InvalidInput, KonsilError, NotFound
from federation import descriptor
from federation.allowlist import Direction, Purpose, Sibling
from federation.descriptor import Descriptor
from federation.lanes import FRESH
from federation.signatures.keys import fingerprint_words, generate_rsa
from instance.assembly import Assembly
from tests.test_allowlist import described, elsewhere, let_through, propose, refused
from tests.test_delivery import rows, send

_FR = "fr.example"


async def content(its: Assembly) -> dict[str, list[dict[str, Any]]]:
    tables = ("siblings", "delivery_lines", "deliveries", "held", "audit")
    return await its.database.read(lambda tx: {
        table: [dict(row) for row in tx.rows(f"SELECT * FROM {table}")] for table in tables})


async def audit(its: Assembly) -> list[tuple[str, str, str]]:
    found = await its.database.read(lambda tx: tx.rows("SELECT by, action, target FROM audit ORDER BY seq"))
    return [tuple(row) for row in found]


async def refuses(its: Assembly, kind: type[KonsilError], saying: str, found: Descriptor | None, *,
                  domain: str = _FR, country: str = "fr", typed: str | None = None) -> None:
    before = await content(its)
    with pytest.raises(kind, match=saying):
        await its.siblings.add(domain, country, typed or (found or described(_FR)).fingerprint, descriptor=found)
    assert await content(its) == before


async def active(its: Assembly, domain: str = _FR) -> None:
    await propose(its, domain)
    await its.siblings.approve(domain, "olga")


async def test_only_what_fits_what_the_operator_typed_is_proposed(its: Assembly) -> None:
    found = described(_FR)
    await refuses(its, InvalidInput, "not the fingerprint of this key", found, typed="00" * 32)
    await refuses(its, InvalidInput, "says it is FR, not DE", found, country="de")
    await refuses(its, InvalidInput, "is of https://fr.example, not of https://it.example", found, domain="it.example")
    await refuses(its, InvalidInput, "its own sibling", descriptor.read(descriptor.export(its.identity)),
                  domain=its.identity.domain, country="de")
    for domain in ("", "fr.example/x", "https://fr.example", "*.example", "10.0.0.1", "fr.example:8443", "FR..example"):
        await refuses(its, InvalidInput, "cannot be used", found, domain=domain)
    row = await its.siblings.add("FR.example", "FR", fingerprint_words(found.fingerprint), descriptor=found, by="olga")
    assert (row.origin, row.state, row.fingerprint, row.activated) == ("https://fr.example", "proposed", found.fingerprint, None)
    assert await audit(its) == [("olga", "sibling.proposed", "https://fr.example")]
    await refuses(its, Conflict, "on the list already.*proposed", found)


async def test_a_proposed_sibling_is_not_yet_let_through_and_its_key_is_compared_again(its: Assembly) -> None:
    await propose(its, _FR)
    assert refused(its, "https://fr.example") == {"proposed"}
    before = await content(its)
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        await its.siblings.approve(_FR, "olga", fingerprint="00" * 32)
    assert await content(its) == before
    row = await its.siblings.approve(_FR, "olga", fingerprint=described(_FR).fingerprint)
    assert row.state == "active" and row.activated and let_through(its, "https://fr.example")
    assert [action for _, action, _ in await audit(its)] == ["sibling.proposed", "sibling.confirmed", "sibling.active"]


async def test_a_step_and_its_audit_row_are_written_together_or_not_at_all(its: Assembly) -> None:
    await active(its)
    await its.database.write(lambda tx: tx.run(
        "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit'); END"))
    before = await content(its)
    for work in (its.siblings.pause(_FR, "olga", "test"), its.siblings.revoke(_FR, "olga", "test"), propose(its, "it.example")):
        with pytest.raises(sqlite3.IntegrityError, match="no audit"):
            await work
    assert await content(its) == before and let_through(its, "https://fr.example")


async def test_of_two_operators_at_once_one_is_told_that_the_world_has_moved_on(its: Assembly) -> None:
    await active(its)
    results = await asyncio.gather(
        its.siblings.pause(_FR, "olga", "test"), its.siblings.pause(_FR, "omar", "test"), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert [action for _, action, _ in await audit(its)].count("sibling.paused") == 1


async def test_nobody_unknown_is_moved(its: Assembly) -> None:
    await active(its)
    before = await content(its)
    for domain in ("it.example", "r.example", "xfr.example"):
        for work in (its.siblings.approve(domain, "olga"), its.siblings.pause(domain, "olga", "test"),
                     its.siblings.resume(domain, "olga"), its.siblings.revoke(domain, "olga", "test"), its.siblings.row(domain)):
            with pytest.raises(NotFound):
                await work
    assert await content(its) == before


def admit(its: Assembly, domain: str = _FR) -> Sibling:
    return its.allowlist.admit(f"https://{domain}", Direction.OUT, Purpose.DELIVERY)


async def _held(its: Assembly, sibling_id: int) -> None:
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO held (activity_key, sibling_id, about_key, missing, missing_key, wanted, body, received_at, next_try)"
        " VALUES (x'01', ?, x'02', 'https://fr.example/actors/1', x'03', 'person', 'text', 0, 0)", (sibling_id,)))


async def _waiting(its: Assembly, *domains: str) -> None:
    """An activity on its way to each of them and one of theirs that waits here."""
    for number, domain in enumerate(domains):
        sibling = admit(its, domain)
        await send(its, [sibling], f"a{number}")
        if number == 0:
            await _held(its, sibling.id)


async def test_pausing_keeps_everything_and_resuming_goes_on(its: Assembly) -> None:
    await active(its)
    await _waiting(its, _FR)
    before = await content(its)
    row = await its.siblings.pause(_FR, "olga", "maintenance")
    assert (row.state, row.reason, row.queued) == ("paused", "maintenance", 1)
    assert refused(its, "https://fr.example") == {"paused"}
    await its.siblings.resume(_FR, "olga")
    after = await content(its)
    assert [row | {"lane": FRESH} for row in after["deliveries"]] == before["deliveries"]  # what is fresh overtakes it
    [kept], [held] = before["held"], after["held"]
    assert held["body"] == kept["body"] and (held["state"], held["tries"]) == ("waiting", 0)  # tried at once
    assert let_through(its, "https://fr.example")


async def test_revoking_ends_its_queue_and_nobody_elses(its: Assembly) -> None:
    for domain in (_FR, "it.example"):
        await active(its, domain)
    await _waiting(its, _FR, "it.example")
    row = await its.siblings.revoke(_FR, "olga", "left the network")
    assert (row.state, row.reason, row.queued, row.parked) == ("revoked", "left the network", 0, 1)
    assert await rows(its) == {"a0": ("parked", "revoked"), "a1": ("pending", "")}
    [held] = (await content(its))["held"]
    assert (held["state"], held["reason"]) == ("parked", "Its instance was revoked.")
    assert refused(its, "https://fr.example") == {"revoked"} and let_through(its, "https://it.example")


async def test_one_who_comes_back_is_a_new_proposal_with_the_key_it_has_now(its: Assembly) -> None:
    await active(its)
    await _waiting(its, _FR)
    await its.siblings.revoke(_FR, "olga", "key lost")
    _, pem = generate_rsa()
    new = msgspec.structs.replace(described(_FR), public_pem=pem)
    row = await its.siblings.add(_FR, "fr", new.fingerprint, descriptor=new)
    assert (row.state, row.fingerprint, row.activated, row.reason) == ("proposed", new.fingerprint, None, "")
    assert refused(its, "https://fr.example") == {"proposed"}
    await its.siblings.approve(_FR, "olga")
    sibling = admit(its)
    assert [*sibling.keys.values()] == [pem] and len((await content(its))["siblings"]) == 1
    await send(its, [sibling], "new")
    numbers = await its.database.read(lambda tx: [row["sequence"] for row in tx.rows("SELECT sequence FROM deliveries")])
    assert sorted(numbers) == [1, 2]  # a sequence is never used again
    assert await rows(its) == {"a0": ("parked", "revoked"), "new": ("pending", "")}


async def test_resuming_a_stopped_line_clears_its_alarm_and_is_audited(its: Assembly) -> None:
    await active(its)
    with pytest.raises(Conflict):
        await its.siblings.resume(_FR, "olga")  # nothing is stopped
    elsewhere(its, "UPDATE delivery_lines SET alarm = 'answered 404', last_error = 'x', fail_count = 9, failing_since = 1,"
                   " next_try = 9e15")
    row = await its.siblings.resume(_FR, "olga")
    assert (row.alarm, row.fail_count, row.failing_since, row.next_try, row.last_error) == ("", 0, None, 0, "")
    assert (await audit(its))[-1] == ("olga", "sibling.retry", "https://fr.example")


async def test_the_list_counts_what_waits_what_is_parked_and_what_was_refused(its: Assembly) -> None:
    for domain in ("it.example", _FR):
        await active(its, domain)
    await _waiting(its, _FR, "it.example")
    its.refusals.record(direction="in", origin="https://it.example", purpose="inbox", reason="signature-wrong")
    await its.refusals.flush()
    assert [(row.domain, row.queued, row.parked, row.refused) for row in await its.siblings.rows()] == [
        ("fr.example", 1, 0, 0), ("it.example", 1, 0, 1)]
