"""The archive: everything of hers, nothing of others, sealed on the disk, made in pieces that outlive a crash."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.i18n import Translations
from core.ids import public
from instance.archives import Archives, is_there, parts
from instance.assembly import assemble
from instance.context import LOCALE
from posts import archive
from posts.drafts import Sheet, What, Written
from posts.exports import Export, ExportState
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import published
from tests.servers import PASSWORD, Running, countries, until
from tests.test_erasures import kept, put_back
from tests.test_pages import Browser
from tests.test_portraits import RED, is_square, picture

_HERS, _THEIRS = "hersword71", "theirword93"


async def fill(de: Running, fr: Running) -> None:
    """Ada asks, edits, answers, votes, likes, keeps, follows and has a draft; somebody abroad asks and answers her."""
    ada, jeanne = await de.author("ada"), await fr.author("ben")
    case = await published(de, Draft(Kind.CASE, f"First {_HERS}?", f"Old {_HERS}", "de", CaseFacts(("cardiology",))), fr)
    await de.its.editing.edit(ada, case, f"Second {_HERS}?", f"New {_HERS}", 1)
    poll = PollDraft(("yes", "no"), False, de.its.clock.ms() + 3_600_000)
    digest = fr.its.compose.network_digest(await fr.its.compose.destinations())
    await fr.its.compose.publish(jeanne, Draft(Kind.POLL, f"Title {_THEIRS}?", f"Secret{_THEIRS}", "fr", CaseFacts(), poll),
                                 (de.url,), Reach.NETWORK, digest)
    await until(lambda: de.count("posts", "kind = 'poll'"))
    [card] = [one for one in (await de.its.timelines.home(ada.actor, "all", None)).posts if one.kind == Kind.POLL]
    await de.its.compose.reply(ada, card.id, f"Answer {_HERS}", "de")
    doctor = await de.its.credentials.require_verified(de.doctors["ada"])
    await de.its.polls.vote(await de.author("ada", "vote"), card.id, (1,))
    await de.its.reactions.like(doctor, card.id)
    await de.its.reactions.bookmark(ada.actor, card.id)
    await de.its.relations.follow(doctor, card.author)
    await de.its.drafts.keep(ada.actor, Sheet(What.NEW, public(de.its.ids.new()), "", "m"), Written(question=f"Draft {_HERS}"))


def hers(de: Running, export: Export) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(parts(de.its, export))))


async def found(de: Running) -> Export:
    export = await de.its.exports.of(de.doctors["ada"].id)
    assert export is not None
    return export


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        await fill(de, fr)
        yield de, fr


async def ready(de: Running) -> Export:
    async def there() -> bool:
        return (await found(de)).state == ExportState.READY

    await until(there)
    return await found(de)


async def test_everything_of_hers_is_in_it_and_of_others_the_title_only(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.exports.ask(de.doctors["ada"], "en")
    export = await ready(de)
    assert (export.posts, export.total) == (2, 2)
    with hers(de, export) as box:
        assert box.testzip() is None
        text = {name: box.read(name).decode() for name in box.namelist()}
    documents: dict[str, Any] = {name: json.loads(content) for name, content in text.items() if name.endswith(".json")}
    outbox = documents["outbox.json"]
    assert (outbox["type"], outbox["totalItems"]) == ("OrderedCollection", 2)
    newest, oldest = outbox["orderedItems"]
    assert newest["type"] == oldest["type"] == "Create" and _HERS in newest["object"]["content"]
    assert "inReplyTo" in newest["object"] and oldest["object"]["name"] == f"Second {_HERS}?"
    [before] = documents["history.json"]
    assert before["name"] == f"First {_HERS}?" and before["revision"] == 1
    assert [vote["choice"] for vote in documents["votes.json"]] == ["no"]
    assert [one["doctor"].split("@")[1] for one in documents["follows.json"]["following"]] == ["ben"]
    assert len(documents["bookmarks.json"]) == len(documents["reactions.json"]) == 1
    assert documents["drafts.json"][0]["fields"]["question"] == f"Draft {_HERS}"
    assert documents["settings.json"]["handle"].startswith("@ada@") and documents["actor.json"]["type"] == "Person"
    assert documents["verification.json"]["badge"]["verifiedBy"] == de.its.identity.name
    threads = [name for name in text if name.startswith("threads/")]
    assert len(threads) == 2 and all(name in text["index.html"] for name in threads)
    assert f"New {_HERS}" in "".join(text[name] for name in threads) and "<style" not in text["index.html"]
    everything = "\n".join(text.values())
    assert f"Secret{_THEIRS}" not in everything and f"Title {_THEIRS}?" in text["index.html"]
    assert text["README.txt"].startswith("The archive of Dr Ada (@ada@")
    assert "portrait" not in text["README.txt"] + text["index.html"]


async def test_her_picture_is_in_it_as_others_see_it(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.portraits.change(await de.its.credentials.require_verified(de.doctors["ada"]), picture())
    await de.its.exports.ask(de.doctors["ada"], "en")
    with hers(de, await ready(de)) as box:
        assert is_square(box.read("portrait.jpg"), 400, RED)
        assert 'src="portrait.jpg"' in box.read("index.html").decode() and "portrait.jpg" in box.read("README.txt").decode()


async def test_on_the_disk_it_is_sealed_and_only_its_days_long_there(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.exports.ask(de.doctors["ada"], "en")
    export = await ready(de)
    directory = de.its.settings.path("exports")
    [path] = [one for one in directory.rglob("*") if one.is_file()]
    assert _HERS.encode() not in path.read_bytes() and b"PK" not in path.read_bytes()[:64]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700 and stat.S_IMODE(path.stat().st_mode) == 0o600
    archives = Archives(de.its, Translations(LOCALE))
    await archives.sweep()
    assert is_there(de.its, export)
    (directory / "0000000000001.zip").write_bytes(b"left behind")
    await de.its.database.write(lambda tx: tx.run("UPDATE exports SET ready_at = ready_at - 604800000"))
    await archives.sweep()
    assert [*directory.iterdir()] == [] and (await found(de)).state == ExportState.OVER


async def test_it_is_downloaded_with_the_password_and_by_nobody_else(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    async with Browser(de) as ada, Browser(de) as ben, Browser(de) as olga:
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        for one, handle in ((ada, "ada"), (ben, "ben"), (olga, "olga")):
            await one.login(handle)
        assert "Make my archive" in (await ada.get("/settings/export"))[1]
        assert await ada.post("/settings/export", {}) == (303, "/settings/export")
        export = await ready(de)
        page = (await ada.get("/settings/export"))[1]
        assert "It is ready" in page and "Download" in page
        assert (await ada.post("/settings/export/file", {"password": "guessed"}))[0] == 400
        assert (await ben.post("/settings/export/file", {"password": PASSWORD}))[0] == 404
        assert (await olga.post("/settings/export/file", {"password": PASSWORD}))[0] == 404
        assert (await olga.get("/settings/export"))[0] == 404
        async with ada.session.post("/settings/export/file", data={"password": PASSWORD}) as response:
            body = await response.read()
            assert response.status == 200 and response.headers["content-type"] == "application/zip"
            assert response.headers["content-length"] == str(len(body)) == str(export.bytes)
            assert response.headers["content-disposition"].startswith('attachment; filename="konsil-ada-')
        assert "outbox.json" in zipfile.ZipFile(io.BytesIO(body)).namelist()


async def test_who_leaves_takes_the_archive_out_of_the_house(pair: tuple[Running, Running]) -> None:
    de, _ = pair
    await de.its.exports.ask(de.doctors["ada"], "en")
    await ready(de)
    await de.its.departures.order("ada", "test")
    await until(lambda: de.count("departures", "done_at IS NOT NULL"))
    directory = de.its.settings.path("exports")
    await until(lambda: not [*directory.iterdir()])
    assert await de.count("exports") == 0


async def test_many_posts_come_in_pieces_and_what_stopped_in_between_goes_on(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "POSTS", 3)
    monkeypatch.setattr(archive, "THREADS", 2)
    async with countries(tmp_path, "de", worker=False) as (de,):
        ada = await de.author("ada")
        for number in range(8):
            await de.its.compose.publish(ada, Draft(Kind.NOTE, f"Note {number}", "Text", "de", CaseFacts()), (), Reach.HOME, "")
        await de.its.exports.ask(de.doctors["ada"], "en")
        seen = []
        while await Archives(de.its, Translations(LOCALE)).step():  # each time another process, as it were
            seen.append(((await found(de)).stage, (await found(de)).posts))
        assert [posts for stage, posts in seen if stage == "posts"] == [0, 3, 6]
        assert len(seen) == 1 + 3 + 5 + 1  # begun; posts; conversations, of which none were left in the last; packed
        with hers(de, await found(de)) as box:
            items = json.loads(box.read("outbox.json"))["orderedItems"]
            assert [item["object"]["name"] for item in items] == [f"Note {number}" for number in reversed(range(8))]
            assert len([name for name in box.namelist() if name.startswith("threads/")]) == 8


async def test_asked_again_meanwhile_nothing_begins_anew_and_what_cannot_be_made_is_given_up(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        account = de.doctors["ada"]
        await de.its.exports.ask(account, "en")
        first = await found(de)
        await de.its.exports.ask(account, "en")
        assert (await found(de)).id == first.id
        archives = Archives(de.its, Translations(LOCALE))
        assert await archives.step()
        de.its.settings.path("exports").write_bytes(b"in the way")
        for _ in range(5):
            assert await archives.step()
            await de.its.database.write(lambda tx: tx.run("UPDATE exports SET next_try = 0"))
        assert (await found(de)).state == ExportState.FAILED and not await archives.step()
        async with Browser(de) as ada:
            await ada.login("ada")
            assert "could not be made" in (await ada.get("/settings/export"))[1]
        de.its.settings.path("exports").unlink()
        await de.its.exports.ask(account, "en")
        while await archives.step():
            pass
        assert is_there(de.its, await found(de))


async def test_a_restored_database_promises_no_archive_that_is_in_no_backup(tmp_path: Path) -> None:
    aside = tmp_path / "aside.db"
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.its.exports.ask(de.doctors["ada"], "en")
        while await Archives(de.its, Translations(LOCALE)).step():
            pass
        await de.its.database.write(lambda tx: tx.run("UPDATE journal SET restored_at = 1"))  # as `konsil restore` notes it
        kept(de, aside)
        settings, account = de.its.settings, de.doctors["ada"]
    put_back(settings, aside)
    async with assemble(settings) as its:
        export = await its.exports.of(account.id)
        assert export is not None and export.state == ExportState.OVER
