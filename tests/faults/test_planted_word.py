"""A word planted everywhere a doctor can put one, taken back in every way there is, and yesterday's backups restored: in the end no
byte of any of seven instances holds it.

What is searched is everything below the data directories of the seven: database, write-ahead log, journal, documents, archives,
whatever else lies there. What may hold a word is said here, and nothing else may:

- The files of backups, which lie elsewhere and are sealed with a key that is in none.
- What a restore has moved aside (`before-restore-…`) until the operator removes it, as the command tells her to.
- What was reported about a post, and what was decided, for `[reports] keep_days`; the aliases of who has left for up to 14 days.
  So the clocks of all seven are moved on before the end.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import uvicorn
from PIL import Image

from actors.decisions import Acceptance
from actors.models import Actor, Role
from actors.profiles import Said
from actors.statements import Entry, Person
from actors.verifications import Method
from core.backup import BackupKey
from core.database import Tx
from core.ids import public
from core.settings import Settings
from instance.app import create_app
from instance.backups import make
from instance.heads import BoundedHeads
from instance.pruning import prune
from instance.restoring import restore
from instance.setup import create_instance
from posts.drafts import Sheet, What, Written
from posts.exports import ExportState
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.drawn import drawn
from tests.servers import PASSWORD, Running, until
from tests.test_joining import ALL, ANSWERS, began
from tests.test_pages import Browser

COUNTRIES = ("de", "fr", "it", "es", "at", "ch", "gb")
_KEPT_DAYS, _PATIENCE = 181, 60
_STEM = "zqplanted"
NEVER = frozenset(f"{_STEM}{what}9" for what in ("exif", "portrait", "filename"))
"""Words in what is drawn anew: not one disk ever holds them."""
_SEEN: set[str] = set()


def word(what: str) -> str:
    """The word that is planted there."""
    _SEEN.add(f"{_STEM}{what}9")
    return f"{_STEM}{what}9"


def photograph(said: str) -> bytes:
    """A picture of a page that says something beside what is seen."""
    into, image = BytesIO(), drawn((620, 877))
    exif = image.getexif()
    exif[0x010E] = exif[0x9C9B] = said
    image.save(into, "JPEG", exif=exif, comment=said.encode())
    assert said.encode() in into.getvalue() and Image.open(into).size == image.size
    return into.getvalue()


# The search

def planted(directories: Sequence[Path]) -> set[tuple[str, str]]:
    """Which words are where: every file below these directories, read as bytes, as UTF-16, and inflated where it is deflated."""
    return {(str(path.relative_to(directory.parent)), found) for directory in directories
            for path in directory.rglob("*") if path.is_file() for found in _words(path)}


def _words(path: Path) -> set[str]:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:  # it was there for a moment
        return set()
    found = _in(whole) | _in(path.name.encode())
    for inflated in _inflated(whole):
        found |= _in(inflated)
    return found


def _in(given: bytes) -> set[str]:
    lower = given.lower()
    return {match[0].replace(b"\0", b"").decode() for match in _ANY.finditer(lower)}


_ANY = re.compile(b"\0?".join(re.escape(bytes((letter,))) for letter in _STEM.encode()) + rb"(?:\0?[a-z])+\0?9")
_DEFLATED = re.compile(rb"PK\x03\x04.{22}(..)(..)|\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", re.DOTALL)


def _inflated(given: bytes) -> Iterator[bytes]:
    """What lies deflated in a file: members of ZIP files, zlib and gzip streams, wherever they begin."""
    for found in _DEFLATED.finditer(given):
        start, form = found.start(), zlib.MAX_WBITS | 32
        if found[1] is not None:
            start, form = found.end() + sum(int.from_bytes(found[one], "little") for one in (1, 2)), -zlib.MAX_WBITS
        try:
            yield zlib.decompressobj(form).decompress(given[start:], 1 << 20)
        except zlib.error:
            continue


def test_the_search_finds_a_word_however_it_is_written(tmp_path: Path) -> None:
    import gzip
    import zipfile

    said = f"before {_STEM}text9after"
    (tmp_path / "a").mkdir()
    for name, content in (("utf8", said.encode()), ("utf16", said.encode("utf-16")), ("be", said.upper().encode("utf-16-be")),
                          ("zlib", b"xx" + zlib.compress(said.encode() * 9)), ("gzip", gzip.compress(said.encode() * 9))):
        (tmp_path / "a" / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a" / "zip", "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("x.txt", said * 9)
    assert planted([tmp_path / "a"]) == {(f"a/{name}", f"{_STEM}text9") for name in ("utf8", "utf16", "be", "zlib", "gzip", "zip")}


# The seven

@contextmanager
def _ports(many: int) -> Iterator[list[int]]:
    sockets = [socket.socket() for _ in range(many)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@asynccontextmanager
async def up(made: Sequence[Settings]) -> AsyncIterator[list[Running]]:
    """The instances run, each with its worker."""
    running, servers = [], []
    try:
        for settings in made:
            app = create_app(settings, worker=True)
            server = uvicorn.Server(uvicorn.Config(
                app, http=BoundedHeads, ws="none", lifespan="on", log_config=None, access_log=False, host="127.0.0.1",
                port=int(settings.instance.url.rpartition(":")[2])))
            servers.append((server, asyncio.create_task(server.serve())))
            await until(lambda server=server: server.started, 30)  # type: ignore[misc]
            running.append(Running(settings.instance.country, settings.instance.url, app, {}))
        yield running
    finally:
        for server, task in servers:
            server.should_exit = True
            await task


def hurried(settings: Settings) -> Settings:
    federation = msgspec.structs.replace(settings.federation, retry_first_seconds=0.1, retry_limit_seconds=0.5)
    return msgspec.structs.replace(settings, federation=federation)


async def at_rest(running: Sequence[Running]) -> None:
    """Nothing is on its way, nobody is on her way out."""
    def still(tx: Tx) -> bool:
        [row] = tx.rows(
            "SELECT (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'held')) + (SELECT count(*) FROM held)"
            " + (SELECT count(*) FROM journal_due) + (SELECT count(*) FROM departures WHERE done_at IS NULL) AS n")
        return int(row["n"]) == 0

    async def all_still() -> bool:
        return all([await at.its.database.read(still) for at in running])

    await until(all_still, _PATIENCE)


async def later(running: Sequence[Running], days: int) -> None:
    """Days go by, on all clocks, and what is done once a day is done."""
    for at in running:
        at.its.clock.offset = days * 86_400
    for at in running:
        await at.its.departing.finish()
    await at_rest(running)
    for at in running:
        await prune(at.its)


# What is planted

async def join(de: Running) -> Actor:
    """Somebody applies, hands in a document and is verified; her application has words wherever she can write some."""
    token = await _applied(de, "vera")
    await de.its.joining.hand_in(token)
    reference = (await de.its.joining.progress(token)).application.reference
    await de.its.decisions.decide(reference, Acceptance(
        Role.DOCTOR, ("cardiology",), None, Method.REGISTER, word("evidence"), word("register"), "vera"), "olga")
    account = await de.its.accounts.by_handle("vera")
    assert account is not None
    de.doctors["vera"] = account
    return (await de.author("vera")).actor


async def _applied(de: Running, who: str) -> str:
    """The token of an application that may be handed in."""
    token = await began(de.its, f"{word('address')}.{who}@klinik.example")
    await de.its.joining.say_who(token, Person(f"Dr. {word('name')}", word("birthname"), "doctor", ("cardiology",)), "de")
    await de.its.joining.say_number(token, Entry("efn", "be", "802760107654328", ANSWERS | {"university": word("university")}), "de")
    await de.its.joining.consent(token, ALL, "", "de")
    form = aiohttp.FormData({"kind": "approbation"})
    form.add_field("file", photograph(word("exif")), filename=f"{word('filename')}.jpg", content_type="image/jpeg")
    async with Browser(de) as visitor:
        assert (await visitor.post(f"/join/{token}/documents", form))[0] == 303
    return token


async def write(de: Running, others: Sequence[Running]) -> dict[str, str]:
    """She writes whatever can be written; the ids of her posts."""
    its, vera = de.its, await de.author("vera")
    doctor = await its.credentials.require_verified(de.doctors["vera"])
    await its.profiles.change(doctor, Said(word("about"), word("workplace"), ("de",), discoverable=True))
    await its.portraits.change(doctor, photograph(word("portrait")))
    origins, seen = tuple(one.url for one in others), its.compose.network_digest(await its.compose.destinations())

    async def publish(draft: Draft, *, by_role: bool = False) -> str:
        reach = Reach.COUNTRIES if by_role else Reach.NETWORK
        return await its.compose.publish(await de.author("vera"), draft, origins, reach, seen, by_role=by_role)

    poll = PollDraft((word("option"), "Other"), False, its.clock.ms() + 3_600_000)
    posts = {
        "case": await publish(Draft(Kind.CASE, f"{word('question')}?", f"{word('text')} #{word('tag')}", "de",
                                    CaseFacts(("cardiology",), "40-49", "f", "diagnostic"))),
        "poll": await publish(Draft(Kind.POLL, f"{word('poll')}?", "", "de", CaseFacts(), poll)),
        "down": await publish(Draft(Kind.NOTE, f"{word('down')}?", word("downtext"), "de")),
        "left": await publish(Draft(Kind.NOTE, f"{word('left')}?", word("lefttext"), "de")),
        "role": await publish(Draft(Kind.CASE, f"{word('role')}?", word("roletext"), "de",
                                    CaseFacts(("cardiology",), "40-49", "f", "therapeutic")), by_role=True)}
    await its.drafts.keep(vera.actor, Sheet(What.NEW, public(its.ids.new()), "", "m"), Written(question=word("draft")))
    await its.exports.ask(de.doctors["vera"], "de")
    return posts


async def live(de: Running, others: Sequence[Running], posts: dict[str, str]) -> str:
    """It arrives everywhere, is answered, voted for, edited and reported; the matter at home."""
    for at in others:
        await until(lambda at=at: at.count("posts", "kind <> 'reply'", ), _PATIENCE)  # type: ignore[misc]
    await at_rest([de, *others])
    fr, it = others[:2]
    for at in (fr, it):
        ben = await at.author("ben", "vote")
        cards = (await at.its.timelines.home(ben.actor, "all", None)).posts
        by_question = {card.question.removesuffix("9?").removeprefix(_STEM): card for card in cards}
        await at.its.polls.vote(ben, by_question["poll"].id, (0,))
        doctor = await at.its.credentials.require_verified(at.doctors["ben"])
        await at.its.reactions.like(doctor, by_question["question"].id)
        await at.its.reactions.bookmark(ben.actor, by_question["question"].id)
        await at.its.compose.reply(await at.author("ben", "reply"), by_question["role"].id, "An answer that stays.", "en")
        await at.its.reports.report(ben.actor, by_question["down"].id, "insult", word("report"), "en", share=True)
    await de.its.editing.edit(await de.author("vera"), posts["case"], "Now what?", "Said anew.", None, 1)
    await until(lambda: de.count("reports", "sibling_id IS NOT NULL"), _PATIENCE)
    row = await de.its.database.read(lambda tx: tx.row("SELECT id FROM matters"))
    assert row is not None
    await at_rest([de, *others])
    return public(row["id"])


async def take_back(de: Running, others: Sequence[Running], posts: dict[str, str], matter: str, applied: str) -> None:
    """One post is taken down, some are deleted, an application is withdrawn, and at last the doctor leaves with the rest."""
    vera = (await de.author("vera")).actor
    await de.its.judging.decide(matter, "taken-down", word("reason"), "en", "olga")
    for name in ("case", "poll"):
        await de.its.editing.delete(vera, posts[name])
    await de.its.joining.withdraw(applied)
    await at_rest([de, *others])
    await de.its.departures.order("vera", "olga")
    await until(lambda: de.count("departures", "begun_at IS NOT NULL AND account_id IS NOT NULL"), _PATIENCE)
    await at_rest_but_aliases([de, *others])


async def at_rest_but_aliases(running: Sequence[Running]) -> None:
    async def hers() -> bool:
        return await running[0].count("departures", "account_id IS NOT NULL AND done_at IS NULL") == 0

    await until(hers, _PATIENCE)


async def gone(directories: Sequence[Path]) -> set[tuple[str, str]]:
    """What is left; the write-ahead log is emptied a moment after a deletion."""
    for _ in range(100):
        left = await asyncio.to_thread(planted, directories)
        if not left:
            break
        await asyncio.sleep(0.1)
    return left


async def test_no_live_data_directory_holds_a_planted_word_in_the_end(tmp_path: Path) -> None:
    with _ports(len(COUNTRIES)) as ports:
        pass
    made = [hurried(await create_instance(tmp_path / "live" / code, country=code, domain="127.0.0.1", port=port))
            for code, port in zip(COUNTRIES, ports, strict=True)]
    directories = [settings.path(".") for settings in made]
    config = [directory / "config.toml" for directory in directories]
    backups = [tmp_path / f"{code}.backup" for code in COUNTRIES[:2]]
    async with up(made) as running:
        de, *others = running
        from federation import descriptor

        for one in running:
            for other in running:
                if one is not other:
                    await one.befriend(descriptor.read(descriptor.export(other.its.identity)))
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        for at in running:
            await at.add_doctor("ben")
        await join(de)
        applied = await _applied(de, "xena")
        posts = await write(de, others)
        await until(lambda: _ready(de), _PATIENCE)
        matter = await live(de, others, posts)
        for at, path, target in zip(running[:2], config, backups, strict=False):
            await make(at.its, path, target, "olga")
        there = {found for _, found in await asyncio.to_thread(planted, directories)}
        assert there == _SEEN - NEVER - {word("reason")}, "each word was where it could be, or this test proves nothing"
        await take_back(de, others, posts, matter, applied)
        await later(running, _KEPT_DAYS)
        assert await gone(directories) == set()
    for directory, path, target in zip(directories, config, backups, strict=False):
        aside = (await restore(path, target, BackupKey.load(directory / "backup.key"), "olga")).aside
        assert aside is not None and aside.name.startswith("before-restore-")
        shutil.rmtree(aside)  # as the command has said
    async with up(made) as running:
        await at_rest_but_aliases(running)
        await later(running, _KEPT_DAYS)
        assert await gone(directories) == set()
        assert await running[0].count("posts", "erased_at IS NULL AND kind <> 'reply'") == 0
        for at in running[1:]:
            assert await at.count("posts", "erased_at IS NULL AND kind <> 'reply'") == 0
            assert await at.count("actors", "gone_at IS NULL AND name LIKE '%planted%'") == 0


async def _ready(de: Running) -> bool:
    export = await de.its.exports.of(de.doctors["vera"].id)
    return export is not None and export.state == ExportState.READY
