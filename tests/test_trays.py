"""Pictures handed in one by one lie apart until a post takes them along, in the order in which it names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, NotFound
from core.ids import public
from posts.drafts import Sheet, What
from tests.illustrated import described, scan
from tests.servers import Running, countries


@pytest.fixture
async def de(tmp_path: Path) -> AsyncIterator[Running]:
    async with countries(tmp_path, "de", worker=False) as (one,):
        yield one


async def test_they_are_put_together_and_stay_together(de: Running) -> None:
    trays, ada, closed = de.its.trays, (await de.author("ada")).actor, list[int]()
    first, second = [(await trays.hand_in(ada, scan(), alt, patience=None, after=lambda: closed.append(1)))[0]
                     for alt in ("One", "Two")]
    assert closed == [1, 1]
    apart = await trays.look(ada, (second, first))
    assert apart.sheet is None and [one.alt for one in apart.uploads] == ["Two", "One"] and not apart.uploads[0].ready
    sheet = await trays.lay(ada, (second, first))
    together = await trays.look(ada, (second, first))
    assert together.sheet == sheet and [one.name for one in await de.its.media.in_work(ada, sheet)] == [second, first]
    assert (await trays.look(ada, (second,))).sheet is None  # another lies beside it
    await described(de, await de.author("ada"), other := Sheet(What.NEW, public(de.its.ids.new())))
    with pytest.raises(Conflict):
        await trays.lay(ada, (first,), other)
    assert (await trays.look(ada, ())).uploads == ()


async def test_they_are_their_owners_alone(de: Running) -> None:
    trays, ada, ben = de.its.trays, (await de.author("ada")).actor, (await de.author("ben")).actor
    name, done = await trays.hand_in(ada, scan(), "", patience=None, after=lambda: None)
    assert done and (await trays.one(ada, name)) is not None and await trays.pixels(ada, name, small=True)
    with pytest.raises(NotFound):
        await trays.one(ben, name)
    with pytest.raises(NotFound):
        await trays.pixels(ben, name, small=True)
    with pytest.raises(NotFound):
        await trays.describe(ben, name, "Mine", settled=True)
    with pytest.raises(InvalidInput):
        await trays.lay(ben, (name,))
    with pytest.raises(InvalidInput):
        await trays.hand_in(ada, b"nothing", "", patience=None, after=lambda: None)
    await de.its.media.describe(ada, (await trays.look(ada, (name,))).sheet or Sheet(What.NEW, ""), name, alt="A disc",
                                sort="photo", warning="", seen=True)
    await trays.describe(ada, name, "A white disc", settled=True)
    [one] = (await trays.look(ada, (name,))).uploads
    assert one.ready and one.alt == "A white disc"
    await trays.describe(ada, name, "A black disc", settled=False)
    assert not (await trays.look(ada, (name,))).uploads[0].ready
