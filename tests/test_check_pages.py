"""Letting a sibling in, as an operator does it with a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers import PASSWORD, FakeSibling, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", "fr", worker=False) as (de, _):
        await de.its.accounts.add_operator("op", "Operator", PASSWORD)
        yield de


@pytest.fixture
async def op(de: Running) -> AsyncIterator[Browser]:
    async with Browser(de) as browser:
        assert await browser.login("op") == 303
        yield browser


async def fr_of(de: Running) -> str:
    return (await de.its.siblings.rows())[0].domain


async def test_the_button_runs_the_test_and_shows_every_line_and_it_is_kept(de: Running, op: Browser) -> None:
    path = f"/admin/siblings/{await fr_of(de)}"
    assert "No self-test has been run yet" in (await op.get(path))[1]
    status, where = await op.post(f"{path}/check", {})
    assert status == 303 and re.fullmatch(rf"{re.escape(path)}/checks/[0-9a-z]{{13}}", where)
    page = (await op.get(where))[1]
    assert page.count('<span class="mark ok">') == 11 and "What to do" not in page  # ten lines and the whole
    for place in (path, f"{path}/checks"):
        assert where in (await op.get(place))[1] and "No self-test" not in (await op.get(place))[1]
    assert (await op.get(f"{path}/checks/0000000000000"))[0] == 404


async def test_one_that_is_not_up_is_confirmed_fails_and_is_activated_only_for_a_reason(de: Running, op: Browser) -> None:
    fake = await FakeSibling("it", port=1).listed(de, "proposed")
    domain = fake.origin.split("://")[1]
    path = f"/admin/siblings/{domain}"

    async def state() -> str:
        return (await de.its.siblings.row(domain)).state

    for form in ({}, {"fingerprint": "ab" * 32}, {"fingerprint": "<b>"}):
        status, page = await op.post(f"{path}/confirm", form)
        assert status == 400 and 'role="alert"' in page and "What you typed is still here" in page and "<b>" not in page
    status, page = await op.post(f"{path}/check", {})
    assert status == 409 and "Compare its fingerprint and confirm it" in page and await state() == "proposed"
    assert (await op.post(f"{path}/activate", {}))[0] == 409
    assert (await op.post(f"{path}/confirm", {"fingerprint": fake.described().fingerprint}))[0] == 303
    status, where = await op.post(f"{path}/activate", {"how": "tested"})
    assert status == 303 and "/checks/" in where and await state() == "confirmed"
    page = (await op.get(where))[1]
    assert "could not be reached" in page and page.count("What to do") == 1
    status, page = await op.post(f"{path}/activate", {"how": "untested", "reason": " "})
    assert status == 400 and "<details class=\"act\" open>" in page and await state() == "confirmed"
    assert (await op.post(f"{path}/activate", {"how": "untested", "reason": "comes up tomorrow"}))[0] == 303
    assert await state() == "active" and "comes up tomorrow" in (await op.get(path))[1]


async def test_no_other_form_of_the_page_lets_a_sibling_in(de: Running, op: Browser) -> None:
    fake = await FakeSibling("it", port=1).listed(de, "confirmed")
    domain = fake.origin.split("://")[1]
    await op.post(f"/admin/siblings/{domain}", {"act": "approve", "fingerprint": fake.described().fingerprint})
    assert (await op.post(f"/admin/siblings/{domain}", {"act": "resume"}))[0] == 409
    assert (await de.its.siblings.row(domain)).state == "confirmed"


async def test_who_is_no_operator_sees_and_does_nothing(de: Running) -> None:
    path = f"/admin/siblings/{await fr_of(de)}"
    async with Browser(de) as ada:
        await ada.login("ada")
        assert (await ada.get(f"{path}/checks"))[0] == 404
        for act in ("check", "confirm", "activate"):
            assert (await ada.post(f"{path}/{act}", {}))[0] == 404
    assert await de.count("sibling_checks") == 0
