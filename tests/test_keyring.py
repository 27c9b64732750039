"""Our own keys: declared steps, one transaction each, four eyes where they are wanted, and no private half that is not needed."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Conflict, Misconfigured, NotFound, Refused
from core.settings import Settings
from federation import descriptor
from federation.keyring import KEY_STATES, KeyState
from federation.signatures import cavage, keys
from instance.assembly import Assembly, assemble
from tests.test_allowlist import described, propose

_FR = "fr.example"


async def states(its: Assembly) -> list[str]:
    return [key.state for key in await its.keyring.keys()]


async def sent(its: Assembly) -> list[dict[str, Any]]:
    rows = await its.database.read(lambda tx: tx.rows("SELECT body, type FROM outbox WHERE uri LIKE '%/actor#%' ORDER BY id"))
    return [msgspec.json.decode(row["body"]) for row in rows]


async def row_counts(its: Assembly) -> tuple[int, ...]:
    return await its.database.read(lambda tx: tuple(
        tx.rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("instance_keys", "outbox", "deliveries", "audit")))


async def test_an_announcement_proves_the_new_key_under_the_old_one(its: Assembly) -> None:
    await propose(its, _FR)
    await its.siblings.approve(_FR, "olga")
    key = await its.keyring.rotate("olga")
    [activity] = await sent(its)
    assert activity["actor"] == activity["object"]["id"] == its.identity.actor_uri
    said = activity["object"]["nextKey"]
    assert (said["id"], said["owner"]) == (key.key_id, its.identity.actor_uri)
    assert keys.fingerprint(said["publicKeyPem"]) == key.fingerprint != its.identity.fingerprint
    assert activity["object"]["publicKey"]["publicKeyPem"] == its.identity.public_pem
    [delivery] = await its.database.read(lambda tx: tx.rows("SELECT lane FROM deliveries WHERE object_key ="
                                                            " (SELECT object_key FROM outbox WHERE type = 'Update')"))
    assert delivery["lane"] == 0  # urgent
    await its.keyring.cancel("olga")
    assert "nextKey" not in (await sent(its))[1]["object"]


async def test_only_declared_steps_are_taken(its: Assembly) -> None:
    assert KEY_STATES.final == ("retired", "dropped")
    for step in (its.keyring.coming(), its.keyring.confirm("olga"), its.keyring.switch(1, "olga"), its.keyring.cancel("olga")):
        with pytest.raises(NotFound):
            await step
    key = await its.keyring.rotate("olga")
    before = await row_counts(its)
    with pytest.raises(Conflict):
        await its.keyring.rotate("olga")
    with pytest.raises(Conflict):
        await its.keyring.confirm("olga")
    with pytest.raises(Conflict, match="have changed"):
        await its.keyring.switch(key.id + 1, "olga")
    assert await row_counts(its) == before and await states(its) == ["announced", "current"]
    both = await asyncio.gather(its.keyring.switch(key.id, "olga"), its.keyring.switch(key.id, "omar"), return_exceptions=True)
    assert sum(isinstance(one, NotFound) for one in both) == 1
    assert await states(its) == ["current", "retired"]


async def test_a_step_is_written_whole_or_not_at_all(its: Assembly) -> None:
    key = await its.keyring.rotate("olga")
    await its.database.write(lambda tx: tx.run(
        "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no audit'); END"))
    before = await row_counts(its)
    for step in (its.keyring.switch(key.id, "olga"), its.keyring.cancel("olga")):
        with pytest.raises(sqlite3.IntegrityError, match="no audit"):
            await step
    assert await row_counts(its) == before and await states(its) == ["announced", "current"]
    assert its.identity.fingerprint != key.fingerprint


async def test_with_four_eyes_one_operator_proposes_and_another_announces(settings: Settings) -> None:
    federation = msgspec.structs.replace(settings.federation, four_eyes=True)
    async with assemble(msgspec.structs.replace(settings, federation=federation)) as its:
        await propose_named(its)
        for step in (its.keyring.rotate("cli:root"),):
            with pytest.raises(Refused, match="--as HANDLE"):
                await step
        assert await states(its) == ["current"]
        key = await its.keyring.rotate("olga")
        assert key.state == KeyState.PROPOSED and await sent(its) == []
        for who, saying in (("olga", "another operator"), ("cli:root", "--as HANDLE")):
            with pytest.raises(Refused, match=saying):
                await its.keyring.confirm(who)
        with pytest.raises(Conflict):
            await its.keyring.switch(key.id, "omar")  # it was not announced
        assert await sent(its) == [] and await states(its) == ["proposed", "current"]
        assert (await its.keyring.confirm("omar")).state == KeyState.ANNOUNCED
        assert len(await sent(its)) == 1
        with pytest.raises(Refused, match="--as HANDLE"):
            await its.keyring.switch(key.id, "cli:root")
        assert (await its.keyring.switch(key.id, "olga")).state == KeyState.CURRENT


async def propose_named(its: Assembly) -> None:
    found = described(_FR)
    await its.siblings.add(_FR, "fr", found.fingerprint, descriptor=found, by="ora")
    row = await its.siblings.row(_FR)
    await its.siblings.approve(_FR, "oda", fingerprint=row.fingerprint)


async def test_key_and_id_are_always_of_one_pair_while_it_changes(its: Assembly) -> None:
    """Many sign while the key changes under them; each signature fits the key its id names."""
    pems = {its.identity.key_id: its.identity.public_pem}
    headers = {"host": "fr.example", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    made: list[str] = []

    async def sign() -> None:
        while len(made) < 4000:
            made.append(await its.client._signers.sign("GET", "/x", headers))

    tasks = [asyncio.create_task(sign()) for _ in range(8)]
    for _ in range(3):
        key = await its.keyring.rotate("olga")
        await its.keyring.switch(key.id, "olga")
        pems[key.key_id] = its.identity.public_pem
    await asyncio.gather(*tasks)
    seen = set()
    for header in made:
        params = cavage.parse(header)
        cavage.verify(keys.load_public(pems[params.key_id]), params, "GET", "/x", headers)
        seen.add(params.key_id)
    assert len(seen) > 1


async def test_what_is_exported_is_signed_with_the_key_it_names(its: Assembly) -> None:
    key = await its.keyring.rotate("olga")
    await its.keyring.switch(key.id, "olga")
    found = descriptor.read(descriptor.export(its.identity))
    assert (found.key_id, found.fingerprint) == (key.key_id, key.fingerprint)


async def test_no_private_half_stays_that_is_not_needed(its: Assembly, place: Path) -> None:
    [before] = await its.database.read(lambda tx: tx.rows(
        "SELECT sealed_private FROM instance_keys WHERE purpose = 'http-signature'"))
    old = bytes(before["sealed_private"])
    assert any(old[20:60] in file.read_bytes() for file in place.glob("konsil.db*"))
    key = await its.keyring.rotate("olga")
    await its.keyring.switch(key.id, "olga")
    dropped = await its.keyring.rotate("olga")
    await its.keyring.cancel("olga")
    left = await its.database.read(lambda tx: tx.rows(
        "SELECT id FROM instance_keys WHERE sealed_private <> x'' AND purpose = 'http-signature'"))
    assert [row["id"] for row in left] == [key.id] and dropped.state == KeyState.ANNOUNCED
    for _ in range(200):  # also in the write-ahead log
        if not any(old[20:60] in file.read_bytes() for file in place.glob("konsil.db*")):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the old private key is still in the files")


async def test_a_key_that_does_not_open_leaves_the_one_before(its: Assembly, capsys: pytest.CaptureFixture[str]) -> None:
    key = await its.keyring.rotate("olga")
    old = its.identity.ring.pair
    await its.database.write(lambda tx: (
        tx.run("UPDATE instance_keys SET state = 'retired' WHERE state = 'current'"),
        tx.run("UPDATE instance_keys SET state = 'current', sealed_private = x'00' WHERE id = ?", (key.id,))))
    with pytest.raises(Misconfigured):
        await its.keyring.refresh()
    following = asyncio.create_task(its.keyring.follow())
    await asyncio.sleep(0.1)
    assert its.identity.ring.pair == old and "goes on signing" in capsys.readouterr().out
    following.cancel()
