"""The demo's content: nobody in it can be recognised, everything it names is there, and what it plants is seen abroad."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from actors.accounts import NewDoctor
from core.clock import Clock
from core.darkroom import Darkroom
from core.images import EDGE
from core.pictures import size_of
from instance.demo_seed import plant
from instance.seed import Seed, load
from instance.seed.drawing import DRAWINGS, drawn
from posts.linter.looking import Linter
from posts.models import SORTS, CaseFacts, Draft, Kind, PollDraft
from posts.rules import check_draft
from tests.servers import countries, until

ALL = ("de", "fr", "it", "es", "gb", "at", "ch")


def test_everything_that_is_named_is_there() -> None:
    seed = load(ALL)
    people = {f"{person.handle}@{person.country}" for person in seed.people}
    authors = people | {f"{desk.handle}@{desk.country}" for desk in seed.desks}
    keys = [*(post.key for post in seed.posts), *(reply.key for reply in seed.replies)]
    assert len(set(keys)) == len(keys)
    for post in seed.posts:
        assert post.author in authors and set(post.votes) <= people - {post.author} and set(post.helpful) <= set(keys), post.key
        assert all(set(chosen) <= set(range(len(post.options))) for chosen in post.votes.values()), post.key
        assert all(one.drawing in DRAWINGS and one.sort in SORTS for one in post.pictures), post.key
        poll = PollDraft(post.options, post.multiple, 1_000_000) if post.kind == Kind.POLL else None
        facts = CaseFacts(post.specialties, post.age_band, post.sex, post.aim, post.conditions)
        check_draft(Draft(post.kind, post.question, post.text, post.language, facts, poll, post.parts), 10_000, 0)
    for reply in seed.replies:
        assert reply.author in people and reply.to in keys, reply.key
        assert reply.corrected is None or not reply.recalled, f"{reply.key}: what is recalled stays as it was"


def test_fewer_countries_leave_out_what_needs_others() -> None:
    seed = load(("de", "fr"))
    assert {post.author.rpartition("@")[2] for post in seed.posts} == {"de", "fr"} > {
        who.rpartition("@")[2] for post in seed.posts for who in post.votes} - {"de", "fr"}
    assert "hilar-nodes" not in {post.key for post in seed.posts} | {reply.to for reply in seed.replies}


def test_nothing_in_it_could_identify_anybody() -> None:
    linter, seed = Linter((), Clock()), load(ALL)
    for post in seed.posts:
        texts = {"question": post.question, "text": post.text, **{f"alt {at}": one.alt for at, one in enumerate(post.pictures)}}
        assert linter.look(texts, post.language).marked == (), post.key
    for reply in seed.replies:
        texts = {"text": reply.text, "corrected": reply.corrected.text if reply.corrected else "", "reason": reply.recalled}
        assert linter.look(texts, reply.language).marked == (), reply.key


@pytest.mark.parametrize("name", DRAWINGS)
async def test_a_drawing_is_the_same_each_time_and_developed_like_any_upload(name: str) -> None:
    file, darkroom = drawn(name), Darkroom()
    try:
        made = await darkroom.picture(file, EDGE)
    finally:
        await darkroom.close()
    width, height = size_of(made.whole)
    assert drawn(name) == file and width >= 900 <= height + 200, (width, height)


async def test_pictures_corrections_and_recalls_are_seen_abroad(tmp_path: Path) -> None:
    async with countries(tmp_path, "de", "fr") as (de, fr):
        whole = load(("de", "fr"))
        whole = msgspec.structs.replace(
            _only(whole, "heart-block"), people=tuple(one for one in whole.people if one.role != "operator"))
        [evidence] = [reply for reply in whole.replies if reply.sources]
        wrong = [msgspec.structs.replace(reply, key=reply.key + "-x", to="heart-block", author="hugo.petit@fr")
                for reply in load(ALL).replies if reply.recalled or reply.corrected]
        assert len(wrong) == 2
        for one in (de, fr):
            for person in whole.people:
                if person.country == one.country:
                    await one.its.accounts.add_doctor(NewDoctor(
                        person.handle, person.name, "several words of nothing", person.badge_role, person.specialties, "register",
                        person.evidence), "test")
        await plant([de.its.settings, fr.its.settings], msgspec.structs.replace(whole, replies=(evidence, *wrong)))
        assert await fr.count("posts", "sibling_id IS NOT NULL AND pictures LIKE '%Zwölfkanal%'") == 1
        await until(lambda: de.count("posts", "correction LIKE '%\"correction\"%' AND sibling_id IS NOT NULL"))
        await until(lambda: de.count("posts", "recalled = 1 AND sibling_id IS NOT NULL"))
        assert await de.count("posts", "reply_kind = 'evidence' AND html LIKE '%doi.org/10.1002/clc.23102%'") == 1
        assert await de.count("bases", "ground = 'consent'") == 1


def _only(seed: Seed, key: str) -> Seed:
    """One post of it, and nothing that stands beside it."""
    nothing = {name: () for name in ("consults", "profiles", "follows", "likes", "boosts", "bookmarks", "applicants", "desks")}
    post = next(post for post in seed.posts if post.key == key)
    return msgspec.structs.replace(seed, posts=(post,), replies=tuple(one for one in seed.replies if one.to == key), **nothing)
