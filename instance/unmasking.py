"""The command line's part about who has signed by role only: it takes two operators, by name."""

from __future__ import annotations

from typing import Any

import click

from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, YES, acting, assembled, show, time_of
from posts.unmasking import Unmasking


@click.group()
def unmask() -> None:
    """Who has signed by role only: one operator proposes to find out, another one confirms."""


@unmask.command("list")
@AS_JSON
@click.pass_context
def unmask_list(ctx: click.Context, as_json: bool) -> None:
    """What was proposed, newest first; the newest twenty."""
    show([_row(one) for one in assembled(ctx, lambda a: a.unmaskings.page()).found], as_json)


@unmask.command("propose")
@click.argument("post")
@click.option("--reason", required=True, help="Why: whoever has signed it reads this, and it stays in the audit log.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def unmask_propose(ctx: click.Context, post: str, reason: str, acting_as: str | None, as_json: bool) -> None:
    """Propose to find out who has signed a post, by its id or address."""
    async def work(assembly: Assembly) -> Unmasking:
        return await assembly.unmaskings.propose(post, reason, await acting(assembly, acting_as))

    show([_row(assembled(ctx, work))], as_json, one=True)


@unmask.command("confirm")
@click.argument("id")
@YES
@AS_OPERATOR
@AS_JSON
@click.pass_context
def unmask_confirm(ctx: click.Context, /, id: str, yes: bool, acting_as: str | None, as_json: bool) -> None:
    """Agree, as another operator: whoever has signed it is told at once."""
    found = assembled(ctx, lambda a: a.unmaskings.one(id))
    if not yes:
        click.confirm(f"{found.about} ({found.reason}): find out who has signed it? She is told.", abort=True, err=True)

    async def work(assembly: Assembly) -> Unmasking:
        return await assembly.unmaskings.confirm(id, await acting(assembly, acting_as))

    show([_row(assembled(ctx, work))], as_json, one=True)


@unmask.command("refuse")
@click.argument("id")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def unmask_refuse(ctx: click.Context, /, id: str, acting_as: str | None, as_json: bool) -> None:
    """Refuse a proposal, or take back one's own."""
    async def work(assembly: Assembly) -> Unmasking:
        return await assembly.unmaskings.refuse(id, await acting(assembly, acting_as))

    show([_row(assembled(ctx, work))], as_json, one=True)


@unmask.command("show")
@click.argument("id")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def unmask_show(ctx: click.Context, /, id: str, acting_as: str | None, as_json: bool) -> None:
    """Who it is, for one of the two who have decided; each look stands in the audit log."""
    async def work(assembly: Assembly) -> dict[str, Any]:
        doctor = await assembly.unmaskings.name(id, await acting(assembly, acting_as))
        return _row(await assembly.unmaskings.one(id)) | {"handle": doctor.handle, "name": doctor.name}

    show([assembled(ctx, work)], as_json, one=True)


def _row(one: Unmasking) -> dict[str, Any]:
    return {"id": one.id, "post": one.about, "state": str(one.state), "reason": one.reason, "proposed_by": one.proposed_by,
            "proposed": time_of(one.proposed), "decided_by": one.decided_by, "decided": time_of(one.decided)}
