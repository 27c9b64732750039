"""Pins: what a doctor has asked by name can stand first on her page, a few of it, until it is gone."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput, NotFound
from instance.assembly import Assembly
from posts.models import Draft, Kind, Reach
from posts.pins import MOST
from tests.test_notifications import CASE, asked, doctors


async def test_a_few_stand_there_the_last_pinned_first(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    posts = [await asked(its, ada, Draft(Kind.NOTE, f"Number {number}", "Text", "de")) for number in range(MOST + 1)]
    for post in (*posts[:MOST], posts[0]):
        await its.pins.pin(ada.actor, post)
    with pytest.raises(InvalidInput, match="already"):
        await its.pins.pin(ada.actor, posts[MOST])
    seen = await its.timelines.pinned(ben.actor, ada.actor)
    assert [post.id for post in seen] == posts[MOST - 1::-1] and not seen[0].pinned
    assert (await its.timelines.pinned(ada.actor, ada.actor))[0].pinned
    await its.pins.unpin(ada.actor, posts[0])
    await its.pins.pin(ada.actor, posts[MOST])
    await its.editing.delete(ada.actor, posts[1])
    assert [post.id for post in await its.timelines.pinned(ben.actor, ada.actor)] == [posts[MOST], *posts[MOST - 1:1:-1]]


async def test_nothing_else_can_be_pinned(its: Assembly) -> None:
    ada, ben, cleo = await doctors(its, "ada", "ben", "cleo")
    case = await asked(its, ada)
    answer = await its.compose.reply(ben, case, "Answer", "de")
    consult = await its.compose.consult(ada, CASE, [ben.actor])
    for who, post in ((ben, case), (ben, answer), (ada, consult)):
        with pytest.raises(InvalidInput, match="by name"):
            await its.pins.pin(who.actor, post)
    with pytest.raises(NotFound):
        await its.pins.pin(cleo.actor, consult)


async def test_what_was_signed_by_role_is_not_pinned_under_a_name(its: Assembly) -> None:
    [ada] = await doctors(its, "ada")
    signed = await its.compose.publish(ada, CASE, (), Reach.HOME, "", by_role=True)
    with pytest.raises(InvalidInput, match="by name"):
        await its.pins.pin(ada.actor, signed)
