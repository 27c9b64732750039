"""Archives, made: pieces of a doctor's posts, sealed on the disk, and at last one ZIP file out of them.

Each step is small and says afterwards how far it has come, so that whoever kills it loses one piece at most. Nothing lies about
in the clear: pieces and archive are sealed with the key file (`core.strongbox`), and only her own request opens them. Files that
no row knows are removed.
"""

from __future__ import annotations

import asyncio
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import jinja2
import msgspec
from markupsafe import Markup

from core.clock import rfc3339
from core.countries import specialty_title
from core.database import Row
from core.disk import sync_directory, unfinished
from core.errors import NotFound
from core.i18n import Translations, format_date, format_number, format_time, language_name
from core.ids import number, public
from core.strongbox import SealedWriter, opened
from core.telemetry import get_logger
from core.vault import KeyVault
from instance.assembly import Assembly
from instance.rendering import speak
from posts import archive
from posts.archive import Conversation
from posts.exports import Export, ExportState, Job, Stage

log = get_logger("archives")
TEMPLATES = Path(__file__).parent.parent / "templates" / "archive"
_DIRECTORY = "exports"
_ENCODE = msgspec.json.encode


class _Piece(msgspec.Struct, frozen=True):
    """What a sealed piece holds: activities and earlier versions, or pages for reading with what the list of them says."""

    activities: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    pages: dict[str, str] = {}
    listed: list[dict[str, Any]] = []


class _Made(NamedTuple):
    """A piece, where the next one begins (None: with the next stage), and how many posts are in it."""

    piece: _Piece
    after: int | None
    posts: int


class _Rest(NamedTuple):
    """What is no post: records by the name of their file, her picture (JPEG), if she has one, and the rows of the pictures of her
    posts and drafts."""

    records: dict[str, Any]
    portrait: bytes | None
    pictures: list[Row]


class Archives:
    """Makes what is asked for, and hands it out."""

    def __init__(self, its: Assembly, words: Translations, directory: Path | None = None) -> None:
        self._its, self._words = its, words
        self._vault = KeyVault(its.settings.path("secret.key"))
        self._directory = directory or its.settings.path(_DIRECTORY)
        self._jinja = _templates(words, its)

    async def step(self) -> bool:
        """Do the next small thing for the archive that has waited longest; whether there was one. On a disk that is almost full
        they wait."""
        job = await self._its.exports.job() if not self._its.space.low else None
        if job is None:
            return False
        try:
            await self._step(job)
        except Exception as error:
            waits = await self._its.exports.put_off(job.export)
            log.exception("an archive could not be made", archive=public(job.export.id), again=waits, error=str(error))
        return True

    async def sweep(self) -> None:
        """Remove files of archives that are over, or that nobody knows."""
        live = await self._its.exports.expire()
        await asyncio.to_thread(self._sweep, live)

    async def write_plain(self, job: Job, target: Path) -> int:
        """Make somebody's archive at once into a file that only its owner can read and that nothing may be called yet; how many
        posts are in it. Its pieces are sealed meanwhile, and gone afterwards."""
        try:
            export = job.export
            while export.stage != Stage.PACKING:
                export = await self._piece(job._replace(export=export))
            rest = await self._rest(job)

            def write() -> None:
                with unfinished(target) as (file, finish):
                    self._pack(job, export, rest, file)
                    finish()

            await asyncio.to_thread(write)
            return export.posts
        finally:
            await asyncio.to_thread(shutil.rmtree, self._directory, True)

    async def _step(self, job: Job) -> None:
        if job.export.state == ExportState.WAITING:
            await self._its.exports.begin(job)
        elif job.export.stage != Stage.PACKING:
            await self._its.exports.advance(await self._piece(job))
        else:
            size = await self._sealed(job)
            await self._its.exports.finish(job.export, size)
            await asyncio.to_thread(shutil.rmtree, self._pieces(job.export), True)

    async def _piece(self, job: Job) -> Export:
        """Write the next piece to the disk, and say how far that is."""
        export = job.export
        made = await (self._posts(job) if export.stage == Stage.POSTS else self._threads(job))
        plain = _ENCODE(made.piece)
        await asyncio.to_thread(self._write, export, plain)
        following = Stage.THREADS if export.stage == Stage.POSTS else Stage.PACKING
        return export._replace(stage=export.stage if made.after is not None else following, cursor=made.after or 0,
                               pieces=export.pieces + 1, posts=export.posts + made.posts)

    async def _posts(self, job: Job) -> _Made:
        found = await self._its.database.read(
            lambda tx: archive.piece(tx, self._its.identity, job.actor, job.export.cursor))
        return _Made(_Piece(activities=found.activities, history=found.history), found.after, len(found.activities))

    async def _threads(self, job: Job) -> _Made:
        found = await self._its.database.read(lambda tx: archive.shelf(tx, job.actor, job.export.cursor))
        pages = await asyncio.to_thread(lambda: {_page(one): self._show(job, "thread.html", one=one)
                                                 for one in found.conversations})
        return _Made(_Piece(pages=pages, listed=[_listed(one) for one in found.conversations]), found.after, 0)

    async def _rest(self, job: Job) -> _Rest:
        records = await self._its.database.read(
            lambda tx: archive.rest(tx, self._its.identity, job.account, job.actor))
        return _Rest(records, await self._its.portraits.of(public(job.actor.id), job.actor.portrait, small=False),
                     await self._its.media.rows_of(job.actor.id))

    async def _sealed(self, job: Job) -> int:
        rest = await self._rest(job)

        def write() -> int:
            self._file(job.export).unlink(missing_ok=True)  # of a try that ended before it was noted
            with unfinished(self._file(job.export)) as (file, finish):
                sealing = SealedWriter(self._vault, _name(job.export), file)
                self._pack(job, job.export, rest, cast(BinaryIO, sealing))
                sealing.finish()
                finish()
                return sealing.total

        return await asyncio.to_thread(write)

    def _pack(self, job: Job, export: Export, rest: _Rest, out: BinaryIO) -> None:
        """One ZIP file out of the pieces; not more than one of them is in memory at a time."""
        numbers = range(export.pieces)
        listed = [one for piece in map(lambda at: self._read(export, at), numbers) for one in piece.listed]
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as into:
            def add(name: str, content: bytes) -> None:
                into.writestr(_entry(name, export), content)

            add("README.txt", self._show(job, "readme.txt", pictured=rest.portrait is not None,
                                          illustrated=bool(rest.pictures)).encode())
            add("index.html", self._show(job, "index.html", listed=listed[::-1], posts=export.posts,
                                         pictured=rest.portrait is not None).encode())
            add("style.css", (TEMPLATES / "style.css").read_bytes())
            if rest.portrait is not None:
                add("portrait.jpg", rest.portrait)
            for row in rest.pictures:
                with suppress(NotFound):  # deleted meanwhile, or lost
                    add(f"pictures/{row['name']}.jpg", self._its.media.read(row))
            for at in numbers:
                for name, page in self._read(export, at).pages.items():
                    add(name, page.encode())
            head = _ENCODE(archive.outbox(job.actor, export.posts))
            self._stream(into, export, "outbox.json", head[:-1] + b',"orderedItems":[\n', b"]}\n",
                         lambda piece: piece.activities[::-1], reversed(numbers))
            self._stream(into, export, "history.json", b"[", b"]\n", lambda piece: piece.history, iter(numbers))
            for name, content in rest.records.items():
                add(name, msgspec.json.format(_ENCODE(content), indent=1))

    def _stream(self, into: zipfile.ZipFile, export: Export, name: str, head: bytes, end: bytes,
                items: Callable[[_Piece], list[dict[str, Any]]], numbers: Iterator[int]) -> None:
        with into.open(_entry(name, export), "w", force_zip64=True) as file:
            file.write(head)
            between = b""
            for at in numbers:
                for item in items(self._read(export, at)):
                    file.write(between + _ENCODE(item))
                    between = b",\n"
            file.write(end)

    def _show(self, job: Job, template: str, **shown: Any) -> str:
        languages = self._its.settings.instance.languages or self._its.pack.languages
        language = next((code for code in (job.export.language, *languages) if code in self._words.languages), "en")
        return self._jinja.get_template(template).render(
            page_language=language, instance=self._its.identity.name, actor=job.actor, made=job.export.asked, **shown)

    def _write(self, export: Export, plain: bytes) -> None:
        """A piece that is there as a whole or not at all; one of the same number, of a try that was not noted, makes room."""
        pieces = self._pieces(export)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        pieces.mkdir(mode=0o700, exist_ok=True)
        (path := pieces / f"{export.pieces}").unlink(missing_ok=True)
        with unfinished(path) as (file, finish):
            sealing = SealedWriter(self._vault, f"{_name(export)} piece {export.pieces}", file)
            sealing.write(plain)
            sealing.finish()
            finish()

    def _read(self, export: Export, at: int) -> _Piece:
        found = b"".join(opened(self._vault, f"{_name(export)} piece {at}", self._pieces(export) / f"{at}"))
        return msgspec.json.decode(found, type=_Piece)

    def _sweep(self, live: frozenset[int]) -> None:
        if not self._directory.is_dir():
            return
        gone = [path for path in self._directory.iterdir() if number(path.name.partition(".")[0]) not in live]
        for path in gone:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if gone:
            sync_directory(self._directory)

    def _pieces(self, export: Export) -> Path:
        return self._directory / public(export.id)

    def _file(self, export: Export) -> Path:
        return self._directory / _kept_as(export)


def parts(its: Assembly, export: Export) -> Iterator[bytes]:
    """The finished archive, part by part."""
    return opened(KeyVault(its.settings.path("secret.key")), _name(export), its.settings.path(_DIRECTORY) / _kept_as(export))


def is_there(its: Assembly, export: Export) -> bool:
    """Whether it is finished, and its file lies where it should."""
    return export.state == ExportState.READY and (its.settings.path(_DIRECTORY) / _kept_as(export)).is_file()


def file_name(handle: str, export: Export) -> str:
    """What the archive is called where its owner keeps it."""
    return f"konsil-{handle}-{rfc3339(export.asked)[:10]}.zip"


def _kept_as(export: Export) -> str:
    return f"{public(export.id)}.zip"


def _name(export: Export) -> str:
    return f"archive {public(export.id)}"


def _page(one: Conversation) -> str:
    return f"threads/{one.id}.html"


def _listed(one: Conversation) -> dict[str, Any]:
    return {"page": _page(one), "title": one.title, "language": one.language, "kind": one.kind, "own": one.own,
            "posts": len(one.said), "published": one.said[0].published}


def _entry(name: str, export: Export) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, time.gmtime(export.asked / 1000)[:6])
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o600 << 16
    return made


def _templates(words: Translations, its: Assembly) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=jinja2.select_autoescape(["html"]), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    speak(made, words)

    @jinja2.pass_context
    def moment(page: jinja2.runtime.Context, ms: int) -> str:
        language = page["page_language"]
        return f"{format_date(ms, language, its.pack.zone)}, {format_time(ms, language, its.pack.zone)}"

    @jinja2.pass_context
    def grouped(page: jinja2.runtime.Context, count: int) -> str:
        return format_number(count, page["page_language"])

    @jinja2.pass_context
    def specialty(page: jinja2.runtime.Context, code: str) -> str:
        return specialty_title(code, page["page_language"])

    made.filters.update({"moment": moment, "number": grouped, "specialty": specialty, "language": language_name, "html": Markup})
    return made
