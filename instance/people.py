"""The command line's part about people: doctors and operators of this instance."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from actors.accounts import DoctorRow, NewDoctor
from actors.factors import CodeKey
from actors.models import Role
from core.i18n import Translations
from instance.archives import Archives, file_name
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, me, password_from, show, show_added, time_of
from instance.context import LOCALE
from instance.qr import drawn
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
@click.option("--method", default="", help="How it was seen: register, diploma, card, electronic or other.")
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
@click.option("--method", required=True, help="How it was seen: register, diploma, card, electronic or other.")
@click.option("--evidence", required=True, help="What was seen.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_approve(ctx: click.Context, handle: str, method: str, evidence: str, acting_as: str | None, as_json: bool) -> None:
    """The proof of an applicant, or of somebody whose verification was withdrawn, was seen: verify her."""
    _changed(ctx, handle, lambda a, by: a.accounts.approve(handle, method, evidence, by), acting_as, as_json)


@doctor.command("renew")
@click.argument("handle")
@click.option("--method", required=True, help="How it was seen: register, diploma, card, electronic or other.")
@click.option("--evidence", required=True, help="What was seen.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_renew(ctx: click.Context, handle: str, method: str, evidence: str, acting_as: str | None, as_json: bool) -> None:
    """The proof of a verified doctor was looked at anew, without an application of hers."""
    _changed(ctx, handle, lambda a, by: a.accounts.look_again(handle, method, evidence, by), acting_as, as_json)


@doctor.command("reject")
@click.argument("handle")
@click.option("--reason", required=True)
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_reject(ctx: click.Context, handle: str, reason: str, acting_as: str | None, as_json: bool) -> None:
    """An applicant's proof did not hold."""
    _changed(ctx, handle, lambda a, by: a.accounts.reject(handle, reason, by), acting_as, as_json)


@doctor.command("suspend")
@click.argument("handle")
@click.option("--reason", required=True)
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_suspend(ctx: click.Context, handle: str, reason: str, dry_run: bool, acting_as: str | None, as_json: bool) -> None:
    """End her sessions and her badge now; what she wrote stays."""
    if dry_run:
        _would_end(ctx, handle, as_json, "Suspending")
        return
    _changed(ctx, handle, lambda a, by: a.accounts.suspend(handle, reason, by), acting_as, as_json)


@doctor.command("withdraw")
@click.argument("handle")
@click.option("--reason", required=True, help="Struck off, or what about the proof did not hold.")
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_withdraw(ctx: click.Context, handle: str, reason: str, yes: bool, dry_run: bool, acting_as: str | None,
                    as_json: bool) -> None:
    """Take her verification back; to come back she has to be verified anew."""
    if dry_run:
        _would_end(ctx, handle, as_json, "Withdrawing")
        return
    if not yes:
        click.confirm(f"Take the verification of {handle} back, in every country?", abort=True, err=True)
    _changed(ctx, handle, lambda a, by: a.accounts.withdraw(handle, reason, by), acting_as, as_json)


@doctor.command("resume")
@click.argument("handle")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def doctor_resume(ctx: click.Context, handle: str, acting_as: str | None, as_json: bool) -> None:
    """Let a suspended doctor go on, with the badge she had."""
    _changed(ctx, handle, lambda a, by: a.accounts.resume(handle, by), acting_as, as_json)


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


def _would_end(ctx: click.Context, handle: str, as_json: bool, doing: str) -> None:
    """Say what ending a doctor's badge would mean, and change nothing."""
    async def work(assembly: Assembly) -> dict[str, Any]:
        row = await assembly.accounts.doctor(handle)
        return _doctor_row(row) | await assembly.accounts.reach(handle)

    found = assembled(ctx, work)
    if as_json:
        show([found], True, one=True)
    else:
        click.echo(f"{doing} {handle} would end {found['sessions']} sessions and the badge beside {found['posts']} posts and in"
                   f" {found['polls']} polls, here and in {found['countries']} other countries. Nothing was changed.")


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


def _changed(ctx: click.Context, handle: str, change: Callable[[Assembly, str], Awaitable[None]], acting_as: str | None,
             as_json: bool) -> None:
    """Change a doctor's account, as the operator who proves to be one or as whoever sits at the machine, and show what it is
    then."""
    async def work(assembly: Assembly) -> DoctorRow:
        await change(assembly, await acting(assembly, acting_as))
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
@click.option("--doctor", "doctor_handle", default="", help="Her handle as a doctor here: she decides nothing about herself.")
@click.option("--password-stdin", is_flag=True)
@click.option("--second-factor", is_flag=True, help="Make the key for her app now; else she sets one up when she first signs in.")
@AS_JSON
@click.pass_context
def operator_add(ctx: click.Context, handle: str, name: str, doctor_handle: str, password_stdin: bool, second_factor: bool,
                 as_json: bool) -> None:
    """Add an operator."""
    password = password_from(password_stdin)

    async def work(assembly: Assembly) -> CodeKey | None:
        await assembly.accounts.add_operator(handle, name, password, me(), doctor_handle)
        account = await assembly.accounts.by_handle(handle)
        return await assembly.signing.factors.hand_out(account, me()) if second_factor and account is not None else None

    key = assembled(ctx, work)
    show_added({"handle": handle, "name": name} | ({"second_factor": key.secret} if key is not None else {}),
               f"The operator {handle} was added.", None if password_stdin else password, as_json)
    if key is not None and not as_json:
        click.echo(f"key of the app: {key.secret}\n{drawn(key.uri)}", err=True)


@operator.command("link")
@click.argument("handle")
@click.option("--doctor", "doctor_handle", required=True, help="Her handle as a doctor here; '' for none.")
@AS_JSON
@click.pass_context
def operator_link(ctx: click.Context, handle: str, doctor_handle: str, as_json: bool) -> None:
    """Note which doctor an operator is: she decides nothing about herself, or about whom she has invited."""
    assembled(ctx, lambda a: a.accounts.link_operator(handle, doctor_handle, me()))
    show([{"handle": handle, "doctor": doctor_handle}], as_json, one=True)


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
    """Take an operator's second factors away who has lost them; her sessions end, and she sets up another one first."""
    _reset(ctx, "operator", handle, yes, dry_run, as_json)
