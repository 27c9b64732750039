"""Pictures that an app hands in one by one before it says what they are for: each is drawn beside the request that brought it,
and lies by itself until a post takes it along.

An app cannot show the picture as it was drawn, nor be sure that anybody looks: whether a patient can be recognised in it is
confirmed on a page, and only then `Upload.ready` holds. So pictures that wait for that are put where a page finds them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from actors.models import Actor
from core.clock import Clock
from core.database import Database, Row, Tx, marks
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import Ids, public
from posts import shelves
from posts.attachments import described
from posts.drafts import Sheet, What, desk_of
from posts.media import Media
from posts.shelves import Desk, Upload

MARK = "app"
"""What the drafts of apps are marked with: what one of them keeps, the next may keep anew."""
_HERS = "actor_id = ? AND post_id IS NULL AND gone_at IS NULL AND width > 0"
_MOST = 200


class Tray(NamedTuple):
    """Pictures in the order an app named them, and the form they lie with; None where they lie apart, or others beside them."""

    uploads: tuple[Upload, ...]
    sheet: Sheet | None


class Trays:
    """Takes pictures of apps in, and finds them again."""

    def __init__(self, database: Database, media: Media, clock: Clock, ids: Ids) -> None:
        self._database, self._media, self._clock, self._ids = database, media, clock, ids
        self._drawing: dict[str, tuple[int, asyncio.Task[None]]] = {}

    async def hand_in(self, owner: Actor, file: bytes, alt: str, *, patience: float | None,
                      after: Callable[[], None]) -> tuple[str, bool]:
        """Draw a picture. What it is called, and whether it is there within `patience` (seconds; None: however long it takes);
        else it is drawn on, and `one` says what has come of it. `after` is called when the file is needed no more."""
        name = secrets.token_urlsafe(18)
        task = asyncio.create_task(self._draw(owner, name, file, alt))
        task.add_done_callback(lambda done: _settle(done, after))
        self._drawing[name] = (owner.id, task)
        while len(self._drawing) > _MOST:
            del self._drawing[next(iter(self._drawing))]
        await asyncio.wait({task}, timeout=patience)
        if task.done():
            self._drawing.pop(name, None)
            await task
        return name, task.done()

    async def one(self, owner: Actor, name: str) -> Upload | None:
        """A picture that is hers and in no post yet; None while it is drawn. What went wrong with it is said once; `NotFound`
        for what is not there."""
        owner_id, task = self._drawing.get(name, (0, None))
        if task is not None and owner_id == owner.id:
            if not task.done():
                return None
            del self._drawing[name]
            await task
        return (await self.look(owner, (name,), missing=NotFound)).uploads[0]

    async def describe(self, owner: Actor, name: str, alt: str, *, settled: bool) -> None:
        """Say what a picture shows. Where what is said was not looked at (`settled`), she has to look at all of it anew."""
        alt = described(alt)
        anew = "" if settled else ", seen_at = NULL"

        def write(tx: Tx) -> None:
            if not tx.run(f"UPDATE pictures SET alt = ?, touched_at = ?{anew} WHERE name = ? AND {_HERS}",
                          (alt, self._clock.ms(), name, owner.id)):
                raise _gone(NotFound, 1)
            tx.scrub()

        await self._database.write(write)

    async def pixels(self, owner: Actor, name: str, *, small: bool) -> bytes:
        """One as it would be seen, for its owner (JPEG)."""
        row = await self._database.read(lambda tx: tx.row(f"SELECT what, about FROM pictures WHERE name = ? AND {_HERS}",
                                                          (name, owner.id)))
        if row is None:
            raise NotFound("There is no such picture.")
        return await self._media.pixels(owner, _sheet(row), name, small=small)

    async def look(self, owner: Actor, names: Sequence[str], *,
                   missing: type[InvalidInput] | type[NotFound] = InvalidInput) -> Tray:
        """Pictures of hers that are in no post yet; `missing` is what is raised for the first that is not among them."""
        def look(tx: Tx) -> Tray:
            rows = _rows(tx, owner, names, missing)
            found = {one.name: one for row in rows for one in shelves.in_work(tx, Desk(owner.id, row["what"], row["about"]))}
            apart = len({(row["what"], row["about"]) for row in rows}) != 1 or len(found) != len(set(names))
            return Tray(tuple(found[name] for name in dict.fromkeys(names)), None if apart else _sheet(rows[0]))

        return await self._database.read(look) if names else Tray((), None)

    async def lay(self, owner: Actor, names: Sequence[str], sheet: Sheet | None = None) -> Sheet:
        """Put pictures together, in this order, with a form, or with a new one. `Conflict` where others lie with it."""
        sheet = sheet or Sheet(What.NEW, public(self._ids.new()), "", MARK)
        desk = desk_of(owner, sheet)

        def write(tx: Tx) -> None:
            _rows(tx, owner, names, InvalidInput)
            if {one.name for one in shelves.in_work(tx, desk)} - set(names):
                raise Conflict("You are adding pictures to this on our pages already. Send it from there, or remove them.",
                               reason="elsewhere", field="pictures")
            for place, name in enumerate(dict.fromkeys(names), 1):
                tx.run("UPDATE pictures SET what = ?, about = ?, place = ?, touched_at = ? WHERE name = ?",
                       (desk.what, desk.about, place, self._clock.ms(), name))

        await self._database.write(write)
        return sheet

    async def _draw(self, owner: Actor, name: str, file: bytes, alt: str) -> None:
        alt = described(alt) if alt.strip() else ""
        await self._media.add(owner, Sheet(What.NEW, public(self._ids.new())), file, name)
        if alt:
            await self.describe(owner, name, alt, settled=False)


def _settle(done: asyncio.Task[None], after: Callable[[], None]) -> None:
    after()
    if not done.cancelled():
        done.exception()  # what nobody asks for any more is no news


def _rows(tx: Tx, owner: Actor, names: Sequence[str], missing: type[InvalidInput] | type[NotFound]) -> list[Row]:
    """Their rows, in this order."""
    found = {row["name"]: row for row in tx.rows(
        f"SELECT name, what, about FROM pictures WHERE name IN ({marks(len(names))}) AND {_HERS}", (*names, owner.id))}
    for place, name in enumerate(names, 1):
        if name not in found:
            raise _gone(missing, place)
    return [found[name] for name in names]


def _sheet(row: Row) -> Sheet:
    return Sheet(What(row["what"]), public(row["about"]), "", MARK)


def _gone(kind: type[InvalidInput] | type[NotFound], place: int) -> InvalidInput | NotFound:
    if kind is NotFound:
        return NotFound("This picture is not here any more.")
    return InvalidInput("Picture %(place)s is not here any more: it was sent, changed or removed. Please add it again, or go on"
                        " on our pages.", values={"place": place}, reason="picture", field="media_ids")
