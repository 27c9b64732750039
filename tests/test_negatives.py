"""Negatives are printed as they were made, and a damaged one is a sentence."""

from __future__ import annotations

import msgspec
import pytest
from PIL import Image

from core.darkroom import Darkroom
from core.errors import InvalidInput
from core.images import Undevelopable
from core.negatives import Curve, Head, coloured, grey, middle, printed, prints
from core.papers import Trouble
from core.plates import Order, Window, packed
from tests.drawn import opened

HEAD = Head(4, 2, 2, True, (1.0,), (0.0,), Window(128, 256))
FRAMES = [grey(bytes([value, 0] * 8)) for value in (60, 200)]


def negative(head: Head = HEAD, frames: list[bytes] = FRAMES) -> bytes:
    return packed([msgspec.json.encode(head), *frames])


def greys(order: Order, head: Head = HEAD) -> list[int]:
    return [image.getpixel((1, 1)) for image in prints(negative(head), order)]  # type: ignore[misc]


def test_frames_are_printed_in_their_order_one_or_all() -> None:
    assert greys(Order()) == [60, 200] and greys(Order(only=1)) == [200] and greys(Order(inverted=True)) == [195, 55]
    assert greys(Order(window=Window(60, 2))) == [255, 255] and greys(Order(window=Window(200, 40)))[0] == 0
    white = msgspec.structs.replace(HEAD, low_is_white=True)
    assert greys(Order(), white) == [195, 55] and greys(Order(inverted=True), white) == [60, 200]
    each = msgspec.structs.replace(HEAD, slopes=(1.0, 0.5), intercepts=(0.0, 10.0))
    assert greys(Order(), each) == [60, 110]
    assert greys(Order(), msgspec.structs.replace(HEAD, curve=Curve.SIGMOID))[0] in range(60, 70)
    with pytest.raises(Undevelopable):
        printed(negative(), Order(only=2))


def test_colours_are_exchanged_and_a_picture_is_a_plate_as_it_is() -> None:
    red = coloured(Image.new("RGB", (32, 32), (250, 10, 10)))
    colours = negative(Head(32, 32, 1, False), [red])
    [straight], [inverted] = list(prints(colours, Order())), list(prints(colours, Order(inverted=True)))
    assert straight.getpixel((9, 9))[0] > 240 and inverted.getpixel((9, 9))[0] < 15  # type: ignore[index]
    [same] = prints(red, Order(only=0))
    assert same.size == (32, 32)


def test_the_middle_of_a_sheet_is_one_frame() -> None:
    whole, small, seen = printed(negative(msgspec.structs.replace(HEAD, width=64, height=48),
                                          [grey(bytes([value, 0] * 3_072)) for value in (60, 200)]), Order())
    assert (seen.frames, opened(small).size) == (2, (64, 48)) and opened(small).getpixel((30, 30)) == 200
    assert middle(whole, 2, seen.columns) == small


@pytest.mark.parametrize("data", [
    negative()[:-3], negative()[:30], negative(msgspec.structs.replace(HEAD, width=0)),
    negative(msgspec.structs.replace(HEAD, width=9)), negative(msgspec.structs.replace(HEAD, frames=10_000)),
    negative(msgspec.structs.replace(HEAD, width=50_000, height=50_000)), negative(frames=[b"x"]),
    negative(Head(4, 2, 1, False), [b"GIF89a"]), b"KONSIL-NEGATIVE-1\n", b"", b"%PDF-1.7"])
async def test_what_is_no_plate_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        await Darkroom().printed(data, Order())
    assert error.value.reason == Trouble.DAMAGED
