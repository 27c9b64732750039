"""How a sibling is let in, at the command line: confirmed, tried out, activated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec

from federation.addresses import domain_of, origin_for_domain
from federation.admission import Tried
from federation.checks import Check, Verdict
from federation.overview import SiblingRow
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, acting, assembled, show, time_of
from instance.keys import succession_of

_FINGERPRINT = click.option("--fingerprint", default=None, help="As its operator read it to you, hex or words.")


def sibling_row(row: SiblingRow) -> dict[str, Any]:
    """A sibling as the commands show it."""
    return {
        "domain": row.domain, "country": row.country, "state": row.state, "name": row.name, "fingerprint": row.fingerprint,
        "actor": row.actor_uri, "reason": row.reason, "created": time_of(row.created), "activated": time_of(row.activated),
        "last_in": time_of(row.last_in), "last_out": time_of(row.last_out), "queued": row.queued, "parked": row.parked,
        "fail_count": row.fail_count, "next_try": time_of(row.next_try), "last_error": row.last_error, "alarm": row.alarm,
        "clock_skew_ms": row.skew_ms, "refused": row.refused, "waiting_since": time_of(row.waiting_since),
        "failing_since": time_of(row.failing_since), "unconfirmed_deletions": row.undeleted,
        "unconfirmable_deletions": row.unconfirmable, "software": row.software,
        "proposed_by": row.admission.proposed_by, "pinned": time_of(row.admission.pinned),
        "confirmed_by": row.admission.confirmed_by, "confirmed": time_of(row.admission.confirmed),
        "document_key": row.document_key, "checked": time_of(row.checked), "check_passed": row.check_passed, **succession_of(row),
        **msgspec.structs.asdict(row.details)}


@click.command("check")
@click.argument("domain")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_check(ctx: click.Context, domain: str, acting_as: str | None, as_json: bool) -> None:
    """Run the self-test; exit code 1 if something failed."""
    async def work(assembly: Assembly) -> Check:
        return await assembly.selftest.run(domain, await acting(assembly, acting_as))

    check = assembled(ctx, work)
    _show_check(domain, check, as_json)
    if not check.passed:
        ctx.exit(1)


@click.command("confirm")
@click.argument("domain")
@_FINGERPRINT
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_confirm(ctx: click.Context, domain: str, fingerprint: str | None, acting_as: str | None, as_json: bool) -> None:
    """Confirm that the pinned key is the right one: from then on the two can try each other out."""
    async def work(assembly: Assembly) -> SiblingRow:
        return await assembly.siblings.confirm(domain, await acting(assembly, acting_as), fingerprint=fingerprint)

    show([sibling_row(assembled(ctx, work))], as_json, one=True)


@click.command("activate")
@click.argument("domain")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_activate(ctx: click.Context, domain: str, acting_as: str | None, as_json: bool) -> None:
    """Test a confirmed sibling and let it in; a self-test that has passed within a day counts."""
    async def work(assembly: Assembly) -> Tried:
        return await assembly.admission.activate(domain, await acting(assembly, acting_as))

    _let_in(ctx, work, as_json)


@click.command("approve")
@click.argument("domain")
@_FINGERPRINT
@click.option("--offline", is_flag=True, help="Without the self-test; the audit log says so.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_approve(ctx: click.Context, domain: str, fingerprint: str | None, offline: bool, acting_as: str | None,
                    as_json: bool) -> None:
    """Confirm, test and activate; what fails its self-test stays confirmed."""
    async def work(assembly: Assembly) -> Tried:
        by = await acting(assembly, acting_as)
        if offline:
            return Tried(await assembly.siblings.approve(domain, by, fingerprint=fingerprint), None)
        return await assembly.admission.approve(domain, by, fingerprint=fingerprint)

    _let_in(ctx, work, as_json)


def _let_in(ctx: click.Context, work: Callable[[Assembly], Awaitable[Tried]], as_json: bool) -> None:
    """Show the sibling that was let in, or the self-test that kept it out."""
    row, check = assembled(ctx, work)
    if check is not None and not check.passed:
        _show_check(row.domain, check, as_json)
        click.echo(f"{row.domain} stays {row.state}.", err=True)
        ctx.exit(1)
    show([sibling_row(row)], as_json, one=True)


def _show_check(domain: str, check: Check, as_json: bool) -> None:
    if as_json:
        show([{"domain": domain_of(origin_for_domain(domain)), "at": time_of(check.at), "by": check.by, "passed": check.passed,
               "lines": [msgspec.structs.asdict(line) | {"seen": line.seen, "todo": line.todo} for line in check.lines]}],
             True, one=True)
        return
    for line in check.lines:
        click.echo(f"{line.verdict:<8} {line.title}: {line.seen}")
        if line.verdict != Verdict.OK:
            click.echo(f"{'':<8} {line.todo}")
