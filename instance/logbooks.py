"""The audit log and the refusal log at the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from core.audit import Entry, Verdict, digests_of
from core.disk import whole
from core.errors import InvalidInput
from core.words import N_
from federation.addresses import origin_for_domain
from federation.refusals import Sought
from instance.assembly import Assembly
from instance.audited import lines
from instance.console import AS_JSON, assembled, me, show, time_of

_WHOLE = N_("The audit log is whole.")


@click.group()
def audit() -> None:
    """What operators and the program did."""


@audit.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", type=click.IntRange(min=1), help="Only lines before this number.")
@click.option("--about", default="", help="A sibling's domain, a handle, whatever the line is about.")
@click.option("--by", default="", help="Who did it.")
@click.option("--action", default="", help="What was done, such as sibling.paused; sibling. for all that is done to siblings.")
@AS_JSON
@click.pass_context
def audit_list(ctx: click.Context, limit: int, before: int | None, about: str, by: str, action: str, as_json: bool) -> None:
    """The audit log, newest first."""
    async def work(assembly: Assembly) -> tuple[Entry, ...]:
        return await assembly.audit.list(limit, before, about=await _target(assembly, about), by=by, action=action)

    show([_line(entry) for entry in assembled(ctx, work)], as_json)


@audit.command("verify")
@click.option("--against", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="An export from before: its lines have to be there as they were.")
@AS_JSON
@click.pass_context
def audit_verify(ctx: click.Context, against: Path | None, as_json: bool) -> None:
    """Look through the whole log; exit code 1 if a line was changed, is missing or stands elsewhere."""
    copy = digests_of(_read(against)) if against is not None else None
    verdict: Verdict = assembled(ctx, lambda a: a.audit.verify(copy))
    findings = [{"seq": finding.seq, "fault": finding.fault.name.lower(), "sentence": str(finding.fault)}
                for finding in verdict.findings]
    if as_json:
        show([{"whole": not findings, "lines": verdict.lines, "last": verdict.last, "head": verdict.head.hex(),
               "findings": findings}], True, one=True)
    elif findings:
        for finding in findings:
            click.echo(f"line {finding['seq']}: {finding['sentence']}" if finding["seq"] else finding["sentence"])
    else:
        click.echo(f"{_WHOLE} It has {verdict.lines} lines; the last one's digest is {verdict.head.hex()}.")
    if findings:
        ctx.exit(1)


@audit.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_context
def audit_export(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Write the whole log to a file, one JSON object a line, the last one signed with the instance's key."""
    async def work(assembly: Assembly) -> int:
        return await _write(file, lines(assembly, me()))

    try:
        written = assembled(ctx, work)
    except FileExistsError:
        raise InvalidInput("%(path)s exists already; nothing was written.", values={"path": file}) from None
    if as_json:
        show([{"file": str(file), "lines": written}], True, one=True)
    else:
        click.echo(f"{written} lines are in {file}.")


@click.group()
def refusals() -> None:
    """Who was turned away."""


_SOUGHT = (
    click.option("--who", default="", help="A sibling's domain, or an origin as the log shows it."),
    click.option("--direction", default="", type=click.Choice(["", "in", "out"]),
                 help="Who wanted it: in for others, out for us."),
    click.option("--reason", default="", help="The code of a reason, such as unlisted."),
    click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="A day, UTC."),
    click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day."),
)


def _seeking(command: Any) -> Any:
    for option in reversed(_SOUGHT):
        command = option(command)
    return command


@refusals.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@_seeking
@AS_JSON
@click.pass_context
def refusals_list(ctx: click.Context, limit: int, who: str, direction: str, reason: str, since: datetime | None,
                  until: datetime | None, as_json: bool) -> None:
    """The refusal log, newest first."""
    rows = assembled(ctx, lambda a: a.refusals.list(limit, sought=_sought(who, direction, reason, since, until)))
    show([{"first": time_of(row.first_at), "last": time_of(row.last_at), "direction": row.direction, "origin": row.origin,
            "purpose": row.purpose, "reason": row.reason, "path": row.path, "count": row.times, "sentence": row.sentence}
           for row in rows], as_json)


@refusals.command("count")
@_seeking
@AS_JSON
@click.pass_context
def refusals_count(ctx: click.Context, who: str, direction: str, reason: str, since: datetime | None, until: datetime | None,
                   as_json: bool) -> None:
    """How often each reason was given."""
    rows = assembled(ctx, lambda a: a.refusals.tally(_sought(who, direction, reason, since, until)))
    show([{"reason": row.reason, "count": row.times, "origins": row.origins, "last": time_of(row.last_at),
           "sentence": row.sentence} for row in rows], as_json)


def days(since: date | None, until: date | None) -> tuple[int | None, int | None]:
    """The moments (ms) a day begins and another has ended, UTC."""
    def begin(day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)

    return (begin(since) if since else None, begin(until) + 86_400_000 if until else None)


def _sought(who: str, direction: str, reason: str, since: datetime | None, until: datetime | None) -> Sought:
    origin = origin_for_domain(who) if who and "://" not in who and not who.startswith("(") else who
    begin, end = days(since.date() if since else None, until.date() if until else None)
    return Sought(origin, direction, "", reason, begin, end)


async def _target(assembly: Assembly, about: str) -> str:
    """What the log calls it: siblings stand there by their origin."""
    known = {row.domain: row.origin for row in await assembly.siblings.rows()} if about else {}
    return known.get(about, about)


def _line(entry: Entry) -> dict[str, Any]:
    return {"seq": entry.seq, "at": time_of(entry.at), "by": entry.by, "action": entry.action, "target": entry.target,
            "detail": entry.detail}


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [line for text in file.read_text("utf-8").splitlines() if "seq" in (line := json.loads(text))]
    except (ValueError, TypeError):
        raise InvalidInput("%(path)s is not an exported audit log.", values={"path": file}) from None


async def _write(file: Path, made: AsyncIterator[str]) -> int:
    count = 0
    with whole(file) as out:
        async for line in made:
            out.write(line)
            count += 1
    return count
