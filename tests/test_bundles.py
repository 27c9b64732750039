"""Bundles: a text sequence on the wire, each activity by itself, and a signed receipt that says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.ids import uri_key
from federation import bundles
from federation.bundles import Head, Later, Receipt, Received, Refusal, Results
from federation.documents import dumps
from federation.signatures import cavage, proofs
from tests.servers import FakeSibling, Running, countries, post, until

ACTOR = "https://fr.example/actor"
NUMBERS = st.lists(st.integers(1, 400), unique=True).map(sorted)


def head(*sequences: int, **changes: Any) -> Head:
    return msgspec.structs.replace(Head("Bundle", ACTOR, 7, 1, sequences), **changes)


@given(NUMBERS)
def test_ranges_say_the_same_numbers_and_no_more(some: list[int]) -> None:
    made = bundles.ranges(some)
    assert bundles.numbers(made, 400) == some
    assert bundles.joined(made) == made and all(after[0] > before[1] + 1 for before, after in pairwise(made))


@given(NUMBERS, NUMBERS)
def test_joined_ranges_hold_what_both_held(some: list[int], others: list[int]) -> None:
    made = bundles.joined((*bundles.ranges(some), *bundles.ranges(others)))
    assert bundles.numbers(made, 400) == sorted({*some, *others})


def test_numbers_in_ranges_are_counted_no_further_than_asked() -> None:
    assert bundles.numbers([(1, 1 << 52)], 5) == [1, 2, 3, 4, 5, 6]


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=4), max_size=64))
def test_activities_come_out_as_they_went_in(activities: list[dict[str, str]]) -> None:
    texts = [dumps(one) for one in activities if _no_surrogates(one)]
    said = head(*range(5, 5 + len(texts)), skipped=((1, 4),), heard=3, received=Received(2, 9, ((11, 12),)))
    assert bundles.unpack(bundles.pack(said, texts), ACTOR) == (said, texts)


def _no_surrogates(one: dict[str, str]) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for text in (*one, *one.values()) for letter in text)


GOOD = bundles.pack(head(5, 6), [b"{}", b"[]"])
BAD = {
    "no record separator": GOOD[1:],
    "something before the first one": b" " + GOOD,
    "a text without an end": GOOD[:-1],
    "no head": b"\x1e{}\n",
    "nothing": b"",
    "a head that is none": b"\x1e[]\n",
    "another's": bundles.pack(head(5, actor="https://it.example/actor"), [b"{}"]),
    "another type": bundles.pack(head(5, type="Receipt"), [b"{}"]),
    "fewer than it says": bundles.pack(head(5, 6), [b"{}"]),
    "more than it says": bundles.pack(head(5), [b"{}", b"{}"]),
    "more than a bundle holds": bundles.pack(head(*range(1, 66)), [b"{}"] * 65),
    "numbers twice": bundles.pack(head(5, 5), [b"{}"] * 2),
    "numbers falling": bundles.pack(head(6, 5), [b"{}"] * 2),
    "a number before its epoch": bundles.pack(head(5, start=6), [b"{}"]),
    "no epoch": bundles.pack(head(5, epoch=0), [b"{}"]),
    "a negative start": bundles.pack(head(5, start=-1), [b"{}"]),
    "an empty range": bundles.pack(head(5, skipped=((4, 3),)), [b"{}"]),
    "ranges out of order": bundles.pack(head(5, skipped=((3, 3), (2, 2))), [b"{}"]),
    "too many ranges": bundles.pack(head(5, skipped=tuple((n, n) for n in range(1, 2000, 2))), [b"{}"]),
    "a range of nobody": bundles.pack(head(5, received=Received(1, 1, ((0, 0),))), [b"{}"]),
    "numbers that are words": GOOD.replace(b"[5,6]", b'["5","6"]'),
    "a key twice": GOOD.replace(b'"epoch":7', b'"epoch":7,"epoch":8'),
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_rule_is_no_bundle(name: str) -> None:
    bundles.unpack(GOOD, ACTOR)
    with pytest.raises(InvalidInput):
        bundles.unpack(BAD[name], ACTOR)


def test_a_receipt_says_of_each_activity_what_became_of_it() -> None:
    made = Receipt("Receipt", ACTOR, "SHA-256=x", 7, 6, Results(stored=((5, 5),), refused=(Refusal(6, "bad-poll", "No."),)))
    assert bundles.receipt(bundles.signed_part(made), ACTOR, "SHA-256=x", (5, 6)) == made
    for wrong in (("https://it.example/actor", "SHA-256=x", (5, 6)), (ACTOR, "SHA-256=y", (5, 6)), (ACTOR, "SHA-256=x", (5,)),
                  (ACTOR, "SHA-256=x", (5, 6, 7))):
        with pytest.raises(InvalidInput):
            bundles.receipt(bundles.signed_part(made), *wrong)
    for changed in ({"results": Results(stored=((5, 6),), held=((6, 6),))}, {"type": "Bundle"},
                    {"results": Results(stored=((1, 1 << 50),))},
                    {"later": tuple(Later(n, n, "x", "stored") for n in range(65))}):
        with pytest.raises(InvalidInput):
            bundles.receipt(bundles.signed_part(msgspec.structs.replace(made, **changed)), ACTOR, "SHA-256=x", (5, 6))


class Sender:
    """A sibling under the test's control that sends bundles, and numbers what it sends."""

    def __init__(self, to: Running, sibling: FakeSibling) -> None:
        self.to, self.sibling, self.next = to, sibling, 1

    def numbered(self, *activities: Any, **changes: Any) -> bytes:
        first, self.next = self.next, self.next + len(activities)
        said = Head("Bundle", f"{self.sibling.origin}/actor", 7, 1, tuple(range(first, self.next)))
        return bundles.pack(msgspec.structs.replace(said, **changes), [dumps(one) for one in activities])

    async def send(self, body: bytes, **headers: str) -> tuple[int, Any]:
        url = f"{self.to.url}/inbox/bundle"
        made = self.sibling.headers("POST", url, body, kind=bundles.JSON_SEQ)
        return await post(url, body, made | headers)

    async def bundle(self, *activities: Any, **changes: Any) -> Any:
        body = self.numbered(*activities, **changes)
        status, answer = await self.send(body)
        if status == 200:
            proofs.check(answer, self.to.its.identity.documents.multibase, f"{self.to.url}/actor#document-key")
            assert answer["object"] == cavage.digest(body) and answer["actor"] == f"{self.to.url}/actor"
        return status, answer


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (running,):
        yield running


@pytest.fixture
async def sender(de: Running) -> Sender:
    fr = await FakeSibling().listed(de, "active")
    await de.its.database.write(lambda tx: tx.run(
        "INSERT INTO actors (id, uri, uri_key, sibling_id, handle, domain, name, role, specialties, country, verified_by,"
        " verified_on, fetched_at) SELECT 1, ?, ?, id, 'doc', 'x', 'Dr Doc', 'doctor', '[]', 'fr', 'Fake', 0, 0 FROM siblings",
        (fr.actor, uri_key(fr.actor))))
    return Sender(de, fr)


def create(sender: Sender, name: str, **changes: Any) -> dict[str, Any]:
    it = sender.sibling
    return it.activity("Create", it.note(sender.to, name, **changes), f"create-{name}")


async def test_each_activity_has_its_effect_and_the_receipt_says_so(de: Running, sender: Sender) -> None:
    status, receipt = await sender.bundle(*(create(sender, f"n{n}") for n in range(3)))
    assert status == 200 and receipt["results"]["stored"] == [[1, 3]] and receipt["contiguous"] == 3 and receipt["epoch"] == 7
    assert await de.count("posts") == 3 and await de.count("ledger") == 3


async def test_one_that_is_refused_keeps_no_other_from_its_effect(de: Running, sender: Sender) -> None:
    foreign = create(sender, "n2") | {"actor": "https://it.example/actors/x"}
    status, receipt = await sender.bundle(create(sender, "n1"), foreign, create(sender, "n3"), {"type": "Create"},
                                          create(sender, "n5", inReplyTo="https://nowhere.example/1"))
    results = receipt["results"]
    assert status == 200 and results["stored"] == [[1, 1], [3, 3], [5, 5]]
    assert [(one["sequence"], one["reason"]) for one in results["refused"]] == [(2, "foreign-actor"), (4, "envelope")]
    assert all(one["title"] for one in results["refused"]) and await de.count("posts") == 2 and receipt["contiguous"] == 5
    await de.its.refusals.flush()
    assert await de.count("refusals", "reason IN ('foreign-actor', 'envelope')") == 2


async def test_one_that_clashes_with_what_is_stored_keeps_no_other_from_its_effect(de: Running, sender: Sender) -> None:
    await de.its.database.write(lambda tx: tx.run("CREATE TRIGGER clash BEFORE INSERT ON posts WHEN new.uri LIKE '%/n2' BEGIN"
                                                  " SELECT RAISE(ABORT, 'clash'); END"))
    status, receipt = await sender.bundle(*(create(sender, f"n{n}") for n in range(1, 4)))
    assert status == 200 and receipt["results"]["stored"] == [[1, 1], [3, 3]]
    assert [one["reason"] for one in receipt["results"]["refused"]] == ["clash"] and await de.count("posts") == 2


async def test_the_same_again_is_a_duplicate_and_counts_once(de: Running, sender: Sender) -> None:
    body = sender.numbered(create(sender, "n1"), create(sender, "n2"))
    assert (await sender.send(body))[1]["results"]["stored"] == [[1, 2]]
    status, receipt = await sender.send(body)
    assert status == 200 and receipt["results"]["duplicate"] == [[1, 2]] and receipt["contiguous"] == 2
    assert await de.count("posts") == 2


async def test_what_came_alone_is_a_duplicate_in_a_bundle(de: Running, sender: Sender) -> None:
    assert (await sender.sibling.send(de, create(sender, "n1")))[0] == 202
    assert (await sender.bundle(create(sender, "n1")))[1]["results"]["duplicate"] == [[1, 1]]


async def test_gaps_are_kept_until_they_are_filled_or_skipped(de: Running, sender: Sender) -> None:
    sender.next = 3
    assert (await sender.bundle(create(sender, "n3")))[1]["contiguous"] == 0
    sender.next = 6
    receipt = (await sender.bundle(create(sender, "n6"), skipped=((4, 4),)))[1]
    assert receipt["contiguous"] == 0 and receipt["ahead"] == [[3, 4], [6, 6]]
    sender.next = 1
    receipt = (await sender.bundle(create(sender, "n1"), create(sender, "n2")))[1]
    assert receipt["contiguous"] == 4 and receipt["ahead"] == [[6, 6]]
    sender.next = 5
    assert (await sender.bundle(create(sender, "n5")))[1]["contiguous"] == 6


async def test_a_number_that_stood_for_something_else_asks_for_a_new_epoch(de: Running, sender: Sender) -> None:
    await sender.bundle(create(sender, "n1"), create(sender, "n2"))
    sender.next = 2
    status, problem = await sender.bundle(create(sender, "other"))
    assert status == 409 and problem["type"].endswith(":new-epoch") and problem["epoch"] == 7 and "activity" not in problem
    assert await de.count("posts") == 2
    sender.next = 20
    status, receipt = await sender.bundle(create(sender, "other"), epoch=8, start=20)
    assert status == 200 and receipt["epoch"] == 8 and receipt["contiguous"] == 20
    status, problem = await sender.bundle(create(sender, "late"), epoch=7)
    assert status == 409 and problem["epoch"] == 8 and await de.count("posts") == 3


async def test_what_is_held_is_told_later_until_it_was_heard(de: Running, sender: Sender) -> None:
    it = sender.sibling
    parent = f"{it.origin}/posts/parent"
    receipt = (await sender.bundle(create(sender, "n1", inReplyTo=parent)))[1]
    assert receipt["results"]["held"] == [[1, 1]] and receipt["later"] == []
    receipt = (await sender.bundle(create(sender, "parent")))[1]
    assert receipt["later"] == []
    await de.its.held.start_due()
    await until(lambda: de.count("posts", "kind = 'reply'"))
    [told] = (await sender.bundle())[1]["later"]
    assert told["sequence"] == 1 and told["result"] == "stored" and told["activity"] == f"{it.origin}/activities/create-n1"
    assert (await sender.bundle())[1]["later"] == [told]
    assert (await sender.bundle(heard=told["number"]))[1]["later"] == []
    assert (await sender.bundle())[1]["later"] == [] and await de.count("later_outcomes") == 0


async def test_what_comes_again_while_it_is_held_is_held_under_its_new_number(de: Running, sender: Sender) -> None:
    """As after a restore at its sender, who has forgotten what became of the first one."""
    it = sender.sibling
    answer = create(sender, "n1", inReplyTo=f"{it.origin}/posts/parent")
    assert (await sender.bundle(answer))[1]["results"]["held"] == [[1, 1]]
    receipt = (await sender.bundle(answer, epoch=8, start=2))[1]
    assert receipt["results"]["held"] == [[2, 2]] and receipt["later"] == []
    await sender.bundle(create(sender, "parent"), epoch=8, start=2)
    await de.its.held.start_due()
    await until(lambda: de.count("posts", "kind = 'reply'"))
    [told] = (await sender.bundle(epoch=8, start=2))[1]["later"]
    assert told["sequence"] == 2 and told["result"] == "stored"
    assert (await sender.bundle(answer, epoch=8, start=2, heard=told["number"]))[1]["results"]["duplicate"] == [[4, 4]]


async def test_what_comes_again_and_is_not_tried_any_more_is_told_at_once(de: Running, sender: Sender) -> None:
    answer = create(sender, "n1", inReplyTo=f"{sender.sibling.origin}/posts/parent")
    await sender.bundle(answer)
    await de.its.database.write(lambda tx: tx.run("UPDATE held SET state = 'parked', reason = 'It could not be read.'"))
    receipt = (await sender.bundle(answer, epoch=8, start=2))[1]
    [told] = receipt["later"]
    assert receipt["results"]["held"] == [[2, 2]] and (told["result"], told["title"]) == ("refused", "It could not be read.")


async def test_what_cannot_be_taken_now_is_postponed_and_has_no_place_yet(de: Running, sender: Sender) -> None:
    object.__setattr__(de.its.bundles._writer, "_held_most", 0)
    receipt = (await sender.bundle(create(sender, "n1", inReplyTo=f"{sender.sibling.origin}/posts/x"), create(sender, "n2")))[1]
    assert receipt["results"]["postponed"] == [[1, 1]] and receipt["results"]["stored"] == [[2, 2]]
    assert receipt["contiguous"] == 0 and receipt["ahead"] == [[2, 2]]
    sender.next = 1
    status, problem = await sender.bundle(create(sender, "n1", inReplyTo=f"{sender.sibling.origin}/posts/x"))
    assert status == 503 and problem["type"].endswith(":held-full")


async def test_who_may_not_is_refused_before_anything_is_read(de: Running, sender: Sender) -> None:
    domain = sender.sibling.origin.split("://")[1]
    body = sender.numbered(create(sender, "n1"))
    assert (await sender.send(body, **{"content-type": "application/activity+json"}))[0] == 415
    assert (await sender.send(body, digest=cavage.digest(b"")))[0] == 401
    await de.its.siblings.pause(domain, "test", "test")
    assert (await sender.send(body))[0] == 503
    await de.its.siblings.revoke(domain, "test", "test")
    assert (await sender.send(body))[0] == 403
    assert (await Sender(de, FakeSibling("it", 2)).send(body))[0] == 403
    assert await de.count("posts") == 0 and await de.count("arrival_lines") == 0


async def test_bundles_of_many_at_once_count_each_once(de: Running, sender: Sender) -> None:
    bodies = [sender.numbered(*(create(sender, f"n{n}-{m}") for m in range(8))) for n in range(12)]
    answers = await asyncio.gather(*(sender.send(body) for body in (*bodies, *bodies)))
    assert all(status == 200 for status, _ in answers) and await de.count("posts") == 96
    assert max(receipt["contiguous"] for _, receipt in answers) == 96
    assert await de.count("arrival_lines", "contiguous = 96 AND ahead = '[]' AND highest = 96") == 1


async def test_of_two_bundles_that_claim_a_number_at_once_one_is_taken(de: Running, sender: Sender) -> None:
    bodies = []
    for name in ("one", "other"):
        sender.next = 1
        bodies.append(sender.numbered(create(sender, name)))
    answers = await asyncio.gather(*(sender.send(body) for body in bodies))
    assert sorted(status for status, _ in answers) == [200, 409] and await de.count("posts") == 1


async def test_one_that_clashes_keeps_no_other_bundle_of_its_turn_from_its_effect(de: Running, sender: Sender) -> None:
    await de.its.database.write(lambda tx: tx.run("CREATE TRIGGER clash BEFORE INSERT ON posts WHEN new.uri LIKE '%/n2' BEGIN"
                                                  " SELECT RAISE(ABORT, 'clash'); END"))
    bodies = [sender.numbered(create(sender, f"n{n}")) for n in range(1, 7)]
    answers = await asyncio.gather(*(sender.send(body) for body in bodies))
    assert [len(receipt["results"]["refused"]) for _, receipt in answers] == [0, 1, 0, 0, 0, 0]
    assert await de.count("posts") == 5 and max(receipt["contiguous"] for _, receipt in answers) == 6
