"""The index in SQL: what is entered is found where it was entered, whatever else is entered and taken out."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from core.database import Tx
from instance.assembly import Assembly
from posts import postings
from posts.postings import BLOCK, CONSULTS


def whole(tx: Tx, word: str, *, consults: bool = False, beginning: bool = False) -> list[int]:
    """Every place of a word, newest first."""
    found = []
    for block in postings.blocks(tx, 1 << 62, consults=consults):
        held = postings.read(tx, [block], [] if beginning else [word], [word] if beginning else [])[block]
        found += [*postings.newest_first(block, held.get(f"{word}*" if beginning else word, 0))]
    return found


@given(st.sets(st.integers(0, BLOCK - 1), min_size=1))
def test_what_is_stored_is_what_is_read(offsets: set[int]) -> None:
    bits = sum(1 << offset for offset in offsets)
    stored = postings._stored(bits)
    assert postings.bits_of(stored) == bits
    assert len(stored) <= 2 + BLOCK // 4
    assert [*postings.newest_first(3, bits)] == [3 * BLOCK + offset for offset in sorted(offsets, reverse=True)]
    assert postings.as_bits(3 * BLOCK + offset for offset in offsets) == {3: bits}
    further = max(offsets) ^ 1
    assert postings.bits_of(stored + postings._PAIRS[further]) == bits | 1 << further


async def test_many_posts_over_several_blocks_are_found_and_taken_out_again(its: Assembly) -> None:
    chance = random.Random(5)
    texts = [{"every", *(f"w{chance.randrange(40)}" for _ in range(3))} for _ in range(2 * BLOCK + 100)]

    def write(tx: Tx) -> None:
        for start in range(0, len(texts), 500):
            some = texts[start:start + 500]
            postings.append(tx, [(1_000_000 + start + at, 7, words) for at, words in enumerate(some)], consults=False)

    await its.database.write(write)
    assert await its.database.read(lambda tx: whole(tx, "every")) == [*range(len(texts) - 1, -1, -1)]
    expected = [place for place in range(len(texts) - 1, -1, -1) if "w3" in texts[place]]
    assert await its.database.read(lambda tx: whole(tx, "w3")) == expected
    tens = [place for place in range(len(texts) - 1, -1, -1) if any(word.startswith("w3") for word in texts[place])]
    assert await its.database.read(lambda tx: whole(tx, "w3", beginning=True)) == tens

    def take(tx: Tx) -> None:
        for place in expected[::2]:
            postings.take_out(tx, place, ["w3", "every", "never"])
        postings.add(tx, expected[0], ["w3"])

    await its.database.write(take)
    assert await its.database.read(lambda tx: whole(tx, "w3")) == sorted({expected[0], *expected[1::2]}, reverse=True)
    assert await its.database.read(lambda tx: whole(tx, "every")) == [
        place for place in range(len(texts) - 1, -1, -1) if place not in expected[::2]]
    for place in expected:
        await its.database.write(lambda tx, place=place: postings.take_out(tx, place, ["w3"]))  # type: ignore[misc]
    assert await its.database.read(lambda tx: tx.rows("SELECT 1 FROM postings WHERE word = 'w3'")) == []


async def test_consults_have_blocks_of_their_own_and_an_erased_post_gives_its_place_up_for_good(its: Assembly) -> None:
    def write(tx: Tx) -> None:
        postings.append(tx, [(11, 1, {"word"}), (12, 1, {"word"})], consults=False)
        postings.append(tx, [(13, 1, {"word"})], consults=True)
        postings.take_out(tx, 1, {"word"})
        postings.give_up(tx, 1)
        postings.append(tx, [(14, 1, {"word"})], consults=False)

    await its.database.write(write)
    assert await its.database.read(lambda tx: whole(tx, "word")) == [2, 0]
    assert await its.database.read(lambda tx: whole(tx, "word", consults=True)) == [CONSULTS]
    assert await its.database.read(lambda tx: postings.at(tx, [CONSULTS, 2, 1, 0])) == [(CONSULTS, 13), (2, 14), (0, 11)]
    assert await its.database.read(lambda tx: postings.places_of(tx, [11, 12, 13])) == {11: 0, 13: CONSULTS}
