"""Pictures in work as they are changed: a window is chosen, something blacked out or cut off, and the picture printed anew.

What it is printed from, the plate, lies here until the picture is sent, removed or replaced, and for some hours at the longest: a
negative without any word of the DICOM file it was made of, or the picture as it was drawn first. So the last mark can be taken
back, and nobody hands a file in twice to see another window. It is sealed with a key of its own in a file that no backup has, and
is handed to nobody, its owner included: she sees prints. Without its row it cannot be opened, and `sweep` removes the file.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import msgspec

from actors.models import Actor
from core.clock import Clock
from core.darkroom import Darkroom
from core.database import Database, Row, Tx
from core.disk import sync, unfinished
from core.errors import Conflict, InvalidInput, NotFound, TooMany
from core.markings import Mark, Size, added
from core.plates import Facts, Film, Order, Printed, Reason, Seen, Window, is_dicom
from core.settings import Settings
from core.throttle import count
from core.vault import KeyVault
from posts import shelves
from posts.drafts import Sheet, desk_of
from posts.media import Media
from posts.shelves import Upload

_KEY_BYTES = 32
_HOUR_MS = 3_600_000
_PRINTS = 300  # of one doctor in the window in which tries are counted
_FRESH_SECONDS = 600.0  # how long a file may be there before its row is
_FACTS = msgspec.json.Decoder(Facts)
_ORDER = msgspec.json.Decoder(Order)
_SEEN = msgspec.json.Decoder(Seen)


class Bench(msgspec.Struct, frozen=True):
    """A picture in work and how it was made: `facts` of its DICOM file, if there was one; the `order` it was printed by, what was
    `seen` on the print (None before anything was changed), and whether it can be changed."""

    upload: Upload
    facts: Facts | None
    order: Order
    seen: Seen | None
    open: bool

    @property
    def size(self) -> Size:
        """How large one frame is now, in pixels."""
        if self.seen is not None:
            return Size(self.seen.width, self.seen.height)
        return Size(self.upload.width, self.upload.height)


class _Plate(msgspec.Struct, frozen=True):
    """A plate in memory, with what is known of it."""

    data: bytes
    called: str
    key: bytes
    facts: Facts | None
    order: Order
    size: Size
    made_at: int


class Workbench:
    """Takes pictures in, and prints them anew as their owners want it. `directory` is where plates lie."""

    def __init__(self, database: Database, vault: KeyVault, darkroom: Darkroom, media: Media, clock: Clock, directory: Path,
                 settings: Settings) -> None:
        self._database, self._vault, self._darkroom, self._media = database, vault, darkroom, media
        self._clock, self._directory, self._hours = clock, directory, settings.media.orphan_hours
        self._window = settings.accounts.login_window_seconds * 1000

    async def add(self, owner: Actor, sheet: Sheet, upload: bytes) -> Upload:
        """Take a picture in (`Media.add`); a DICOM file is read, its data set thrown away and its negative kept for a while. The
        refusals of that are those of `core.plates`, with the field `file`."""
        if not is_dicom(upload):
            return await self._media.add(owner, sheet, upload)
        exposure = await self._darkroom.exposed(upload)
        printed = await self._darkroom.printed(exposure.negative, Order())
        made = await self._media.keep(owner, sheet, printed, _doubts(exposure.facts, printed), _film(exposure.facts, printed))
        plate = self._fresh(exposure.negative, exposure.facts, Size(exposure.facts.width, exposure.facts.height))
        await asyncio.to_thread(self._write, plate)
        await self._lay(made.name, plate, printed.seen)
        return made

    async def of(self, owner: Actor, sheet: Sheet, name: str) -> Bench:
        """A picture in work; `NotFound` where it is none of hers."""
        def look(tx: Tx) -> Bench:
            upload = next((one for one in shelves.in_work(tx, desk_of(owner, sheet)) if one.name == name), None)
            if upload is None:
                raise _gone()
            row = self._row(tx, name)
            if row is None:
                return Bench(upload, None, Order(), None, upload.film is None)
            return Bench(upload, _facts(row), _ORDER.decode(row["ordered"]), _SEEN.decode(row["seen"]), True)

        return await self._database.read(look)

    async def frame(self, owner: Actor, sheet: Sheet, name: str, number: int) -> bytes:
        """One frame of a picture in work as it is now (from 0), a JPEG."""
        bench = await self.of(owner, sheet, name)
        if bench.upload.film is None:
            return await self._media.pixels(owner, sheet, name)
        if not 0 <= number < bench.upload.film.frames:
            raise _gone()
        plate = await self._plate(owner, sheet, name)
        return (await self._darkroom.printed(plate.data, msgspec.structs.replace(plate.order, only=number))).whole

    async def mark(self, owner: Actor, sheet: Sheet, name: str, *marks: Mark) -> Upload:
        """Put marks into it. The refusals are those of `core.markings.added`."""
        plate = await self._plate(owner, sheet, name)
        made = plate.order.marks
        for mark in marks:
            made = added(made, mark, plate.size)
        return await self._print(owner, sheet, name, plate, msgspec.structs.replace(plate.order, marks=made))

    async def take_back(self, owner: Actor, sheet: Sheet, name: str, *, all_of_them: bool = False) -> Upload:
        """Take the last mark back, or all of them."""
        plate = await self._plate(owner, sheet, name)
        left = () if all_of_them else plate.order.marks[:-1]
        return await self._print(owner, sheet, name, plate, msgspec.structs.replace(plate.order, marks=left))

    async def show(self, owner: Actor, sheet: Sheet, name: str, window: Window | None, *, inverted: bool) -> Upload:
        """Print a grey DICOM file with another window (None: its own)."""
        plate = await self._plate(owner, sheet, name)
        if plate.facts is None or plate.facts.window is None:
            raise InvalidInput("This picture has no window to choose.", reason="window", field="level")
        return await self._print(owner, sheet, name, plate,
                                 msgspec.structs.replace(plate.order, window=window, inverted=inverted))

    async def tidy(self) -> None:
        """Forget plates that have lain for too long; once a day is enough, because nothing uses them any more."""
        before = self._clock.ms() - self._hours * _HOUR_MS

        def work(tx: Tx) -> None:
            if tx.run("DELETE FROM plates WHERE made_at < ?", (before,)):
                tx.scrub()
                tx.wake(shelves.TOPIC)

        await self._database.write(work)
        await self.sweep()

    async def sweep(self) -> None:
        """Remove the files of plates that no row knows."""
        known = {row["called"] for row in await self._database.read(lambda tx: tx.rows("SELECT called FROM plates"))}
        await asyncio.to_thread(self._clear, known)

    async def _print(self, owner: Actor, sheet: Sheet, name: str, plate: _Plate, order: Order) -> Upload:
        wait = await self._database.write(
            lambda tx: count(tx, {f"prints:{owner.id}": _PRINTS}, self._clock.ms(), self._window))
        if wait is not None:
            raise TooMany("Those were many changes in a short time. Please go on in %(minutes)s minutes.",
                          values={"minutes": -(-wait // 60)}, retry_after=wait)
        printed = await self._darkroom.printed(plate.data, order)
        await asyncio.to_thread((self._directory / plate.called).touch)  # it has no row for a moment, and is not to be swept then
        made = await self._media.keep(owner, sheet, printed, _doubts(plate.facts, printed), _film(plate.facts, printed), name)
        await self._lay(made.name, msgspec.structs.replace(plate, order=order), printed.seen)
        return made

    async def _plate(self, owner: Actor, sheet: Sheet, name: str) -> _Plate:
        """What a picture is printed from; where there is nothing any more, the picture as it is now."""
        upload = await self._media.one(owner, sheet, name)
        row = await self._database.read(lambda tx: self._row(tx, name))
        if row is not None:
            key = self._vault.open(row["sealed_key"], f"plate {row['called']}")
            try:
                data = await asyncio.to_thread(self._read, row["called"], key)
            except OSError as error:
                raise Conflict("What this picture was made from is not here any more. Please remove it and hand it in again.",
                               reason="plate-lost", cause=str(error)) from None
            return _Plate(data, row["called"], key, _facts(row), _ORDER.decode(row["ordered"]), Size(row["width"], row["height"]),
                          row["made_at"])
        if upload.film is not None:
            raise Conflict("Its frames can be changed for %(hours)s hours after they were handed in. Please remove it and hand it"
                           " in again.", values={"hours": self._hours}, reason="plate-over")
        plate = self._fresh(await self._media.pixels(owner, sheet, name), None, Size(upload.width, upload.height))
        await asyncio.to_thread(self._write, plate)
        return plate

    def _fresh(self, data: bytes, facts: Facts | None, size: Size) -> _Plate:
        return _Plate(data, secrets.token_urlsafe(18), secrets.token_bytes(_KEY_BYTES), facts, Order(), size, self._clock.ms())

    async def _lay(self, name: str, plate: _Plate, seen: Seen) -> None:
        """Have a plate belong to a picture in work. One whose picture has gone meanwhile belongs to none, and is swept."""
        def write(tx: Tx) -> None:
            if tx.row("SELECT 1 FROM pictures WHERE name = ? AND post_id IS NULL AND gone_at IS NULL", (name,)) is None:
                return
            tx.run("INSERT INTO plates (name, called, sealed_key, facts, ordered, seen, width, height, made_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (name, plate.called, self._vault.seal(plate.key, f"plate {plate.called}"),
                    msgspec.json.encode(plate.facts).decode() if plate.facts is not None else "",
                    msgspec.json.encode(plate.order).decode(), msgspec.json.encode(seen).decode(), *plate.size, plate.made_at))

        await self._database.write(write)

    def _row(self, tx: Tx, name: str) -> Row | None:
        return tx.row("SELECT called, sealed_key, facts, ordered, seen, width, height, made_at FROM plates WHERE name = ?"
                      " AND made_at >= ?", (name, self._clock.ms() - self._hours * _HOUR_MS))

    def _write(self, plate: _Plate) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        with unfinished(self._directory / plate.called) as (file, finish):
            file.write(KeyVault.holding(plate.key).seal(plate.data, f"plate {plate.called}"))
            sync(file)
            finish()

    def _read(self, called: str, key: bytes) -> bytes:
        return KeyVault.holding(key).open((self._directory / called).read_bytes(), f"plate {called}")

    def _clear(self, known: set[str]) -> None:
        young = time.time() - _FRESH_SECONDS
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            if path.name not in known and path.stat().st_mtime < young:
                path.unlink(missing_ok=True)


def _facts(row: Row) -> Facts | None:
    return _FACTS.decode(row["facts"]) if row["facts"] else None


def _film(facts: Facts | None, printed: Printed) -> Film | None:
    if facts is None or printed.seen.frames == 1:
        return None
    return Film(printed.seen.frames, printed.seen.columns, facts.milliseconds)


def _doubts(facts: Facts | None, printed: Printed) -> tuple[Reason, ...]:
    """Why there may be writing in a print: what its file said, which no mark takes back, and what is seen on it now."""
    said = [reason for reason in facts.reasons if reason != Reason.SEEN] if facts is not None else []
    return (*said, Reason.SEEN) if printed.seen.lettered else tuple(said)


def _gone() -> NotFound:
    return NotFound("This picture is not here any more.")
