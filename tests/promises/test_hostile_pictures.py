"""Whatever somebody adds as a picture: it is refused with a sentence, or becomes a picture of ours, within its bounds."""

from __future__ import annotations

import time

import pytest

from core.darkroom import MEMORY, Darkroom
from core.errors import KonsilError
from core.papers import PAGE_BYTES, Trouble
from core.pictures import size_of
from tests.drawn import drawn, opened, pdf, written
from tests.promises.hostile_papers import FILES
from tests.promises.test_hostile_papers import watched

_SLOW = ("a JPEG of 60 000 rounds",)
_ONE = ("a WebP",)
"""What is no document and is a picture."""
_ELSE = {"a PDF whose pages are in a circle": Trouble.PAGES}
"""What is refused for something else than as a document."""


@pytest.mark.parametrize("name", FILES)
async def test_a_hostile_file_is_refused_in_a_sentence_or_harmless_within_bounds(name: str) -> None:
    darkroom = Darkroom(3 if name in _SLOW else 15)
    begun = time.monotonic()
    async with watched(None, darkroom) as worst:
        if FILES[name].refused is None or name in _ONE:
            whole, small, _ = await darkroom.picture(FILES[name].make(), 3_000)
            assert max(size_of(whole)) <= 3_000 and max(size_of(small)) <= 640
            assert opened(whole).size == size_of(whole) and len(whole) <= PAGE_BYTES
        else:
            with pytest.raises(KonsilError) as error:
                await darkroom.picture(FILES[name].make(), 3_000)
            assert (error.value.reason, error.value.field) == (_ELSE.get(name, FILES[name].refused), "file")
            assert error.value.message.endswith(".") and "document" not in error.value.message
    assert worst[0].child < MEMORY and time.monotonic() - begun < 4 * 15 + 5 and darkroom.running == ()


async def test_a_pdf_is_a_picture_if_it_has_one_page() -> None:
    whole, small, _ = await Darkroom().picture(pdf(1), 3_000)
    assert max(size_of(whole)) == 3_000 and max(size_of(small)) == 640
    with pytest.raises(KonsilError) as error:
        await Darkroom().picture(pdf(2), 3_000)
    assert error.value.reason == Trouble.PAGES and "one page" in error.value.message


@pytest.mark.parametrize(("form", "size"), [
    ("WEBP", (500, 400)), ("PNG", (4_000, 1_000)), ("HEIF", (800, 600)), ("JPEG", (20, 10))])
async def test_every_kind_is_drawn_no_larger_than_it_is_kept(form: str, size: tuple[int, int]) -> None:
    whole, *_ = await Darkroom().picture(written(drawn(size), form), 2_000)
    assert size_of(whole) == (size if max(size) <= 2_000 else (2_000, 500)) and opened(whole).format == "JPEG"


def test_what_has_no_frame_has_no_size() -> None:
    for body in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x00" * 40, b"\xff\xd8\xff\xda" + bytes(40), b"x" * 40):
        with pytest.raises(ValueError, match="no frame"):
            size_of(body)
