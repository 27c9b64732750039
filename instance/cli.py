"""The command line: everything an operator can do without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from core.disk import whole
from core.errors import InvalidInput, KonsilError
from core.telemetry import configure
from core.words import N_
from federation import descriptor
from federation.documents import parse
from federation.overview import SiblingRow
from federation.signatures.keys import fingerprint_words, grouped
from instance.admitting import sibling_activate, sibling_approve, sibling_check, sibling_confirm, sibling_row
from instance.applicants import application
from instance.assembly import Assembly
from instance.backups import backup
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, settings_of, show
from instance.counting import poll
from instance.deciding import COMMANDS as DECIDING
from instance.describing import details_of, details_options, sibling_describe, sibling_export, sibling_import
from instance.desks import desk
from instance.exits import egress
from instance.introduction import introduction
from instance.keys import keys, sibling_key
from instance.leaving import show_order, show_ties
from instance.logbooks import audit, refusals
from instance.mailing import mail
from instance.people import doctor, operator
from instance.qr import as_text
from instance.queueing import queue
from instance.reconciling import reconcile
from instance.reporting import report
from instance.restoring import restore_command
from instance.setup import create_instance
from instance.showing import audience, disclosures
from instance.unmasking import unmask

_NO_REASON = N_("No reason was given on the command line.")


class _Errors(click.Group):
    """Turns expected errors into one sentence and exit code 1; tracebacks only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KonsilError as error:
            if ctx.params.get("debug"):
                raise
            detail = f" ({error.cause})" if error.cause else ""
            click.echo(f"{error.message}{detail}", err=True)
            ctx.exit(1)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            where = f" ({error.filename})" if error.filename else ""
            click.echo(f"A file could not be read or written to the end: {error.strerror or error}{where}.", err=True)
            ctx.exit(1)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"Something unexpected went wrong: {error}. Run it again with --debug to see where.", err=True)
            ctx.exit(1)


@click.group(cls=_Errors)
@click.option("--config", type=click.Path(path_type=Path), help="The settings file (or KONSIL_CONFIG; default ./config.toml).")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Konsil: a closed federation of verified doctors."""
    configure("warning", "console")  # standard output belongs to the commands; serve and worker log as they are set
    ctx.obj = config or Path(os.environ.get("KONSIL_CONFIG", "config.toml"))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--country", required=True)
@click.option("--domain", required=True)
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
@click.option("--name", default="")
@AS_JSON
def init(directory: Path, country: str, domain: str, port: int, name: str, as_json: bool) -> None:
    """Make an instance: config.toml, keys, database."""
    made = asyncio.run(create_instance(directory, country=country, domain=domain, port=port, name=name)).instance
    config = directory / "config.toml"
    if as_json:
        show([{"name": made.name, "country": made.country, "domain": made.domain, "url": made.url,
                "config": str(config.resolve())}], True, one=True)
    else:
        click.echo(f"{made.name} is at {made.url}; its settings are in {config}.")
        click.echo("Enter under [imprint] who runs it: the public pages show that, or that it is missing.")


@main.command()
@click.option("--port", type=click.IntRange(1, 65535))
@click.option("--no-worker", is_flag=True, help="Deliveries run in a process of their own.")
@click.pass_context
def serve(ctx: click.Context, port: int | None, no_worker: bool) -> None:
    """Run the web server, with one worker inside unless told otherwise."""
    from instance.serving import serve as run  # the server's imports cost half a second nobody else needs

    settings = settings_of(ctx)
    if port is not None:
        settings = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, port=port))
    run(settings, worker=not no_worker)


@main.command()
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Run deliveries and jobs in their own process."""
    from instance.serving import run_worker

    run_worker(settings_of(ctx))


@main.command()
@click.option("--check", is_flag=True, help="Only say what is pending; exit 1 if anything is.")
@AS_JSON
@click.pass_context
def migrate(ctx: click.Context, check: bool, as_json: bool) -> None:
    """Bring the database up to date."""
    from core.clock import Clock
    from core.database import open_database
    from core.migrate import migrate as apply
    from core.migrate import pending

    settings = settings_of(ctx)

    async def run() -> tuple[str, ...]:
        database = await open_database(settings.database.url, settings.path("."))
        try:
            if check:
                return tuple(migration.name for migration in await pending(database))
            return await apply(database, Clock().ms())
        finally:
            await database.close()

    names = asyncio.run(run())
    if as_json:
        show([{"pending" if check else "applied": names}], True, one=True)
    else:
        click.echo("\n".join(names) if names else "Nothing is pending." if check else "Nothing was pending.")
    if check and names:
        ctx.exit(1)


@main.command()
@click.option("--export", "export_to", type=click.Path(path_type=Path), help="Write the signed descriptor to a file.")
@click.option("--qr", is_flag=True, help="Show the fingerprint as a QR code too.")
@AS_JSON
@click.pass_context
def identity(ctx: click.Context, export_to: Path | None, qr: bool, as_json: bool) -> None:
    """This instance's domain, country, actor and fingerprint."""

    async def work(assembly: Assembly) -> None:
        me = assembly.identity
        if export_to is not None:
            with whole(export_to, again=True) as out:
                out.write(json.dumps(introduction(assembly), indent=2, ensure_ascii=False) + "\n")
        shown = me.fingerprint if as_json else grouped(me.fingerprint)
        show([{"domain": me.domain, "country": me.country, "actor": me.actor_uri, "fingerprint": shown,
                "words": fingerprint_words(me.fingerprint), "document_key": me.documents.multibase}], as_json, one=True)
        if qr and not as_json:
            click.echo(as_text(me.domain, me.fingerprint))

    assembled(ctx, work)


@main.group()
def sibling() -> None:
    """The allowlist."""


@sibling.command("add")
@click.argument("domain")
@click.option("--country", required=True)
@click.option("--fingerprint", required=True, help="As compared over another channel: hex or words.")
@click.option("--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The other side's descriptor.")
@details_options
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_add(ctx: click.Context, /, domain: str, country: str, fingerprint: str, file: Path | None, acting_as: str | None,
                as_json: bool, **given: str | None) -> None:
    """Propose a sibling, from its descriptor or else from its domain."""
    found = descriptor.read(parse(file.read_bytes())) if file is not None else None
    _changed(ctx, acting_as, as_json, lambda a, by: a.siblings.add(
        domain, country, fingerprint, descriptor=found, by=by, details=details_of(given)))


@sibling.command("list")
@AS_JSON
@click.pass_context
def sibling_list(ctx: click.Context, as_json: bool) -> None:
    """All siblings."""
    rows = [sibling_row(row) for row in assembled(ctx, lambda a: a.siblings.rows())]
    short = ("domain", "country", "state", "queued", "parked", "last_in", "last_out", "refused")
    show(rows if as_json else [{key: row[key] for key in short} for row in rows], as_json)


@sibling.command("show")
@click.argument("domain")
@AS_JSON
@click.pass_context
def sibling_show(ctx: click.Context, domain: str, as_json: bool) -> None:
    """One sibling."""
    show([sibling_row(assembled(ctx, lambda a: a.siblings.row(domain)))], as_json, one=True)


@sibling.command("pause")
@click.argument("domain")
@click.option("--reason", default=_NO_REASON, help="Why; it stays in the audit log.")
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_pause(ctx: click.Context, domain: str, reason: str, dry_run: bool, acting_as: str | None, as_json: bool) -> None:
    """Stop both directions and keep everything."""
    if dry_run:
        show_ties(ctx, domain, as_json, "Pausing")
        return
    _changed(ctx, acting_as, as_json, lambda a, by: a.siblings.pause(domain, by, reason))


@sibling.command("resume")
@click.argument("domain")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_resume(ctx: click.Context, domain: str, acting_as: str | None, as_json: bool) -> None:
    """Go on with a paused sibling, or try a stopped one at once."""
    _changed(ctx, acting_as, as_json, lambda a, by: a.siblings.resume(domain, by))


@sibling.command("revoke")
@click.argument("domain")
@click.option("--reason", default=_NO_REASON, help="Why; it stays in the audit log.")
@click.option("--erase", is_flag=True, help="First order it to erase what it has from us.")
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_revoke(ctx: click.Context, domain: str, reason: str, erase: bool, yes: bool, dry_run: bool, acting_as: str | None,
                   as_json: bool) -> None:
    """Stop at once and for good; its queue ends."""
    if dry_run:
        show_ties(ctx, domain, as_json, "Revoking")
        return
    if not yes:
        queued = assembled(ctx, lambda a: a.siblings.row(domain)).queued
        click.confirm(f"Revoke {domain} ({queued} queued activities will never be confirmed)?", abort=True, err=True)
    _changed(ctx, acting_as, as_json, lambda a, by: a.leaving.revoke(domain, by, reason, erase=erase))
    if erase:
        show_order(ctx, domain)


def _changed(ctx: click.Context, acting_as: str | None, as_json: bool,
             change: Callable[[Assembly, str], Awaitable[SiblingRow]]) -> None:
    """Change the list, as the operator who proves to be one or as whoever sits at the machine, and show the sibling."""
    async def work(assembly: Assembly) -> SiblingRow:
        return await change(assembly, await acting(assembly, acting_as))

    show([sibling_row(assembled(ctx, work))], as_json, one=True)


@main.command(context_settings={"ignore_unknown_options": False})
@click.option("--countries", default="de,fr,it,es,gb,at,ch", show_default=True)
@click.option("--base-port", default=8101, show_default=True, type=click.IntRange(1024, 65000))
@click.option("--dir", "directory", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--fresh", is_flag=True, help="Begin with empty instances.")
@click.option("--check", is_flag=True, help="Run the cross-border round, print each step, exit 0 or 1.")
@click.option("--codes", is_flag=True, help="Print the operators' codes of this moment and end.")
def demo(countries: str, base_port: int, directory: Path, fresh: bool, check: bool, codes: bool) -> None:
    """Run the countries' instances on this machine."""
    from instance import demo as shown
    from instance.demo import run

    if codes:
        click.echo(shown.codes(directory))
        return

    chosen = tuple(code.strip().lower() for code in countries.split(",") if code.strip())
    if not chosen or len(set(chosen)) != len(chosen):
        raise InvalidInput("Name each country once.")
    sys.exit(run(chosen, base_port, directory, fresh=fresh, check=check))


main.add_command(application)
main.add_command(audit)
main.add_command(backup)
main.add_command(restore_command)
for _command in (sibling_activate, sibling_approve, sibling_check, sibling_confirm, sibling_describe, sibling_export,
                 sibling_import, sibling_key):
    sibling.add_command(_command)
for _command in DECIDING:
    application.add_command(_command)
main.add_command(audience)
main.add_command(desk)
main.add_command(disclosures)
main.add_command(doctor)
main.add_command(egress)
main.add_command(keys)
main.add_command(mail)
main.add_command(operator)
main.add_command(poll)
main.add_command(queue)
main.add_command(reconcile)
main.add_command(refusals)
main.add_command(unmask)
main.add_command(report)
