"""Finding out who has signed by role only: two operators by name, a reason, every look in the audit log, and she is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, NotFound, Refused
from posts.models import Reach
from posts.telling import Told
from posts.unmasking import REASON
from tests.conversations.test_role_posts import CASE, asked
from tests.servers import PASSWORD, Running, countries
from tests.test_cli import Konsil, documented
from tests.test_consult_pages import seen
from tests.test_pages import Browser

REASON_GIVEN = "A patient has complained to the chamber."


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de") as (de,):
        for handle in ("olga", "omar", "otto"):
            await de.its.accounts.add_operator(handle, handle.title(), PASSWORD)
        yield de


async def test_two_operators_find_it_out_and_she_is_told_why(de: Running) -> None:
    its, post_id = de.its.unmaskings, await asked(de)
    made = await its.propose(f"{de.url}/p/{post_id}#p-{post_id}", REASON_GIVEN, "olga")
    assert made.state == "proposed" and made.about == f"{de.url}/posts/{post_id}"
    for who in ("olga", "omar"):
        with pytest.raises(Refused, match="Only the two operators"):
            await its.name(made.id, who)
    with pytest.raises(Refused, match="another operator"):
        await its.confirm(made.id, "olga")
    ada = (await de.author("ada")).actor
    assert (await de.its.notifications.page(ada, None)).shown == () and await its.told(ada, post_id) == ()
    assert (await its.confirm(made.id, "omar")).state == "confirmed"
    assert (await its.name(made.id, "olga")).handle == (await its.name(made.id, "omar")).handle == "ada"
    with pytest.raises(Refused, match="Only the two operators"):
        await its.name(made.id, "otto")
    [told] = (await de.its.notifications.page(ada, None)).shown
    assert told.kind == Told.UNMASKED and told.place == f"/p/{post_id}#p-{post_id}"
    assert [one.reason for one in await its.told(ada, post_id)] == [REASON_GIVEN]
    assert await its.told((await de.author("ben")).actor, post_id) == ()
    lines = await de.its.database.read(lambda tx: tx.rows(
        "SELECT by, action, target, detail FROM audit WHERE action LIKE 'alias.%' ORDER BY seq"))
    assert [(line["by"], line["action"]) for line in lines] == [
        ("olga", "alias.proposed"), ("omar", "alias.confirmed"), ("olga", "alias.looked-up"), ("omar", "alias.looked-up")]
    assert all("ada" not in f"{line['target']}{line['detail']}".lower() for line in lines)


async def test_a_proposal_that_is_refused_tells_nobody_and_can_be_made_again(de: Running) -> None:
    its, post_id = de.its.unmaskings, await asked(de)
    made = await its.propose(post_id, REASON_GIVEN, "olga")
    with pytest.raises(Conflict, match="proposed already"):
        await its.propose(post_id, "Once more", "omar")
    assert (await its.refuse(made.id, "olga")).state == "refused"
    for deed in (its.confirm, its.refuse):
        with pytest.raises(Conflict, match="decided already"):
            await deed(made.id, "omar")
    assert await de.count("notifications") == 0
    assert (await its.propose(post_id, "Once more", "omar")).state == "proposed"


async def test_what_bears_a_name_and_what_is_not_there_have_one_answer(de: Running) -> None:
    named = await de.its.compose.publish(await de.author("ada"), CASE, (), Reach.HOME, "")
    sentences = set()
    for what in (named, f"{de.url}/posts/{named}", "0000000000000", "https://else.example/posts/0000000000000", ""):
        with pytest.raises(NotFound) as error:
            await de.its.unmaskings.propose(what, REASON_GIVEN, "olga")
        sentences.add(str(error.value))
    assert len(sentences) == 1 and await de.count("unmaskings") == 0


async def test_it_takes_a_reason_and_two_names(de: Running) -> None:
    its, post_id = de.its.unmaskings, await asked(de)
    for reason in ("", " ", "x" * (REASON + 1)):
        with pytest.raises(InvalidInput, match="Give a reason"):
            await its.propose(post_id, reason, "olga")
    with pytest.raises(Refused, match="--as"):
        await its.propose(post_id, REASON_GIVEN, "cli:root")
    made = await its.propose(post_id, REASON_GIVEN, "olga")
    for deed in (its.confirm, its.refuse):
        with pytest.raises(Refused, match="--as"):
            await deed(made.id, "cli:root")
    assert (await its.one(made.id)).state == "proposed"


async def test_an_operator_who_is_the_doctor_does_not_decide(de: Running) -> None:
    its, post_id = de.its.unmaskings, await asked(de)
    made = await its.propose(post_id, REASON_GIVEN, "olga")
    await de.its.database.write(lambda tx: tx.run(
        "UPDATE accounts SET doctor_id = ? WHERE handle = 'omar'", (de.doctors["ada"].id,)))
    for deed in (its.confirm, its.refuse):
        with pytest.raises(Refused, match="herself"):
            await deed(made.id, "omar")
    assert (await its.confirm(made.id, "otto")).decided_by == "otto"


async def test_the_pages_lead_two_operators_through_it(de: Running) -> None:
    post_id = await asked(de)
    async with Browser(de) as olga, Browser(de) as omar, Browser(de) as otto, Browser(de) as ada:
        for browser, handle in ((olga, "olga"), (omar, "omar"), (otto, "otto"), (ada, "ada")):
            await browser.login(handle)
        assert "Nobody has asked yet" in (await olga.get("/admin/unmask"))[1]
        status, page = await olga.post("/admin/unmask", {"post": "nothing", "reason": "Kept reason"})
        assert status == 404 and "no post that was signed by role only" in page and "Kept reason" in page
        status, page = await olga.post("/admin/unmask", {"post": post_id, "reason": ""})
        assert status == 400 and 'id="error-reason"' in page and post_id in page
        status, where = await olga.post("/admin/unmask", {"post": post_id, "reason": REASON_GIVEN})
        assert status == 303
        page = (await olga.get(where))[1]
        assert "Take it back" in page and "Agree to find out" not in page
        status, page = await olga.post(where, {"act": "confirm"})
        assert status == 403 and "another operator" in page
        assert (await olga.post(where, {"act": "dance"}))[0] == 400
        page = (await omar.get(where))[1]
        assert REASON_GIVEN in page and "Agree to find out" in page and "Dr Ada" not in page
        assert (await omar.post(where, {"act": "confirm"}))[0] == 303
        assert "Show who it is" not in (await otto.get(where))[1] and (await otto.post(where, {"act": "show"}))[0] == 403
        for browser in (olga, omar):
            assert "Dr Ada" not in (await browser.get(where))[1]
            status, page = await browser.post(where, {"act": "show"})
            assert status == 200 and f"Dr Ada @ada@{de.domain}" in seen(page)
        listed = seen((await otto.get("/admin/unmask"))[1])
        assert post_id in listed and "confirmed" in listed and "Dr Ada" not in listed
        assert "Two operators have found out" in (await ada.get("/notifications"))[1]
        page = seen((await ada.get(f"/p/{post_id}"))[1])
        assert f"two operators found out that you have signed this. Their reason: {REASON_GIVEN}" in page
        assert (await olga.get("/admin/unmask/0000000000000"))[0] == 404


@pytest.mark.usefixtures("logs_restored")
async def test_the_command_line_asks_for_two_names_too(de: Running) -> None:
    konsil, post_id, given = Konsil(de.its.settings.path(".")), await asked(de), f"{PASSWORD}\n"
    words = ("unmask", "propose", post_id, "--reason", REASON_GIVEN)
    refused = await asyncio.to_thread(konsil.run, *words, exits=1)
    assert "--as" in refused.stderr and await de.count("unmaskings") == 0
    made = await asyncio.to_thread(konsil.json, *words, "--as", "olga", given=given)
    assert set(made) == documented("unmask propose") and made["state"] == "proposed"
    own = await asyncio.to_thread(konsil.run, "unmask", "confirm", made["id"], "--yes", "--as", "olga", given=given, exits=1)
    assert "another operator" in own.stderr
    confirmed = await asyncio.to_thread(konsil.json, "unmask", "confirm", made["id"], "--yes", "--as", "omar", given=given)
    assert set(confirmed) == documented("unmask confirm") and confirmed["decided_by"] == "omar"
    shown = await asyncio.to_thread(konsil.json, "unmask", "show", made["id"], "--as", "olga", given=given)
    assert set(shown) == documented("unmask show") and shown["handle"] == "ada"
    [listed] = await asyncio.to_thread(konsil.json, "unmask", "list")
    assert set(listed) == documented("unmask list") and "ada" not in str(listed)
    again = await asyncio.to_thread(konsil.run, "unmask", "refuse", made["id"], "--as", "omar", given=given, exits=1)
    assert "decided already" in again.stderr
