"""A database that comes out of a backup forgets again what was deleted since, before anybody is served."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.database import Copy
from core.errors import Misconfigured
from core.journal import Journal, Taken
from core.settings import Settings
from instance.assembly import Assembly, assemble
from posts import store
from posts.models import CaseFacts, Draft, Kind
from tests.conversations.test_the_whole_path import published
from tests.servers import FakeSibling, Running, countries, know, until

_WORD = "planted7c1e"
_CASE = Draft(Kind.CASE, f"Question {_WORD}?", f"Text {_WORD}", "de", CaseFacts(("cardiology",)))


def kept(place: Running, to: Path) -> None:
    """Put a copy of an instance's database aside, as it is now."""
    with closing(Copy(to.parent)) as copy:
        copy.take(place.its.database.path)
        copy.file.seek(0)
        with to.open("wb") as file:
            shutil.copyfileobj(copy.file, file)


def put_back(settings: Settings, from_: Path) -> None:
    """Put it back, as an operator would by hand."""
    for path in Path(settings.instance.data_dir).glob("konsil.db*"):
        path.unlink()
    shutil.copy(from_, settings.path("konsil.db"))


def lines(settings: Settings) -> list[Taken]:
    journal = Journal(settings.path("erasures.journal"))
    return [*journal.read(0, 10_000).found]


def rows(settings: Settings, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(settings.path("konsil.db"))) as database:
        return database.execute(sql, values).fetchall()


def holds(settings: Settings) -> list[str]:
    """The files of an instance in which the word stands, byte for byte."""
    directory = Path(settings.instance.data_dir)
    return [path.name for path in directory.iterdir() if path.is_file() and _WORD.encode() in path.read_bytes()]


@asynccontextmanager
async def at_work(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def count(its: Assembly, table: str, where: str = "true") -> int:
    [row] = await its.database.read(lambda tx: tx.rows(f"SELECT count(*) FROM {table} WHERE {where}"))
    return int(row[0])


async def test_a_deleted_post_that_a_backup_brings_back_is_erased_again_and_its_siblings_hear_it_again(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with at_work(tmp_path) as (de, fr):
        first, second = await published(de, _CASE, fr), await published(de, _CASE, fr)
        await until(lambda: fr.count("posts", "erased_at IS NULL"))
        await de.its.editing.edit(await de.author("ada"), first, f"Other {_WORD}?", f"New {_WORD}", 1)
        await until(lambda: fr.count("revisions"))
        kept(de, backup)
        ada = (await de.author("ada")).actor
        for post_id in (first, second):
            await de.its.editing.delete(ada, post_id)
        await until(lambda: fr.count("tombstones"))
        settings, there = de.its.settings, fr.url
    assert [taken.to for taken in lines(settings) if taken.what == "erased"] == [(there,)] * 2
    put_back(settings, backup)
    assert holds(settings) == ["konsil.db"] and rows(settings, "SELECT count(*) FROM revisions") == [(1,)]
    async with assemble(settings) as its:
        assert its.erasures.replayed == (2, (), (), "")
        assert await count(its, "tombstones") == await count(its, "posts", "erased_at IS NOT NULL") == 2
        assert await count(its, "revisions") == await count(its, "journal_due") == 0
        sent = await its.database.read(lambda tx: tx.rows(
            "SELECT o.uri, o.body, d.state FROM outbox o JOIN deliveries d ON d.outbox_id = o.id WHERE o.type = 'Delete'"))
        assert len(sent) == 2 and all(row["uri"].endswith("#delete") and row["state"] == "pending" for row in sent)
        assert await count(its, "audit", "action = 'erasures.replayed'") == 1
        await until(lambda: not holds(settings))
    before = len(lines(settings))
    async with assemble(settings) as its:
        assert its.erasures.replayed == (0, (), (), "") and len(lines(settings)) == before
        assert await count(its, "outbox", "type = 'Delete'") == 2


async def test_a_post_that_no_backup_knows_is_deleted_at_whoever_was_sent_it(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with at_work(tmp_path) as (de, fr):
        kept(de, backup)
        post_id = await published(de, _CASE, fr)
        await until(lambda: fr.count("posts"))
        await fr.its.siblings.pause(de.domain, "test", "seen")
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        assert await fr.count("tombstones") == 0
        home, settings, lyon = de.url, de.its.settings, fr.its.settings
    put_back(settings, backup)
    async with assemble(settings) as its:
        assert its.erasures.replayed.erased == 1 and await count(its, "posts") == 0
        [row] = await its.database.read(lambda tx: tx.rows("SELECT body FROM outbox WHERE type = 'Delete'"))
        sent = json.loads(row["body"])
    assert sent["id"] == f"{home}/posts/{post_id}#delete-again" and sent["to"] == [f"{lyon.instance.url}/members"]
    assert sent["actor"].startswith(f"{home}/actors/") and sent["object"]["type"] == "Tombstone"


async def test_a_siblings_deletion_holds_and_its_post_does_not_come_back(tmp_path: Path) -> None:
    backup, fake = tmp_path / "aside.db", FakeSibling()
    async with countries(tmp_path, "de") as (de,):
        await know(de, fake)
        note = fake.note(de, content=f"<p>{_WORD}</p>")
        reply = fake.note(de, "n2", content=f"<p>{_WORD}</p>", inReplyTo=f"{fake.origin}/posts/missing")
        for name, made in (("a1", note), ("a2", reply)):
            assert (await fake.send(de, fake.activity("Create", made, name)))[0] == 202
        assert await de.count("posts") == await de.count("held") == 1
        kept(de, backup)
        for number, made in enumerate((note, reply)):
            gone = {"id": made["id"], "type": "Tombstone"}
            assert (await fake.send(de, fake.activity("Delete", gone, f"d{number}")))[0] == 202
        settings = de.its.settings
    put_back(settings, backup)
    assert holds(settings)
    async with assemble(settings) as its:
        assert its.erasures.replayed.erased == 2
        assert await count(its, "posts", "html <> ''") == await count(its, "held") == await count(its, "outbox") == 0
        await until(lambda: not holds(settings))


async def test_a_sibling_that_was_revoked_or_paused_since_is_so_again_and_none_is_opened(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with countries(tmp_path, "de", worker=False) as (de,):
        fakes = {name: FakeSibling(port=port) for port, name in enumerate(("revoked", "paused", "back", "open"), start=1)}
        for fake in fakes.values():
            await fake.listed(de, "active")
        domain = {name: fake.origin.split("://")[1] for name, fake in fakes.items()}
        await de.its.siblings.pause(domain["open"], "test", "seen")
        kept(de, backup)
        await de.its.siblings.revoke(domain["revoked"], "test", "seen")
        for name in ("paused", "back"):
            await de.its.siblings.pause(domain[name], "test", "seen")
        for name in ("back", "open"):
            await de.its.siblings.resume(domain[name], "test")
        settings = de.its.settings
    put_back(settings, backup)
    async with assemble(settings) as its:
        assert sorted(its.erasures.replayed.closed) == sorted((domain["revoked"], domain["paused"]))
        states = {row.domain: row.state for row in await its.siblings.rows()}
    assert {name: states[domain[name]] for name in domain} == {
        "revoked": "revoked", "paused": "paused", "back": "active", "open": "paused"}


async def test_a_doctor_who_was_suspended_since_is_so_again_and_nobody_else(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.add_doctor("cleo")
        await de.its.accounts.suspend("cleo", "test")
        await de.its.accounts.resume("cleo")
        kept(de, backup)
        for handle in ("ada", "ben"):
            await de.its.accounts.suspend(handle, "test")
        await de.its.accounts.resume("ben")
        settings = de.its.settings
    put_back(settings, backup)
    async with assemble(settings) as its:
        assert its.erasures.replayed.suspended == ("ada",)
        states = {row.handle: row.state for row in await its.accounts.doctors()}
    assert states == {"ada": "suspended", "ben": "verified", "cleo": "verified"}


async def test_what_is_edited_after_a_restore_is_newer_than_what_siblings_know(tmp_path: Path) -> None:
    backup = tmp_path / "aside.db"
    async with at_work(tmp_path) as (de, fr):
        post_id = await published(de, _CASE, fr)
        kept(de, backup)
        for revision in (1, 2):
            await de.its.editing.edit(await de.author("ada"), post_id, f"Other {revision}", "x", revision)
        settings, ada = de.its.settings, await de.author("ada")
    put_back(settings, backup)
    with closing(sqlite3.connect(settings.path("konsil.db"))) as database, database:
        database.execute("UPDATE journal SET restored_at = 1")
    async with assemble(settings) as its:
        [(revision,)] = rows(settings, "SELECT revision FROM posts")
        assert revision > 3
        await its.editing.edit(ada, post_id, "Found again", "x", revision)
        [(uri,)] = rows(settings, "SELECT uri FROM outbox WHERE type = 'Update'")
        assert uri.endswith(f"#update-{revision + 1}")
    async with assemble(settings) as its:
        assert rows(settings, "SELECT revision FROM posts") == [(revision + 1,)]


async def test_what_was_not_written_before_a_crash_is_written_at_the_next_start(its: Assembly, settings: Settings) -> None:
    journal = settings.path("erasures.journal")
    before = journal.read_bytes()
    await its.database.write(lambda tx: store.erase(tx, "https://fr.example/posts/1", "https://fr.example", 5))
    await until(lambda: lines(settings))

    async def noted() -> bool:
        return await count(its, "journal_due", "1 = 1") == 0

    await until(noted)
    journal.write_bytes(before)  # as if the process had died between the two
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO journal_due (name_key, what, name, at) SELECT uri_key, 'erased', uri, at FROM tombstones"))
    async with assemble(settings):
        assert lines(settings) == [Taken("erased", 5, "https://fr.example/posts/1")]


async def test_a_missing_journal_is_said_aloud_and_begun_anew_with_all_that_is_known(settings: Settings) -> None:
    async with assemble(settings) as its:
        await its.database.write(lambda tx: store.erase(tx, "https://fr.example/posts/1", "https://fr.example", 5))
    settings.path("erasures.journal").unlink()
    async with assemble(settings) as its:
        assert "missing" in its.erasures.replayed.trouble
        assert await count(its, "audit", "action = 'erasures.begun-anew' AND detail LIKE '%missing%'") == 1
    assert lines(settings) == [Taken("erased", 5, "https://fr.example/posts/1")]
    async with assemble(settings) as its:
        assert its.erasures.replayed.trouble == ""


@pytest.mark.parametrize("spoil", [
    lambda content: b"x" + content[1:], lambda content: content[:-30] + b"x" + content[-29:], lambda content: content[:74]])
async def test_a_damaged_journal_is_read_as_far_as_it_goes_set_aside_and_begun_anew(settings: Settings, spoil) -> None:  # type: ignore[no-untyped-def]
    path = settings.path("erasures.journal")
    async with assemble(settings) as its:
        for number in range(3):
            await its.database.write(lambda tx, number=number: store.erase(  # type: ignore[misc]
                tx, f"https://fr.example/posts/{number}", "https://fr.example", number))
        await until(lambda: len(lines(settings)) == 3)
        await its.database.write(lambda tx: tx.run("UPDATE journal SET read_to = ?", (path.stat().st_size,)))
    path.write_bytes(spoil(path.read_bytes()))
    await _reset(settings)
    async with assemble(settings) as its:
        assert "damaged" in its.erasures.replayed.trouble
    assert {taken.name for taken in lines(settings)} == {f"https://fr.example/posts/{number}" for number in range(3)}
    assert len([*path.parent.glob("erasures.journal.damaged-*")]) == 1
    async with assemble(settings) as its:
        assert its.erasures.replayed == (0, (), (), "")


async def _reset(settings: Settings) -> None:
    """Let the start read all of it, unless it has become shorter than it was."""
    if settings.path("erasures.journal").stat().st_size > 80:
        with closing(sqlite3.connect(settings.path("konsil.db"))) as database, database:
            database.execute("UPDATE journal SET read_to = 0")


async def test_a_journal_whose_disk_is_not_there_lets_nobody_in(settings: Settings) -> None:
    moved = msgspec.structs.replace(settings, retention=msgspec.structs.replace(
        settings.retention, erasure_journal="elsewhere/erasures.journal"))
    with pytest.raises(Misconfigured, match="elsewhere"):
        async with assemble(moved):
            pass


async def test_a_line_that_stands_there_twice_counts_once_and_speaks_for_nobody_elsewhere(settings: Settings) -> None:
    journal = Journal(settings.path("erasures.journal"))
    journal.append([Taken("erased", 5, "https://fr.example/posts/1", "https://fr.example/actors/1", ("https://it.example",))] * 3)
    async with assemble(settings) as its:
        assert await count(its, "tombstones") == 1 and await count(its, "outbox") == 0
        assert its.erasures.replayed == (1, (), (), "")
