"""Pictures in an app: addresses that hold a token, and open what its doctor may read at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from actors.devices import NOWHERE
from tests.illustrated import illustrated
from tests.phones import Phone
from tests.servers import Running, countries, until
from tests.test_api_first_screen import WEB, with_a_web_app


async def look(url: str, origin: str = "") -> tuple[int, str, dict[str, str]]:
    """As any program does, without a token; a browser's script says its page's origin."""
    said = {"origin": origin} if origin else {}
    async with aiohttp.ClientSession() as anybody, anybody.get(url, headers=said) as response:
        await response.read()
        return response.status, response.content_type, {name.lower(): value for name, value in response.headers.items()}


async def test_a_picture_is_seen_at_home_and_abroad_for_as_long_as_its_post_may_be_read(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr), Phone(de) as home, Phone(fr) as abroad:
        post_id = await illustrated(de, (fr.url,), pictures=2, warning="wound")
        await until(lambda: fr.count("posts"))
        addresses: list[str] = []
        for phone in (home, abroad):
            await phone.log_in("ben")
            [status] = await phone.get("/api/v1/timelines/public")
            assert status["sensitive"] and len(status["media_attachments"]) == 2
            first = status["media_attachments"][0]
            assert first["type"] == "image" and first["description"] == "Picture number 1"
            assert first["meta"]["original"] == {"width": 900, "height": 600, "size": "900x600", "aspect": 1.5}
            for key in ("url", "preview_url"):
                assert first[key].startswith(f"{phone.at.url}/api/konsil/pictures/")
                seen, kind, headers = await look(first[key])
                assert (seen, kind) == (200, "image/jpeg") and "no-store" in headers["cache-control"]
            addresses.append(first["url"])
        await _made_up(addresses[0])
        await de.its.editing.delete((await de.author("ada")).actor, post_id)
        await until(lambda: fr.count("tombstones"))
        assert [(await look(address))[0] for address in addresses] == [404, 404]


async def _made_up(address: str) -> None:
    """Whoever changes an address sees nothing."""
    before, _, sealed = address.rpartition("/")
    other = "B" if sealed[20] == "A" else "A"
    for wrong in (sealed[:-1], sealed[:-4] + "____", "B" + sealed[1:], sealed[:20] + other + sealed[21:], "x", "é" * 20,
                  sealed + "A", ""):
        assert (await look(f"{before}/{wrong}"))[0] == 404, wrong


async def test_an_address_ends_with_its_token_its_doctor_and_its_day(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await illustrated(de)
        ben = de.doctors["ben"]

        async def shut_out() -> None:
            for one in await de.its.signing.grants.of(ben.id):
                await de.its.signing.grants.end(ben.id, one.app.id, NOWHERE)

        async def days_pass() -> None:
            de.its.clock.offset = 2 * 86_400

        async def runs_out(at: int | None = 1) -> None:
            await de.its.database.write(lambda tx: tx.run("UPDATE actors SET verified_until = ? WHERE handle = 'ben'", (at,)))

        await _ends(de, shut_out)
        await _ends(de, days_pass)
        de.its.clock.offset = 0
        await _ends(de, runs_out)
        await runs_out(None)
        await _ends(de, lambda: de.its.accounts.suspend("ben", "test", "test"))


async def _ends(de: Running, end: Callable[[], Awaitable[None]]) -> None:
    async with Phone(de) as phone:
        await phone.log_in("ben")
        [status] = await phone.get("/api/v1/timelines/public")
        address = status["media_attachments"][0]["url"]
        assert (await look(address))[0] == 200
        await end()
        assert (await look(address))[0] == 404


async def test_a_page_of_an_app_may_show_pictures_where_operators_have_named_one(tmp_path: Path) -> None:
    """A browser shows a picture of another origin only where that says so, and lets scripts look into it by CORS."""
    async with countries(tmp_path / "web", "de", worker=False, settled=with_a_web_app) as (de,), Phone(de) as phone:
        await illustrated(de)
        await phone.log_in("ben")
        [status] = await phone.get("/api/v1/timelines/public")
        for address in (status["media_attachments"][0]["url"], status["account"]["avatar"], status["account"]["header"]):
            _, _, headers = await look(address)
            assert headers["cross-origin-resource-policy"] == "cross-origin" and "access-control-allow-origin" not in headers
            assert headers["vary"] == "Origin"
            assert (await look(address, WEB))[2]["access-control-allow-origin"] == WEB
            assert "access-control-allow-origin" not in (await look(address, "https://evil.example"))[2]
        for elsewhere in (f"{de.url}/api/v1/instance", f"{de.url}/static/konsil.css", f"{de.url}/login"):
            assert (await look(elsewhere))[2]["cross-origin-resource-policy"] == "same-origin", elsewhere
    async with countries(tmp_path / "none", "de", worker=False) as (de,), Phone(de) as phone:
        await illustrated(de)
        await phone.log_in("ben")
        [status] = await phone.get("/api/v1/timelines/public")
        for address in (status["media_attachments"][0]["url"], status["account"]["avatar"], status["account"]["header"]):
            assert (await look(address, WEB))[2]["cross-origin-resource-policy"] == "same-origin"
