"""Passwords: what is guessed first is not taken, and who changes one is told why."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher

from actors.accounts import NewDoctor
from actors.passwords import Passwords
from core.breaches import Breaches
from core.errors import InvalidInput
from core.settings import Accounts, Settings
from tests.servers import PASSWORD, Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


@pytest.mark.parametrize(("password", "why"), [
    ("password1234", "is tried first"), ("qwertzuiop12", "is tried first"), ("aaaaaaaaaaaa", "Rows like"),
    ("Müller-Lüdenscheidt", "tried first for you"), ("ada.becker", "tried first for you"), ("24.12.1987", "Dates like"),
    ("short", "at least 10"), ("", "at least 10"),
])
async def test_what_is_guessed_first_is_not_taken(password: str, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Passwords(Accounts(), None).made(password, ("ada.becker", "Dr. Ada Müller-Lüdenscheidt", "Konsil Germany"))
    assert why in caught.value.message and caught.value.field == "password"


async def test_several_words_are_taken_and_long_ones_take_no_longer() -> None:
    made = Passwords(Accounts(), None)
    for password in (PASSWORD, "Schrank Möwe siebzehn", "".join(f"{number ** 3:x}!" for number in range(100, 200))):
        assert await made.right(await made.made(password), password)
    with pytest.raises(InvalidInput):
        await made.made("x" * 2_000 + PASSWORD * 100)


async def test_what_has_leaked_is_not_taken_wherever_a_password_is_set(tmp_path: Path) -> None:
    (tmp_path / "leaked.txt").write_text(hashlib.sha1(b"several words of mine").hexdigest().upper() + ":3\n")
    accounts = Accounts(breach_list=str(tmp_path / "leaked.txt"))
    settled = lambda settings: msgspec.structs.replace(settings, accounts=accounts)
    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Browser(de) as ada:
        with pytest.raises(InvalidInput) as caught:
            await de.its.accounts.add_doctor(NewDoctor("eva", "Eva", "several words of mine"))
        assert caught.value.reason == "leaked" and await de.count("accounts") == 2
        await ada.login("ada")
        status, page = await ada.post("/settings/security/password", {"old": PASSWORD, "password": "several words of mine"})
        assert status == 400 and "have leaked" in page and await ada.login("ada") == 303
        with pytest.raises(InvalidInput):
            await de.its.signing.security.give_password("doctor", "ada", "several words of mine", "cli")


async def test_a_changed_password_ends_all_other_sessions(de: Running) -> None:
    new = "one more set of words"
    async with Browser(de) as ada, Browser(de) as elsewhere:
        await ada.login("ada")
        await elsewhere.login("ada")
        status, page = await ada.post("/settings/security/password", {"old": "a guess", "password": new})
        assert status == 400 and 'id="error-old"' in page and (await elsewhere.get("/"))[0] == 200
        assert (await ada.post("/settings/security/password", {"old": PASSWORD, "password": new}))[0] == 303
        assert (await ada.get("/"))[0] == 200 and (await elsewhere.get("/"))[0] == 303
        assert await elsewhere.login("ada") == 401 and await elsewhere.login("ada", new) == 303
        assert "The password was changed." in (await ada.get("/settings/security"))[1]


async def test_a_hash_with_older_parameters_is_renewed_when_somebody_signs_in(de: Running) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD.encode())
    await de.its.database.write(lambda tx: tx.run("UPDATE accounts SET password_hash = ? WHERE handle = 'ada'", (old,)))
    async with Browser(de) as ada:
        assert await ada.login("ada", "a wrong one") == 401
        assert await de.count("accounts", f"password_hash = '{old}'") == 1
        assert await ada.login("ada") == 303
        assert await de.count("accounts", "handle = 'ada' AND password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'") == 1
        assert await ada.login("ada") == 303


def test_the_list_is_searched_and_not_read(tmp_path: Path) -> None:
    words = [f"word {number}" for number in range(5_000)]
    digests = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in words)
    for name, lines in (("counted", [f"{digest}:{number}\r" for number, digest in enumerate(digests)]), ("bare", digests)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        breaches = Breaches(tmp_path / name)
        assert all(breaches.hold(word) for word in words)
        assert not any(breaches.hold(f"other {number}") for number in range(500))
    (tmp_path / "one").write_text(digests[0])
    assert [Breaches(tmp_path / "one").hold(word) for word in words].count(True) == 1


@pytest.mark.parametrize("content", [None, "", "not a digest\n", "ab" * 19 + "\n"])
async def test_a_list_that_is_none_refuses_to_start(tmp_path: Path, content: str | None) -> None:
    from core.errors import Misconfigured
    from instance.assembly import assemble
    from instance.setup import create_instance

    settings: Settings = await create_instance(tmp_path / "de", country="de", domain="127.0.0.1", port=1)
    if content is not None:
        (tmp_path / "de" / "leaked.txt").write_text(content)
    settings = msgspec.structs.replace(settings, accounts=Accounts(breach_list="leaked.txt"))
    with pytest.raises(Misconfigured, match="breach_list"):
        async with assemble(settings):
            pass
