"""Apps introduce themselves: what they may be called and be come back to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import apps
from actors.apps import OUT_OF_BAND, check_redirect
from core.errors import InvalidInput, NotSignedIn, TooMany
from tests.servers import countries

GOOD = (OUT_OF_BAND, "https://elk.example/back", "https://elk.example:8443/back?server=x", "http://localhost:1234/", "ivory://auth",
        "http://127.0.0.1/back", "http://[::1]:9/", "icecubesapp:", "com.tapbots.Ivory:/auth", "dev.app:auth", "tusky://x/y?z=1")
BAD = ("", "back", "/back", "//elk.example", "javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "file:///etc/passwd",
       "https://", "https:///x", "http://elk.example/back", "https://ada@elk.example/", "https://elk.example/#x", "x://y#", "a b://c",
       "https://elk.example\\@evil.example/", "blob:https://x", "https://elk.example/\nx", "1app://x",
       "https://elk.example;img-src/", "https://elk.example,x/",
       "urn:ietf:wg:oauth:2.0:oob:auto",
       "https://elk.example:99999999/", "view-source:https://x", "intent://x", "https://[::1/", "é://x", "x" * 2_001 + "://")


def test_an_app_is_come_back_to_over_https_on_this_machine_or_by_a_scheme_of_its_own() -> None:
    for place in GOOD:
        check_redirect(place)
    for place in BAD:
        with pytest.raises(InvalidInput):
            check_redirect(place)


@given(st.text(max_size=60) | st.sampled_from(BAD + GOOD))
def test_whatever_an_address_looks_like_it_is_read_or_refused(place: str) -> None:
    try:
        check_redirect(place)
    except InvalidInput:
        return
    assert place.isprintable() and " " not in place and "#" not in place and place.partition(":")[0].lower() != "javascript"


async def test_apps_are_known_again_by_their_secret_and_forgotten_when_nobody_lets_them_in(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        its = de.its.signing.apps
        made, secret = await its.register(" A  phone ", ["ivory://x", "ivory://x", OUT_OF_BAND], "read:statuses push", "",
                                          "192.0.2.7")
        assert made.name == "A phone" and made.redirects == ("ivory://x", OUT_OF_BAND)
        assert await its.known(made.client_id) == made and await its.known("nobody") is None

        def shown(given: str, *, needed: bool = True) -> object:
            return lambda tx: apps.authenticated(tx, made.client_id, given, needed=needed)

        read = de.its.database.read
        assert await read(shown(secret)) == made and await read(shown("", needed=False)) == made  # type: ignore[arg-type]
        for given_, needed in (("", True), ("x", True), ("x", False)):
            with pytest.raises(NotSignedIn):
                await read(shown(given_, needed=needed))  # type: ignore[arg-type]

        for name, places, scope, website in (
                ("", ["ivory://x"], "", ""), ("x" * 61, ["ivory://x"], "", ""), ("a\u202eb", ["ivory://x"], "", ""),
                ("x", [], "", ""), ("x", ["javascript:x"], "", ""), ("x", [f"a{n}://" for n in range(11)], "", ""),
                ("x", ["ivory://x"], "admin", ""), ("x", ["ivory://x"], "", "ftp://x")):
            with pytest.raises(InvalidInput):
                await its.register(name, places, scope, website, "192.0.2.7")
        assert await de.count("apps") == 1
        dump = await read(lambda tx: [tuple(row) for row in tx.rows("SELECT * FROM apps")])
        assert secret not in str(dump)
        with pytest.raises(TooMany):
            for _ in range(61):
                await its.register("x", ["ivory://x"], "", "", "192.0.2.7")
        assert (await its.register("x", ["ivory://x"], "", "", "198.51.100.1"))[0].name == "x"
        await de.its.database.write(lambda tx: tx.run("UPDATE apps SET created_at = 0 WHERE client_id <> ?", (made.client_id,)))
        await its.prune()
        assert await de.count("apps") == 1
