"""Pictures on the wire: what is written is read again, and what is not exactly a described picture of its own
instance is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.errors import InvalidInput
from core.plates import Film
from posts import attachments
from posts.models import Picture

ORIGIN = "https://fr.example"
PICTURE = Picture(f"{ORIGIN}/media/{'a' * 24}", "A white disc", "radiology", 900, 600, "0f" * 32, "wound")


def picture(origin: str) -> dict[str, Any]:
    """A picture as an instance writes it."""
    made = Picture(f"{origin}/media/{'a' * 24}", "A white disc", "radiology", 900, 600, "0f" * 32)
    return attachments.document([made])[0]


def test_what_is_written_is_read_again() -> None:
    plain = Picture(f"{ORIGIN}/media/b_-{'c' * 30}", "x" * 1500, "ecg", 1, 20_000, "00" * 32)
    written = attachments.document([PICTURE, plain])
    assert attachments.read(written, ORIGIN) == (PICTURE, plain) and attachments.read(written[0], ORIGIN) == (PICTURE,)
    assert written[0]["sensitive"] is True and "sensitive" not in written[1]
    film = msgspec.structs.replace(plain, width=900, height=600, film=Film(5, 3, 40))
    moving = attachments.document([film])
    assert attachments.read(moving, ORIGIN) == (film,) and moving[0]["film"] == {"frames": 5, "columns": 3, "milliseconds": 40}
    assert (written[0]["type"], written[0]["mediaType"], written[0]["name"]) == ("Image", "image/jpeg", "A white disc")


@pytest.mark.parametrize("changes", [
    {"url": f"https://de.example/media/{'a' * 24}"}, {"url": f"{ORIGIN}/media/"}, {"url": f"{ORIGIN}/media/../{'a' * 24}"},
    {"url": f"{ORIGIN}/media/{'a' * 24}?x"}, {"url": f"{ORIGIN}.evil.example/media/{'a' * 24}"}, {"type": "Document"},
    {"name": "\u200b\u202e"}, {"digestMultibase": picture(ORIGIN)["digestMultibase"][:-1]}, {"width": 1.5}, {"width": True},
    {"height": 20_001}, {"imageClass": ""}, {"contentWarning": "none"}, {"mediaType": "image/png"},
    *({"film": dict(zip(("frames", "columns", "milliseconds"), film, strict=False))} for film in (
        (1, 1, 40), (500, 3, 40), (5, 0, 40), (5, 3, 1), (14, 7, 40), (5, 3), ("5", 3, 40))), {"film": [5, 3, 40]}])
def test_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as error:
        attachments.read([picture(ORIGIN) | changes], ORIGIN)
    assert error.value.reason == "bad-attachment"


def test_letters_nobody_sees_are_not_taken_over() -> None:
    [read] = attachments.read([picture(ORIGIN) | {"name": " A\u202ewhite disc "}], ORIGIN)
    assert read.alt == "Awhite disc"
