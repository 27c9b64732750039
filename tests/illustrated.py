"""Posts with pictures, made as a doctor makes them: one call for what takes her four pages."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw

from actors.models import Author
from core.ids import public
from posts.bases import Basis
from posts.drafts import Sheet, What
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.shelves import Upload
from tests.servers import Running

ANONYMOUS = Basis("anonymous", True)


def scan(size: tuple[int, int] = (900, 600), form: str = "JPEG", colour: str = "#203040") -> bytes:
    """A picture with something to be seen in it."""
    image, into = Image.new("RGB", size, colour), BytesIO()
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), "white")
    image.save(into, form)
    return into.getvalue()


def new_sheet(at: Running) -> Sheet:
    return Sheet(What.NEW, public(at.its.ids.new()))


async def described(at: Running, author: Author, sheet: Sheet, file: bytes | None = None, alt: str = "A white disc",
                    warning: str = "") -> Upload:
    """A picture that is ready to be sent."""
    made = await at.its.media.add(author.actor, sheet, file or scan())
    await at.its.media.describe(author.actor, sheet, made.name, alt=alt, sort="radiology", warning=warning, seen=True)
    return await at.its.media.one(author.actor, sheet, made.name)


async def illustrated(at: Running, origins: tuple[str, ...] = (), handle: str = "ada", pictures: int = 1, warning: str = "",
                      basis: Basis | None = ANONYMOUS) -> str:
    """Publish a case with pictures to some countries; its id."""
    author, sheet = await at.author(handle), new_sheet(at)
    for number in range(pictures):
        await described(at, author, sheet, alt=f"Picture number {number + 1}", warning=warning)
    draft = Draft(Kind.CASE, "What is the disc?", "A disc.", "en", CaseFacts(("cardiology",)))
    seen = at.its.compose.network_digest(await at.its.compose.destinations())
    return await at.its.compose.publish(author, draft, origins, Reach.COUNTRIES if origins else Reach.HOME, seen, sheet=sheet,
                                        basis=basis)
