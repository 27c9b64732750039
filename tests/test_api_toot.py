"""toot, a client of the command line, as a process of its own: it signs in against two live instances that know each other, and
drives everything that it can.

Left out: what this network has none of (featured tags, lists, trends), the screen that fills a terminal, and editing, which only
that screen does.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from posts.models import CaseFacts, Draft, Kind, PollDraft
from tests.conversations.test_the_whole_path import published
from tests.illustrated import scan
from tests.phones import hidden
from tests.servers import Running, countries, until
from tests.test_api_acting import AHV
from tests.test_api_acting_pictures import confirmed, link_in
from tests.test_pages import Browser

_TOOT = Path(__file__).parent.parent / ".venv" / "toot" / "bin" / "toot"


class Shell:
    """A doctor's command line, with a home of its own."""

    def __init__(self, at: Running, handle: str, home: Path) -> None:
        self.at, self.handle, self.home = at, handle, home
        home.mkdir()

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        assert _TOOT.exists(), "make test installs toot"
        return await asyncio.create_subprocess_exec(
            _TOOT, "--no-color", *words, cwd=self.home, env=self._environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    async def run(self, *words: str) -> tuple[int, str]:
        """How it ended, and everything that was shown."""
        process = await self.start(*words)
        said, _ = await process.communicate(b"")
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def toot(self, *words: str) -> str:
        """What it shows of something that is done."""
        status, said = await self.run(*words)
        assert status == 0, (words, said)
        return said

    async def told(self, *words: str) -> Any:
        """The same, as it came."""
        return json.loads(await self.toot(*words, "--json"))

    async def refused(self, *words: str) -> str:
        """The sentence it shows of something that is not done."""
        status, said = await self.run(*words)
        assert status == 1 and said.startswith("Error: ") and "Traceback" not in said, (words, status, said)
        return " ".join(said.removeprefix("Error: ").split())

    async def log_in(self) -> Shell:
        """toot introduces itself, shows where to go, and waits; the doctor presses the button there and types the code."""
        process = await self.start("login", "--instance", self.at.url)
        assert process.stdin is not None and process.stdout is not None
        shown = b""
        while (found := re.search(rb"^(http\S+)\s", shown, re.M)) is None:
            part = await process.stdout.read(4096)
            assert part, shown
            shown += part
        where = urlsplit(found[1].decode())
        async with Browser(self.at) as browser:
            await browser.login(self.handle)
            page = (await browser.get(f"{where.path}?{where.query}"))[1]
            assert "toot - a Mastodon CLI client" in page
            page = (await browser.post("/oauth/authorize", hidden(page) | {"do": "allow"}))[1]
        code = re.search(r'id="app-code"[^>]*>([^<]+)<', page)
        assert code is not None, page
        said, _ = await process.communicate(f"n\n{unescape(code[1])}\n".encode())
        assert process.returncode == 0 and "Successfully logged in" in said.decode(), said
        return self

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOOT_", "XDG_")) and name != "EDITOR"}
        return kept | {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"),
                       "XDG_CACHE_HOME": str(self.home / "cache"), "NO_PROXY": "*", "PYTHONUTF8": "1", "BROWSER": "true"}


async def test_toot_signs_in_and_reads_what_comes_from_two_countries(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "gb") as (de, gb):
        facts = CaseFacts(("cardiology",), "30-39", "f", "diagnostic")
        await published(de, Draft(Kind.CASE, "Which test first?", "She coughs. #sepsis", "de", facts), gb)
        await until(lambda: gb.count("posts", "sibling_id IS NOT NULL"))
        ben = await Shell(gb, "ben", tmp_path / "ben").log_in()
        assert f"ben@{gb.domain}" in await ben.toot("auth") and "@ben" in await ben.toot("whoami")
        assert "Dr Ada" in await ben.toot("whois", "ada") and "Dr Ada" in await ben.toot("whois", f"ada@{de.domain}")
        assert gb.domain in await ben.toot("instance") and "Konsil" in (await ben.told("instance", gb.url))["version"]
        assert await ben.refused("whois", "nobody") == "Account not found"
        own = await ben.told("post", "Is this all?\n\nA text. #sepsis", "--language", "en")
        home = await ben.toot("timelines", "home", "--no-pager", "--no-clear")
        assert "She coughs" in home and "A text" in home and "@ada" in home
        [first], [second] = (await ben.told("timelines", "home", "--limit", "1"),
                             await ben.told("timelines", "home", "--max-id", own["id"], "--limit", "1"))
        assert first["id"] == own["id"] and second["account"]["acct"] == f"ada@{de.domain}"
        everybody, local, remote = [[one["id"] for one in await ben.told("timelines", "public", *words)]
                                    for words in ((), ("--local",), ("--remote",))]
        assert everybody == local + remote == [own["id"], second["id"]] == [
            one["id"] for one in await ben.told("timelines", "tag", "sepsis")]
        assert await ben.told("timelines", "public", "--only-media") == []
        assert [one["id"] for one in await ben.told("timelines", "account", "ben")] == [own["id"]]
        assert "She coughs" in await ben.toot("timeline", "--once")
        assert "A text" in await ben.toot("timeline", "--public", "--once")
        assert "She coughs" in await ben.toot("status", second["id"]) and "A text" in await ben.toot("thread", own["id"])
        found = await ben.told("search", "coughs", "--type", "statuses")
        assert [one["id"] for one in found["statuses"]] == [second["id"]]
        assert "ada" in await ben.toot("search", "Ada") and "sepsis" in await ben.toot("search", "#sepsis")
        assert "Not followed" in await ben.toot("tags", "info", "sepsis")
        await ben.toot("tags", "follow", "sepsis")
        assert "sepsis" in await ben.toot("tags", "followed") and "Followed" in await ben.toot("tags", "info", "sepsis")
        await ben.toot("tags", "unfollow", "sepsis")
        assert "not following any" in await ben.toot("tags", "followed")
        assert await ben.refused("timelines", "account", "nobody") == "There is no such account here."
        assert "not signed in" in await ben.refused("timelines", "public", "--instance", gb.url)
        await gb.its.accounts.suspend("ben", "test", "test")
        assert "not signed in" in await ben.refused("timelines", "home")


async def test_toot_writes_across_the_border_and_shows_what_is_refused(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "gb") as (de, gb):
        ends = de.its.clock.ms() + 3_600_000
        far = await published(de, Draft(Kind.POLL, "Which?", "Text", "de", poll=PollDraft(("yes", "no"), False, ends)), gb)
        await until(lambda: gb.count("posts", "sibling_id IS NOT NULL"))
        ben, ada = [await Shell(gb, handle, tmp_path / handle).log_in() for handle in ("ben", "ada")]
        over_there = await Shell(de, "ada", tmp_path / "there").log_in()
        [poll] = await ben.told("timelines", "public", "--remote")
        assert "yes" in await ben.toot("polls", "show", poll["poll"]["id"])
        assert (await ben.told("polls", "vote", poll["poll"]["id"], "1"))["own_votes"] == [1]
        answer = await ben.told("post", "The second.", "--reply-to", poll["id"], "--language", "en")
        assert answer["in_reply_to_id"] == poll["id"]
        await ben.toot("favourite", poll["id"])
        await ben.toot("reblog", poll["id"])
        assert "ben" in await ben.toot("reblogged-by", poll["id"])
        await until(lambda: de.count("posts", "parent_id IS NOT NULL"))
        await until(lambda: de.count("likes"))
        assert "The second." in await over_there.toot("thread", far)
        heard = {one["type"] for one in await over_there.told("notifications")}
        assert heard == {"mention", "favourite", "reblog"}, heard
        assert "The second." in await over_there.toot("notifications", "--type", "mention")
        await over_there.toot("notifications", "--clear")
        await ben.toot("unfavourite", poll["id"])
        await ben.toot("unreblog", poll["id"])
        await ben.toot("delete", answer["id"])
        await until(lambda: _none(de, "likes"))
        await until(lambda: _none(de, "posts", "parent_id IS NOT NULL AND erased_at IS NULL"))
        asked = await ada.told("post", "Which one?", "--poll-option", "a", "--poll-option", "b", "--poll-expires-in", "2h",
                               "--poll-multiple", "--spoiler-text", "Two of these?")
        assert [one["title"] for one in asked["poll"]["options"]] == ["a", "b"] and asked["poll"]["multiple"]
        assert "You voted!" in await ben.toot("polls", "vote", asked["poll"]["id"], "0", "1")
        direct = await ben.told("post", "@ada between us?", "--visibility", "direct")
        assert direct["visibility"] == "direct" and "between us?" in await ada.toot("status", direct["id"])
        again = await ben.told("post", "And this.", "--reply-last")
        assert again["in_reply_to_id"] == direct["id"]
        sentence = await ben.refused("post", f"The card {AHV}")
        assert sentence.endswith(".") and AHV not in sentence
        assert "“Mr Brown”" in await ben.refused("post", "Mr Brown came.")
        assert "later" in await ben.refused("post", "Later", "--scheduled-in", "10m")
        assert "Name at least one" in await ben.refused("post", "Between us?", "--visibility", "direct")
        assert "another country" in await ben.refused("post", f"@ada@{de.domain} what now?", "--visibility", "direct")
        assert await ben.refused("delete", asked["id"]) and await ben.refused("polls", "vote", asked["poll"]["id"], "0")
        assert await gb.count("posts", "parent_id IS NULL AND sibling_id IS NULL") == 2


async def test_toot_keeps_follows_mutes_and_shuts_out_and_hands_in_a_picture(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "gb") as (de, gb):
        ben, ada = [await Shell(gb, handle, tmp_path / handle).log_in() for handle in ("ben", "ada")]
        post = await ada.told("post", "Mine\n\nA text.")
        await ben.toot("bookmark", post["id"])
        assert "A text." in await ben.toot("bookmarks", "--once")
        await ben.toot("unbookmark", f"{gb.url}/p/{post['id']}")
        await ben.toot("favourite", post["id"])
        assert [one["id"] for one in await ben.told("timelines", "favourites")] == [post["id"]]
        assert (await ada.told("pin", post["id"]))["pinned"] and (await ada.told("unpin", post["id"]))["pinned"] is False
        assert await ben.refused("pin", post["id"])
        assert "A text." not in await ben.toot("bookmarks", "--once")
        assert (await ben.told("follow", "ada"))["requested"]
        assert "ben" in await ada.toot("follow-requests", "list")
        await ada.toot("follow-requests", "accept", "ben")
        assert "ada" in await ben.toot("following") and "ben" in await ada.toot("followers")
        assert (await ben.told("unfollow", "ada"))["following"] is False
        assert (await ben.told("follow", f"ada@{de.domain}"))["requested"]
        await until(lambda: de.count("follows"))
        there = await Shell(de, "ada", tmp_path / "there").log_in()
        await there.toot("follow-requests", "accept", f"ben@{gb.domain}")
        await until(lambda: gb.count("follows", "state = 'accepted'"))
        assert f"ada@{de.domain}" in await ben.toot("following")
        for do, undo, listed in (("mute", "unmute", "muted"), ("block", "unblock", "blocked")):
            await ben.toot(do, "ada")
            assert "ada" in await ben.toot(listed)
            await ben.toot(undo, "ada")
            assert "No accounts" in await ben.toot(listed)
        assert "Hearts" in await ben.toot("update-account", "--note", "Hearts", "--discoverable", "--json")
        (picture := tmp_path / "disc.jpg").write_bytes(scan())
        assert "Successfully uploaded" in await ben.toot("upload", str(picture), "--description", "A disc")
        assert "has no description" in await ben.refused("post", "What is this?\n\nA disc.", "--media", str(picture))
        sentence = await ben.refused("post", "What is this?\n\nA disc.", "--media", str(picture), "--description", "A disc")
        await confirmed(gb, link_in(sentence))
        await ben.toot("logout", f"ben@{gb.domain}")
        assert "not logged in" in await ben.toot("auth")


async def _none(at: Running, table: str, where: str = "1=1") -> bool:
    return await at.count(table, where) == 0
