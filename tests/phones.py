"""An app for tests: it introduces itself, has a doctor let it in on the real page, and asks with its token."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from tests.servers import Running
from tests.test_pages import Browser

BACK = "konsilapp://back"
EVERYTHING = "read write follow push profile"


class Phone:
    """An app at one instance."""

    def __init__(self, at: Running) -> None:
        self.at = at
        self.session = aiohttp.ClientSession(at.url)
        self.app: dict[str, Any] = {}
        self.token = ""

    async def __aenter__(self) -> Phone:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def register(self, redirect: str = BACK, scopes: str = EVERYTHING) -> dict[str, Any]:
        status, self.app, _ = await self.ask("POST", "/api/v1/apps", {
            "client_name": "A phone", "redirect_uris": redirect, "scopes": scopes, "website": "https://phone.example"})
        assert status == 200, self.app
        return self.app

    def wish(self, **changes: str) -> dict[str, str]:
        """What the app has a browser ask for."""
        made = {"response_type": "code", "client_id": self.app["client_id"], "redirect_uri": BACK, "scope": EVERYTHING,
                "state": "x y"}
        return {name: value for name, value in (made | changes).items() if value}

    async def code(self, browser: Browser, **changes: str) -> str:
        """The code that a doctor who is signed in gives it, by pressing the button."""
        status, page = await browser.get(f"/oauth/authorize?{urlencode(self.wish(**changes))}")
        assert status == 200, page
        status, where = await browser.post("/oauth/authorize", hidden(page) | {"do": "allow"})
        if status == 200:
            return re.search(r'id="app-code"[^>]*>([^<]+)<', where)[1]  # type: ignore[index]
        assert status == 303, where
        said = parse_qs(urlsplit(where).query)
        assert said.get("state") == [self.wish(**changes)["state"]]
        return said["code"][0]

    async def redeem(self, given: str, /, **changes: str) -> tuple[int, dict[str, Any]]:
        sent = {"grant_type": "authorization_code", "client_id": self.app["client_id"], "redirect_uri": BACK,
                "client_secret": self.app["client_secret"], "code": given} | changes
        status, said, _ = await self.ask("POST", "/oauth/token", {name: value for name, value in sent.items() if value})
        return status, said

    async def log_in(self, handle: str, scope: str = EVERYTHING) -> Phone:
        """All of it."""
        async with Browser(self.at) as browser:
            assert await browser.login(handle) == 303
            if not self.app:
                await self.register()
            status, said = await self.redeem(await self.code(browser, scope=scope))
            assert status == 200, said
            self.token = said["access_token"]
        return self

    async def ask(self, method: str, path: str, data: Any = None, *, token: str | None = None,
                  **more: Any) -> tuple[int, Any, dict[str, str]]:
        """The status, what was said, and the headers, whose names are in lower case."""
        given = self.token if token is None else token
        headers = {"authorization": f"Bearer {given}"} if given else {}
        async with self.session.request(method, path, data=data, headers=headers | more.pop("headers", {}),
                                        allow_redirects=False, **more) as response:
            if response.content_type == "text/event-stream":  # it does not end
                return response.status, "", {name.lower(): value for name, value in response.headers.items()}
            said = await response.json() if "json" in response.content_type else await response.text()
            return response.status, said, {name.lower(): value for name, value in response.headers.items()}

    async def get(self, path: str) -> Any:
        status, said, _ = await self.ask("GET", path)
        assert status == 200, (path, status, said)
        return said


def hidden(page: str) -> dict[str, str]:
    """The fields of a form that nobody sees."""
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)}
