"""What is kept for a time only: deleted when that is over, once a day, and before a restored instance serves anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.database import Tx
from posts import bases, changes

if TYPE_CHECKING:
    from instance.assembly import Assembly

_DAY_MS = 86_400_000


async def prune(assembly: Assembly) -> None:
    """Delete everything whose time is over, on the disk too: what was sent holds what doctors wrote."""
    await assembly.refusals.prune(assembly.settings.federation.refusal_days)
    await assembly.outside.prune(assembly.settings.retention.notice_days)
    await assembly.papers.delete_due()
    await assembly.media.tidy()
    await assembly.workbench.tidy()
    await assembly.joining.lapsing.prune()
    await assembly.judging.prune()
    await assembly.sessions.prune()
    await assembly.signing.grants.prune()
    await assembly.readings.prune()
    await assembly.post_office.prune()
    await assembly.handshake.prune()
    kept, now = assembly.settings.retention, assembly.clock.ms()
    await assembly.database.write(lambda tx: bases.prune(tx, now - kept.receipt_days * _DAY_MS))
    await assembly.database.write(changes.prune)
    await assembly.courier.prune(kept.receipt_days, kept.sent_days)
    await assembly.reconciliations.prune()
    await assembly.readings.prune()
    await assembly.database.write(Tx.scrub)


async def settle(assembly: Assembly) -> None:
    """Do what the erasure journal says and, where this database came out of a backup, end all sessions, delete what was to live
    only until some time in between, and let what is written from now on count at siblings that know what was lost here."""
    await assembly.erasures.begin()
    if assembly.erasures.restored_at is not None:
        await assembly.sessions.end_all()
        await assembly.papers.find_lost()
        await prune(assembly)
        await assembly.editing.overtake()
        await assembly.tallies.restarted()
        await assembly.exports.restored()
        await assembly.erasures.settled()
