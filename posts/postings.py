"""The index in SQL: which words stand in which posts, block by block.

A block is 4096 places, in the order in which posts came here, so newest first means last block first, and whoever has found
enough stops there. In a block a word's places are one integer, a bit for each: `and`, `or` and `not` over 4096 posts cost less
than fetching one of them. They are stored as pairs of letters, behind which a new post's is simply written, or, where a word
stands in many posts of a full block, as `=`, these bits in hex, and a dot. What is taken out is overwritten like every other row
of this database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from core.database import Tx, marks

BLOCK = 4096
"""Places in a block."""
CONSULTS = 1 << 40
"""The first place of a consult: what only some may read lies in blocks of its own."""
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_PAIRS = tuple(one + two for one in _ALPHABET for two in _ALPHABET)
_BITS = {pair: 1 << offset for offset, pair in enumerate(_PAIRS)}
_AS_BITS = 2 + BLOCK // 4
"""Letters that the bits of a block take: what is longer as pairs is kept as bits."""
_AT_ONCE = 400


class Place(NamedTuple):
    """Where a post is in the index."""

    place: int
    post_id: int

    @property
    def block(self) -> int:
        return self.place // BLOCK


def places_of(tx: Tx, post_ids: Sequence[int]) -> dict[int, int]:
    """The places of these posts, by their ids; those that are in the index."""
    rows = tx.rows(f"SELECT post_id, place FROM places WHERE post_id IN ({marks(len(post_ids))})", post_ids) if post_ids else []
    return {row["post_id"]: row["place"] for row in rows}


def append(tx: Tx, posts: Sequence[tuple[int, int, Collection[str]]], *, consults: bool) -> None:
    """Give new posts, (id, author, words) each, the next places, and write them behind each of their words."""
    first, end = (CONSULTS, 1 << 62) if consults else (0, CONSULTS)
    row = tx.row("SELECT max(place) AS last FROM places WHERE place >= ? AND place < ?", (first, end))
    start = first if row is None or row["last"] is None else row["last"] + 1
    tx.insert("places (place, post_id, author_id)", 3,
              [(start + count, post_id, author_id) for count, (post_id, author_id, _) in enumerate(posts)])
    behind: dict[tuple[int, str], str] = {}
    for place, (_, _, words) in enumerate(posts, start):
        block, pair = place // BLOCK, _PAIRS[place % BLOCK]
        for word in words:
            behind[block, word] = behind.get((block, word), "") + pair
    tx.insert("postings (block, word, posts)", 3, [(block, word, pairs) for (block, word), pairs in sorted(behind.items())],
              "ON CONFLICT (block, word) DO UPDATE SET posts = postings.posts || excluded.posts")
    for block in range(start // BLOCK, (start + len(posts)) // BLOCK):
        _close(tx, block)


def _close(tx: Tx, block: int) -> None:
    """A block is full: its frequent words become bits."""
    rows = tx.rows("SELECT word, posts FROM postings WHERE block = ? AND length(posts) > ?", (block, _AS_BITS))
    _store(tx, block, {row["word"]: bits_of(row["posts"]) for row in rows})


def add(tx: Tx, place: int, words: Collection[str]) -> None:
    """Enter further words of a post that has its place already; those that stand there stay."""
    block, bit = place // BLOCK, 1 << place % BLOCK
    found = dict.fromkeys(words, 0) | _read(tx, block, words)
    _store(tx, block, {word: bits | bit for word, bits in found.items() if not bits & bit})


def take_out(tx: Tx, place: int, words: Collection[str]) -> None:
    """Take words of a post out of the index."""
    block, bit = place // BLOCK, 1 << place % BLOCK
    found = {word: bits ^ bit for word, bits in _read(tx, block, words).items() if bits & bit}
    gone = [word for word, bits in found.items() if not bits]
    for some in _some(gone):
        tx.run(f"DELETE FROM postings WHERE block = ? AND word IN ({marks(len(some))})", (block, *some))
    _store(tx, block, {word: bits for word, bits in found.items() if bits})


def give_up(tx: Tx, place: int) -> None:
    """A post is erased: its place is nobody's."""
    tx.run("UPDATE places SET post_id = NULL, author_id = NULL WHERE place = ?", (place,))


def blocks(tx: Tx, upto: int, *, consults: bool) -> range:
    """The blocks that hold the places below `upto`, last one first."""
    first, end = (CONSULTS, 1 << 62) if consults else (0, CONSULTS)
    row = tx.row("SELECT max(place) AS last FROM places WHERE place >= ? AND place < ?", (first, min(upto, end)))
    if row is None or row["last"] is None:
        return range(0)
    return range(row["last"] // BLOCK, first // BLOCK - 1, -1)


def read(tx: Tx, some: Sequence[int], words: Sequence[str], beginnings: Sequence[str] = ()) -> dict[int, dict[str, int]]:
    """By block and word, where these words stand; and under `BEGINNING*` where any word does that begins so."""
    found: dict[int, dict[str, int]] = {block: {} for block in some}
    if words:
        for row in tx.rows(f"SELECT block, word, posts FROM postings WHERE block IN ({marks(len(some))})"
                           f" AND word IN ({marks(len(words))})", (*some, *words)):
            found[row["block"]][row["word"]] = bits_of(row["posts"])
    for beginning in beginnings:
        for row in tx.rows(f"SELECT block, posts FROM postings WHERE block IN ({marks(len(some))}) AND word >= ? AND word < ?",
                           (*some, beginning, beginning + "\U0010ffff")):
            of_block = found[row["block"]]
            of_block[f"{beginning}*"] = of_block.get(f"{beginning}*", 0) | bits_of(row["posts"])
    return found


def at(tx: Tx, places: Sequence[int]) -> list[Place]:
    """The posts at these places, in the same order; a place whose post is erased is left out."""
    posts = {row["place"]: row["post_id"] for row in tx.rows(
        f"SELECT place, post_id FROM places WHERE place IN ({marks(len(places))}) AND post_id IS NOT NULL", places)}
    return [Place(place, posts[place]) for place in places if place in posts]


def as_bits(places: Iterable[int]) -> dict[int, int]:
    """Places, by block, as their bits."""
    found: dict[int, int] = {}
    for block, inside in groupby(sorted(places), lambda place: place // BLOCK):
        held = bytearray(BLOCK // 8)
        for place in inside:
            held[place % BLOCK >> 3] |= 1 << (place & 7)
        found[block] = int.from_bytes(held, "little")
    return found


def newest_first(block: int, bits: int) -> Iterator[int]:
    """The places that these bits of a block stand for."""
    while bits:
        offset = bits.bit_length() - 1
        yield block * BLOCK + offset
        bits ^= 1 << offset


def bits_of(posts: str) -> int:
    """What is stored for a word, as bits."""
    bits = 0
    if posts[0] == "=":
        whole, _, posts = posts.partition(".")
        bits = int(whole[1:], 16)
    for start in range(0, len(posts), 2):
        bits |= _BITS[posts[start:start + 2]]
    return bits


def _stored(bits: int) -> str:
    """Bits as they are stored, whichever is shorter."""
    if bits.bit_count() * 2 > _AS_BITS:
        return f"={bits:x}."
    return "".join(_PAIRS[place] for place in reversed([*newest_first(0, bits)]))


def _read(tx: Tx, block: int, words: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _some([*words]):
        found |= read(tx, [block], some)[block]
    return found


def _store(tx: Tx, block: int, words: Mapping[str, int]) -> None:
    tx.insert("postings (block, word, posts)", 3, [(block, word, _stored(bits)) for word, bits in sorted(words.items())],
              "ON CONFLICT (block, word) DO UPDATE SET posts = excluded.posts")


def _some(words: Sequence[str]) -> Iterator[Sequence[str]]:
    return (words[start:start + _AT_ONCE] for start in range(0, len(words), _AT_ONCE))

