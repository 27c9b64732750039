"""`konsil queue`: what it prints for programs, what it does, and that whatever cannot be undone is asked first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.settings import Settings
from federation.allowlist import Direction, Purpose
from federation.lanes import URGENT
from instance.assembly import assemble
from tests.servers import FakeSibling
from tests.test_cli import Konsil, de, documented
from tests.test_delivery import send, uri

__all__ = ["de"]
pytestmark = pytest.mark.usefixtures("logs_restored")
FR = "127.0.0.1:1"


@pytest.fixture
async def queued(settings: Settings) -> AsyncIterator[None]:
    """For France a post waits, and a post and a deletion were refused."""
    async with assemble(settings) as its:
        described = FakeSibling().described()
        await its.siblings.add(FR, "fr", described.fingerprint, descriptor=described)
        await its.siblings.approve(FR, "test")
        sibling = its.allowlist.admit(described.origin, Direction.OUT, Purpose.DELIVERY)
        await send(its, [sibling], "waits")
        await send(its, [sibling], "post")
        await send(its, [sibling], "gone", kind="Delete", lane=URGENT)
        await its.database.write(lambda tx: tx.run(
            "UPDATE deliveries SET state = 'parked', reason = 'refused Not for us.', settled_at = 1 WHERE sequence > 1"))
    yield


def states(de: Konsil) -> list[tuple[int, str]]:
    return de.rows("SELECT sequence, state FROM deliveries ORDER BY sequence")  # type: ignore[return-value]


@pytest.mark.usefixtures("queued")
async def test_lines_and_what_was_parked_are_listed_with_the_keys_that_are_documented(de: Konsil) -> None:
    [line] = await asyncio.to_thread(de.json, "queue", "list")
    assert set(line) == documented("queue list")
    assert (line["domain"], line["fresh"], line["urgent"], line["parked"], line["last_number"]) == (FR, 1, 0, 2, 3)
    shown = await asyncio.to_thread(de.json, "queue", "show", FR)
    assert set(shown) == documented("queue show") and [item["uri"] for item in shown["items"]] == [uri("waits")]
    for words in (("queue", "parked"), ("queue", "parked", FR)):
        parked = await asyncio.to_thread(de.json, *words)
        assert [item["id"] for item in parked] == [f"{FR}/2", f"{FR}/3"] and set(parked[0]) == documented("queue parked")
        assert parked[0]["reason"] == "It refused this: Not for us."
    for words in (("queue", "list"), ("queue", "show", FR), ("queue", "parked")):
        text = (await asyncio.to_thread(de.run, *words)).stdout
        assert FR in text and "clinical" not in text and "text of" not in text


@pytest.mark.usefixtures("queued")
async def test_a_dry_run_says_what_would_happen_and_changes_nothing(de: Konsil) -> None:
    before = await asyncio.to_thread(de.content)
    said = (await asyncio.to_thread(de.run, "queue", "retry", FR, "--parked", "--dry-run")).stdout
    assert said == f"1 wait for {FR} and would be tried now; 2 that were parked would be put back. Nothing was changed.\n"
    said = (await asyncio.to_thread(de.run, "queue", "drop", f"{FR}/3", "--reason", "why", "--dry-run")).stdout
    assert "will not be asked to erase this" in said and "Nothing was changed." in said
    said = (await asyncio.to_thread(de.run, "queue", "drop", f"{FR}/2", "--reason", "why", "--dry-run")).stdout
    assert "will never get this" in said
    dry = await asyncio.to_thread(de.json, "queue", "retry", f"{FR}/2", "--dry-run")
    assert set(dry) == documented("queue retry") and dry["put_back"] == 1
    assert set(await asyncio.to_thread(de.json, "queue", "drop", f"{FR}/2", "--reason", "why", "--dry-run")) == documented(
        "queue drop")
    assert await asyncio.to_thread(de.content) == before


@pytest.mark.usefixtures("queued")
async def test_one_or_all_are_put_back_into_the_line(de: Konsil) -> None:
    made = await asyncio.to_thread(de.json, "queue", "retry", f"{FR}/3")
    assert set(made) == documented("queue retry") and (made["put_back"], made["urgent"], made["parked"]) == (1, 1, 1)
    assert states(de) == [(1, "pending"), (2, "parked"), (3, "superseded"), (4, "pending")]
    said = (await asyncio.to_thread(de.run, "queue", "retry", FR, "--parked")).stdout
    assert said == f"3 wait for {FR}; 1 that were parked were put back.\n"
    assert states(de)[1:] == [(2, "superseded"), (3, "superseded"), (4, "pending"), (5, "pending")]
    assert (await asyncio.to_thread(de.json, "queue", "retry", FR))["put_back"] == 0
    deeds = de.rows("SELECT action, detail FROM audit WHERE action LIKE 'delivery.%' OR action = 'sibling.retry' ORDER BY seq")
    assert [row[0] for row in deeds] == ["delivery.retried", "delivery.retried", "sibling.retry", "sibling.retry"]


@pytest.mark.usefixtures("queued")
async def test_dropping_asks_and_needs_a_reason(de: Konsil) -> None:
    result = await asyncio.to_thread(de.run, "queue", "drop", f"{FR}/2", "--reason", "why", given="n\n", exits=1)
    assert "will never get this. Drop" in result.stderr and states(de)[1] == (2, "parked")
    assert (await asyncio.to_thread(de.run, "queue", "drop", f"{FR}/2", "--yes", exits=2)).stdout == ""
    made = await asyncio.to_thread(de.json, "queue", "drop", f"{FR}/2", "--reason", "Closed.", "--yes")
    assert set(made) == documented("queue drop") and made["state"] == "dropped" and made["reason"].endswith("Closed.")
    assert states(de)[1] == (2, "dropped")
    assert de.rows("SELECT detail FROM audit WHERE action = 'delivery.dropped'") == [(f"{uri('post')} Closed.",)]


@pytest.mark.usefixtures("queued")
@pytest.mark.parametrize(("words", "saying"), [
    (("show", "nowhere.example"), "There is no sibling"), (("parked", "nowhere.example"), "There is no sibling"),
    (("retry", "nowhere.example"), "There is no sibling"), (("retry", f"{FR}/99"), "nothing with this number"),
    (("retry", f"{FR}/1"), "not parked"), (("retry", f"{FR}/x"), "Write it as"),
    (("retry", f"{FR}/2", "--parked"), "not both"), (("drop", "2", "--reason", "why", "--yes"), "Write it as"),
    (("drop", f"{FR}/1", "--reason", "why", "--yes"), "not parked"), (("drop", f"{FR}/2", "--reason", " ", "--yes"), "Say why")])
async def test_what_cannot_be_done_is_said_in_a_sentence(de: Konsil, words: tuple[str, ...], saying: str) -> None:
    await asyncio.to_thread(lambda: de.refuses("queue", *words, saying=saying))
