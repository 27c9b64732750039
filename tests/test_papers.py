"""Documents: drawn anew and sealed, seen by operators with their name across, and gone when their time is over."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import msgspec
import pytest
from PIL import Image

from actors.papers import DOCUMENTS, Gone, twins
from core.database import Tx
from core.errors import Conflict, Misconfigured, NotFound
from core.ids import public
from core.settings import Joining, Settings
from core.vault import token, token_hash
from tests.drawn import opened, pdf, photograph, written
from tests.promises.hostile_papers import FILES
from tests.servers import PASSWORD, Running, countries, until
from tests.test_joining import filled
from tests.test_pages import Browser

KIND = "approbation"


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await de.its.accounts.add_operator("olga", "Olga", PASSWORD)
        yield de


async def apply(at: Running, reference: str = "AB12-CD34", state: str = "draft") -> tuple[int, str]:
    """An application as joining makes it; its id and the secret of its link."""
    number, secret, now = at.its.ids.new(), token(), at.its.clock.ms()
    await at.its.database.write(lambda tx: tx.run(
        "INSERT INTO applications (id, reference, kind, state, token_hash, language, address, confirmed_at, created_at,"
        " touched_at) VALUES (?, ?, 'joining', ?, ?, 'de', 'anna@x.example', 1, ?, ?)",
        (number, reference, state, token_hash(secret), now, now)))
    return number, secret


def form(file: bytes, name: str = "diploma.jpg", kind: str = KIND,
         media: str = "image/jpeg") -> aiohttp.FormData:
    made = aiohttp.FormData({"kind": kind})
    made.add_field("file", BytesIO(file), filename=name, content_type=media)
    return made


async def hand_in(browser: Browser, secret: str, file: bytes, **more: str) -> tuple[int, str]:
    return await browser.post(f"/join/{secret}/documents", form(file, **more))


async def test_a_photograph_is_handed_in_kept_sealed_and_seen_with_the_operators_name_across_it(de: Running) -> None:
    _, secret = await apply(de)
    async with Browser(de) as anna, Browser(de) as olga:
        status, where = await hand_in(anna, secret, photograph(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"))
        assert (status, where.partition("?")[0]) == (303, f"/join/{secret}/documents")
        page = (await anna.get(where))[1]
        assert "Approbation certificate" in page and "1 page" in page and "It is here." in page
        directory = de.its.settings.path("documents")
        [kept] = directory.iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600 and directory.stat().st_mode & 0o777 == 0o700
        assert b"\xff\xd8" not in kept.read_bytes()[:32] and b"JFIF" not in kept.read_bytes()
        document = re.search(r"/documents/(\w{13})/remove", page)
        assert document is not None
        seen = f"/admin/documents/{document[1]}/1"
        assert (await anna.get(seen))[0] == 303
        assert await olga.login("olga") == 303
        async with olga.session.get(seen) as response:
            shown = await response.read()
            assert (response.status, response.headers["content-type"], response.headers["cache-control"]) == (
                200, "image/jpeg", "no-store")
        image = opened(shown)
        assert image.format == "JPEG" and max(image.size) <= 2000 and not image.getexif()
        [entry] = await de.its.audit.list(5, action="document.viewed")
        assert (entry.by, entry.target) == ("olga", "AB12-CD34") and entry.detail.startswith(f"{document[1]} 1 ")
        for nothing in (f"/admin/documents/{document[1]}/2", f"/admin/documents/{document[1]}/0", "/admin/documents/x/1"):
            assert (await olga.get(nothing))[0] == 404


async def documents(at: Running, application: int) -> list[tuple[int, str]]:
    return [(one.id, one.gone_for) for one in await at.its.papers.of(application)]


def files(at: Running) -> set[str]:
    directory = at.its.settings.path("documents")
    return {path.name.partition("-")[0] for path in directory.iterdir()} if directory.exists() else set()


async def test_pages_do_not_open_without_their_key_nor_in_the_place_of_others(de: Running) -> None:
    application, _ = await apply(de)
    one = await de.its.papers.add(application, KIND, pdf(2))
    other = await de.its.papers.add(application, KIND, pdf(1))
    directory = de.its.settings.path("documents")
    first, second = directory / f"{public(one.id)}-1", directory / f"{public(one.id)}-2"
    kept = second.read_bytes()
    for strange in (first.read_bytes(), (directory / f"{public(other.id)}-1").read_bytes(), kept[:-1], b""):
        second.write_bytes(strange)
        with pytest.raises(Misconfigured):
            await de.its.papers.page(one.id, 2, "olga")
    second.write_bytes(kept)
    assert opened(await de.its.papers.page(one.id, 2, "olga")).format == "JPEG"
    await de.its.database.write(lambda tx: tx.run(
        "UPDATE documents SET sealed_key = (SELECT sealed_key FROM documents WHERE id = ?) WHERE id = ?", (other.id, one.id)))
    with pytest.raises(Misconfigured):
        await de.its.papers.page(one.id, 2, "olga")
    assert len(await de.its.audit.list(9, action="document.viewed")) == 1


async def test_the_applicant_takes_a_document_back_and_nobody_elses(de: Running) -> None:
    application, secret = await apply(de)
    _, stranger = await apply(de, "ZZ99-ZZ99")
    made = await de.its.papers.add(application, KIND, photograph())
    async with Browser(de) as anna:
        path = f"/join/{{}}/documents/{public(made.id)}/remove"
        assert (await anna.post(path.format(stranger), {}))[0] == 404 and files(de) == {public(made.id)}
        assert (await anna.post(path.format("nobody"), {}))[0] == 404
        assert (await anna.post(path.format(secret), {}, **{"sec-fetch-site": "cross-site"}))[0] == 403
        assert (await anna.post(path.format(secret), {})) == (303, f"/join/{secret}/documents?removed=1")
        assert (await anna.post(path.format(secret), {}))[0] == 404
        assert "It is removed." in (await anna.get(f"/join/{secret}/documents?removed=1"))[1]
    assert files(de) == set() and await documents(de, application) == [(made.id, "removed")]
    assert await de.count("documents", "sealed_key IS NOT NULL") == 0
    with pytest.raises(NotFound):
        await de.its.papers.page(made.id, 1, "olga")


async def test_what_was_handed_in_can_be_changed_while_the_application_is_hers_and_not_while_it_is_with_the_operators(
        de: Running) -> None:
    application, secret = await apply(de)
    made = await de.its.papers.add(application, KIND, photograph())
    async with Browser(de) as anna:
        for state, free in (("draft", True), ("submitted", False), ("asked", True), ("rejected", False), ("accepted", False),
                            ("withdrawn", False), ("lapsed", False)):
            await de.its.database.write(lambda tx, state=state: tx.run("UPDATE applications SET state = ?", (state,)))  # type: ignore[misc]
            status, page = await anna.get(f"/join/{secret}/documents")
            assert status == 200 and ('type="file"' in page) is free and (f"/{public(made.id)}/remove" in page) is free, state
            if not free:
                assert (await hand_in(anna, secret, photograph("PNG")))[0] == 409
                assert (await anna.post(f"/join/{secret}/documents/{public(made.id)}/remove", {}))[0] == 409
    assert await documents(de, application) == [(made.id, "")]


async def test_an_application_that_is_handed_in_while_a_page_is_drawn_gets_no_more_documents(de: Running) -> None:
    application, _ = await apply(de)
    adding = asyncio.create_task(de.its.papers.add(application, KIND, photograph()))
    await until(lambda: de.its.darkroom.running)
    await de.its.database.write(lambda tx: tx.run("UPDATE applications SET state = 'submitted'"))
    with pytest.raises(Conflict):
        await adding
    assert files(de) == set() and await documents(de, application) == []


async def test_kind_number_and_tries_are_bounded_and_the_same_file_is_kept_once(de: Running) -> None:
    application, secret = await apply(de)
    async with Browser(de) as anna:
        assert (await hand_in(anna, secret, photograph(), kind="anything"))[0] == 400
        assert (await hand_in(anna, secret, photograph()))[0] == 303
        status, page = await hand_in(anna, secret, photograph())
        assert status == 409 and "You have handed in this very file already." in page
        copy = ("INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at)"
                " VALUES (?, ?, '', '', 1, 0, ?, 1)")
        await de.its.database.write(lambda tx: [tx.run(copy, (n, application, bytes([n]))) for n in range(1, DOCUMENTS)])
        status, page = await hand_in(anna, secret, photograph("PNG"))
        assert status == 409 and "remove one first" in page
        for _ in range(40):
            status, page = await hand_in(anna, secret, b"")
            if status == 429:
                break
        assert status == 429 and "many files in a short time" in page
    assert len(files(de)) == 1


async def test_a_file_that_took_too_much_counts_for_many(de: Running) -> None:
    _, secret = await apply(de)
    _, other = await apply(de, "ZZ99-ZZ99")
    heavy = FILES["a PDF with a gigabyte of drawing"].make()
    async with Browser(de) as anna:
        for _ in range(3):
            assert (await hand_in(anna, secret, heavy))[0] == 400
        assert (await hand_in(anna, secret, photograph()))[0] == 429
        assert (await hand_in(anna, other, photograph()))[0] == 303


@pytest.mark.parametrize(("state", "decided", "touched", "why"), [
    ("accepted", 15, 15, "decided"), ("rejected", 15, 99, "decided"), ("accepted", 13, 99, ""), ("rejected", 13, 99, ""),
    ("draft", None, 31, "silence"), ("asked", None, 31, "silence"), ("submitted", None, 31, "silence"),
    ("submitted", 99, 1, ""), ("draft", None, 29, ""), ("submitted", None, 29, ""), ("withdrawn", None, 0, "ended"),
    ("lapsed", None, 0, "ended")])
async def test_documents_are_deleted_some_days_after_the_decision_or_after_the_applicants_last_step(
        de: Running, state: str, decided: int | None, touched: int, why: str) -> None:
    application, _ = await apply(de)
    made = await de.its.papers.add(application, KIND, photograph())
    days, now = 86_400_000, de.its.clock.ms()
    await de.its.database.write(lambda tx: tx.run(
        "UPDATE applications SET state = ?, decided_at = ?, touched_at = ?",
        (state, None if decided is None else now - decided * days, now - touched * days)))
    assert await de.its.papers.delete_due() == bool(why)
    assert await de.its.papers.sweep() == bool(why)
    assert await documents(de, application) == [(made.id, why)] and files(de) == (set() if why else {public(made.id)})
    told = [(entry.by, entry.target, entry.detail) for entry in await de.its.audit.list(5, action="document.deleted")]
    assert told == ([("konsil", "AB12-CD34", f"1 {why}")] if why else [])
    row = await de.its.database.read(lambda tx: tx.row("SELECT digest, sealed_key FROM documents"))
    assert row is not None and len(row["digest"]) == 32 and (row["sealed_key"] is None) is bool(why)


async def test_documents_go_with_whatever_ends_an_application_in_its_transaction_or_not_at_all(de: Running) -> None:
    application, _ = await apply(de)
    made = await de.its.papers.add(application, KIND, photograph())

    def lapse(tx: Tx, *, fail: bool) -> None:
        assert de.its.papers.delete_of(tx, application, Gone.ENDED) == 1
        if fail:
            raise Conflict("no")

    with pytest.raises(Conflict):
        await de.its.database.write(lambda tx: lapse(tx, fail=True))
    assert await de.its.papers.sweep() == 0 and files(de) == {public(made.id)}
    await de.its.database.write(lambda tx: lapse(tx, fail=False))
    assert await de.its.papers.sweep() == 1 and files(de) == set()


async def test_what_an_interrupted_upload_left_behind_is_removed_and_nothing_that_is_under_way(de: Running) -> None:
    application, _ = await apply(de)
    made = await de.its.papers.add(application, KIND, photograph())
    directory, hour = de.its.settings.path("documents"), 3_600
    left = [directory / name for name in (f"{public(de.its.ids.new())}-1", f".{public(de.its.ids.new())}-2.0123abcd.part")]
    for path in left:
        path.write_bytes(b"x")
    (directory / "README").write_bytes(b"somebody's own")
    assert await de.its.papers.sweep() == 0 and all(path.exists() for path in left)
    for path in (*left, directory / f"{public(made.id)}-1", directory / "README"):
        os.utime(path, (time.time() - hour - 1,) * 2)
    assert await de.its.papers.sweep() == 2 and not any(path.exists() for path in left)
    assert files(de) == {public(made.id), "README"}


async def test_after_a_restore_what_has_lost_its_pages_is_asked_for_again_and_its_key_is_gone(de: Running) -> None:
    application, secret = await apply(de)
    kept, lost = await de.its.papers.add(application, KIND, photograph()), await de.its.papers.add(application, KIND, pdf(2))
    (de.its.settings.path("documents") / f"{public(lost.id)}-2").unlink()
    assert await de.its.papers.find_lost() == 1 and await de.its.papers.find_lost() == 0
    assert await documents(de, application) == [(kept.id, ""), (lost.id, "lost")]
    assert await de.its.papers.sweep() == 1 and files(de) == {public(kept.id)}
    async with Browser(de) as anna:
        page = (await anna.get(f"/join/{secret}/documents"))[1]
    assert "please hand it in again" in page
    [entry] = await de.its.audit.list(5, action="document.lost")
    assert (entry.by, entry.target) == ("konsil", "AB12-CD34")


async def test_the_same_file_in_two_applications_is_a_hint_for_operators(de: Running) -> None:
    one, _ = await apply(de)
    two, _ = await apply(de, "ZZ99-ZZ99")
    here, there = await de.its.papers.add(one, KIND, photograph()), await de.its.papers.add(two, KIND, photograph())
    alone = await de.its.papers.add(two, KIND, photograph("PNG"))

    def asked(tx: Tx) -> list[list[str]]:
        found = twins(tx, one) | twins(tx, two)
        return [list(found.get(made.id, ())) for made in (here, there, alone)]

    assert await de.its.database.read(asked) == [["ZZ99-ZZ99"], ["AB12-CD34"], []]
    await de.its.papers.remove(one, here.id)
    assert await de.its.database.read(asked) == [["ZZ99-ZZ99"], ["AB12-CD34"], []], "the hint stays when the document is gone"


async def test_a_full_disk_keeps_nothing_half_and_says_so(de: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    application, secret = await apply(de)
    large = written(Image.effect_noise((2_000, 1_500), 80), quality=95)  # of which a page has more than a megabyte
    async with Browser(de) as anna:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # Python ignores the signal, and the write fails
        try:
            status, page = await hand_in(anna, secret, large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert status == 503 and "nothing of it was kept" in page and files(de) == set()
        monkeypatch.setattr(type(de.its.space), "low", True)
        status, page = await hand_in(anna, secret, photograph())
        assert status == 503 and "almost full" in page
        monkeypatch.undo()
        assert (await hand_in(anna, secret, large))[0] == 303
    assert [why for _, why in await documents(de, application)] == [""]


async def test_every_page_says_how_long_documents_are_kept_as_the_settings_do(tmp_path: Path) -> None:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, joining=Joining(document_days=3, idle_days=8))

    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Browser(de) as anna:
        _, secret = await apply(de)
        page = (await anna.get(f"/join/{secret}/documents"))[1]
        assert "It is deleted 3 days after the decision, or 8 days after your last step." in page
        assert "3 days after the decision" in (await anna.get("/privacy"))[1]


async def test_whoever_withdraws_takes_her_documents_along_and_an_unconfirmed_link_takes_none(de: Running) -> None:
    secret = await filled(de.its)
    application = (await de.its.joining.progress(secret)).application.id
    made = await de.its.papers.add(application, KIND, photograph())
    async with Browser(de) as vera:
        page = (await vera.get(f"/join/{secret}/documents"))[1]
        assert f'href="/join/{secret}/check"' in page and 'aria-current="step"' in page and "Specialist certificate" in page
        assert "Student card" not in page, "only what proves her role is asked for"
        assert (await vera.post(f"/join/{secret}/withdraw", {}))[0] == 303
        assert (await documents(de, application))[-1] == (made.id, "ended")
        assert await de.its.papers.sweep() == 1 and files(de) == set()
        await de.its.joining.ask("other@klinik.example", "de", "203.0.113.5")
        row = await de.its.database.read(lambda tx: tx.row("SELECT id FROM applications WHERE confirmed_at IS NULL"))
        assert row is not None
        unconfirmed = de.its.joining.token(row["id"])
        assert await vera.get(f"/join/{unconfirmed}/documents") == (303, f"/join/{unconfirmed}")
        status, page = await hand_in(vera, unconfirmed, photograph())
        assert status == 409 and "confirm your address" in page and files(de) == set()
