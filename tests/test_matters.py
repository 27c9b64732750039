"""A matter follows what the post's own instance tells: in its order, once, and never back."""

from __future__ import annotations

import pytest

from actors.models import Author
from core.database import Tx
from core.errors import Conflict
from core.ids import number
from instance.assembly import Assembly
from posts import matters
from posts.matters import MATTER_STATES, MatterState, Verdict
from tests.test_notifications import asked, doctors
from tests.test_reports import reported


async def heard(its: Assembly, matter: str, *verdicts: Verdict) -> tuple[str, list[str]]:
    """What becomes of a matter when these are told: its state and the reasons that are kept."""
    def work(tx: Tx) -> tuple[str, list[str]]:
        inner = number(matter) or 0
        for verdict in verdicts:
            matters.heard(tx, its.ids, inner, verdict, its.clock.ms())
        [row] = tx.rows("SELECT state FROM matters WHERE id = ?", (inner,))
        return row["state"], [one.reason for one in matters.decisions(tx, inner)]

    return await its.database.write(work)


@pytest.fixture
async def waiting(its: Assembly) -> tuple[Author, str]:
    ada, ben = await doctors(its, "ada", "ben")
    return ben, await reported(its, ben, await asked(its, ada))


async def test_what_is_older_or_told_again_changes_nothing(its: Assembly, waiting: tuple[Author, str]) -> None:
    ben, matter = waiting
    first, again = Verdict(MatterState.TAKEN_DOWN, 1, "The date.", "de"), Verdict(MatterState.TAKEN_DOWN, 3, "It stays.", "de")
    appealed = Verdict(MatterState.APPEALED, 2, "", "")
    assert await heard(its, matter, first, first) == ("taken-down", ["The date."])
    assert len((await its.notifications.page(ben.actor, None)).shown) == 1
    assert await heard(its, matter, again) == ("taken-down", ["The date.", "It stays."])
    assert await heard(its, matter, appealed) == ("taken-down", ["The date.", "It stays."])


async def test_an_appeal_is_shown_and_not_told(its: Assembly, waiting: tuple[Author, str]) -> None:
    ben, matter = waiting
    assert await heard(its, matter, Verdict(MatterState.APPEALED, 2, "", "")) == ("appealed", [])
    assert (await its.notifications.page(ben.actor, None)).shown == ()


async def test_the_deletion_may_come_before_what_it_was_for(its: Assembly, waiting: tuple[Author, str]) -> None:
    ben, matter = waiting
    await its.database.write(lambda tx: matters.forget(tx, tx.rows("SELECT post_id FROM matters")[0]["post_id"], 1))
    assert (await its.reports.one(ben.actor, matter)).state == MatterState.DELETED
    assert await heard(its, matter, Verdict(MatterState.TAKEN_DOWN, 1, "The date.", "de")) == ("taken-down", ["The date."])
    its.clock.offset = 61
    assert await its.judging.tell_due() == 0  # it was told as what it is


def test_no_step_leads_back_and_what_is_over_is_over() -> None:
    assert set(MATTER_STATES.final) == {"kept", "changed", "overturned"}
    for current, target in (("kept", "open"), ("taken-down", "kept"), ("taken-down", "overturned"), ("appealed", "kept"),
                            ("deleted", "open")):
        with pytest.raises(Conflict):
            MATTER_STATES.check(current, target)
