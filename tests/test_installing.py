"""What is needed to install Konsil says nothing of anybody, and is the same for everybody."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.servers import Running, countries
from tests.test_pages import Browser


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def test_a_browser_finds_the_manifest_and_every_icon_in_it(de: Running) -> None:
    async with Browser(de) as visitor:
        page = (await visitor.get("/login"))[1]
        found = re.search(r'<link rel="manifest" href="([^"]+)"', page)
        assert found is not None and page.count('name="theme-color"') == 2
        async with visitor.session.get(found[1]) as response:
            assert response.content_type == "application/manifest+json"
            manifest = json.loads(await response.read())
        assert manifest["name"] == "Konsil Germany" and manifest["start_url"] == manifest["scope"] == "/"
        for icon in manifest["icons"]:
            async with visitor.session.get(icon["src"]) as response:
                assert response.status == 200 and response.content_type == icon["type"]
                if icon["type"] == "image/png":
                    assert "{}x{}".format(*Image.open(BytesIO(await response.read())).size) == icon["sizes"]
        assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}


async def test_the_worker_keeps_only_what_anybody_may_see(de: Running) -> None:
    async with Browser(de) as visitor, Browser(de) as ada:
        async with visitor.session.get("/sw.js") as response:
            assert response.headers["cache-control"] == "no-cache" and response.content_type == "text/javascript"
            worker = await response.text()
        assert "{state}" not in worker and worker.count("caches.open") == 1 and ".put(" not in worker
        kept = re.search(r"const KEPT = \[(.*)\]", worker)
        assert kept is not None
        for path in ("/offline", *re.findall(r'"([^"]+)"', kept[1])):
            assert (await visitor.get(path))[0] == 200 and (path == "/offline" or path.startswith("/static/"))
        await ada.login("ada")
        offline = (await visitor.get("/offline"))[1]
        assert "No connection" in offline and "Dr Ada" not in offline
