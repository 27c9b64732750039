"""Signing beside the loop: everybody gets the signature of her own request, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import NotSignedIn
from federation.signatures import cavage, keys
from federation.signing import Signers
from instance.assembly import Assembly


def _headers(number: int) -> dict[str, str]:
    return {"host": f"n{number}.example", "date": "Tue, 24 Nov 2026 09:12:00 GMT"}


async def test_requests_of_one_turn_get_each_their_own_signature(its: Assembly) -> None:
    signers = Signers(its.identity)
    try:
        signed = await asyncio.gather(*(signers.sign("GET", f"/{number}", _headers(number)) for number in range(50)))
    finally:
        signers.close()
    public = keys.load_public(its.identity.public_pem)
    for number, signature in enumerate(signed):
        cavage.verify(public, cavage.parse(signature), "GET", f"/{number}", _headers(number))
        with pytest.raises(NotSignedIn):
            cavage.verify(public, cavage.parse(signature), "GET", f"/{number + 1}", _headers(number))


async def test_one_request_that_cannot_be_signed_or_is_given_up_fails_no_other(its: Assembly) -> None:
    signers = Signers(its.identity)
    try:
        good, bad, gone = (asyncio.ensure_future(signers.sign("GET", "/", headers))
                           for headers in (_headers(1), {"host": "without-a-date.example"}, _headers(2)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(NotSignedIn):
            await bad
        assert cavage.parse(await good).key_id == its.identity.key_id
    finally:
        signers.close()


async def test_nobody_waits_for_signers_that_have_been_closed(its: Assembly) -> None:
    signers = Signers(its.identity)
    signers.close()
    with pytest.raises(RuntimeError):
        async with asyncio.timeout(5):
            await signers.sign("GET", "/", _headers(1))
