"""The restore drill of docs/operating/backup.md with real processes, and what happens when they die or the disk is full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from actors.accounts import NewDoctor
from actors.models import Role
from core.ids import public
from core.settings import Settings, load
from instance.assembly import Assembly, assemble
from instance.demo_check import Failed, Person, hidden
from posts import store
from posts.models import Audience, CaseFacts, Kind, Reach
from posts.store import Post
from tests.faults.processes import Processes, two
from tests.servers import PASSWORD, until

_ROOT = Path(__file__).parents[2]
_WORD = "planted7c1e"
_POSTS = 1500


def konsil(place: Path, *words: str, most_bytes: int | None = None) -> subprocess.Popen[str]:
    """The program on an instance; `most_bytes` is how large a file may become before the disk is full."""
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes or 0, most_bytes or 0))

    return subprocess.Popen(
        [sys.executable, "-m", "instance", "--config", str(place / "config.toml"), *words], cwd=_ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=little if most_bytes is not None else None)


def run(place: Path, *words: str, exits: int = 0, most_bytes: int | None = None, says: str = "") -> tuple[str, str]:
    process = konsil(place, *words, most_bytes=most_bytes)
    out, err = process.communicate(says, timeout=60)
    assert process.returncode == exits, (out, err)
    return out, err


def lying_about(place: Path) -> list[str]:
    """What no command may leave behind."""
    return [path.name for path in place.iterdir() if path.name.startswith(".") or path.name.endswith((".restoring", ".part"))]


def in_files(place: Processes) -> list[str]:
    return [path.name for path in place.directory.iterdir() if path.is_file() and _WORD.encode() in path.read_bytes()]


def ask(who: Person, question: str) -> str:
    return who.publish({"kind": "case", "question": question, "text": f"Text of {question}", "language": "en",
                        "specialties": "cardiology"})


def edit(who: Person, path: str, question: str) -> None:
    revision = hidden(who.get(f"{path}/edit"))["revision"][0]
    who.post(f"{path}/edit", {"question": question, "text": f"Text of {question}", "revision": revision})


@contextlib.contextmanager
def writing(who: Person) -> Iterator[list[str]]:
    """She asks one question after the other; yields what the instance said it has stored."""
    over, done, troubles = threading.Event(), list[str](), list[Exception]()

    def write() -> None:
        try:
            while not over.is_set():
                done.append(ask(who, f"Question {len(done)}"))
        except Exception as error:
            troubles.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()
    assert not troubles


async def test_the_drill(tmp_path: Path) -> None:
    """A backup while doctors write; what is deleted afterwards, here and abroad, does not come back with it."""
    berlin, lyon = (Processes(settings) for settings in await two(tmp_path))
    backup, key = tmp_path / "de.backup", tmp_path / "copy of the key"
    try:
        for place in (berlin, lyon):
            for what in ("web", "worker"):
                place.start(what)
        for place in (berlin, lyon):
            await until(place.ready, 30)
        ada, ben = (Person(berlin.url, "de", handle, PASSWORD) for handle in ("ada", "ben"))
        for doctor in (ada, ben):
            await asyncio.to_thread(doctor.login)
        planted = await asyncio.to_thread(ask, ada, f"{_WORD} one")
        await asyncio.to_thread(edit, ada, planted, f"{_WORD} two")

        with writing(ben) as done:  # 1. a backup while the instance works
            await until(lambda: len(done) > 2, 30)
            out, _ = await asyncio.to_thread(run, berlin.directory, "backup", str(backup))
            stored = len(done)
            await until(lambda: len(done) > stored + 2, 30)
        assert "read back" in out
        key.write_text((berlin.directory / "backup.key").read_text())
        key.chmod(0o600)

        for number in range(2):  # 2. what comes and goes afterwards
            await asyncio.to_thread(edit, ben, done[0], f"Lost {number}")
        await until(lambda: lyon.rows("SELECT 1 FROM posts WHERE question = 'Lost 1'"), 30)
        late = await asyncio.to_thread(ask, ada, f"{_WORD} late")
        await until(lambda: len(lyon.rows("SELECT 1 FROM posts WHERE question LIKE ?", f"{_WORD}%")) == 2, 30)
        lyon.kill("web")
        for path in (planted, late):
            await asyncio.to_thread(ada.post, f"{path}/delete", {})
        await until(lambda: not berlin.rows("SELECT 1 FROM journal_due"))
        assert len(lyon.rows("SELECT 1 FROM posts WHERE question LIKE ?", f"{_WORD}%")) == 2

        for what in ("web", "worker"):  # 3. the machine is lost, but for the journal
            berlin.kill(what)
        (berlin.directory / "backup.key").unlink()
        out, _ = run(berlin.directory, "restore", str(backup), "--key", str(key), "--yes")
        assert "deleted since: 2 posts" in out and "before-restore-" in out and not lying_about(berlin.directory)

        for what in ("web", "worker"):  # 4. it serves, and what was deleted is nowhere
            berlin.start(what)
        await until(berlin.ready, 30)
        with pytest.raises(Failed):  # her session has ended
            await asyncio.to_thread(ada.post, "/compose", {"step": "audience", "kind": "note", "text": "x", "language": "en"})
        await asyncio.to_thread(ada.login)
        assert "Question 0" in await asyncio.to_thread(ada.get, done[0])
        for path in (planted, late):
            with contextlib.suppress(Failed):
                assert _WORD not in await asyncio.to_thread(ada.get, path)
        await until(lambda: not in_files(berlin), 10)
        assert berlin.rows("SELECT count(*) FROM revisions") == [(0,)]

        await asyncio.to_thread(ben.login)
        await asyncio.to_thread(edit, ben, done[0], "Found")

        lyon.start("web")  # 5. and it hears so who was told nothing before; what is written now counts there again
        await until(lambda: lyon.rows("SELECT 1 FROM posts WHERE question = 'Found'"), 30)
        await until(lambda: not lyon.rows("SELECT 1 FROM posts WHERE question LIKE ?", f"{_WORD}%"), 30)
        await until(lambda: not in_files(lyon), 10)
        await until(lambda: not berlin.rows("SELECT 1 FROM deliveries WHERE state = 'pending'"), 30)
        found = {f"/p/{uri.rpartition('/')[2]}" for (uri,) in berlin.rows("SELECT uri FROM posts WHERE erased_at IS NULL")}
        assert len(found) > 2 and found <= set(done)  # what came after the backup was lost with the machine
    finally:
        for place in (berlin, lyon):
            place.stop()


@pytest.fixture
def large(place: Path) -> Path:
    """An instance whose backup takes a while."""
    with closing(sqlite3.connect(place / "konsil.db")) as database, database:
        database.execute("CREATE TABLE ballast (bytes BLOB)")
        database.executemany("INSERT INTO ballast VALUES (randomblob(1000000))", [()] * 60)
    run(place, "backup", str(place.parent / "first.backup"))
    (place.parent / "first.backup").unlink()
    return place


def nameless(process: subprocess.Popen[str]) -> int:
    """How many files a process has open that have no name (any more)."""
    found = 0
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found += os.readlink(handle).endswith(" (deleted)")
    return found


@pytest.mark.parametrize("files", [1, 4, 5])
def test_a_backup_that_is_killed_leaves_nothing(large: Path, files: int) -> None:
    """While it copies the database, while it encrypts the copy, while it reads back what it has written."""
    target, before = large.parent / "killed.backup", {path.name for path in large.iterdir()}
    process = konsil(large, "backup", str(target))
    while nameless(process) < files:
        assert process.poll() is None, "it was faster"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not target.exists() and not lying_about(large)
    assert {path.name for path in large.iterdir()} <= before | {"konsil.db-wal", "konsil.db-shm"}
    assert {path.name for path in large.parent.iterdir()} == {large.name}
    assert "read back" in run(large, "backup", str(target))[0]


def test_a_full_disk_ends_a_backup_and_a_restore_with_a_sentence_and_no_trace(large: Path) -> None:
    target = large.parent / "full.backup"
    _, said = run(large, "backup", str(target), exits=1, most_bytes=20_000_000)
    assert "could not be written, and nothing of it was left behind" in said and len(said.splitlines()) == 1
    assert not target.exists() and not lying_about(large)
    run(large, "backup", str(target))
    before = (large / "konsil.db").read_bytes()
    _, said = run(large, "restore", str(target), "--yes", exits=1, most_bytes=20_000_000)
    assert "could not be restored" in said and len(said.splitlines()) == 1
    assert (large / "konsil.db").read_bytes() == before and not lying_about(large)
    assert {path.name for path in large.parent.iterdir()} == {large.name, "full.backup"}
    run(large, "identity")


async def filled(its: Assembly) -> list[str]:
    """Many posts of one doctor; returns their URIs."""
    doctor = await its.accounts.add_doctor(
        NewDoctor("ada", "Dr Ada", PASSWORD, Role.DOCTOR, ("cardiology",), "register", "seen"))
    made = []
    for _ in range(_POSTS):
        number = its.ids.new()
        made.append(Post(number, f"{its.identity.origin}/posts/{public(number)}", doctor.id, None, Kind.NOTE, number, None, _WORD,
                         _WORD, f"<p>{_WORD}</p>", "de", CaseFacts(), None, Audience(Reach.HOME, (its.identity.origin,)), "de",
                         its.clock.ms()))
    await its.database.write(lambda tx: store.insert(tx, made))
    return [post.uri for post in made]


async def test_a_replay_that_is_killed_goes_on_at_the_next_start(place: Path, settings: Settings) -> None:
    backup = place.parent / "de.backup"
    async with assemble(settings) as its:
        uris = await filled(its)
        await asyncio.to_thread(run, place, "backup", str(backup))
        await its.database.write(lambda tx: [store.erase(tx, uri, its.identity.origin, its.clock.ms()) for uri in uris])
        await until(lambda: its.database.read(lambda tx: tx.row("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journal_due)")))

    def erased() -> int:
        try:
            with closing(sqlite3.connect(f"file:{place / 'konsil.db'}?mode=ro", uri=True)) as database:
                return int(database.execute("SELECT count(*) FROM tombstones").fetchone()[0])
        except sqlite3.OperationalError:  # the files are changing places
            return _POSTS

    process = konsil(place, "restore", str(backup), "--yes")
    while not (done := erased()) or done == _POSTS:
        assert process.poll() is None, "it was faster"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 0 < erased() < _POSTS
    process = konsil(place, "doctor", "list")
    while (now := erased()) <= done:
        assert process.poll() is None, "it was faster"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert now < _POSTS
    run(place, "identity")
    assert erased() == _POSTS
    with closing(sqlite3.connect(place / "konsil.db")) as database:
        assert database.execute("SELECT count(*) FROM posts WHERE html <> '' OR erased_at IS NULL").fetchone() == (0,)
        assert database.execute("SELECT restored_at FROM journal").fetchone() == (None,)
    async with assemble(load(place / "config.toml", os.environ)) as its:
        assert its.erasures.replayed == (0, (), (), "") and not (await its.audit.verify()).findings
        assert msgspec.structs.asdict(its.settings.retention)["erasure_journal"] == "erasures.journal"
