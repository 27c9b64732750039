"""The command line's part about applications."""

from __future__ import annotations

from typing import Any

import click

from actors import applications
from actors.applications import Application, ApplicationState
from core.errors import NotFound
from core.registers import verdict
from instance.console import AS_JSON, assembled, show, time_of


@click.group()
def application() -> None:
    """Applications to join, and to renew a badge."""


@application.command("list")
@click.option("--state", type=click.Choice([state.value for state in ApplicationState]), default="submitted", show_default=True,
              help="In which state.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@AS_JSON
@click.pass_context
def application_list(ctx: click.Context, state: str, limit: int, as_json: bool) -> None:
    """Applications in a state, longest waiting first."""
    found = assembled(ctx, lambda a: a.database.read(lambda tx: applications.listed(tx, ApplicationState(state), limit)))
    rows = [_row(one) for one in found]
    short = ("reference", "kind", "name", "role", "register", "verdict", "submitted")
    show(rows if as_json else [{key: row[key] for key in short} for row in rows], as_json)


@application.command("show")
@click.argument("reference")
@AS_JSON
@click.pass_context
def application_show(ctx: click.Context, reference: str, as_json: bool) -> None:
    """One application, with all that its applicant has said."""
    found = assembled(ctx, lambda a: a.database.read(lambda tx: applications.by_reference(tx, reference)))
    if found is None:
        raise NotFound("There is no application %(reference)s.", values={"reference": reference[:20]})
    show([_row(found)], as_json, one=True)


def _row(found: Application) -> dict[str, Any]:
    return {
        "reference": found.reference, "kind": str(found.kind), "state": str(found.state), "name": found.name,
        "birth_name": found.birth_name, "role": found.role, "specialties": ",".join(found.specialties),
        "register": found.register, "chamber": found.chamber, "number": found.number,
        "verdict": str(verdict(found.register, found.number).outcome) if found.number else "",
        "answers": found.answers, "invited": found.invitation_id is not None, "address": found.address,
        "language": found.language, "confirmed": time_of(found.confirmed_at), "consents": found.consents, "appeal": found.appeal,
        "created": time_of(found.created_at), "touched": time_of(found.touched_at), "submitted": time_of(found.submitted_at),
        "decided": time_of(found.decided_at)}
