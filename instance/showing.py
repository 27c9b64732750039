"""Who would see what, and what left the country, at the command line."""

from __future__ import annotations

import click

from core.errors import InvalidInput
from federation.disclosures import span_of
from instance.assembly import Assembly
from instance.console import AS_JSON, assembled, me, show, time_of
from instance.disclosed import as_csv, row_of
from instance.disclosed import as_json as as_json_file
from posts.readership import Readership


@click.command()
@click.argument("domain")
@click.option("--from", "first", default="", help="A day (2026-01-01) or a moment in RFC 3339; else from the beginning.")
@click.option("--to", "last", default="", help="The last day, or a moment; else until now.")
@click.option("--csv", "in_csv", is_flag=True, help="Print CSV.")
@AS_JSON
@click.pass_context
def disclosures(ctx: click.Context, domain: str, first: str, last: str, in_csv: bool, as_json: bool) -> None:
    """What went to a sibling, newest first: sent from here or read here. That somebody looked is audited."""
    async def work(assembly: Assembly) -> None:
        row = await assembly.siblings.row(domain)
        span = span_of(first, last, assembly.pack.zone, assembly.clock.ms())
        form = "csv" if in_csv else "json" if as_json else "table"
        found = assembly.disclosures.export(row.id, row.origin, span, me(), form)
        if form == "table":
            show([row_of(one) async for one in found], False)
        else:
            async for piece in as_csv(found) if in_csv else as_json_file(found):
                click.echo(piece, nl=False)

    if in_csv and as_json:
        raise InvalidInput("Choose one of --csv and --json.")
    assembled(ctx, work)


@click.command()
@click.argument("what", nargs=-1, required=True)
@AS_JSON
@click.pass_context
def audience(ctx: click.Context, what: tuple[str, ...], as_json: bool) -> None:
    """Who would see it: a post by its id or address, or a list of countries (network: all) or of @names for a draft."""
    async def work(assembly: Assembly) -> Readership:
        if len(what) == 1 and (len(what[0]) == 13 or "://" in what[0]):
            return await assembly.readerships.of_post(what[0])
        return await assembly.readerships.of_audience(what)

    found = assembled(ctx, work)
    rows = [{"country": one.country, "instance": one.origin, "name": one.name, "state": one.state, "since": time_of(one.since),
             "doctors": one.doctors, "arrival": one.arrival} for one in found.instances]
    if as_json:
        show([{"uri": found.uri, "reach": str(found.reach), "erased": found.erased, "roles": [str(role) for role in found.roles],
               "named": list(found.named), "instances": rows}], True, one=True)
        return
    click.echo(f"{found.uri}: " * bool(found.uri) + in_words(found))
    show(rows, False)


def in_words(found: Readership) -> str:
    """Who may read it, in a sentence."""
    if found.named:
        return f"a consult, for these and nobody else: {', '.join(found.named)}."
    return f"for every verified {', '.join(found.roles[:-1])} or {found.roles[-1]} of these instances."
