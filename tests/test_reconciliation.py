"""What a sibling says in a comparison that cannot be right changes nothing, and never has an end that does not come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.errors import InvalidInput
from core.ids import keys_below, public, uri_key
from federation.client import ACTIVITY_JSON
from federation.documents import dumps
from federation.reconciliation import FIRST, ITEMS, LAST, Kind, Piece, Sum, asked_key, bounded, item
from inbox.reconciliations import Reconciled
from tests.conversations.test_the_whole_path import case, published
from tests.servers import FakeSibling, Running, countries, know
from tests.test_held import ServingSibling

Answer = Callable[[str, dict[str, str]], Any]


class Liar(ServingSibling):
    """Answers comparisons with whatever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer = lambda kind, query: None
        self.questions = 0

    async def _answer(self, request: web.Request) -> web.Response:
        if not request.path.startswith("/reconciliation/"):
            return await super()._answer(request)
        self.questions += 1
        assert "signature" in request.headers
        found = self.answer(request.path.removeprefix("/reconciliation/"), dict(request.query))
        if found is None:
            kind, _, items = request.path.removeprefix("/reconciliation/").partition("/")
            found = {"type": "Items", "kind": kind, "items": [], "upto": request.query["upto"]} if items else nothing(kind)
        return web.Response(body=found if isinstance(found, bytes) else dumps(found), headers={"content-type": ACTIVITY_JSON})


def nothing(kind: str) -> dict[str, Any]:
    return {"type": "Ranges", "kind": kind, "ranges": [[LAST.hex(), 0, Sum().digest]]}


def telling(kind: Kind, items: list[tuple[str, str]]) -> Answer:
    """One who tells of these items, in whatever order."""
    def answer(asked: str, query: dict[str, str]) -> Any:
        if asked == kind:
            return {"type": "Ranges", "kind": kind, "ranges": [[LAST.hex(), len(items), "0" * 64]]}
        if asked == f"{kind}/items":
            return {"type": "Items", "kind": kind, "items": items, "upto": query["upto"]}
        return None

    return answer


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[tuple[Running, Liar]]:
    fake = Liar()
    runner = await fake.start()
    try:
        async with countries(tmp_path, "de", worker=False) as (de,):
            await know(de, fake)
            yield de, fake
    finally:
        await runner.cleanup()


async def compare(de: Running, fake: FakeSibling) -> Reconciled:
    domain = fake.origin.split("://")[1]
    return await de.its.reconciler.run(await de.its.reconciliations.begin(domain, "test", dry=False))


async def everything(de: Running) -> list[Any]:
    def look(tx: Any) -> list[Any]:
        return [[tuple(row) for row in tx.rows(f"SELECT * FROM {table} ORDER BY 1")]
                for table in ("posts", "tombstones", "follows", "outbox", "deliveries", "actors", "held")]

    return await de.its.database.read(look)


def _ranges(*ranges: Any) -> Answer:
    return lambda asked, query: {"type": "Ranges", "kind": asked.partition("/")[0], "ranges": list(ranges)}


def _crawling(asked: str, query: dict[str, str]) -> Any:
    """One range of one key more each time, for ever."""
    after = int(query.get("after", "00"), 16)
    return {"type": "Ranges", "kind": asked, "ranges": [[(after + 1).to_bytes(24, "big").hex(), 0, Sum().digest]]}


@pytest.mark.parametrize("answer", [
    lambda asked, query: b"[]", lambda asked, query: {}, lambda asked, query: b"\x00" * 400_000,
    lambda asked, query: nothing("other"), _ranges(), _ranges(["zz", 0, "0" * 64]), _ranges([FIRST.hex(), 0, "0" * 64]),
    _ranges([LAST.hex(), -1, "0" * 64]), _ranges([LAST.hex(), 1 << 60, "0" * 64]), _ranges([LAST.hex(), 0, "0"]),
    _ranges(*[[bytes([n]).hex() * 24, 0, Sum().digest] for n in (3, 2)]), _ranges(*[[LAST.hex(), 0, Sum().digest]] * 100),
], ids=lambda _: "x")
async def test_ranges_that_cannot_be_right_change_nothing(meeting: tuple[Running, Liar], answer: Answer) -> None:
    de, fake = meeting
    before = await everything(de)
    fake.answer = answer
    found = await compare(de, fake)
    assert str(found.trouble) and found.whole.repaired == 0 and fake.questions < 10
    assert await everything(de) == before


async def test_ranges_without_an_end_come_to_one(meeting: tuple[Running, Liar], monkeypatch: pytest.MonkeyPatch) -> None:
    de, fake = meeting
    monkeypatch.setattr("federation.reconciliation._MOST_QUESTIONS", 20)
    fake.answer = _crawling
    found = await compare(de, fake)
    assert "cannot be right" in str(found.trouble) and fake.questions == 20


@pytest.mark.parametrize("kind", [Kind.HELD, Kind.OFFERED, Kind.ERASED, Kind.ERASED_YOURS, Kind.FOLLOWED, Kind.FOLLOWS])
@pytest.mark.parametrize("uri", ["https://evil.example/posts/x", "{home}/actors/x", "{origin}/actors/x", "{home}/posts/a/b",
                                 "{origin}/posts/a/b", "{home}/posts/", "{origin}/posts/", "{origin}/posts/a\n", "x" * 5000])
async def test_items_of_others_change_nothing(meeting: tuple[Running, Liar], kind: Kind, uri: str) -> None:
    de, fake = meeting
    before = await everything(de)
    fake.answer = telling(kind, [(uri.format(home=de.url, origin=fake.origin), "1")])
    found = await compare(de, fake)
    assert str(found.trouble) and await everything(de) == before


async def test_items_out_of_their_order_or_too_many_change_nothing(meeting: tuple[Running, Liar]) -> None:
    de, fake = meeting
    before = await everything(de)
    names = sorted((f"{fake.origin}/posts/{public(number << 22)}" for number in range(1, 4)), key=uri_key)
    for items in ([(names[1], "erased"), (names[0], "erased")], [(names[0], "erased")] * 2,
                  [(f"{fake.origin}/posts/{public(number)}", "erased") for number in range(ITEMS + 1)]):
        fake.answer = telling(Kind.ERASED, items)
        assert "cannot be right" in str((await compare(de, fake)).trouble)
    assert await everything(de) == before


async def test_a_sibling_deletes_what_is_its_own_and_nothing_else(meeting: tuple[Running, Liar]) -> None:
    """A post of ours, and one that a third country has written, under its own address it may; the third's it cannot even name."""
    de, fake = meeting
    assert (await fake.send(de, fake.activity("Create", fake.note(de))))[0] == 202
    await published(de, case())
    fake.answer = telling(Kind.ERASED, [(f"{fake.origin}/posts/n1", "erased")])
    assert (await compare(de, fake)).results["erased"].erased_here == 1
    assert await de.count("posts", "erased_at IS NULL") == 1


async def test_a_post_of_ours_that_it_makes_up_is_never_taken(meeting: tuple[Running, Liar]) -> None:
    de, fake = meeting
    uri = f"{de.url}/posts/{public(de.its.ids.new())}"
    ada = (await de.author("ada")).actor
    note = fake.note(de, id=uri, attributedTo=ada.uri, seal="x" * 44)
    tell = telling(Kind.HELD, [(uri, "1")])
    fake.answer = lambda asked, query: note if asked.startswith("copies/") else tell(asked, query)
    found = (await compare(de, fake)).results["held"]
    assert (found.recovered, found.erased_there) == (0, 1) and await de.count("posts") == 0
    assert await de.count("outbox", "type = 'Delete'") == 1


async def test_software_that_knows_no_comparisons_is_said_to(meeting: tuple[Running, Liar]) -> None:
    de, _ = meeting
    plain = ServingSibling()
    runner = await plain.start()
    try:
        await know(de, plain)
        found = await compare(de, plain)
        assert "does not know comparisons" in str(found.trouble) and found.whole.compared == 0
    finally:
        await runner.cleanup()


async def test_who_asks_is_told_of_what_is_between_the_two_and_of_nothing_else(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fr, it = [await FakeSibling(code, port).listed(de, "active") for code, port in (("fr", 21), ("it", 22))]
        seen = de.its.compose.network_digest(await de.its.compose.destinations())
        from posts.models import Reach

        mine = await de.its.compose.publish(await de.author("ada"), case(), (fr.origin,), Reach.COUNTRIES, seen)
        await de.its.database.write(lambda tx: tx.run("UPDATE deliveries SET state = 'acked'"))
        for kind in Kind:
            status, document = await fr.get(f"{de.url}/reconciliation/{kind}/items")
            assert status == 200 and document["items"] == ([[f"{de.url}/posts/{mine}", "1"]] if kind == Kind.OFFERED else [])
            status, other = await it.get(f"{de.url}/reconciliation/{kind}")
            assert status == 200 and other["ranges"] == [[LAST.hex(), 0, Sum().digest]]
        for path in ("held/items?after=zz", f"held/items?after={LAST.hex()}&upto={FIRST.hex()}"):
            assert (await fr.get(f"{de.url}/reconciliation/{path}"))[0] == 400
        assert (await fr.get(f"{de.url}/reconciliation/nothing"))[0] == 404
        await de.its.database.write(lambda tx: tx.run("UPDATE deliveries SET state = 'pending'"))
        assert (await fr.get(f"{de.url}/reconciliation/offered/items"))[1]["items"] == [], "what is on its way comes by itself"


def test_an_answer_has_no_more_than_every_client_reads() -> None:
    long = [item(f"https://fr.example/posts/{number}{'ü' * 900}", "1") for number in range(ITEMS)]
    piece = Piece(sorted(long), LAST)
    some = bounded(piece)
    assert 0 < len(some.items) < ITEMS and some.upto == some.items[-1].key
    assert len(dumps([[one.uri, one.detail] for one in some.items])) < 250_000
    short = [item(f"https://fr.example/posts/{number}", "1") for number in range(ITEMS + 5)]
    assert len(bounded(Piece(sorted(short), LAST)).items) == ITEMS and bounded(Piece(short[:3], LAST)) == Piece(short[:3], LAST)


def test_keys_are_read_as_they_are_written() -> None:
    first, last = keys_below("https://fr.example/posts")
    assert first < uri_key("https://fr.example/posts/x") < last and asked_key(None, LAST) == LAST
    assert asked_key(first.hex(), LAST) == first
    for text in ("", "0", "z" * 48, first.hex() + "00", " " * 48, "0x" + "0" * 46):
        with pytest.raises(InvalidInput):
            asked_key(text, FIRST)
