"""Pictures that doctors of this instance add to posts: drawn anew, sealed on the disk, described, and gone with their post.

What was uploaded is thrown away as soon as it is drawn (`core.darkroom`): what is kept is a JPEG with nothing but pixels, and the
same one small. Both lie in files of their own beside the database, called by a random name and sealed with a key of their own,
and the database holds that one sealed (`posts.shelves`): a picture is deleted by its row, and its files are removed at once or,
should that be interrupted, by the next `sweep`. A file is never written twice, so a backup can take it while the instance runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors import aliases
from actors.models import Actor
from core.clock import Clock
from core.darkroom import Darkroom
from core.database import Database, Row, Tx
from core.disk import sync, sync_directory, unfinished
from core.errors import Conflict, InvalidInput, NotFound, TooMany, Unavailable
from core.papers import Trouble
from core.pictures import size_of
from core.plates import Film, Printed, Reason
from core.settings import Settings
from core.throttle import count
from core.vault import KeyVault
from federation.allowlist import Sibling
from posts import shelves, store
from posts.attachments import described
from posts.drafts import Sheet, What, desk_of
from posts.models import SORTS, WARNINGS, Picture
from posts.reading import readable
from posts.shelves import Upload
from posts.store import Post

IN_WORK = 40
"""The most pictures that a doctor has in work at once, in all her drafts."""
_TRIES = 60  # of one doctor in the window in which others are counted, too
_HEAVY = 10  # as many tries
_KEY_BYTES = 32
_HOUR_MS = 3_600_000
_AT_ONCE = 200
_SMALL = ".small"


class Sent(NamedTuple):
    """A picture for a sibling: whose post it is part of (its URI), and its bytes."""

    post_uri: str
    body: bytes


class Media:
    """Takes pictures in, keeps them with their drafts and posts, and hands them out. `directory` is where they lie."""

    def __init__(self, database: Database, vault: KeyVault, darkroom: Darkroom, clock: Clock, directory: Path,
                 settings: Settings) -> None:
        self._database, self._vault, self._darkroom, self._clock = database, vault, darkroom, clock
        self._directory, self._settings = directory, settings.media
        self._window = settings.accounts.login_window_seconds * 1000

    async def begin(self, owner: Actor) -> None:
        """Whether she may add something now; it counts as a try. `TooMany`."""
        wait = await self._database.write(lambda tx: self._count(tx, owner, 1))
        if wait is not None:
            raise TooMany("Those were many pictures in a short time. Please go on in %(minutes)s minutes.",
                          values={"minutes": -(-wait // 60)}, retry_after=wait, field="file")

    async def add(self, owner: Actor, sheet: Sheet, upload: bytes, name: str = "") -> Upload:
        """Draw, seal and keep a picture for what a form will send, called `name` where that is known already. The refusals are
        those of `core.pictures`, with the field `file`; `InvalidInput` when there are enough."""
        try:
            drawn = await self._darkroom.picture(upload, self._settings.edge_pixels)
        except InvalidInput as error:
            if error.reason == Trouble.HEAVY:  # meanwhile all others had to wait
                await self._database.write(lambda tx: self._count(tx, owner, _HEAVY - 1))
            raise
        return await self.keep(owner, sheet, drawn, (Reason.SEEN,) if drawn.seen.lettered else (), name=name)

    async def in_work(self, owner: Actor, sheet: Sheet) -> tuple[Upload, ...]:
        """The pictures that a form would send, in their order."""
        return await self._database.read(lambda tx: shelves.in_work(tx, desk_of(owner, sheet)))

    async def check_ready(self, owner: Actor, sheet: Sheet) -> None:
        """`InvalidInput` (pictures) where one that a form would send is not ready."""
        await self._database.read(lambda tx: shelves.attach(tx, desk_of(owner, sheet), ""))

    async def one(self, owner: Actor, sheet: Sheet, name: str) -> Upload:
        """A picture in work; `NotFound` where it is none of hers."""
        return _one(await self.in_work(owner, sheet), name)

    async def pixels(self, owner: Actor, sheet: Sheet, name: str, *, small: bool = False) -> bytes:
        """The pixels of a picture in work, a JPEG."""
        def look(tx: Tx) -> Row | None:
            _one(shelves.in_work(tx, desk_of(owner, sheet)), name)
            return tx.row("SELECT name, sealed_key FROM pictures WHERE name = ?", (name,))

        return await self._opened(await self._database.read(look), small=small)

    async def describe(self, owner: Actor, sheet: Sheet, name: str, *, alt: str, sort: str, warning: str, seen: bool,
                       clean: bool = False) -> None:
        """Say what a picture shows, of which kind it is and whether it is covered, and that its owner has looked at the whole of
        it; where there may be writing in it, also that nothing of that says who the patient is (`clean`). `InvalidInput` names
        the field."""
        alt = described(alt)
        if sort not in SORTS:
            raise InvalidInput("Choose of which kind the picture is.", field="sort", reason="sort")
        if warning not in ("", *WARNINGS):
            raise InvalidInput("Choose one of the warnings, or none.", field="warning", reason="warning")
        if not seen:
            raise InvalidInput("Look at the picture in its full size, and confirm that you have.", field="seen", reason="seen")
        now = self._clock.ms()

        def write(tx: Tx) -> None:
            if _one(shelves.in_work(tx, desk_of(owner, sheet)), name).doubts and not clean:
                raise InvalidInput("There may be writing in this picture. Cut it off or black it out, or confirm that nothing"
                                   " in it says who the patient is.", field="clean", reason="writing")
            tx.run("UPDATE pictures SET alt = ?, sort = ?, warning = ?, seen_at = ?, touched_at = ? WHERE name = ?",
                   (alt, sort, warning, now, now, name))
            tx.scrub()

        await self._database.write(write)

    async def remove(self, owner: Actor, sheet: Sheet, name: str) -> None:
        """Take a picture in work away; `NotFound` where it is none of hers."""
        now = self._clock.ms()
        if not await self._database.write(lambda tx: shelves.drop(tx, desk_of(owner, sheet), now, name)):
            raise NotFound("This picture is not here any more.")

    async def published(self, name: str, *, small: bool = False) -> bytes:
        """A picture of a post that was written here, whoever may read that; `NotFound` where there is none."""
        return await self._opened(await self._database.read(lambda tx: shelves.of(tx, name)), small=small)

    async def rows_of(self, actor_id: int) -> list[Row]:
        """Every picture of a doctor's posts and drafts, for `read`."""
        return await self._database.read(lambda tx: tx.rows(
            "SELECT name, sealed_key FROM pictures WHERE actor_id = ? AND gone_at IS NULL AND width > 0 ORDER BY name",
            (actor_id,)))

    def read(self, row: Row, *, small: bool = False) -> bytes:
        """A picture by its row, in the calling thread; `NotFound` where its file is lost."""
        name = row["name"]
        called = name + _SMALL if small else name
        try:
            sealed = (self._directory / called).read_bytes()
        except OSError as error:
            raise NotFound("This picture is not on the disk any more.", reason="picture-lost", cause=str(error)) from None
        key = KeyVault.holding(self._vault.open(row["sealed_key"], f"picture {name}"))
        return key.open(sealed, f"picture {called}")

    async def for_sibling(self, sibling: Sibling, name: str) -> Sent:
        """A picture of a post that the sibling is in the audience of. Not there and not for you are the same `NotFound`."""
        def look(tx: Tx) -> tuple[Row | None, Post | None]:
            row = shelves.of(tx, name)
            post = store.by_id(tx, row["post_id"]) if row is not None else None
            return row, post

        row, post = await self._database.read(look)
        if row is None or post is None or post.erased_at is not None or post.hidden_at is not None \
                or sibling.origin not in post.audience.origins:
            raise _none()
        return Sent(post.uri, await self._opened(row, small=False))

    async def sweep(self) -> int:
        """Remove the files of what is gone; how many pictures' they were."""
        names = [row["name"] for row in await self._database.read(lambda tx: tx.rows(
            "SELECT name FROM pictures WHERE gone_at IS NOT NULL ORDER BY gone_at LIMIT ?", (_AT_ONCE,)))]
        if names:
            await asyncio.to_thread(self._unlink, names)
            await self._database.write(lambda tx: [tx.run("DELETE FROM pictures WHERE name = ? AND gone_at IS NOT NULL", (one,))
                                                   for one in names])
        return len(names)

    async def tidy(self) -> None:
        """End what nobody has sent, and remove files that no row knows, as after a kill or a restore; once a day."""
        now = self._clock.ms()
        await self._database.write(lambda tx: shelves.idle(tx, now - self._settings.orphan_hours * _HOUR_MS, now))
        while await self.sweep():
            pass
        lying = await asyncio.to_thread(self._lying)
        known = {row["name"] for row in await self._database.read(lambda tx: tx.rows("SELECT name FROM pictures"))}
        await asyncio.to_thread(self._unlink, sorted(lying - known))

    async def keep(self, owner: Actor, sheet: Sheet, drawn: Printed, doubts: tuple[Reason, ...] = (), film: Film | None = None,
                   old: str = "", name: str = "") -> Upload:
        """Seal and keep what the darkroom has drawn, also in the place of a picture in work (`old`): it has another name then,
        keeps what was said of it, and has to be looked at again. `NotFound` where that is none of hers.

        First the row, then the files, then what the row says of them: a file that no row knows is nobody's."""
        before = await self.one(owner, sheet, old) if old else None
        name = name or secrets.token_urlsafe(18)
        key, desk, now = secrets.token_bytes(_KEY_BYTES), desk_of(owner, sheet), self._clock.ms()
        width, height = size_of(drawn.whole)
        alt, sort, warning = (before.alt, before.sort, before.warning) if before else ("", "", "")
        made = Upload(name, before.place if before else 0, alt, sort, warning, width, height, len(drawn.whole),
                      hashlib.sha256(drawn.whole).hexdigest(), None, doubts, film)

        def reserve(tx: Tx) -> Upload:
            there, about = shelves.in_work(tx, desk), len(_carried(tx, owner, sheet))
            if before is None and len(there) + about >= self._settings.per_post:
                raise Conflict("There are %(most)s pictures already. Please remove one first.",
                               values={"most": self._settings.per_post}, field="file", reason="enough")
            row = tx.row("SELECT count(*) AS n FROM pictures WHERE actor_id = ? AND post_id IS NULL AND gone_at IS NULL",
                         (owner.id,))
            if before is None and row is not None and row["n"] >= IN_WORK:
                raise Conflict("You have %(most)s pictures in drafts already. Send or discard some first.",
                               values={"most": IN_WORK}, field="file", reason="enough")
            place = before.place if before is not None else max((one.place for one in there), default=0) + 1
            tx.run("INSERT INTO pictures (name, actor_id, what, about, place, sealed_key, touched_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)", (name, *desk, place, self._vault.seal(key, f"picture {name}"), now))
            return msgspec.structs.replace(made, place=place)

        def settle(tx: Tx) -> None:
            if before is not None and not shelves.drop(tx, desk, now, before.name):
                raise NotFound("This picture is not here any more.")
            tx.run("UPDATE pictures SET alt = ?, sort = ?, warning = ?, width = ?, height = ?, bytes = ?, digest = ?, doubts = ?,"
                   " film = ? WHERE name = ?", (alt, sort, warning, width, height, made.bytes, made.digest, " ".join(doubts),
                                               msgspec.json.encode(film).decode() if film else "", name))

        placed = await self._database.write(reserve)
        try:
            await asyncio.to_thread(self._write, name, KeyVault.holding(key), drawn.whole, drawn.small)
            await self._database.write(settle)
        except BaseException as error:
            await self._database.write(lambda tx: shelves.drop(tx, desk, now, name))
            if isinstance(error, OSError):
                raise Unavailable("This picture cannot be stored at the moment; nothing of it was kept. Please try again later.",
                                  cause=str(error), retry_after=300) from None
            raise
        return placed

    async def _opened(self, row: Row | None, *, small: bool) -> bytes:
        if row is None or row["sealed_key"] is None:
            raise _none()
        return await asyncio.to_thread(lambda: self.read(row, small=small))

    def _write(self, name: str, key: KeyVault, whole: bytes, small: bytes) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for called, plain in ((name, whole), (name + _SMALL, small)):
            with unfinished(self._directory / called) as (file, finish):
                file.write(key.seal(plain, f"picture {called}"))
                sync(file)
                finish()

    def _unlink(self, names: Iterable[str]) -> None:
        gone = [path for name in names for path in (self._directory / name, self._directory / (name + _SMALL)) if path.exists()]
        for path in gone:
            path.unlink(missing_ok=True)
        if gone:
            sync_directory(self._directory)

    def _lying(self) -> set[str]:
        return {path.name.removesuffix(_SMALL) for path in self._directory.iterdir()} if self._directory.is_dir() else set()

    def _count(self, tx: Tx, owner: Actor, times: int) -> int | None:
        waits = [count(tx, {f"pictures:{owner.id}": _TRIES}, self._clock.ms(), self._window) for _ in range(times)]
        return next((wait for wait in waits if wait is not None), None)


def _carried(tx: Tx, owner: Actor, sheet: Sheet) -> tuple[Picture, ...]:
    """The pictures that a post which is edited has already. It has to be hers, and what is answered something she may read."""
    if sheet.what == What.NEW:
        return ()
    post = readable(tx, sheet.about, owner)
    if sheet.what != What.EDIT:
        return ()
    if not aliases.is_hers(tx, post.author_id, owner):
        raise NotFound("There is no such post here.")
    return post.pictures


def _one(uploads: tuple[Upload, ...], name: str) -> Upload:
    found = next((one for one in uploads if one.name == name), None)
    if found is None:
        raise NotFound("This picture is not here any more.")
    return found


def _none() -> NotFound:
    return NotFound("There is no such picture.")
