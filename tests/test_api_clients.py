"""Apps as doctors have them: Mastodon.py signs in against a live instance and reads."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mastodon import Mastodon, StreamListener
from mastodon.errors import MastodonNotFoundError, MastodonUnauthorizedError

from core.ids import public
from posts.models import CaseFacts, Draft, Kind, PollDraft, Reach
from tests.conversations.test_the_whole_path import published
from tests.phones import hidden
from tests.servers import Running, countries, until
from tests.test_pages import Browser

SCOPES = ["read", "write", "follow", "push"]


async def signed_in(at: Running, handle: str) -> Mastodon:
    """The library introduces itself and asks; the doctor presses the button and carries the code over."""
    client_id, secret = await asyncio.to_thread(Mastodon.create_app, "Mastodon.py", scopes=SCOPES, api_base_url=at.url)
    app = Mastodon(client_id=client_id, client_secret=secret, api_base_url=at.url)
    where = urlsplit(await asyncio.to_thread(app.auth_request_url, scopes=SCOPES, allow_http=True))
    async with Browser(at) as browser:
        await browser.login(handle)
        page = (await browser.get(f"{where.path}?{where.query}"))[1]
        page = (await browser.post("/oauth/authorize", hidden(page) | {"do": "allow"}))[1]
    found = re.search(r'id="app-code"[^>]*>([^<]+)<', page)
    assert found is not None
    await asyncio.to_thread(app.log_in, code=unescape(found[1]), scopes=SCOPES, allow_http=True)
    return app


async def test_mastodon_py_signs_in_and_reads_what_comes_from_two_countries(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        facts = CaseFacts(("cardiology",), "30-39", "f", "diagnostic")
        await published(de, Draft(Kind.CASE, "Which test first?", "She coughs. #sepsis", "de", facts), fr)
        poll = PollDraft(("a", "b"), False, fr.its.clock.ms() + 3_600_000)
        asked = Draft(Kind.POLL, "Which?", "Text", "fr", CaseFacts(("cardiology",)), poll)
        own = await fr.its.compose.publish(await fr.author("ben"), asked, (), Reach.HOME, "")
        await until(lambda: fr.count("posts", "sibling_id IS NOT NULL"))
        await fr.its.reactions.like(await fr.its.credentials.require_verified(fr.doctors["ada"]), own)
        app = await signed_in(fr, "ben")

        async def entered() -> bool:
            return await fr.count("unindexed") == 0

        await until(entered)
        await asyncio.to_thread(_read, app, fr, own)
        await fr.its.accounts.suspend("ben", "test", "test")
        await asyncio.to_thread(_shut_out, app)
        other = await signed_in(fr, "ada")
        await asyncio.to_thread(other.revoke_access_token, allow_http=True)
        assert await fr.count("app_tokens", f"account_id = {fr.doctors['ada'].id}") == 0


def _read(app: Mastodon, fr: Running, own: str) -> None:
    me = app.account_verify_credentials()
    assert me.acct == "ben" and me.source.privacy == "private" and me.created_at.tzinfo is not None
    assert app.instance_v1().uri == fr.domain and app.instance_v2().domain == fr.domain
    assert app.verify_minimum_version("4.0.0") and app.app_verify_credentials().name == "Mastodon.py"
    home = app.timeline_home()
    assert home[0].id == own and home[1].account.acct.startswith("ada@")
    abroad = home[1]
    assert abroad.visibility == "private" and abroad.tags[0].name == "sepsis" and "Which test first?" in abroad.content
    assert app.fetch_next(app.timeline_home(limit=1))[0].id == abroad.id
    assert app.fetch_previous(app.timeline_home(max_id=home[0].id))[0].id == home[0].id
    assert [status.id for status in app.timeline_hashtag("sepsis")] == [abroad.id] and len(app.timeline_public()) == 2
    assert len(app.timeline_local()) == 1
    assert app.status(own).poll.options[0].title == "a" and app.poll(own).expired is False
    assert app.status_context(abroad.id).descendants == [] and app.status_source(own).text == "Text"
    assert len(app.status_history(own)) == 1 and app.status_favourited_by(own)[0].acct == "ada"
    [told] = app.notifications()
    assert told.type == "favourite" and told.status.id == own and app.notifications(told.id).id == told.id
    assert app.preferences()["posting:default:visibility"] == "private"
    assert app.custom_emojis() == app.announcements() == app.filters() == app.filters_v2() == app.lists() == []
    assert app.follow_requests() == [] == app.followed_tags() == app.bookmarks()
    assert app.markers_set(["home"], [own])["home"].last_read_id == own and app.markers_get(["home"])["home"].version == 1
    ada = app.account_lookup("ada")
    assert app.account(ada.id).display_name == "Dr Ada" and app.account_relationships(ada.id)[0].following is False
    assert app.account_statuses(me.id)[0].id == own and app.account_statuses(ada.id) == []
    found = app.search_v2("coughs")
    assert [status.id for status in found.statuses] == [abroad.id]
    assert app.search_v2(f"{fr.url}/p/{abroad.id}").statuses[0].id == abroad.id
    assert app.account_search("Ada")[0].id == ada.id
    try:
        app.status(public(1))
        raise AssertionError("there is no such post")
    except MastodonNotFoundError:
        pass


def _shut_out(app: Mastodon) -> None:
    try:
        app.timeline_home()
        raise AssertionError("a suspended doctor reads nothing")
    except MastodonUnauthorizedError:
        pass


class _Listener(StreamListener):
    """What the library was told."""

    def __init__(self) -> None:
        self.updates: list[str] = []
        self.changes: list[str] = []
        self.told: list[tuple[str, str]] = []

    def on_update(self, status: Any) -> None:
        self.updates.append(status.content)

    def on_status_update(self, status: Any) -> None:
        self.changes.append(status.content)

    def on_notification(self, notification: Any) -> None:
        self.told.append((notification.type, notification.account.acct))


async def test_mastodon_py_listens_to_what_comes_from_here_and_abroad(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        app, listener = await signed_in(fr, "ben"), _Listener()
        assert await asyncio.to_thread(app.stream_healthy)
        handle = await asyncio.to_thread(app.stream_user, listener, run_async=True)
        await until(handle.is_receiving)
        own = await fr.its.compose.publish(await fr.author("ben"), Draft(Kind.NOTE, "Mine?", "Text", "fr"), (), Reach.HOME, "")
        await published(de, Draft(Kind.CASE, "Which test first?", "She coughs.", "de", CaseFacts(("cardiology",))), fr)
        await fr.its.compose.reply(await fr.author("ada", "reply"), own, "This.", "fr")
        await until(lambda: len(listener.updates) == 2 and listener.told)
        assert "Mine?" in listener.updates[0] and "Which test first?" in listener.updates[1]
        assert listener.told == [("mention", "ada")]
        await fr.its.editing.edit(await fr.author("ben"), own, "Mine now?", "Text", 1)
        await until(lambda: listener.changes and "Mine now?" in listener.changes[0])
        await asyncio.to_thread(handle.close)
        await until(lambda: not len(fr.its.live))
