"""The command line's part about deciding: what the operators' page does about an application, for who has no browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click

from actors.applications import Application, ApplicationKind
from actors.decisions import REASONS, WANTED, Acceptance, Rejection
from actors.models import Role
from actors.verifications import Method, end_of_day, term
from core.errors import InvalidInput
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, show, time_of


@click.command("verify")
@click.argument("reference")
@click.option("--role", type=click.Choice(["doctor", "resident", "student"]), help="Default: what she says of herself.")
@click.option("--until", default="", help="A day, YYYY-MM-DD; default: the usual one for the role.")
@click.option("--specialty", multiple=True, help="A specialty's code; default: those she says.")
@click.option("--handle", default="", help="Default: one out of her name.")
@click.option("--method", type=click.Choice([str(method) for method in Method]), required=True, help="How it was seen.")
@click.option("--evidence", required=True, help="What was seen.")
@click.option("--register-text", default="", help="What stands in the register, word for word.")
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def verify(ctx: click.Context, reference: str, role: str | None, until: str, specialty: tuple[str, ...], handle: str, method: str,
           evidence: str, register_text: str, dry_run: bool, acting_as: str | None, as_json: bool) -> None:
    """Verify an applicant; where two operators decide, propose it."""
    async def work(assembly: Assembly, by: str) -> dict[str, Any]:
        found = await assembly.reviews.one(reference, by)
        one, now = found.application, assembly.clock.ms()
        given = role or one.role
        if given not in ("doctor", "resident", "student"):
            raise InvalidInput("She has not said what she is: name the role.", field="role")
        ends = end_of_day(until, assembly.pack.zone) if until else term(Role(given), assembly.settings.joining, now)
        called = (handle or found.handle) if one.kind == ApplicationKind.JOINING else ""
        decision = Acceptance(Role(given), specialty or one.specialties, ends, Method(method), evidence, register_text, called)
        planned = {"role": given, "handle": called or (found.doctor.handle if found.doctor is not None else ""),
                   "until": time_of(ends)}
        if dry_run:
            return _row(one) | planned
        state = await assembly.decisions.decide(reference, decision, by)
        return _row(one) | planned | {"state": str(state)}

    _run(ctx, acting_as, as_json, work)


@click.command("ask")
@click.argument("reference")
@click.option("--for", "wanted", multiple=True, type=click.Choice(list(WANTED)), help="What is missing; may be repeated.")
@click.option("--note", default="", help="A sentence of your own; it stands on her page.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def ask(ctx: click.Context, reference: str, wanted: tuple[str, ...], note: str, acting_as: str | None, as_json: bool) -> None:
    """Ask an applicant for more."""
    async def work(assembly: Assembly, by: str) -> dict[str, Any]:
        await assembly.decisions.ask(reference, wanted, note, by)
        return _row((await assembly.reviews.one(reference, by)).application)

    _run(ctx, acting_as, as_json, work)


@click.command("reject")
@click.argument("reference")
@click.option("--reason", type=click.Choice(list(REASONS)), required=True, help="She reads it in her language.")
@click.option("--note", default="", help="A sentence of your own; it stands on her page.")
@click.option("--evidence", default="", help="What was seen, for your colleagues.")
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def reject(ctx: click.Context, reference: str, reason: str, note: str, evidence: str, yes: bool, dry_run: bool,
           acting_as: str | None, as_json: bool) -> None:
    """Reject an applicant; where two operators decide, propose it."""
    async def work(assembly: Assembly, by: str) -> dict[str, Any]:
        one = (await assembly.reviews.one(reference, by)).application
        if dry_run:
            return _row(one) | {"reason": reason}
        if not yes:
            click.confirm(f"Reject {one.reference}?", abort=True, err=True)
        state = await assembly.decisions.decide(reference, Rejection(reason, note, evidence=evidence), by)
        return _row(one) | {"state": str(state)}

    _run(ctx, acting_as, as_json, work)


@click.command("confirm")
@click.argument("reference")
@click.option("--refuse", default="", metavar="REASON", help="Refuse the proposal instead, and why.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def confirm(ctx: click.Context, reference: str, refuse: str, acting_as: str | None, as_json: bool) -> None:
    """Confirm what another operator has proposed, or refuse it."""
    async def work(assembly: Assembly, by: str) -> dict[str, Any]:
        if refuse:
            await assembly.decisions.decline(reference, refuse, by)
        else:
            await assembly.decisions.confirm(reference, by)
        return _row((await assembly.reviews.one(reference, by)).application)

    _run(ctx, acting_as, as_json, work)


COMMANDS = (verify, ask, reject, confirm)
"""Commands of `konsil application`."""


def _run(ctx: click.Context, acting_as: str | None, as_json: bool,
         work: Callable[[Assembly, str], Awaitable[dict[str, Any]]]) -> None:
    async def run(assembly: Assembly) -> dict[str, Any]:
        return await work(assembly, await acting(assembly, acting_as))

    show([assembled(ctx, run)], as_json, one=True)


def _row(one: Application) -> dict[str, Any]:
    return {"reference": one.reference, "kind": str(one.kind), "state": str(one.state)}
