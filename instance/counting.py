"""Polls at the command line: whether what was counted is what the other instances count."""

from __future__ import annotations

import click

from instance.assembly import Assembly
from instance.console import AS_JSON, assembled, me, show
from posts.attesting import SOUND, Compared


@click.group()
def poll() -> None:
    """Polls of this instance's doctors."""


@poll.command("attest")
@click.argument("post_id", metavar="ID")
@AS_JSON
@click.pass_context
def poll_attest(ctx: click.Context, post_id: str, as_json: bool) -> None:
    """Ask the other instances to attest what they count in a poll; exit code 1 if one of them says otherwise."""
    async def work(assembly: Assembly) -> tuple[Compared, ...]:
        return await assembly.attesting.check(post_id, me())

    found = assembled(ctx, work)
    if as_json:
        show([{"country": one.country, "instance": one.origin, "outcome": one.outcome.name.lower(), "sentence": str(one.outcome),
               "voters": _pair(one.voters), "options": [{"name": name} | _pair(votes) for name, votes in one.options]}
              for one in found], True)
    else:
        show([{"country": one.country, "instance": one.origin, "outcome": str(one.outcome)} for one in found], False)
    if any(one.outcome not in SOUND for one in found):
        ctx.exit(1)


def _pair(numbers: tuple[int, int] | None) -> dict[str, int | None]:
    counted, attested = numbers if numbers is not None else (None, None)
    return {"counted": counted, "attested": attested}
