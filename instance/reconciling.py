"""`konsil reconcile`: compare with siblings now, and say what was found and done."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from core.errors import Refused
from inbox.reconciliations import Done, Reconciled
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, acting, assembled, show, time_of


@click.command("reconcile")
@click.argument("domain", required=False)
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def reconcile(ctx: click.Context, domain: str | None, dry_run: bool, acting_as: str | None, as_json: bool) -> None:
    """Compare what a sibling, or every active one, and this instance hold of each other, and put it right."""
    async def work(assembly: Assembly) -> list[tuple[str, Reconciled]]:
        by = await acting(assembly, acting_as)
        domains = [domain] if domain is not None else await assembly.reconciliations.active()
        if not domains:
            raise Refused("There is no active sibling to compare with.", reason="not-active")
        return [(one, await assembly.reconciler.run(await assembly.reconciliations.begin(one, by, dry=dry_run)))
                for one in domains]

    found = assembled(ctx, work)
    if as_json:
        show([_row(one, made) for one, made in found], True)
    else:
        for one, made in found:
            _say(one, made)
    if any(str(made.trouble) for _, made in found):
        ctx.exit(1)


def _row(domain: str, made: Reconciled) -> dict[str, Any]:
    return {"domain": domain, "by": made.by, "begun": time_of(made.begun), "ended": time_of(made.ended), "dry_run": made.dry,
            "trouble": str(made.trouble),
            "kinds": {kind: msgspec.structs.asdict(done) for kind, done in made.results.items()}}


def _say(domain: str, made: Reconciled) -> None:
    whole = made.whole
    if str(made.trouble):
        click.echo(f"{domain}: {made.trouble}", err=True)
    elif not whole.differences:
        click.echo(f"{domain}: both sides hold the same of each other ({whole.compared} compared).")
    else:
        changed = "Nothing was changed." if made.dry else f"{whole.repaired} put right or on their way."
        found = "1 difference" if whole.differences == 1 else f"{whole.differences} differences"
        click.echo(f"{domain}: {found}. {changed} {whole.could_not} could not be put right.")
    show([{"kind": kind} | {name: getattr(done, name) for name in Done.__struct_fields__}
          for kind, done in made.results.items() if done.differences or done.could_not], False)
