"""What applicants hand in as proof: every page a picture, encrypted, seen by operators with their name across it, and deleted.

What was uploaded is thrown away as soon as its pages are drawn (`core.darkroom`). The pages lie in files of their own beside the
database and in no backup; each document has a key, and the database holds that one sealed. A document is deleted by its row: then
its key is gone, and its files are removed at once or, should that be interrupted, by the next `sweep`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from actors.applications import ApplicationState
from core.audit import Audit
from core.clock import Clock
from core.countries import CountryPack
from core.darkroom import Darkroom
from core.database import Database, Tx, marks
from core.disk import sync, unfinished
from core.errors import Conflict, InvalidInput, NotFound, TooMany, Unavailable
from core.ids import Ids, number, public
from core.papers import Trouble, sniff
from core.settings import Settings
from core.throttle import count
from core.vault import KeyVault

TOPIC = "papers"
"""What wakes whoever removes files."""
DOCUMENTS = 12
"""The most documents of one application."""

_DAY_MS = 86_400_000
_TRIES = 30  # of one application in the window in which others are counted, too
_HEAVY = 10  # as many tries
_KEY_BYTES = 32
_ORPHAN_SECONDS = 3_600.0
_CHUNK = 500
_OPEN = (ApplicationState.DRAFT, ApplicationState.ASKED)


class Gone(StrEnum):
    """Why a document is no longer kept."""

    REMOVED = "removed"
    """By the applicant."""
    DECIDED = "decided"
    """The decision was long enough ago."""
    SILENCE = "silence"
    """Nothing was heard of the applicant for long."""
    ENDED = "ended"
    """The application was withdrawn, or has lapsed."""
    LOST = "lost"
    """Its pages were not there any more, as after a restore."""


class Document(msgspec.Struct, frozen=True):
    """One document; `kind` is a code of the country pack, `media_type` and `bytes` those of what was uploaded. Times in ms."""

    id: int
    application_id: int
    kind: str
    media_type: str
    bytes: int
    pages: int
    uploaded_at: int
    deleted_at: int | None
    gone_for: str


_COLUMNS = "id, application_id, kind, media_type, bytes, pages, uploaded_at, deleted_at, gone_for"


def documents_of(tx: Tx, application_id: int) -> tuple[Document, ...]:
    """All documents of an application in their order, those that are gone too."""
    return tuple(Document(*row) for row in tx.rows(
        f"SELECT {_COLUMNS} FROM documents WHERE application_id = ? ORDER BY id", (application_id,)))


class Papers:
    """Takes documents in, shows their pages and forgets them. `directory` is where the pages lie."""

    def __init__(self, database: Database, vault: KeyVault, clock: Clock, ids: Ids, audit: Audit, darkroom: Darkroom,
                 directory: Path, country: CountryPack, settings: Settings) -> None:
        self._database, self._vault, self._clock, self._ids = database, vault, clock, ids
        self._audit, self._darkroom, self._directory = audit, darkroom, directory
        self._country, self._settings = country, settings.joining
        self._window = settings.accounts.login_window_seconds * 1000

    async def begin(self, application_id: int) -> None:
        """Whether the applicant may hand something in now; it counts as a try. `Conflict` when the application is not hers to
        change, `TooMany`."""
        def work(tx: Tx) -> int | None:
            _check_open(tx, application_id)
            return count(tx, {f"papers:{application_id}": _TRIES}, self._clock.ms(), self._window)

        if (wait := await self._database.write(work)) is not None:
            raise TooMany("Those were many files in a short time. Please go on in %(minutes)s minutes.",
                          values={"minutes": -(-wait // 60)}, retry_after=wait, field="file")

    async def add(self, application_id: int, kind: str, upload: bytes) -> Document:
        """Draw, seal and keep the pages of what was handed in. The refusals are those of `core.papers`, with the field `file`;
        `InvalidInput` (kind) for a kind the country does not know, `Conflict` when the application is closed or has enough."""
        if kind not in self._country.documents_of(""):
            raise InvalidInput("Say what kind of document this is.", field="kind", reason="kind")
        media = sniff(upload)
        size = len(upload)
        digest = self._vault.mac("document", await asyncio.to_thread(_sha256, upload))
        pages = await self._drawn(application_id, upload)
        now = self._clock.ms()
        made = Document(self._ids.new(), application_id, kind, media, size, len(pages), now, None, "")
        key = secrets.token_bytes(_KEY_BYTES)
        try:
            await asyncio.to_thread(self._write, made.id, KeyVault.holding(key), pages)
        except OSError as error:
            await asyncio.to_thread(self._remove, made.id)
            raise Unavailable("This document cannot be stored at the moment; nothing of it was kept. Please try again later.",
                              cause=str(error), retry_after=300) from None

        def store(tx: Tx) -> None:
            _check_open(tx, application_id)
            same = tx.row("SELECT 1 FROM documents WHERE application_id = ? AND digest = ? AND deleted_at IS NULL",
                          (application_id, digest))
            if same is not None:
                raise Conflict("You have handed in this very file already.", field="file", reason="same-file")
            there = tx.row("SELECT count(*) FROM documents WHERE application_id = ? AND deleted_at IS NULL", (application_id,))
            if there is not None and there[0] >= DOCUMENTS:
                raise Conflict("There are %(most)s documents already. Please remove one first.", values={"most": DOCUMENTS},
                               field="file", reason="enough")
            tx.run("INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at, sealed_key)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (made.id, application_id, kind, media, size, made.pages, digest, now, self._vault.seal(key, _named(made.id))))
            tx.run("UPDATE applications SET touched_at = ? WHERE id = ?", (now, application_id))

        try:
            await self._database.write(store)
        except Exception:
            await asyncio.to_thread(self._remove, made.id)
            raise
        return made

    async def _drawn(self, application_id: int, upload: bytes) -> tuple[bytes, ...]:
        """The pages of a file. One that took too long counts for many: meanwhile all others had to wait."""
        try:
            return await self._darkroom.pages(upload)
        except InvalidInput as error:
            if error.reason == Trouble.HEAVY:
                subject = {f"papers:{application_id}": _TRIES}
                await self._database.write(
                    lambda tx: [count(tx, subject, self._clock.ms(), self._window) for _ in range(_HEAVY - 1)])
            raise

    async def of(self, application_id: int) -> tuple[Document, ...]:
        """All documents of an application in their order, those that are gone too."""
        return await self._database.read(lambda tx: documents_of(tx, application_id))

    async def remove(self, application_id: int, document_id: int) -> None:
        """The applicant takes a document back; `NotFound` when it is none of hers."""
        def work(tx: Tx) -> None:
            _check_open(tx, application_id)
            gone = _forget(tx, self._clock.ms(), Gone.REMOVED, "application_id = ? AND id = ?", (application_id, document_id))
            if not gone:
                raise NotFound("This document is not here any more.")
            tx.run("UPDATE applications SET touched_at = ? WHERE id = ?", (self._clock.ms(), application_id))

        await self._database.write(work)
        await asyncio.to_thread(self._remove, document_id)

    async def page(self, document_id: int, page: int, by: str) -> bytes:
        """A page (from 1) as JPEG with the operator's handle, the time and the application across it; it is written down that
        she has seen it. `NotFound` for one that is not kept."""
        row = await self._database.read(lambda tx: tx.row(
            "SELECT d.pages, d.sealed_key, d.kind, a.reference FROM documents d JOIN applications a ON a.id = d.application_id"
            " WHERE d.id = ? AND d.deleted_at IS NULL", (document_id,)))
        if row is None or not 1 <= page <= row["pages"]:
            raise NotFound("This document is not kept any more.")
        try:
            sealed = await asyncio.to_thread(self._path(document_id, page).read_bytes)
        except OSError as error:
            raise NotFound("This page is not on the disk any more: ask for the document again.", cause=str(error)) from None
        key = KeyVault.holding(self._vault.open(row["sealed_key"], _named(document_id)))
        plain = await asyncio.to_thread(key.open, sealed, _named(document_id, page))
        at = datetime.fromtimestamp(self._clock.ms() / 1000, self._country.zone)
        shown = await self._darkroom.marked(plain, f"{by} · {at:%Y-%m-%d %H:%M %Z} · {row['reference']}")
        await self._database.write(lambda tx: self._audit.note(
            tx, by=by, action="document.viewed", target=row["reference"], detail=f"{public(document_id)} {page} {row['kind']}"))
        return shown

    def delete_of(self, tx: Tx, application_id: int, why: Gone) -> int:
        """Delete all documents of an application within a transaction; how many there were. Their files go after it."""
        return _forget(tx, self._clock.ms(), why, "application_id = ?", (application_id,))

    async def delete_due(self) -> int:
        """Delete what was decided about some days ago, what nobody has gone on with, what has ended; how many there were."""
        now = self._clock.ms()
        decided, silent = now - self._settings.document_days * _DAY_MS, now - self._settings.idle_days * _DAY_MS
        due = {
            Gone.ENDED: ("state IN ('withdrawn', 'lapsed')", ()),
            Gone.DECIDED: ("state IN ('accepted', 'rejected') AND decided_at < ?", (decided,)),
            Gone.SILENCE: ("state IN ('draft', 'asked', 'submitted') AND touched_at < ?", (silent,)),
        }

        def work(tx: Tx) -> int:
            gone = 0
            for why, (where, values) in due.items():
                for row in tx.rows(f"SELECT id, reference FROM applications WHERE {where} AND EXISTS (SELECT 1 FROM documents"
                                   " WHERE application_id = applications.id AND deleted_at IS NULL)", values):
                    found = _forget(tx, now, why, "application_id = ?", (row["id"],))
                    self._audit.note(tx, by="konsil", action="document.deleted", target=row["reference"],
                                     detail=f"{found} {why}")
                    gone += found
            return gone

        return await self._database.write(work)

    async def sweep(self) -> int:
        """Remove the files of what is deleted, and what an interrupted upload has left behind; how many documents' they were."""
        lying = await asyncio.to_thread(self._lying)

        def known(tx: Tx) -> tuple[set[int], set[int]]:
            kept, gone = set[int](), set[int]()
            ids = tuple(lying)
            for start in range(0, len(ids), _CHUNK):
                some = ids[start:start + _CHUNK]
                for row in tx.rows(f"SELECT id, deleted_at FROM documents WHERE id IN ({marks(len(some))})", some):
                    (kept if row["deleted_at"] is None else gone).add(row["id"])
            return kept, gone

        kept, gone = await self._database.read(known)
        old = time.time() - _ORPHAN_SECONDS
        done = [one for one, touched in lying.items() if one in gone or (one not in kept and touched < old)]
        for one in done:
            await asyncio.to_thread(self._remove, one)
        return len(done)

    async def find_lost(self) -> int:
        """After a restore: mark what has a row but not all of its files as lost, so that it is asked for again."""
        lying = await asyncio.to_thread(self._names)

        def work(tx: Tx) -> int:
            now, lost = self._clock.ms(), 0
            for row in tx.rows("SELECT d.id, d.pages, a.reference FROM documents d JOIN applications a ON a.id = d.application_id"
                               " WHERE d.deleted_at IS NULL"):
                if all(self._path(row["id"], page).name in lying for page in range(1, row["pages"] + 1)):
                    continue
                lost += _forget(tx, now, Gone.LOST, "id = ?", (row["id"],))
                self._audit.note(tx, by="konsil", action="document.lost", target=row["reference"], detail=public(row["id"]))
            return lost

        return await self._database.write(work)

    def _path(self, document_id: int, page: int) -> Path:
        return self._directory / f"{public(document_id)}-{page}"

    def _write(self, document_id: int, key: KeyVault, pages: Iterable[bytes]) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for page, plain in enumerate(pages, 1):
            with unfinished(self._path(document_id, page)) as (file, finish):
                file.write(key.seal(plain, _named(document_id, page)))
                sync(file)
                finish()

    def _remove(self, document_id: int) -> None:
        for name in (f"{public(document_id)}-*", f".{public(document_id)}-*.part"):
            for path in self._directory.glob(name):
                path.unlink(missing_ok=True)

    def _names(self) -> set[str]:
        return {path.name for path in self._directory.iterdir()} if self._directory.is_dir() else set()

    def _lying(self) -> dict[int, float]:
        """Which documents have files here, and when the last of them was written (seconds)."""
        found: dict[int, float] = {}
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            one = number(path.name.removeprefix(".").partition("-")[0])
            try:
                touched = path.stat().st_mtime
            except FileNotFoundError:
                continue
            if one is not None:
                found[one] = max(touched, found.get(one, 0.0))
        return found


def twins(tx: Tx, application_id: int) -> dict[int, tuple[str, ...]]:
    """The references of other applications in which the very same file was handed in, too, by the id of the document here: a hint
    for operators."""
    found: dict[int, tuple[str, ...]] = {}
    for row in tx.rows("SELECT DISTINCT d.id, a.id AS other, a.reference FROM documents d JOIN documents o ON o.digest = d.digest"
                       " AND o.application_id <> d.application_id JOIN applications a ON a.id = o.application_id"
                       " WHERE d.application_id = ? ORDER BY d.id, a.id", (application_id,)):
        found[row["id"]] = (*found.get(row["id"], ()), row["reference"])
    return found


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _check_open(tx: Tx, application_id: int) -> None:
    row = tx.row("SELECT state FROM applications WHERE id = ?", (application_id,))
    if row is None or row["state"] not in _OPEN:
        raise Conflict("This application is not yours to change at the moment. Nothing was changed.", reason="not-open")


def _forget(tx: Tx, now: int, why: Gone, where: str, values: tuple[object, ...]) -> int:
    gone = tx.run(f"UPDATE documents SET deleted_at = ?, gone_for = ?, sealed_key = NULL WHERE deleted_at IS NULL AND {where}",
                  (now, why, *values))
    if gone:
        tx.scrub()
        tx.wake(TOPIC)
    return gone


def _named(document_id: int, page: int | None = None) -> str:
    return f"document {document_id}" if page is None else f"document {document_id} page {page}"


