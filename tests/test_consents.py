"""A consent that is withdrawn deletes the post everywhere it went, with receipts, and only that it was withdrawn stays on
record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidInput, NotFound
from core.ids import number
from posts import bases
from posts.bases import Basis
from posts.exports import ExportState
from tests.illustrated import illustrated
from tests.servers import PASSWORD, Running, countries, until
from tests.test_archives import hers
from tests.test_media import files, there
from tests.test_pages import Browser

CONSENT = Basis("consent", True)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Running, Running]]:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        yield de, fr


async def test_her_doctor_withdraws_it_and_every_country_confirms(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,), basis=CONSENT)
    abroad = await there(fr)
    async with Browser(de) as ada, Browser(de) as ben:
        await ada.login("ada")
        await ben.login("ben")
        assert (await ben.post(f"/p/{post}/withdraw", {}))[0] == 404
        assert "Has the patient withdrawn the consent?" in (await ada.get(f"/p/{post}/delete"))[1]
        assert (await ada.post(f"/p/{post}/withdraw", {}))[0] == 303
        await until(lambda: fr.count("tombstones"))

        async def confirmed() -> bool:
            return "Erased in DE, FR" in (await ada.get(f"/p/{post}"))[1]

        await until(confirmed)
        page = (await ada.get(f"/p/{post}"))[1]
        assert "The consent was withdrawn on" in page and "Picture number" not in page
        assert "withdrawn" not in (await ben.get(f"/p/{post}"))[1]
        assert (await ada.post(f"/p/{post}/withdraw", {}))[0] == 404
    await until(lambda: files(de) == [])
    with pytest.raises(NotFound):
        await fr.its.gallery.picture((await fr.author("ben")).actor, abroad.id, 1)
    [line] = await de.its.audit.list(1, action="consent.withdrawn")
    assert line.target.endswith(post)


async def test_an_operator_does_it_with_a_reason_and_reads_what_it_rested_on_only_on_the_ways_there_are(
        pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,), basis=CONSENT)
    await there(fr)
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    async with Browser(de) as op:
        await op.login("op")
        assert (await op.get(f"/admin/posts/{post}/pictures/1"))[0] == 404
        page = (await op.post(f"/admin/posts/{post}/open", {"reason": "A letter, number 7"}))[1]
        assert "The patient has agreed to it" in page and f"/admin/posts/{post}/pictures/1" in page
        async with op.session.get(f"/admin/posts/{post}/pictures/1") as response:
            assert response.status == 200 and (await response.read()).startswith(b"\xff\xd8")
        assert (await op.get(f"/admin/posts/{post}/pictures/2"))[0] == 404
        status, page = await op.post(f"/admin/posts/{post}/withdraw", {"reason": " "})
        assert status == 400 and 'id="error-reason"' in page
        assert (await op.post(f"/admin/posts/{post}/withdraw", {"reason": "A letter, in the safe"})) == (303, "/admin/deletions")
        assert (await op.get(f"/admin/posts/{post}/pictures/1"))[0] == 404
    await until(lambda: fr.count("tombstones"))
    record = await de.its.consents.of((await de.author("ada")).actor, post)
    assert record is not None and record.withdrawn_by == "operator" and record.withdrawn_at
    assert [line.action for line in await de.its.audit.list(3)] == ["consent.withdrawn", "picture.opened", "post.opened"]
    there_id = await fr.its.database.read(lambda tx: tx.rows("SELECT id FROM posts"))
    assert there_id and await fr.count("bases") == 0


async def test_a_post_of_another_country_is_withdrawn_there(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    await illustrated(de, (fr.url,))
    abroad = await there(fr)
    with pytest.raises(NotFound):
        await fr.its.consents.withdraw_for_patient(abroad.id, "A letter", "op")
    assert await fr.count("posts", "erased_at IS NULL") == 1


async def test_the_record_goes_with_the_post_and_a_withdrawal_with_its_time(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    ada = (await de.author("ada")).actor
    plain, withdrawn = [await illustrated(de, (fr.url,), basis=CONSENT) for _ in range(2)]
    await de.its.editing.delete(ada, plain)
    await de.its.consents.withdraw(ada, withdrawn)
    assert [row["post_id"] for row in await de.its.database.read(lambda tx: tx.rows("SELECT post_id FROM bases"))] == [
        number(withdrawn)]
    now = de.its.clock.ms()
    assert await de.its.database.write(lambda tx: bases.prune(tx, now - 60_000)) == 0
    assert await de.its.database.write(lambda tx: bases.prune(tx, now + 60_000)) == 1


async def test_pictures_and_records_are_in_her_archive(pair: tuple[Running, Running]) -> None:
    de, fr = pair
    post = await illustrated(de, (fr.url,), basis=CONSENT, pictures=2)
    await de.its.exports.ask(de.doctors["ada"], "en")

    async def ready() -> bool:
        export = await de.its.exports.of(de.doctors["ada"].id)
        return export is not None and export.state == ExportState.READY

    await until(ready)
    export = await de.its.exports.of(de.doctors["ada"].id)
    assert export is not None
    with hers(de, export) as box:
        pictures = sorted(name for name in box.namelist() if name.startswith("pictures/"))
        assert len(pictures) == 2 and all(box.read(name).startswith(b"\xff\xd8") for name in pictures)
        thread = box.read(f"threads/{post}.html").decode()
        assert all(f'src="../{name}"' in thread for name in pictures) and 'alt="Picture number 2"' in thread
        assert '"ground": "consent"' in box.read("bases.json").decode() and "pictures" in box.read("README.txt").decode()


def test_what_is_said_has_to_be_enough() -> None:
    assert bases.checked(CONSENT, patient=True) == CONSENT
    assert bases.checked(Basis("no-patient", True), patient=False).ground == "no-patient"
    for basis, patient in ((None, False), (Basis("no-patient", True), True), (Basis("", True), True),
                           (Basis("consent", False), True)):
        with pytest.raises(InvalidInput):
            bases.checked(basis, patient=patient)
