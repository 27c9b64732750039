"""Passkeys: one opens the door alone, for its owner, once for each question, and for nobody who only looks at what it said."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.devices import Visit
from core.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from tests.authenticator import Authenticator
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser

HERE = "/settings/security"
VISIT = Visit("Firefox, Linux", "203.0.113.0/24")


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False, domain="localhost") as (one,):
        yield one


async def added(at: Running, handle: str, name: str = "my key") -> Authenticator:
    """A passkey somebody has."""
    made = Authenticator()
    account = at.doctors[handle]
    await at.its.signing.passkeys.add(account, made.make(await at.its.signing.passkeys.invitation(account), at.url), name, VISIT)
    return made


def options(page: str) -> str:
    found = re.search(r'data-options="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


async def test_a_passkey_is_made_named_used_and_removed(de: Running) -> None:
    key = Authenticator()
    async with Browser(de) as ada, Browser(de) as elsewhere:
        await ada.login("ada")
        invitation = options((await ada.get(f"{HERE}/passkeys/new"))[1])
        assert (await ada.post(f"{HERE}/passkeys/new", {"name": " ", "passkey": key.make(invitation, de.url)}))[0] == 400
        assert await de.count("passkeys") == 0
        made = {"name": "my telephone", "passkey": key.make(invitation, de.url)}
        assert await ada.post(f"{HERE}/passkeys/new", made) == (303, f"{HERE}?saved=passkeys#passkeys")
        page = (await ada.get(HERE))[1]
        assert "my telephone" in page and "You have no recovery codes" in page and "A passkey was added" in page
        assert (await ada.post(f"{HERE}/passkeys/new", made))[0] == 400, "the same answer counts once"
        question = options((await elsewhere.get("/login?next=/mine"))[1])
        assert await elsewhere.post("/login/passkey", {"passkey": key.sign(question, de.url), "next": "/mine"}) == (303, "/mine")
        assert (await elsewhere.get("/mine"))[0] == 200
        assert "with a passkey" in (await elsewhere.get(HERE))[1]
        assert await elsewhere.post("/login", {"handle": "ada", "password": PASSWORD}) == (303, "/login/second")
        found = re.search(rf"{HERE}/passkeys/(\w+)/remove", page)
        assert found is not None
        async with Browser(de) as ben:
            await ben.login("ben")
            assert (await ben.post(found[0], {}))[0] == 404 and await de.count("passkeys") == 1
        assert (await ada.post(found[0], {}))[0] == 303 and await de.count("passkeys") == 0
        assert (await elsewhere.post("/login/passkey", {"passkey": key.sign(question, de.url)}))[0] == 401


async def test_a_passkey_is_a_second_step_too_but_only_its_owners(de: Running) -> None:
    hers, his = await added(de, "ada"), await added(de, "ben")
    async with Browser(de) as browser:
        assert (await browser.post("/login", {"handle": "ada", "password": PASSWORD}))[1] == "/login/second"
        assert await browser.get("/") == (303, "/login?next=/")
        question = options((await browser.get("/login/second"))[1])
        assert (await browser.post("/login/second", {"passkey": his.sign(question, de.url)}))[0] == 401
        assert (await browser.get("/"))[0] == 303 and await de.count("sessions") == 0
        question = options((await browser.get("/login/second"))[1])
        assert (await browser.post("/login/second", {"passkey": hers.sign(question, de.url)}))[0] == 303
        assert (await browser.get("/"))[0] == 200


async def signs(at: Running, key: Authenticator, origin: str = "", question: str = "", **changes: str) -> bool:
    try:
        return bool(await at.its.sessions.passkey(
            key.sign(question or at.its.signing.passkeys.question(), origin or at.url, **changes), "203.0.113.5"))
    except NotSignedIn:
        return False


async def test_an_answer_counts_once_in_time_and_for_this_place(de: Running) -> None:
    key = await added(de, "ada")
    assert await signs(de, key)
    question = de.its.signing.passkeys.question()
    assert await signs(de, key, question=question) and not await signs(de, key, question=question)
    assert not await signs(de, key, origin="http://localhost.evil.example")
    assert not await signs(de, key, signature="AAAA") and not await signs(de, key, userHandle="AAAA")
    invitation = await de.its.signing.passkeys.invitation(de.doctors["ada"])
    challenge = re.search(r'"challenge": "([^"]+)"', invitation)
    assert challenge is not None
    other = re.sub(r'"challenge": "[^"]+"', f'"challenge": "{challenge[1]}"', question)
    assert not await signs(de, key, question=other), "what was asked to make a passkey is no question who is there"
    assert not await signs(de, key, question=re.sub(r'"challenge": "[^"]+"', '"challenge": "AAAA"', question))
    question = de.its.signing.passkeys.question()
    de.its.clock.offset = 601
    assert not await signs(de, key, question=question)
    await de.its.sessions.prune()
    assert await de.count("answered_challenges") == 0 and await signs(de, key)


async def test_a_key_that_did_not_look_who_holds_it_and_one_that_was_copied_open_nothing(de: Running) -> None:
    key = await added(de, "ada")
    key.verifies = False
    assert not await signs(de, key)
    key.verifies, key.count = True, 7
    assert await signs(de, key)
    key.count = 5
    assert not await signs(de, key), "somebody else's copy has counted on"
    unverified = Authenticator()
    unverified.verifies = False
    made = unverified.make(await de.its.signing.passkeys.invitation(de.doctors["ben"]), de.url)
    with pytest.raises(InvalidInput):
        await de.its.signing.passkeys.add(de.doctors["ben"], made, "x", VISIT)


async def test_an_invitation_is_for_whom_it_was_made(de: Running) -> None:
    made = Authenticator().make(await de.its.signing.passkeys.invitation(de.doctors["ada"]), de.url)
    with pytest.raises(InvalidInput):
        await de.its.signing.passkeys.add(de.doctors["ben"], made, "x", VISIT)
    assert await de.count("passkeys") == 0


@pytest.mark.parametrize("answer", ["", "x", "[]", "{}", "null", '{"rawId": 1, "response": {}}', "{" * 5_000, "1" * 50_000,
                                    '{"rawId": "AA", "response": {"clientDataJSON": "bnVsbA"}}'])
async def test_what_is_no_answer_is_refused_and_stores_nothing(de: Running, answer: str) -> None:
    with pytest.raises(NotSignedIn):
        await de.its.sessions.passkey(answer, "203.0.113.5")
    with pytest.raises(InvalidInput):
        await de.its.signing.passkeys.add(de.doctors["ada"], answer, "x", VISIT)
    assert await de.count("answered_challenges") == await de.count("passkeys") == await de.count("sessions") == 0


async def test_an_operators_last_factor_stays(de: Running) -> None:
    await de.its.accounts.add_operator("op", "Operator", PASSWORD)
    account = await de.its.accounts.by_handle("op")
    assert account is not None
    de.doctors["op"] = account
    await added(de, "op")
    overview = await de.its.signing.security.of(account)
    with pytest.raises(Conflict):
        await de.its.signing.passkeys.remove(account, overview.passkeys[0].id, VISIT)
    assert await de.count("passkeys") == 1
    await de.code("op")
    await de.its.signing.passkeys.remove(account, overview.passkeys[0].id, VISIT)
    with pytest.raises(NotFound):
        await de.its.signing.passkeys.remove(account, overview.passkeys[0].id, VISIT)


async def test_where_an_instance_has_a_number_for_a_name_none_are_offered(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,), Browser(de) as ada:
        assert "data-passkey" not in (await ada.get("/login"))[1]
        await ada.login("ada")
        assert "passkey" not in (await ada.get(HERE))[1].lower() and (await ada.get(f"{HERE}/passkeys/new"))[0] == 404
