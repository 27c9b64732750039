"""A full disk, at every kind of write: whoever is refused reads why, nothing is done by halves, and it goes on by itself.

How large a file may become is set for a running process (RLIMIT_FSIZE), so that nobody needs to be root; which file is full is
a matter of which has grown that far. Python ignores the signal, and the write fails as it does on a full disk.
"""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import Settings
from instance.assembly import assemble
from instance.demo_check import Failed, Person
from tests.faults.compared import compare
from tests.faults.load import PATIENCE, Worker
from tests.faults.processes import SOAK, Processes, two
from tests.faults.test_kill import at_rest
from tests.faults.test_restore import lying_about, run
from tests.servers import PASSWORD, FakeSibling, countries, know, until
from tests.test_pages import Browser

_ROUNDS = 20 if SOAK else 1
_SEED = 20261126
_MIB = 1 << 20


def fill(place: Processes, most_bytes: int) -> None:
    """From now on no file of this instance's server grows beyond so many bytes."""
    resource.prlimit(place.running["both"].pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


def empty(place: Processes) -> None:
    fill(place, resource.RLIM_INFINITY)


def size(place: Processes, name: str) -> int:
    path = place.directory / name
    return path.stat().st_size if path.exists() else 0


def widen(journal: Path) -> None:
    """Make the journal the largest file by far, with lines that say nothing: its own first one, again and again."""
    first = journal.read_bytes().splitlines(keepends=True)[0]
    with journal.open("ab") as file:
        file.write(first * (6 * _MIB // len(first)))


async def test_a_disk_that_is_full_and_has_room_again_loses_and_halves_nothing(
        tmp_path: Path, figures: Callable[[str], None]) -> None:
    places = [Processes(settings) for settings in await two(tmp_path)]
    full = {"write-ahead log": "konsil.db-wal", "database": "konsil.db", "erasure journal": "erasures.journal"}
    refused: dict[str, int] = {}
    for place in places:
        widen(place.directory / "erasures.journal")
    try:
        for place in places:
            place.start("both")
        for place in places:
            await until(place.ready, 30)
        doctors = [Worker(place.url, place.directory.name, handle, _SEED) for place in places for handle in ("ada", "ben")]
        watchers = [Person(place.url, place.directory.name, "ben", PASSWORD) for place in places]
        for watcher in watchers:
            await asyncio.to_thread(watcher.login)
        over = threading.Event()
        working = [asyncio.create_task(asyncio.to_thread(who.work, over)) for who in doctors]

        async def some(many: int, whose: list[Worker]) -> None:
            so_far = sum(who.deeds for who in whose)
            await until(lambda: sum(who.deeds for who in whose) >= so_far + many, PATIENCE)

        await some(8, doctors)
        for _ in range(_ROUNDS):
            for number, place in enumerate(places):
                hers, theirs = doctors[number * 2:number * 2 + 2], doctors[2 - number * 2:4 - number * 2]
                for what, name in full.items():
                    fill(place, size(place, name))
                    if what == "write-ahead log":
                        await _turned_away(watchers[number])
                        await until(lambda place=place: _told(places, place) == "answered 503", PATIENCE)  # type: ignore[misc]
                        await some(2, theirs)
                    elif what == "erasure journal":
                        so_far = sum(len(who.deleted) for who in hers)
                        await until(lambda so_far=so_far, hers=hers: sum(len(who.deleted) for who in hers) > so_far,  # type: ignore[misc]
                                    PATIENCE)
                        await until(lambda place=place: place.rows("SELECT 1 FROM journal_due"), PATIENCE)  # type: ignore[misc]
                    else:
                        await some(4, theirs)
                    refused[what] = refused.get(what, 0) + 1
                    empty(place)
                    await some(4, hers)
        over.set()
        await asyncio.gather(*working)
        await at_rest(*places)
        deleted = set().union(*(who.deleted for who in doctors))
        for place in places:
            await until(lambda place=place: not compare([place.directory], deleted).risen, 20)  # type: ignore[misc]
    finally:
        for place in places:
            place.stop()
    found = compare([place.directory for place in places], deleted)
    for place in places:
        run(place.directory, "audit", "verify")
    figures(f"full {refused} times, {sum(who.deeds for who in doctors)} deeds of doctors: {found.check()}")


async def _turned_away(watcher: Person) -> None:
    """Post until there is no room: a log that has just begun anew is written from its front again before it has to grow."""
    with pytest.raises(Failed, match="answered 503"):
        async with asyncio.timeout(PATIENCE):
            while True:
                await asyncio.to_thread(watcher.post, "/settings/language", {"language": "en"})


def _told(places: list[Processes], full: Processes) -> str:
    """What the other one has been answered by the one whose disk is full."""
    other = next(place for place in places if place is not full)
    [(said,)] = other.rows("SELECT last_error FROM delivery_lines")
    return str(said)


async def test_a_database_that_cannot_grow_gives_back_what_was_written_and_goes_on_with_room(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        fake = FakeSibling()
        await know(de, fake)
        connection, text = de.its.database.writer, "Long <text> " * 1500
        fields = {"kind": "case", "question": "What is it?", "text": text, "language": "en", "specialties": "cardiology",
                  "step": "publish", "reach": "home", "form": "f" * 43}
        sent = [fake.activity("Create", fake.note(de, f"n{n}", content="x" * (60_000 if n % 2 else 9)), f"a{n}")
                for n in range(20)]
        async with Browser(de) as ada:
            assert await ada.login("ada") == 303
            await connection.execute_fetchall("PRAGMA max_page_count = 1")  # as many as there are, and no more
            answers = [await fake.send(de, one) for one in sent]
            assert {503} <= {status for status, _ in answers} <= {202, 503}
            assert {problem["type"] for status, problem in answers if status == 503} == {"urn:konsil:problem:unavailable"}
            assert await de.count("posts") == await de.count("ledger") == sum(status == 202 for status, _ in answers)
            status, page = await ada.post("/compose", fields)
            assert status == 503 and "Long &lt;text&gt;" in page and "is kept on this page" in page
            await connection.execute_fetchall("PRAGMA max_page_count = 4294967294")
            assert {(await fake.send(de, one))[0] for one in sent} == {202}
            assert (await ada.post("/compose", fields))[0] == 303
        assert await de.count("posts") == len(sent) + 1 and await de.count("ledger") == len(sent)
        assert not compare([Path(de.its.settings.instance.data_dir)]).half


@pytest.mark.parametrize("most_bytes", [0, 40, 300, 10_000, 100_000, 400_000])
def test_an_instance_that_cannot_be_made_to_the_end_leaves_nothing(tmp_path: Path, most_bytes: int) -> None:
    words = ("init", str(tmp_path / "de"), "--country", "de", "--domain", "de.example")
    _, said = run(tmp_path, *words, exits=1, most_bytes=most_bytes)
    assert len(said.splitlines()) == 1 and not (tmp_path / "de").exists()


async def test_a_command_that_finds_no_room_says_so_in_a_sentence_and_leaves_nothing_half(
        place: Path, settings: Settings) -> None:
    """Beside a running server, so that the database itself is open: what fails is the file that is to be written."""
    target = place.parent / "written"
    commands = {("identity", "--export", str(target)): 300, ("audit", "export", str(target)): 10,
                ("doctor", "add", "ada", "--name", "Ada", "--specialty", "cardiology", "--password-stdin"): 100,
                ("backup", str(target)): 10, ("backup", str(target), "--json"): 10_000}
    async with assemble(settings) as its:
        for words, most_bytes in commands.items():
            _, said = await asyncio.to_thread(run, place, *words, exits=1, most_bytes=most_bytes, says=f"{PASSWORD}\n")
            assert len(said.splitlines()) == 1 and "unexpected" not in said, said
            assert not target.exists() and not lying_about(place)
            assert (place / "backup.key").exists() is (most_bytes >= 10_000)
        assert await its.accounts.by_handle("ada") is None and not (await its.audit.verify()).findings
        assert "read back" in (await asyncio.to_thread(run, place, "backup", str(target)))[0]
