"""What the command line says before a sibling is paused or revoked, and after."""

from __future__ import annotations

import click
import msgspec

from federation.leaving import ErasureOrder
from federation.overview import SiblingRow
from instance.assembly import Assembly
from instance.console import assembled, show
from posts.ties import Ties


def show_ties(ctx: click.Context, domain: str, as_json: bool, what: str) -> None:
    """Say what hangs on a sibling, for a dry run of `what`; nothing is changed."""
    async def look(assembly: Assembly) -> tuple[SiblingRow, Ties]:
        row = await assembly.siblings.row(domain)
        return row, await assembly.ties.of(row.id)

    row, ties = assembled(ctx, look)
    if as_json:
        show([{"domain": row.domain, "state": row.state} | msgspec.structs.asdict(ties)], True, one=True)
    else:
        click.echo(f"{row.domain} is {row.state}. {what} it concerns {in_a_sentence(ties)}. Nothing was changed.")


def in_a_sentence(ties: Ties) -> str:
    """The numbers with their words."""
    return (f"{ties.posts} posts and {ties.accounts} doctors of its that lie here, {ties.shared} of our posts there,"
            f" {ties.follows} follows, {ties.threads} open threads, {ties.consults} consults, {ties.queued} queued activities"
            f" and {ties.undeleted + ties.unconfirmable} unconfirmed deletions")


def show_order(ctx: click.Context, domain: str) -> None:
    """Say on standard error what became of the order to erase."""
    async def look(assembly: Assembly) -> tuple[ErasureOrder, ...]:
        return await assembly.leaving.orders((await assembly.siblings.row(domain)).id)

    orders = assembled(ctx, look)
    if orders and orders[0].received:
        click.echo("It has confirmed that it received the order to erase what it has from us.", err=True)
    elif orders:
        click.echo(f"The order to erase could not be handed over and can no longer be confirmed. {orders[0].why}", err=True)
