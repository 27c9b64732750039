"""How a sibling is let in: confirmed, tried out, and active only when the self-test has passed or somebody has said why not."""

from __future__ import annotations

from typing import NamedTuple

from core.clock import Clock
from core.errors import InvalidInput
from core.words import N_
from federation.allowlist import SiblingState
from federation.checks import Check
from federation.overview import SiblingRow
from federation.selftest import SelfTest
from federation.siblings import Siblings

_HOLDS_MS = 24 * 3_600_000


class Tried(NamedTuple):
    """Where a sibling stands after somebody wanted it active, and the self-test that decided; None where none was needed."""

    row: SiblingRow
    check: Check | None


class Admission:
    """Lets siblings in."""

    def __init__(self, siblings: Siblings, selftest: SelfTest, clock: Clock) -> None:
        self._siblings, self._selftest, self._clock = siblings, selftest, clock

    async def activate(self, domain: str, by: str) -> Tried:
        """Activate a confirmed sibling that has passed its self-test within a day; else it is tested now, and stays
        `confirmed` when that fails."""
        row, check = await self._siblings.row(domain), None
        if row.state == SiblingState.CONFIRMED:
            check = await self.passed(row) or await self._selftest.run(domain, by)
            if not check.passed:
                return Tried(await self._siblings.row(domain), check)
        return Tried(await self._siblings.activate(domain, by, N_("passed its self-test")), check)

    async def approve(self, domain: str, by: str, *, fingerprint: str | None = None) -> Tried:
        """Confirm a proposed sibling, then activate it as above."""
        if (await self._siblings.row(domain)).state == SiblingState.PROPOSED:
            await self._siblings.confirm(domain, by, fingerprint=fingerprint)
        return await self.activate(domain, by)

    async def activate_untested(self, domain: str, by: str, reason: str) -> SiblingRow:
        """Activate a confirmed sibling without a self-test, for a reason that stays in the audit log."""
        if not reason.strip():
            raise InvalidInput("Say why: it stays in the audit log.", field="reason", reason="no-reason")
        return await self._siblings.activate(domain, by, f"{N_('approved without self-test')}: {reason.strip()}")

    async def passed(self, row: SiblingRow) -> Check | None:
        """The newest self-test, if it has passed, is younger than a day and not older than what was confirmed."""
        newest = next(iter(await self._selftest.kept(row.id)), None)
        since = max(self._clock.ms() - _HOLDS_MS, row.admission.confirmed or 0)
        return newest if newest is not None and newest.passed and newest.at >= since else None
