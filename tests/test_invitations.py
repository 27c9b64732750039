"""An invitation is a hint: it works once, for some days, is limited per week, and nobody unverified learns who made it."""

from __future__ import annotations

import pytest

from actors.accounts import NewDoctor
from actors.models import Role, VerifiedDoctor
from core.errors import InvalidInput, NotFound, Refused, TooMany
from instance.assembly import Assembly
from tests.servers import PASSWORD
from tests.test_joining import ALL, DAY, began, count


async def doctor(its: Assembly, handle: str, role: Role = Role.DOCTOR) -> VerifiedDoctor:
    await its.accounts.add_doctor(NewDoctor(handle, f"Dr {handle.title()}", PASSWORD, role, (), "register", "seen"))
    account = await its.accounts.by_handle(handle)
    assert account is not None
    return await its.credentials.require_verified(account)


async def test_an_invitation_is_used_once_by_link_or_secret(its: Assembly) -> None:
    ada = await doctor(its, "ada")
    await its.invitations.make(ada)
    [made] = await its.invitations.of(ada.account.id)
    assert not made.used and made.expires - made.created == its.settings.joining.invitation_days * DAY * 1000
    one, other = await began(its, "a@k.example"), await began(its, "b@k.example")
    await its.joining.consent(one, ALL, f" https://de.example/join?invitation={made.token} ", "de")
    assert (await its.joining.progress(one)).application.invitation_id is not None
    await its.joining.consent(one, ALL, made.token, "de")  # hers already
    with pytest.raises(InvalidInput) as caught:
        await its.joining.consent(other, ALL, made.token, "de")
    assert caught.value.field == "invitation" and (await its.joining.progress(other)).application.consents == {}
    await its.joining.consent(other, ALL, "", "de")
    assert [one.used for one in await its.invitations.of(ada.account.id)] == [True]


async def test_whoever_follows_an_invitation_has_it_in_her_application_and_a_wrong_one_changes_nothing(its: Assembly) -> None:
    ada = await doctor(its, "ada")
    await its.invitations.make(ada)
    [made] = await its.invitations.of(ada.account.id)
    await its.joining.ask("a@k.example", "de", "203.0.113.5", "x" * 43)
    assert await count(its, "applications", "invitation_id IS NOT NULL") == 0
    await its.joining.ask("a@k.example", "de", "203.0.113.5", made.token)
    await its.joining.ask("b@k.example", "de", "203.0.113.5", made.token)
    assert await count(its, "applications", "invitation_id IS NOT NULL") == 1 and await count(its, "applications") == 2


async def test_withdrawn_and_old_ones_do_not_work(its: Assembly) -> None:
    ada, ben = await doctor(its, "ada"), await doctor(its, "ben")
    await its.invitations.make(ada)
    await its.invitations.make(ada)
    late, withdrawn = await its.invitations.of(ada.account.id)
    for whose, which in ((ben, withdrawn.id), (ada, "0000000000000"), (ada, "nonsense")):
        with pytest.raises(NotFound):
            await its.invitations.withdraw(whose.account.id, which)
    await its.invitations.withdraw(ada.account.id, withdrawn.id)
    token = await began(its)
    with pytest.raises(InvalidInput):
        await its.joining.consent(token, ALL, withdrawn.token, "de")
    its.clock.offset = its.settings.joining.invitation_days * DAY + 1
    with pytest.raises(InvalidInput):
        await its.joining.consent(token, ALL, late.token, "de")


async def test_there_are_so_many_a_week_withdrawn_ones_too_and_students_make_none(its: Assembly) -> None:
    ada, stu = await doctor(its, "ada"), await doctor(its, "stu", Role.STUDENT)
    most = its.settings.joining.invitations_per_week
    for _ in range(most):
        await its.invitations.make(ada)
    await its.invitations.withdraw(ada.account.id, (await its.invitations.of(ada.account.id))[0].id)
    with pytest.raises(TooMany) as caught:
        await its.invitations.make(ada)
    assert 6 * DAY < (caught.value.retry_after or 0) <= 7 * DAY
    its.clock.offset = 7 * DAY + 1
    await its.invitations.make(ada)
    with pytest.raises(Refused):
        await its.invitations.make(stu)
    assert len(await its.invitations.of(ada.account.id)) == most + 1 and await its.invitations.of(stu.account.id) == ()
