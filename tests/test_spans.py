"""A part of a list, whichever way it is asked for: apps page down from a post, up from one, and look for what is new."""

from __future__ import annotations

from pathlib import Path

from posts.models import Draft, Kind, Page, Reach
from posts.spans import Span, span_of
from posts.telling import Told
from tests.servers import Running, countries


def ids(page: Page) -> list[str]:
    return [post.boost_id or post.id for post in page.posts]


async def test_lists_are_read_from_any_entry_in_both_directions(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", worker=False) as (de,):
        await _lists(de)
        await _told(de)


async def _lists(de: Running) -> None:
    ben, its = await de.author("ben"), de.its
    made = [await its.compose.publish(ben, Draft(Kind.NOTE, f"N{number}", "Text #sepsis", "de"), (), Reach.HOME, "")
            for number in range(6)][::-1]
    ada = (await de.author("ada")).actor
    for read in (lambda span: its.timelines.home(ada, "all", span), lambda span: its.timelines.topic(ada, "#sepsis", span),
                 lambda span: its.timelines.of(ada, ben.actor, span)):
        assert ids(await read(Span(2))) == made[:2] and ids(await read(Span(40))) == made
        assert ids(await read(Span(2, before=made[1]))) == made[2:4]
        assert ids(await read(Span(2, since=made[4]))) == made[:2]  # the newest ones
        assert ids(await read(Span(2, after=made[4]))) == made[2:4]  # those right above
        assert ids(await read(Span(9, before=made[0], since=made[3]))) == made[1:3]
        page = await read(Span(2, before=made[5]))
        assert page.posts == () and page.newest == page.oldest == "" and page.before is None
        assert (await read(Span(6))).before is None and (await read(Span(5))).before == made[4]
        assert (await read(Span(2))).oldest == made[1]
    assert span_of(None, 7) == Span(7) and span_of(made[0], 7).key < Span().key and Span(before="nonsense").key == Span().key


async def _told(de: Running) -> None:
    ada, its = await de.author("ada"), de.its
    asked = [await its.compose.publish(ada, Draft(Kind.NOTE, f"A{number}", "Text", "de"), (), Reach.HOME, "")
             for number in range(3)]
    ben = await its.credentials.require_verified(de.doctors["ben"])
    for post in asked:
        await its.reactions.like(ben, post)
        await its.compose.reply(await de.author("ben", "reply"), post, "So.", "de")
    both = await its.notifications.told(ada.actor, Span(9), tuple(Told))
    assert len(both) == 6 and [one.kind for one in both[:2]] == [Told.ANSWER, Told.LIKE] and both[1].post_id == asked[2]
    likes = await its.notifications.told(ada.actor, Span(9), (Told.LIKE,))
    assert [one.post_id for one in likes] == asked[::-1]
    assert await its.notifications.told(ada.actor, Span(1, before=likes[0].newest), (Told.LIKE,)) == likes[1:2]
    assert await its.notifications.told(ada.actor, Span(1, after=likes[2].newest), (Told.LIKE,)) == likes[1:2]
    assert await its.notifications.told(ada.actor, Span(1, since=likes[2].newest), (Told.LIKE,)) == likes[:1]
    assert await its.notifications.told(ada.actor, Span(9), tuple(Told), event=likes[1].newest) == likes[1:2]
    assert await its.notifications.told(ada.actor, Span(9), ()) == ()
    assert await its.notifications.told(ben.actor, Span(9), (Told.LIKE,)) == ()
