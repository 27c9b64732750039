"""Mastodon.py writes and reacts against two live instances that know each other."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mastodon import Mastodon
from mastodon.errors import MastodonAPIError

from posts.models import Draft, Kind, PollDraft
from tests.conversations.test_the_whole_path import published
from tests.illustrated import scan
from tests.servers import countries, until
from tests.test_api_acting_pictures import confirmed
from tests.test_api_clients import signed_in

_DISC = "What is this?\n\nA disc."
_LATER = datetime.now(UTC) + timedelta(days=1)


async def test_mastodon_py_writes_and_reacts(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        ends = de.its.clock.ms() + 3_600_000
        await published(de, Draft(Kind.POLL, "Which?", "Text", "de", poll=PollDraft(("a", "b"), False, ends)), fr)
        await until(lambda: fr.count("posts", "sibling_id IS NOT NULL"))
        app, other = await signed_in(fr, "ben"), await signed_in(fr, "ada")
        media_id, link = await asyncio.to_thread(_with_a_picture, app)
        await confirmed(fr, link)
        post = await asyncio.to_thread(app.status_post, _DISC, media_ids=[media_id])
        assert post.media_attachments[0].description == "A disc"
        await asyncio.to_thread(_writes, app, other)
        await asyncio.to_thread(_reacts, app)
        await asyncio.to_thread(_relates, app, other)
        await until(lambda: de.count("likes"))
        await until(lambda: de.count("posts", "parent_id IS NOT NULL"))


def _with_a_picture(app: Mastodon) -> tuple[str, str]:
    """A picture that waits for its doctor, and where."""
    media = app.media_post(scan(), mime_type="image/jpeg", description="A white disc", synchronous=True)
    assert app.media(media.id).url and app.media_update(media.id, description="A disc").description == "A disc"
    try:
        app.status_post(_DISC, media_ids=[media.id])
        raise AssertionError("a picture that nobody has looked at goes out")
    except MastodonAPIError as error:
        found = re.search(r"http\S+", str(error.args[-1]))
        assert found is not None, error.args
        return media.id, found[0]


def _writes(app: Mastodon, other: Mastodon) -> None:
    first = app.status_post("Which test?\n\nShe coughs. #sepsis", idempotency_key="k", visibility="unlisted", language="en")
    assert app.status_post("Which test?\n\nShe coughs. #sepsis", idempotency_key="k", language="en").id == first.id
    assert first.visibility == "private" and first.tags[0].name == "sepsis"
    changed = app.status_update(first.id, status="She coughs and sweats.")
    assert "sweats" in changed.content and changed.edited_at is not None and len(app.status_history(first.id)) == 2
    answer = other.status_reply(other.status(first.id), "A scan.")
    assert answer.in_reply_to_id == first.id and app.status_context(first.id).descendants[0].id == answer.id
    assert app.notifications(mentions_only=True)[0].status.id == answer.id
    poll = app.status_post("Which one?", poll=app.make_poll(["a", "b"], expires_in=3600))
    assert other.poll_vote(poll.poll.id, [1]).own_votes == [1] and app.poll(poll.poll.id).votes_count == 1
    direct = app.status_post("@ada between us?", visibility="direct")
    assert direct.visibility == "direct" and other.status(direct.id).mentions[0].acct == "ada"
    gone = app.status_delete(first.id)
    assert gone.text == "She coughs and sweats."


def _reacts(app: Mastodon) -> None:
    far = next(status for status in app.timeline_public(remote=True) if "Which?" in status.content)
    assert app.status_favourite(far.id).favourited and app.status_bookmark(far.id).bookmarked
    assert app.status_reblog(far.id).reblog.id == far.id and app.status_unreblog(far.id).reblogged is False
    assert app.poll_vote(far.poll.id, [0]).voted and app.status_post("Thank you.", in_reply_to_id=far.id).id
    assert app.status_mute(far.id).id == app.status_unmute(far.id).id and app.status_unbookmark(far.id).bookmarked is False
    for refused in (lambda: app.status_pin(far.id), lambda: app.status_post("Later", scheduled_at=_LATER)):
        try:
            refused()
            raise AssertionError("there is none of these here")
        except MastodonAPIError as error:
            assert "422" in str(error.args[1]), error.args


def _relates(app: Mastodon, other: Mastodon) -> None:
    ada, ben = app.account_lookup("ada"), other.account_lookup("ben")
    assert app.account_follow(ada.id).requested and other.follow_requests()[0].id == ben.id
    assert other.follow_request_authorize(ben.id).followed_by and app.account_relationships(ada.id)[0].following
    assert app.account_unfollow(ada.id).following is False
    assert app.account_mute(ada.id, duration=3600).muting and app.account_unmute(ada.id).muting is False
    assert app.account_block(ada.id).blocking and app.account_unblock(ada.id).blocking is False
    me = app.account_update_credentials(note="Hearts", avatar=scan(), avatar_mime_type="image/jpeg", discoverable=True)
    assert me.source.note == "Hearts" and "/portraits/" in me.avatar
    app.notifications_clear()
    mine = other.status_post("Mine\n\nText")
    assert app.report(other.me().id, [mine.id], "It is advertising", category="spam").status_ids == [mine.id]
    assert app.tag_follow("sepsis").following and app.tag_unfollow("sepsis").following is False
    assert app.markers_set(["home"], [mine.id])["home"].last_read_id == mine.id
