"""The command line's part about people: doctors and operators of this instance."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from actors.accounts import DoctorRow, NewDoctor
from actors.models import Role
from core.i18n import Translations
from instance.archives import Archives, file_name
from instance.assembly import Assembly
from instance.console import AS_JSON, DRY, YES, assembled, me, password_from, show, show_added, time_of
from instance.context import LOCALE
from posts.departed import Leaving


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


@doctor.command("export")
@click.argument("handle")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path))
@AS_JSON
@click.pass_context
def doctor_export(ctx: click.Context, handle: str, directory: Path, as_json: bool) -> None:
    """Write her archive into a directory, for her."""
    async def work(assembly: Assembly) -> dict[str, Any]:
        job = await assembly.exports.whose(handle)
        target = directory / file_name(handle, job.export)
        archives = Archives(assembly, Translations(LOCALE), directory / f".{file_name(handle, job.export)}.pieces")
        posts = await archives.write_plain(job, target)
        await assembly.database.write(lambda tx: assembly.audit.note(
            tx, by=me(), action="doctor.exported", target=handle, detail=target.name))
        return {"handle": handle, "file": str(target), "posts": posts, "bytes": target.stat().st_size}

    show([assembled(ctx, work)], as_json, one=True)


@doctor.command("delete")
@click.argument("handle")
@DRY
@YES
@AS_JSON
@click.pass_context
def doctor_delete(ctx: click.Context, handle: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Erase her and everything of hers at once, here and at every sibling."""
    def row(found: Leaving) -> dict[str, Any]:
        return {**found._asdict(), "done": time_of(found.done)}

    async def look(assembly: Assembly) -> Leaving:
        return await assembly.departing.ahead((await assembly.accounts.doctor(handle)).handle)

    async def work(assembly: Assembly) -> Leaving:
        ahead = await look(assembly)
        departure = await assembly.departures.order(handle, me())
        await assembly.departing.finish()
        done = await assembly.departures.of(departure.account_id)
        return ahead._replace(done=done.done if done is not None else None)

    if not dry_run and not yes:
        click.confirm(f"Erase {handle} and everything of hers for good?", abort=True)
    show([row(assembled(ctx, look if dry_run else work))], as_json, one=True)


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
@AS_JSON
@click.pass_context
def operator_add(ctx: click.Context, handle: str, name: str, password_stdin: bool, as_json: bool) -> None:
    """Add an operator."""
    password = password_from(password_stdin)
    assembled(ctx, lambda a: a.accounts.add_operator(handle, name, password, me()))
    show_added({"handle": handle, "name": name}, f"The operator {handle} was added.",
           None if password_stdin else password, as_json)
