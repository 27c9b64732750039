"""Proving an identity elsewhere: a real provider is believed, and nothing that only looks like one."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.accounts import NewDoctor
from actors.identities import Purpose, carry_over, forget
from core.database import Tx
from core.errors import Conflict, InvalidInput, KonsilError, NotSignedIn, Refused, Unavailable
from core.settings import Settings
from instance.assembly import Assembly, assemble
from tests.identityprovider import CLIENT, Liar, canaille, liar, settings
from tests.servers import PASSWORD


async def account(its: Assembly, handle: str) -> int:
    await its.accounts.add_doctor(NewDoctor(handle, f"Dr {handle}", PASSWORD, method="register", evidence="seen"))
    found = await its.accounts.by_handle(handle)
    assert found is not None
    return found.id


def returned(address: str) -> tuple[str, str, str]:
    """State, code and issuer of the address somebody is sent back to."""
    given = parse_qs(urlsplit(address).query)
    return given["state"][0], given["code"][0], given.get("iss", [""])[0]


@pytest.fixture(scope="module", autouse=True)
def _provider_is_installed() -> None:
    assert (Path(__file__).parent.parent / ".venv/provider/bin/canaille").exists(), "make test installs the provider"


async def test_who_has_proven_herself_at_a_real_provider_signs_in_to_the_account_she_has_linked(
        settings_with: Callable[..., Settings], tmp_path: Path) -> None:
    async with canaille(tmp_path / "canaille") as provider, assemble(settings_with(settings(
            provider.url, profession_claim="nickname"))) as its:
        await provider.add_client(f"{its.identity.origin}/login/identity/callback")
        await provider.add_person("ada", "Ada Arzt", "Physician")
        await provider.add_person("eve", "Eve Fremd", "Physician")
        ada = await account(its, "ada")

        async def walk(handle: str, purpose: Purpose, **more: Any) -> Any:
            way = await its.identities.begin(purpose, **more)
            back = returned(await provider.walk(way.address, handle))
            assert back[0] == way.state
            return await its.identities.finish(*back)

        with pytest.raises(NotSignedIn):
            await walk("ada", Purpose.LOGIN)
        await walk("ada", Purpose.LINK, account_id=ada)
        back = await walk("ada", Purpose.LOGIN, onward="/drafts")
        assert (back.account_id, back.onward) == (ada, "/drafts")
        with pytest.raises(NotSignedIn):
            await walk("eve", Purpose.LOGIN)
        [linked] = await its.identities.of(ada)
        await its.identities.unlink(ada, linked.key)
        with pytest.raises(NotSignedIn):
            await walk("ada", Purpose.LOGIN)
        applicant = await _application(its)
        await walk("eve", Purpose.APPLICATION, application_id=applicant)
        said = await its.identities.said_of(applicant)
        assert said is not None and (said.name, said.issuer, said.account) == ("Eve Fremd", provider.url, "")


@pytest.fixture
def settings_with(settings: Settings) -> Callable[..., Settings]:
    return lambda identity: msgspec.structs.replace(settings, identity=identity)


async def _application(its: Assembly) -> int:
    number, now = its.ids.new(), its.clock.ms()
    await its.database.write(lambda tx: tx.run(
        "INSERT INTO applications (id, reference, kind, state, language, address, created_at, touched_at)"
        " VALUES (?, ?, 'joining', 'draft', 'de', 'eve@klinik.example', ?, ?)", (number, f"R{number}", now, now)))
    return number


@pytest.fixture
async def lying(settings_with: Callable[..., Settings]) -> AsyncIterator[tuple[Assembly, Liar]]:
    async with liar() as made, assemble(settings_with(settings(made.url, number_claim="rpps.number", level=""))) as its:
        made.now = int(time.time())
        yield its, made


async def link(its: Assembly, made: Liar, account_id: int, issuer: str = "") -> None:
    way = await its.identities.begin(Purpose.LINK, account_id=account_id)
    made.read(way.address)
    await its.identities.finish(way.state, "c", issuer)


async def test_a_way_to_the_provider_is_bound_to_one_proof_and_goes_once(lying: tuple[Assembly, Liar]) -> None:
    its, made = lying
    way = await its.identities.begin(Purpose.LINK, account_id=await account(its, "ada"))
    asked = made.read(way.address)
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256" and asked["client_id"] == CLIENT
    assert asked["redirect_uri"] == f"{its.identity.origin}/login/identity/callback" and len(asked["code_challenge"]) == 43
    with pytest.raises(InvalidInput, match="run out"):
        await its.identities.finish(way.state[:-1] + "x", "c")
    await its.identities.finish(way.state, "c")
    with pytest.raises(InvalidInput, match="gone already"):
        await its.identities.finish(way.state, "c")
    late = await its.identities.begin(Purpose.LOGIN)
    its.clock.offset = 16 * 60
    with pytest.raises(InvalidInput, match="run out"):
        await its.identities.finish(late.state, "c")


def _with_hmac(made: Liar) -> str:
    """Signed with the provider's public key as if it were a shared secret."""
    pem = made.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = b".".join(urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=") for part in (
        {"alg": "HS256", "typ": "JWT", "kid": "one"}, made.right()))
    return (signed + b"." + urlsafe_b64encode(hmac.digest(pem, signed, "sha256")).rstrip(b"=")).decode()


LIES: dict[str, Callable[[Liar], object]] = {
    "another issuer": lambda made: made.claims.update(iss="https://other.example"),
    "for somebody else": lambda made: made.claims.update(aud="other"),
    "for us and made for another party": lambda made: made.claims.update(aud=[CLIENT, "other"], azp="other"),
    "another nonce": lambda made: made.claims.update(nonce="n"),
    "no nonce": lambda made: made.claims.update(nonce=None),
    "run out": lambda made: made.claims.update(exp=made.now - 120),
    "from tomorrow": lambda made: made.claims.update(iat=made.now + 86_400),
    "without an end": lambda made: made.claims.update(exp=None),
    "of nobody": lambda made: made.claims.update(sub=None),
    "a key of somebody else": lambda made: setattr(made, "token", jwt.encode(
        made.right(), generate_private_key(65537, 2048), "RS256", headers={"kid": "one"})),
    "a key nobody shows": lambda made: made.head.update(kid="two"),
    "no signature": lambda made: setattr(made, "token", jwt.encode(made.right(), "", "none")),
    "the public key as a secret": lambda made: setattr(made, "token", _with_hmac(made)),
    "no token": lambda made: made.answers.update({"/token": (200, {"access_token": "t", "token_type": "Bearer"})}),
    "keys that are secrets": lambda made: made.answers.update({"/keys": (200, {"keys": [
        {"kty": "oct", "k": "AAAA", "kid": "one"}]})}),
    "another person beside the token": lambda made: made.said.update(sub="s2"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_nothing_that_only_looks_like_a_proof_is_believed(lying: tuple[Assembly, Liar], lie: str) -> None:
    its, made = lying
    ada = await account(its, "ada")
    way = await its.identities.begin(Purpose.LINK, account_id=ada)
    made.read(way.address)
    LIES[lie](made)
    with pytest.raises((Refused, Unavailable)) as refused:
        await its.identities.finish(way.state, "c")
    assert refused.value.reason in ("identity", "unreachable") and not await its.identities.of(ada)
    made.claims, made.head, made.answers, made.said, made.token = {}, {}, {}, {}, ""
    its.identities._provider._keys_looked = -100.0
    await link(its, made, ada)
    assert len(await its.identities.of(ada)) == 1


BROKEN: dict[str, tuple[str, Any]] = {
    "another issuer": ("/.well-known/openid-configuration", {"issuer": "https://other.example"}),
    "a token address elsewhere": ("/.well-known/openid-configuration", {"token_endpoint": "https://other.example/token"}),
    "an address that is none": ("/.well-known/openid-configuration", {"authorization_endpoint": "javascript:alert(1)"}),
    "no addresses": ("/.well-known/openid-configuration", {"token_endpoint": None}),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_provider_that_is_not_set_up_as_expected_is_not_gone_to(lying: tuple[Assembly, Liar], broken: str) -> None:
    its, made = lying
    path, changes = BROKEN[broken]
    made.answers[path] = (200, made.configuration() | changes)
    with pytest.raises(Unavailable, match="set up"):
        await its.identities.begin(Purpose.LOGIN)
    assert made.asked == [("GET", path)] and await _count(its, "identity_flows") == 0
    made.answers.clear()
    await its.identities.begin(Purpose.LOGIN)


@pytest.mark.parametrize("answer", [
    (500, {}), (302, "http://127.0.0.1:1/"), (200, b"{" * 300_000), (200, b"<html>"), (200, b"[]")])
async def test_a_provider_that_answers_nonsense_is_unavailable(lying: tuple[Assembly, Liar], answer: tuple[int, Any]) -> None:
    its, made = lying
    made.answers["/.well-known/openid-configuration"] = answer
    with pytest.raises(KonsilError) as refused:
        await its.identities.begin(Purpose.LOGIN)
    assert refused.value.status in (400, 503) and len(made.asked) == 1


async def test_a_provider_that_names_itself_when_it_sends_somebody_back_has_to_be_the_one_asked(
        lying: tuple[Assembly, Liar]) -> None:
    its, made = lying
    ada = await account(its, "ada")
    with pytest.raises(Refused):
        await link(its, made, ada, "https://other.example")
    await link(its, made, ada, made.url)


async def test_an_identity_is_one_accounts_only(lying: tuple[Assembly, Liar]) -> None:
    its, made = lying
    ada, ben = await account(its, "ada"), await account(its, "ben")
    await link(its, made, ada)
    await link(its, made, ada)
    with pytest.raises(Conflict, match="another account"):
        await link(its, made, ben)
    for number in range(2, 6):
        made.claims["sub"] = made.said["sub"] = f"s{number}"
        await link(its, made, ada)
    made.claims["sub"] = made.said["sub"] = "s6"
    with pytest.raises(Conflict, match="at most 5"):
        await link(its, made, ada)
    stored = await its.database.read(lambda tx: [bytes(row["subject_key"]) for row in tx.rows("SELECT * FROM identities")])
    assert len(stored) == 5 and all(len(key) == 32 and b"s1" not in key for key in stored)


async def test_what_the_provider_says_of_an_applicant_is_shown_and_goes_with_the_application(
        lying: tuple[Assembly, Liar]) -> None:
    its, made = lying
    applicant, ada = await _application(its), await account(its, "ada")
    made.claims.update(rpps={"number": 10101010101}, acr="eidas2")
    way = await its.identities.begin(Purpose.APPLICATION, application_id=applicant)
    made.read(way.address)
    await its.identities.finish(way.state, "c")
    said = await its.identities.said_of(applicant)
    assert said is not None and (said.name, said.number, said.level) == ("Ada Arzt", "10101010101", "eidas2")

    def accept(tx: Tx) -> None:
        carry_over(tx, applicant, ada, its.clock.ms())
        forget(tx, applicant)

    await its.database.write(accept)
    assert await its.identities.said_of(applicant) is None and len(await its.identities.of(ada)) == 1


async def test_a_proof_that_is_not_strict_enough_is_refused(settings_with: Callable[..., Settings]) -> None:
    async with liar() as made, assemble(settings_with(settings(made.url, level="eidas2 eidas3"))) as its:
        made.now = int(time.time())
        ada = await account(its, "ada")
        for level in (None, "eidas1"):
            made.claims["acr"] = level
            with pytest.raises(Refused, match="strictly"):
                await link(its, made, ada)
        made.claims["acr"] = "eidas3"
        await link(its, made, ada)


async def _count(its: Assembly, table: str) -> int:
    return await its.database.read(lambda tx: int(tx.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]))
