"""Lists of posts: what is in them, in which order, page by page, and what is left out for whom."""

from __future__ import annotations

import random

import pytest

from actors.accounts import NewDoctor
from actors.models import Actor, Author
from actors.store import shown_by_handle
from core.database import Tx
from core.ids import number, public
from instance.assembly import Assembly
from posts.models import CaseFacts, Draft, Kind, Reach
from posts.timelines import PAGE, topics_of, waiting_by_topic


async def doctor(its: Assembly, handle: str, *specialties: str) -> Actor:
    return await its.accounts.add_doctor(
        NewDoctor(handle, f"Dr {handle}", "correct horse battery", specialties=specialties, method="register", evidence="seen"))


async def asked(its: Assembly, author: Actor, *specialties: str, question: str = "Why?") -> str:
    kind = Kind.CASE if specialties else Kind.NOTE
    draft = Draft(kind, question, "Text.", "de", CaseFacts(specialties))
    return await its.compose.publish(Author(author), draft, (), Reach.HOME, "")


async def follows(its: Assembly, follower: Actor, *followed: Actor) -> None:
    its_own = [(follower.id, other.id, "accepted", f"u:{follower.id}:{other.id}", f"{follower.id}{other.id}".encode(), 1)
               for other in followed]
    await its.database.write(lambda tx: tx.insert("follows (follower_id, followed_id, state, uri, uri_key, at)", 6, its_own))


async def passed_on(its: Assembly, by: Actor, post_id: str) -> None:
    boost = its.ids.new()
    row = (boost, number(post_id), by.id, f"b:{boost}", str(boost).encode(), 1)
    await its.database.write(lambda tx: tx.insert("boosts (id, post_id, actor_id, uri, uri_key, at)", 6, [row]))


async def whole(its: Assembly, viewer: Actor, tab: str) -> list[str]:
    """All pages of a tab, one after the other."""
    found: list[str] = []
    before = None
    while True:
        page = await its.timelines.home(viewer, tab, before)
        found += [post.id for post in page.posts]
        if page.before is None:
            return found
        assert len(page.posts) == PAGE
        before = page.before


async def test_following_merges_many_sources_into_one_order_without_gaps_or_repeats(its: Assembly) -> None:
    ada = await doctor(its, "ada")
    others = [await doctor(its, f"d{n}") for n in range(30)]
    await follows(its, ada, *others[:25])
    chance, mine = random.Random(7), []
    for _ in range(120):
        author = chance.choice(others)
        made = await asked(its, author)
        if author in others[:25]:
            mine.append(made)
    assert await whole(its, ada, "following") == mine[::-1]
    assert await whole(its, others[0], "following") == []


async def test_what_is_passed_on_stands_where_it_was_passed_on_and_once_only(its: Assembly) -> None:
    ada, ben, eve = await doctor(its, "ada"), await doctor(its, "ben"), await doctor(its, "eve")
    await follows(its, ada, ben)
    old = await asked(its, eve)
    own = await asked(its, ben)
    newer = await asked(its, ben)
    await passed_on(its, ben, old)
    page = await its.timelines.home(ada, "following", None)
    assert [post.id for post in page.posts] == [old, newer, own]
    assert page.posts[0].boosted_by == ben and page.posts[1].boosted_by is None
    await passed_on(its, ben, own)
    assert await whole(its, ada, "following") == [own, old, newer]


async def test_specialties_are_those_one_follows_and_hashtags_are_not_among_them(its: Assembly) -> None:
    ada = await doctor(its, "ada", "cardiology", "neurology")
    both = await asked(its, ada, "cardiology", "neurology")
    await asked(its, ada, "urology")
    await asked(its, ada)
    heart = await asked(its, ada, "cardiology")
    assert await whole(its, ada, "specialties") == [heart, both]
    assert len(await whole(its, ada, "all")) == 4
    assert await its.database.read(lambda tx: topics_of(tx, ada)) == ("cardiology", "neurology")
    page = await its.timelines.topic(ada, "neurology", None)
    assert [post.id for post in page.posts] == [both]


async def test_waiting_counts_cases_nobody_has_answered_by_specialty(its: Assembly) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben")
    first = await asked(its, ada, "cardiology", "neurology")
    second = await asked(its, ada, "cardiology")
    await its.compose.reply(Author(ben), second, "Because.", "de")
    assert await its.database.read(waiting_by_topic) == {"": 1, "cardiology": 1, "neurology": 1}
    assert [post.id for post in (await its.timelines.topic(ada, "cardiology", None, waiting=True)).posts] == [first]
    assert await whole(its, ada, "waiting") == [first]


@pytest.mark.parametrize("kind", ["block", "mute"])
async def test_whom_one_shuns_is_left_out_and_the_page_filled_up(its: Assembly, kind: str) -> None:
    ada, ben, eve = await doctor(its, "ada", "cardiology"), await doctor(its, "ben"), await doctor(its, "eve")
    wanted = []
    for n in range(3 * PAGE):
        made = await asked(its, ben if n % 3 == 0 else eve, "cardiology")
        wanted += [made] if n % 3 == 0 else []
    now = its.clock.ms()

    def shun(tx: Tx, until: int | None) -> None:
        tx.run("INSERT INTO shuns (actor_id, other_id, kind, until, at) VALUES (?, ?, ?, ?, ?)"
               " ON CONFLICT (actor_id, other_id) DO UPDATE SET until = excluded.until", (ada.id, eve.id, kind, until, now))

    await its.database.write(lambda tx: shun(tx, None))
    for tab in ("specialties", "all", "country", "waiting"):
        assert await whole(its, ada, tab) == wanted[::-1], tab
    assert len(await whole(its, ben, "all")) == 3 * PAGE
    await its.database.write(lambda tx: shun(tx, now - 1))  # a mute that is over
    assert len(await whole(its, ada, "all")) == 3 * PAGE
    await its.database.write(lambda tx: shun(tx, None))
    await its.compose.reply(Author(eve), wanted[0], "Hidden.", "de")
    thread = (await its.threads.thread(ada, wanted[0])).posts
    assert [post.shunned for post in thread] == [False, True]


async def test_an_erased_post_is_in_no_list(its: Assembly) -> None:
    ada, ben = await doctor(its, "ada", "cardiology"), await doctor(its, "ben")
    await follows(its, ada, ben)
    made = await asked(its, ben, "cardiology")
    await passed_on(its, ben, made)
    await its.editing.delete(ben, made)
    for tab in ("specialties", "following", "all", "country", "waiting", "abroad"):
        assert await whole(its, ada, tab) == [], tab
    for table in ("boosts", "topic_posts", "likes", "bookmarks"):
        assert await its.database.read(lambda tx, table=table: tx.rows(f"SELECT 1 FROM {table}")) == []  # type: ignore[misc]


async def test_a_cursor_that_nobody_wrote_is_the_beginning(its: Assembly) -> None:
    ada = await doctor(its, "ada")
    made = await asked(its, ada)
    for before in ("x", "", "zzzzzzzzzzzzz", "0" * 14):
        assert [post.id for post in (await its.timelines.home(ada, "all", before)).posts] == [made]
    assert (await its.timelines.home(ada, "all", public(1))).posts == ()
    assert await its.database.read(lambda tx: shown_by_handle(tx, "ada")) == ada

