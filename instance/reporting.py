"""Reports at the command line: what waits, one with its text, and the decision."""

from __future__ import annotations

from typing import Any

import click

from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, show, time_of
from posts.judging import RESULTS, SECOND, MatterCase, MatterRow
from posts.matters import MatterState


@click.group()
def report() -> None:
    """Posts that were reported, and what became of them."""


@report.command("list")
@click.option("--which", type=click.Choice(("decide", "elsewhere", "decided")), default="decide", show_default=True,
              help="To be decided here, with other countries, or decided.")
@AS_JSON
@click.pass_context
def report_list(ctx: click.Context, which: str, as_json: bool) -> None:
    """Reported posts, without their text."""
    async def look(assembly: Assembly) -> list[MatterRow]:
        found: list[MatterRow] = []
        page = await assembly.judging.page(which, None)
        found += page.shown
        while page.before is not None:
            page = await assembly.judging.page(which, page.before)
            found += page.shown
        return found

    rows = [matter_row(row) for row in assembled(ctx, look)]
    short = ("id", "state", "category", "reports", "hidden", "opened", "instance")
    show(rows if as_json else [{key: row[key] for key in short} for row in rows], as_json)


@report.command("show")
@click.argument("id")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def report_show(ctx: click.Context, /, id: str, acting_as: str | None, as_json: bool) -> None:
    """One of them with the text of the post; that you have read it is in the audit log."""
    async def look(assembly: Assembly) -> MatterCase:
        return await assembly.judging.case(id, await acting(assembly, acting_as))

    show([case_row(assembled(ctx, look))], as_json, one=True)


@report.command("decide")
@click.argument("id")
@click.option("--result", required=True, type=click.Choice(tuple(map(str, dict.fromkeys((*RESULTS, *SECOND))))),
              help="What is to become of the post, for all countries.")
@click.option("--reason", required=True, help="Why: the author reads it, and whoever has reported it.")
@click.option("--language", default="en", show_default=True, help="The language of the reason.")
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def report_decide(ctx: click.Context, /, id: str, result: str, reason: str, language: str, yes: bool, dry_run: bool,
                  acting_as: str | None, as_json: bool) -> None:
    """Decide about a reported post of this instance."""
    means = ("it is erased here and in every country that has it" if result == MatterState.TAKEN_DOWN
             else "it stays, without its earlier versions" if result == MatterState.CHANGED
             else "its author gets her text back" if result == MatterState.OVERTURNED else "it stays as it is")
    if dry_run:
        row = matter_row(assembled(ctx, lambda a: a.judging.row(id)))
        if as_json:
            show([row], True, one=True)
        else:
            click.echo(f"{row['uri']} ({row['state']}): {means}. Nothing was changed.")
        return
    if not yes and result in (MatterState.TAKEN_DOWN, MatterState.CHANGED):
        click.confirm(f"{id}: {means}. Decide so?", abort=True, err=True)

    async def work(assembly: Assembly) -> MatterRow:
        await assembly.judging.decide(id, result, reason, language, await acting(assembly, acting_as))
        return await assembly.judging.row(id)

    show([matter_row(assembled(ctx, work))], as_json, one=True)


def matter_row(row: MatterRow) -> dict[str, Any]:
    """A reported post as the commands show it."""
    return {"id": row.id, "state": str(row.state), "category": str(row.category), "opened": time_of(row.opened),
            "decided": time_of(row.decided), "reports": row.reports, "hidden": row.hidden, "kind": str(row.kind),
            "author": row.author, "country": row.country, "instance": row.instance, "uri": row.uri}


def case_row(case: MatterCase) -> dict[str, Any]:
    """The same with all that operators know of it."""
    return matter_row(case.row) | {
        "question": case.post.question, "html": case.post.html, "language": case.post.language,
        "reported": [{"by": one.by, "category": str(one.category), "text": one.text, "at": time_of(one.at)}
                     for one in case.reports],
        "decisions": [{"result": str(one.result), "reason": one.reason, "by": one.by, "at": time_of(one.at)}
                      for one in case.decisions],
        "appeal": case.appeal, "may_decide": list(map(str, case.results)),
        "why_not": "" if case.why_not is None else case.why_not.message}
