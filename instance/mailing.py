"""The command line's part about mail to doctors."""

from __future__ import annotations

import click

from actors.mails import MailState
from core.ids import public
from instance.console import AS_JSON, assembled, show, time_of


@click.group()
def mail() -> None:
    """Mail to doctors."""


@mail.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that were sent, or not wanted any more.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@AS_JSON
@click.pass_context
def mail_list(ctx: click.Context, everything: bool, limit: int, as_json: bool) -> None:
    """Mails that wait, and those that were given up with the reason."""
    states = tuple(MailState) if everything else (MailState.PENDING, MailState.PARKED)
    rows = assembled(ctx, lambda a: a.mailboxes.listed(states, limit))
    show([{"id": public(row.id), "kind": row.kind, "doctor": row.handle, "state": row.state, "tries": row.tries,
           "created": time_of(row.created), "next_try": time_of(row.next_try) if row.state == MailState.PENDING else None,
           "settled": time_of(row.settled), "reason": row.reason} for row in rows], as_json)
