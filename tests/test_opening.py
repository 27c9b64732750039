"""Breaking the glass: never without a reason, never unseen, and its author is told."""

from __future__ import annotations

import pytest

from core.database import Tx
from core.errors import InvalidInput, NotFound
from core.ids import number
from instance.assembly import Assembly
from posts.opening import REASON_LIMIT
from tests.test_notifications import asked, doctors
from tests.test_siblings import audit

_DAY = 86_400


async def test_a_post_is_read_with_a_reason_alone_and_that_stands_in_log_and_list(its: Assembly) -> None:
    ada, _ = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    await its.editing.edit(ada, post, "Which test first?", "Other text.", 1)
    for reason in ("", " \n\0", "x" * (REASON_LIMIT + 1)):
        with pytest.raises(InvalidInput) as caught:
            await its.opening.open(post, reason, "olga")
        assert caught.value.field == "reason"
    for nowhere in ("0000000000000", "x"):
        with pytest.raises(NotFound):
            await its.opening.open(nowhere, "because", "olga")
    assert (await its.opening.page(None)).shown == ()
    found = await its.opening.open(post, "Notice\n ABCD-EFGH.", "olga")
    assert (found.question, found.author.name, [one.question for one in found.earlier]) == (
        "Which test first?", "Dr Ada", ["Which test?"])
    [row] = (await its.opening.page(None)).shown
    assert (row.post_id, row.by, row.reason, row.told, row.local) == (post, "olga", "Notice ABCD-EFGH.", None, True)
    [line] = [entry for entry in await its.audit.list(10) if entry.action == "post.opened"]
    assert (line.by, line.target, line.detail) == ("olga", f"{its.identity.origin}/posts/{post}", "Notice ABCD-EFGH.")
    assert "Which test" not in repr(row) and len(await audit(its)) == len(await its.audit.list(50))


async def test_a_post_is_found_by_its_number_or_address_and_nothing_of_it_is_read(its: Assembly) -> None:
    ada, _ = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    for named in (post, f" {its.identity.origin}/posts/{post} ", f"{its.identity.origin}/p/{post}"):
        assert await its.opening.find(named) == post
    for nowhere in ("", "0000000000000", "https://elsewhere.example/posts/1", "x" * 5_000):
        with pytest.raises(NotFound):
            await its.opening.find(nowhere)


async def test_its_author_is_told_some_days_later_and_reads_who_and_why(its: Assembly) -> None:
    ada, ben = await doctors(its, "ada", "ben")
    post = await asked(its, ada)
    await its.opening.open(post, "Notice ABCD-EFGH.", "olga")
    await its.opening.open(post, "Once more.", "omar")
    assert await its.opening.tell_due() == 0 and (await its.opening.of(ada.actor, None)).shown == ()
    its.clock.offset = 7 * _DAY + 1
    assert await its.opening.tell_due() == 2 and await its.opening.tell_due() == 0
    [told] = (await its.notifications.page(ada.actor, None)).shown
    assert (told.kind, told.times, told.place, told.unread) == ("opened", 2, "/reports/opened", True)
    assert [(one.by, one.reason) for one in (await its.opening.of(ada.actor, None)).shown] == [
        ("omar", "Once more."), ("olga", "Notice ABCD-EFGH.")]
    await its.notifications.settle(ada.actor, await its.notifications.opened(ada.actor))
    assert not (await its.notifications.page(ada.actor, None)).shown[0].unread
    assert (await its.opening.of(ben.actor, None)).shown == () and (await its.notifications.page(ben.actor, None)).shown == ()


async def test_the_list_comes_page_by_page(its: Assembly) -> None:
    ada, _ = await doctors(its, "ada", "ben")
    post = number(await asked(its, ada))

    def many(tx: Tx) -> None:
        tx.insert("opened_posts (id, post_id, by, reason, at)", 5,
                  [(place, post, "olga", str(place), 1) for place in range(1, 46)])

    await its.database.write(many)
    page = await its.opening.page(None)
    rest = await its.opening.page(page.before)
    assert [int(one.reason) for one in (*page.shown, *rest.shown)] == list(range(45, 0, -1)) and rest.before is None
