"""Operators decide about applications over real HTTP, without a script; and what nobody but an operator finds there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.registers import Outcome, verdict
from tests.applicants import NUMBER, applied
from tests.servers import PASSWORD, Running, countries
from tests.test_decisions import four_eyes, state
from tests.test_pages import Browser

VERIFY = {"act": "verify", "role": "doctor", "specialty": "cardiology", "handle": "clara.mueller", "method": "register",
          "evidence": "card beside her face", "register_text": "MÜLLER, Clara"}


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (de,):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        yield de


async def test_an_operator_finds_who_waits_longest_and_verifies_her(de: Running) -> None:
    now = de.its.clock.ms()
    assert verdict("efn", NUMBER).outcome == Outcome.OK
    later = await applied(de, submitted_at=now - 60_000, name="Dr. Nora Später", number="")
    first = await applied(de, submitted_at=now - 7_200_000, role="resident")
    async with Browser(de) as olga:
        await olga.login("olga")
        assert "Nothing is decided yet" in (await olga.get("/admin/applications?tab=decided"))[1]
        page = (await olga.get("/admin/applications"))[1]
        assert page.index(first) < page.index(later) and "2 h" in page and "check digit right" in page and "no number" in page
        page = (await olga.get(f"/admin/applications/{first.lower()}"))[1]
        for text in ("Dr. Clara Müller", f'value="{NUMBER}"', "its check digit is right", "Clara Mueller", "https://www.aerztekammer-bw.de",
                     'value="clara.mueller"', "All 17 chambers"):
            assert text in page, text
        status, page = await olga.post(f"/admin/applications/{first}", VERIFY | {"evidence": " "})
        assert status == 400 and 'id="error-evidence"' in page and "MÜLLER, Clara" in page
        status, page = await olga.post(f"/admin/applications/{first}", VERIFY | {"role": "resident", "until": "31.12."})
        assert status == 400 and 'id="error-until"' in page and await state(de, first) == "submitted"
        status, where = await olga.post(f"/admin/applications/{first}", VERIFY | {"role": "resident", "until": "2099-12-31"})
        assert (status, where) == (303, f"/admin/applications/{first}") and await state(de, first) == "accepted"
        page = (await olga.get(where))[1]
        assert "31 Dec 2099" in page and "card beside her face" in page and "olga" in page
        assert first in (await olga.get("/admin/applications?tab=decided"))[1]
        assert "(0%)" in (await olga.get("/admin/statistics"))[1]


async def test_a_number_a_document_and_a_name_that_came_before_are_hints(de: Running) -> None:
    ada = de.doctors["ada"]
    old = await applied(de, state="accepted", account_id=ada.id, name="Dr. Clara Muller", decided_at=1)
    new = await applied(de, birth_name="Groß")

    def papers(tx) -> None:  # type: ignore[no-untyped-def]
        for number, reference in enumerate((old, new), start=1):
            tx.run("INSERT INTO documents (id, application_id, kind, media_type, bytes, pages, digest, uploaded_at) SELECT ?, id,"
                   " 'diploma', 'image/png', 1, 1, ?, 1 FROM applications WHERE reference = ?", (number, b"same", reference))

    await de.its.database.write(papers)
    async with Browser(de) as olga:
        await olga.login("olga")
        page = (await olga.get("/admin/applications"))[1]
        assert "number came before" in page and "document came before" in page
        page = (await olga.get(f"/admin/applications/{new}"))[1]
        assert f"in {old}, " in page and "different names" in page and "@ada" in page
        assert "The same file was handed in before" in page and "Clara Gross" in page


async def test_a_number_is_known_again_when_nothing_else_is_left_of_her(de: Running) -> None:
    old = await applied(de)
    async with Browser(de) as olga:
        await olga.login("olga")
        assert (await olga.post(f"/admin/applications/{old}", VERIFY))[0] == 303
        de.its.clock.offset += 15 * 86_400
        await de.its.joining.lapsing.prune()
        assert await de.count("applications", "number_key IS NULL AND name = ''") == 1
        new = await applied(de, name="Dr. Nora Lange")
        await olga.login("olga")
        assert "number came before" in (await olga.get("/admin/applications"))[1]
        page = (await olga.get(f"/admin/applications/{new}"))[1]
        assert f"in {old}, Dr. Clara Müller: different names." in page and "@clara.mueller" in page


async def test_she_is_asked_and_rejected_with_reasons_and_the_form_comes_back_whole(de: Running) -> None:
    reference = await applied(de)
    path = f"/admin/applications/{reference}"
    async with Browser(de) as olga, Browser(de) as omar:
        await olga.login("olga")
        await omar.login("omar")
        status, page = await olga.post(path, {"act": "ask", "note": "  "})
        assert status == 400 and "Choose what is missing" in page
        assert (await olga.post(path, {"act": "ask", "wanted": "diploma", "note": "Beide Seiten."}))[0] == 303
        page = (await omar.get(path))[1]
        assert "Your diploma or licence to practise" in page and "Beide Seiten." in page
        status, page = await omar.post(path, {"act": "reject", "note": "Schade."})
        assert status == 400 and 'id="error-reason"' in page and "Schade." in page
        assert (await omar.post(path, {"act": "reject", "reason": "not-found", "note": "Schade."}))[0] == 303
        assert await state(de, reference) == "rejected"
        assert (await omar.post(path, {"act": "ask", "wanted": "diploma"}))[0] == 409
        assert (await omar.post(path, {"act": "dance"}))[0] == 400
        assert (await omar.post("/admin/applications/NOBODY", {"act": "ask", "wanted": "diploma"}))[0] == 404


async def test_what_was_changed_meanwhile_is_said_and_nothing_is_done(de: Running) -> None:
    reference = await applied(de)
    async with Browser(de) as olga:
        await olga.login("olga")
        status, page = await olga.post(f"/admin/applications/{reference}", VERIFY | {"seen": "5"})
        assert status == 409 and "has changed something" in page and await state(de, reference) == "submitted"


async def test_two_operators_decide_on_two_pages(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False, settled=four_eyes) as (de,):
        for handle in ("olga", "omar"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        reference = await applied(de)
        path = f"/admin/applications/{reference}"
        async with Browser(de) as olga, Browser(de) as omar:
            await olga.login("olga")
            await omar.login("omar")
            assert (await olga.post(path, VERIFY))[0] == 303 and await state(de, reference) == "submitted"
            assert "Another operator confirms or refuses it" in (await olga.get(path))[1]
            status, page = await olga.post(path, {"act": "confirm"})
            assert status == 403 and "You proposed this yourself" in page
            assert "a colleague proposes a decision" in (await omar.get("/admin/applications"))[1]
            page = (await omar.get(path))[1]
            assert "Her name stands in what was copied out of the register." in page and "@clara.mueller" in page
            assert (await omar.post(path, {"act": "decline", "reason": "Wrong year."}))[0] == 303
            assert "Wrong year." in (await olga.get(path))[1]
            await olga.post(path, VERIFY)
            assert (await omar.post(path, {"act": "confirm"}))[0] == 303 and await state(de, reference) == "accepted"


async def test_only_operators_see_applications_and_drafts_nobody(de: Running) -> None:
    reference, draft = await applied(de), await applied(de, state="draft")
    async with Browser(de) as ada, Browser(de) as olga:
        await ada.login("ada")
        await olga.login("olga")
        for path in ("/admin/applications", f"/admin/applications/{reference}", "/admin/statistics"):
            assert (await ada.get(path))[0] == 404 and (await olga.get(path))[0] == 200
        assert (await ada.post(f"/admin/applications/{reference}", VERIFY))[0] == 404
        assert (await olga.get(f"/admin/applications/{draft}"))[0] == 404 and await state(de, reference) == "submitted"
