"""The command line's part about editorial desks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click

from actors.desks import Desk
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, show, time_of


@click.group()
def desk() -> None:
    """Editorial desks, which publish news, studies and congresses."""


@desk.command("add")
@click.argument("handle")
@click.option("--name", required=True)
@click.option("--answers-for", "doctor", required=True, metavar="HANDLE", help="The verified doctor who answers for it.")
@click.option("--specialty", multiple=True, help="A specialty's code; may be given several times.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def desk_add(ctx: click.Context, handle: str, name: str, doctor: str, specialty: tuple[str, ...], acting_as: str | None,
             as_json: bool) -> None:
    """Add a desk that a doctor answers for."""
    async def add(assembly: Assembly, by: str) -> None:
        await assembly.desks.add(handle, name, doctor, specialty, by)

    _changed(ctx, handle, add, acting_as, as_json)


@desk.command("list")
@AS_JSON
@click.pass_context
def desk_list(ctx: click.Context, as_json: bool) -> None:
    """All desks."""
    show([_row(one) for one in assembled(ctx, lambda a: a.desks.all())], as_json)


@desk.command("show")
@click.argument("handle")
@AS_JSON
@click.pass_context
def desk_show(ctx: click.Context, handle: str, as_json: bool) -> None:
    """One desk."""
    show([_row(assembled(ctx, lambda a: a.desks.desk(handle)))], as_json, one=True)


@desk.command("hand-over")
@click.argument("handle")
@click.option("--to", "doctor", required=True, metavar="HANDLE", help="The verified doctor who answers for it from now on.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def desk_hand_over(ctx: click.Context, handle: str, doctor: str, acting_as: str | None, as_json: bool) -> None:
    """Have another doctor answer for a desk; a closed one is open again."""
    async def change(assembly: Assembly, by: str) -> None:
        await assembly.desks.hand_over(handle, doctor, by)

    _changed(ctx, handle, change, acting_as, as_json)


@desk.command("close")
@click.argument("handle")
@click.option("--reason", required=True)
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def desk_close(ctx: click.Context, handle: str, reason: str, yes: bool, dry_run: bool, acting_as: str | None,
               as_json: bool) -> None:
    """Have a desk publish nothing more; what it has published stays."""
    if dry_run:
        show([_row(assembled(ctx, lambda a: a.desks.desk(handle)))], as_json, one=True)
        return
    if not yes:
        click.confirm(f"Close the desk {handle} here and everywhere?", abort=True, err=True)

    async def change(assembly: Assembly, by: str) -> None:
        await assembly.desks.close(handle, reason, by)

    _changed(ctx, handle, change, acting_as, as_json)


def _changed(ctx: click.Context, handle: str, change: Callable[[Assembly, str], Awaitable[None]], acting_as: str | None,
             as_json: bool) -> None:
    """Change a desk, as the operator who proves to be one or as whoever sits at the machine, and show what it is then."""
    async def work(assembly: Assembly) -> Desk:
        await change(assembly, await acting(assembly, acting_as))
        return await assembly.desks.desk(handle)

    show([_row(assembled(ctx, work))], as_json, one=True)


def _row(one: Desk) -> dict[str, Any]:
    return {"handle": one.handle, "name": one.name, "specialties": ",".join(one.specialties), "doctor": one.doctor,
            "can_publish": one.able and one.open, "state": "open" if one.open else "closed", "created": time_of(one.created)}
