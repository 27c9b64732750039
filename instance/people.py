"""The command line's part about people: doctors and operators of this instance."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import click

from actors.accounts import DoctorRow, NewDoctor
from actors.factors import CodeKey
from actors.models import Role
from instance.assembly import Assembly
from instance.console import AS_JSON, DRY, YES, assembled, me, password_from, show, show_added, time_of
from instance.qr import drawn


@click.group()
def doctor() -> None:
    """Doctors of this instance."""


@doctor.command("add")
@click.argument("handle")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(["doctor", "resident", "student"]), default="doctor", show_default=True)
@click.option("--specialty", multiple=True, help="A specialty's code; may be given several times.")
@click.option("--password-stdin", is_flag=True)
@click.option("--method", default="", help="How it was verified: register, diploma, student card ...")
@click.option("--evidence", default="", help="What was seen.")
@AS_JSON
@click.pass_context
def doctor_add(ctx: click.Context, handle: str, name: str, role: str, specialty: tuple[str, ...], password_stdin: bool,
               method: str, evidence: str, as_json: bool) -> None:
    """Add a doctor; without method and evidence an applicant."""
    new = NewDoctor(handle, name, password_from(password_stdin), Role(role), specialty, method, evidence)
    actor = assembled(ctx, lambda a: a.accounts.add_doctor(new, me()))
    show_added({"handle": actor.handle, "mention": actor.mention, "actor": actor.uri, "name": actor.name,
            "role": str(actor.badge.role), "state": "verified" if method else "applicant"},
           f"{actor.mention} was added{'' if method else ' as an applicant'}.",
           None if password_stdin else new.password, as_json)


@doctor.command("list")
@AS_JSON
@click.pass_context
def doctor_list(ctx: click.Context, as_json: bool) -> None:
    """All doctors."""
    rows = assembled(ctx, lambda a: a.accounts.doctors())
    show([_doctor_row(row) for row in rows], as_json)


@doctor.command("show")
@click.argument("handle")
@AS_JSON
@click.pass_context
def doctor_show(ctx: click.Context, handle: str, as_json: bool) -> None:
    """One doctor."""
    show([_doctor_row(assembled(ctx, lambda a: a.accounts.doctor(handle)))], as_json, one=True)


@doctor.command("approve")
@click.argument("handle")
@click.option("--method", required=True, help="How it was verified: register, diploma, student card ...")
@click.option("--evidence", required=True, help="What was seen.")
@AS_JSON
@click.pass_context
def doctor_approve(ctx: click.Context, handle: str, method: str, evidence: str, as_json: bool) -> None:
    """An applicant's proof was seen: verify her."""
    _changed(ctx, handle, lambda a: a.accounts.approve(handle, method, evidence, me()), as_json)


@doctor.command("reject")
@click.argument("handle")
@click.option("--reason", required=True)
@AS_JSON
@click.pass_context
def doctor_reject(ctx: click.Context, handle: str, reason: str, as_json: bool) -> None:
    """An applicant's proof did not hold."""
    _changed(ctx, handle, lambda a: a.accounts.reject(handle, reason, me()), as_json)


@doctor.command("suspend")
@click.argument("handle")
@click.option("--reason", required=True)
@AS_JSON
@click.pass_context
def doctor_suspend(ctx: click.Context, handle: str, reason: str, as_json: bool) -> None:
    """End her sessions and her badge now; what she wrote stays."""
    _changed(ctx, handle, lambda a: a.accounts.suspend(handle, reason, me()), as_json)


@doctor.command("resume")
@click.argument("handle")
@AS_JSON
@click.pass_context
def doctor_resume(ctx: click.Context, handle: str, as_json: bool) -> None:
    """Let a suspended doctor go on, with the badge she had."""
    _changed(ctx, handle, lambda a: a.accounts.resume(handle, me()), as_json)


@doctor.command("password")
@click.argument("handle")
@click.option("--password-stdin", is_flag=True)
@AS_JSON
@click.pass_context
def doctor_password(ctx: click.Context, handle: str, password_stdin: bool, as_json: bool) -> None:
    """Give a doctor a new password; her sessions end, her second factors stay."""
    _password(ctx, "doctor", handle, password_stdin, as_json)


@doctor.command("reset-factor")
@click.argument("handle")
@YES
@DRY
@AS_JSON
@click.pass_context
def doctor_reset_factor(ctx: click.Context, handle: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take the second factors away of a doctor who has lost them; her sessions end."""
    _reset(ctx, "doctor", handle, yes, dry_run, as_json)


def _password(ctx: click.Context, kind: str, handle: str, password_stdin: bool, as_json: bool) -> None:
    password = password_from(password_stdin)
    assembled(ctx, lambda a: a.signing.security.give_password(kind, handle, password, me()))
    show_added({"handle": handle}, f"{handle} has a new password.", None if password_stdin else password, as_json)


def _reset(ctx: click.Context, kind: str, handle: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    held = assembled(ctx, lambda a: a.signing.security.held(kind, handle))
    if not dry_run:
        if not yes:
            click.confirm(f"Take all second factors of {handle} away and end her sessions?", abort=True, err=True)
        held = assembled(ctx, lambda a: a.signing.security.reset_factors(kind, handle, me()))
    show([{"handle": handle, "codes": held.codes, "passkeys": held.passkeys, "recovery_codes": held.recovery}], as_json, one=True)


def _changed(ctx: click.Context, handle: str, change: Callable[[Assembly], Awaitable[None]], as_json: bool) -> None:
    """Change a doctor's account and show what it is then."""
    async def work(assembly: Assembly) -> DoctorRow:
        await change(assembly)
        return await assembly.accounts.doctor(handle)

    show([_doctor_row(assembled(ctx, work))], as_json, one=True)


def _doctor_row(row: DoctorRow) -> dict[str, Any]:
    return {"handle": row.handle, "name": row.name, "role": row.role, "specialties": ",".join(json.loads(row.specialties)),
            "state": row.state, "method": row.method, "until": time_of(row.until), "created": time_of(row.created)}


@click.group()
def operator() -> None:
    """Operators of this instance."""


@operator.command("add")
@click.argument("handle")
@click.option("--name", required=True)
@click.option("--password-stdin", is_flag=True)
@click.option("--second-factor", is_flag=True, help="Make the key for her app now; else she sets one up when she first signs in.")
@AS_JSON
@click.pass_context
def operator_add(ctx: click.Context, handle: str, name: str, password_stdin: bool, second_factor: bool, as_json: bool) -> None:
    """Add an operator."""
    password = password_from(password_stdin)

    async def work(assembly: Assembly) -> CodeKey | None:
        await assembly.accounts.add_operator(handle, name, password, me())
        account = await assembly.accounts.by_handle(handle)
        return await assembly.signing.factors.hand_out(account, me()) if second_factor and account is not None else None

    key = assembled(ctx, work)
    show_added({"handle": handle, "name": name} | ({"second_factor": key.secret} if key is not None else {}),
               f"The operator {handle} was added.", None if password_stdin else password, as_json)
    if key is not None and not as_json:
        click.echo(f"key of the app: {key.secret}\n{drawn(key.uri)}", err=True)


@operator.command("password")
@click.argument("handle")
@click.option("--password-stdin", is_flag=True)
@AS_JSON
@click.pass_context
def operator_password(ctx: click.Context, handle: str, password_stdin: bool, as_json: bool) -> None:
    """Give an operator a new password; her sessions end, her second factors stay."""
    _password(ctx, "operator", handle, password_stdin, as_json)


@operator.command("reset-factor")
@click.argument("handle")
@YES
@DRY
@AS_JSON
@click.pass_context
def operator_reset_factor(ctx: click.Context, handle: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take the second factors away of an operator who has lost them; her sessions end, and she sets up another one first."""
    _reset(ctx, "operator", handle, yes, dry_run, as_json)
