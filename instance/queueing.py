"""The queue at the command line: what waits for each sibling, and what can be done about it."""

from __future__ import annotations

from typing import Any

import click

from core.errors import InvalidInput
from federation.queue import LANES, Item, Retried, Standing, read_id
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, show, time_of

_LIMIT = click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))


@click.group()
def queue() -> None:
    """What waits for each sibling, and what has ended without it."""


@queue.command("list")
@AS_JSON
@click.pass_context
def queue_list(ctx: click.Context, as_json: bool) -> None:
    """Every sibling's line."""
    rows = [line_row(line) for line in assembled(ctx, lambda a: a.queues.all())]
    short = ("domain", "state", "waiting_since", *map(str, LANES), "held", "parked", "last_acknowledged", "next_try", "trouble")
    show(rows if as_json else [{key: "" if row[key] is None else row[key] for key in short} for row in rows], as_json)


@queue.command("show")
@click.argument("domain")
@_LIMIT
@AS_JSON
@click.pass_context
def queue_show(ctx: click.Context, domain: str, limit: int, as_json: bool) -> None:
    """One sibling's line with what waits: what was put off first, then the rest in the order in which it goes."""
    async def look(assembly: Assembly) -> tuple[Standing, tuple[Item, ...]]:
        put_off = await assembly.queues.waiting(domain, limit=limit, again=True)
        rest = await assembly.queues.waiting(domain, limit=limit - len(put_off)) if len(put_off) < limit else ()
        return await assembly.queues.of(domain), (*put_off, *rest)

    line, items = assembled(ctx, look)
    if as_json:
        show([line_row(line) | {"items": [item_row(item) for item in items]}], True, one=True)
        return
    show([line_row(line)], False, one=True)
    click.echo()
    show([_short(item) for item in items], False)


@queue.command("parked")
@click.argument("domain", default="")
@_LIMIT
@AS_JSON
@click.pass_context
def queue_parked(ctx: click.Context, domain: str, limit: int, as_json: bool) -> None:
    """What was parked, of one sibling or of all; the ids are those that `retry` and `drop` take."""
    rows = assembled(ctx, lambda a: a.queues.parked(domain, limit=limit))
    show([item_row(item) if as_json else _short(item) for item in rows], as_json)


@queue.command("retry")
@click.argument("what")
@click.option("--parked", is_flag=True, help="Everything that was parked, too: it goes to the end of the line.")
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def queue_retry(ctx: click.Context, what: str, parked: bool, dry_run: bool, acting_as: str | None, as_json: bool) -> None:
    """Try a sibling's line now (fr.example), or put one that was parked back into it (fr.example/1234)."""
    one = read_id(what) if "/" in what else None
    if one is not None and parked:
        raise InvalidInput("Name one activity, or everything that was parked; not both.")

    async def work(assembly: Assembly) -> tuple[Standing, Retried]:
        by, queues = await acting(assembly, acting_as), assembly.queues
        if one is not None:
            await queues.retry(*one, by)
            return await queues.of(one[0]), Retried(1, 0)
        tried = await queues.retry_parked(what, by) if parked else Retried(0, 0)
        return await queues.retry_line(what, by), tried

    if dry_run:
        line = assembled(ctx, lambda a: a.queues.of(one[0] if one is not None else what))
        again = 1 if one is not None else line.parked if parked else 0
        _say(line, Retried(again, 0), as_json, f"{line.depth} wait for {line.domain} and would be tried now; {again} that were"
                                               " parked would be put back. Nothing was changed.")
        return
    line, tried = assembled(ctx, work)
    _say(line, tried, as_json, f"{line.depth} wait for {line.domain}; {tried.sent} that were parked were put back"
                               + (f", {tried.erased} stay parked because their text was erased here." if tried.erased else "."))


@queue.command("drop")
@click.argument("id")
@click.option("--reason", required=True, help="Why: its author reads it, and it stays in the audit log.")
@YES
@DRY
@AS_OPERATOR
@AS_JSON
@click.pass_context
def queue_drop(ctx: click.Context, /, id: str, reason: str, yes: bool, dry_run: bool, acting_as: str | None,
               as_json: bool) -> None:
    """End one that was parked or put off (fr.example/1234): it will never be sent to this sibling."""
    domain, sequence = read_id(id)
    item = assembled(ctx, lambda a: a.queues.item(domain, sequence))
    means = (f"{item.domain} will not be asked to erase this, and the deletion can no longer be confirmed" if item.deletes
             else f"{item.domain} will never get this")
    if dry_run:
        if as_json:
            show([item_row(item)], True, one=True)
        else:
            click.echo(f"{item.type} {item.uri}: {means}. Nothing was changed.")
        return
    if not yes:
        click.confirm(f"{item.type} {item.uri}: {means}. Drop {item.id}?", abort=True, err=True)

    async def work(assembly: Assembly) -> Item:
        await assembly.queues.drop(domain, sequence, reason, await acting(assembly, acting_as))
        return await assembly.queues.item(domain, sequence)

    show([item_row(assembled(ctx, work))], as_json, one=True)


def line_row(line: Standing) -> dict[str, Any]:
    """A line as the commands show it."""
    return {
        "domain": line.domain, "country": line.country, "state": line.state, "waiting_since": time_of(line.waiting_since),
        **{str(lane): number for lane, number in zip(LANES, line.lanes, strict=True)}, "held": line.held, "parked": line.parked,
        "put_off": line.put_off, "unconfirmed_deletions": line.undeleted, "unconfirmable_deletions": line.unconfirmable,
        "last_acknowledged": time_of(line.acknowledged), "last_in": time_of(line.heard), "fail_count": line.fail_count,
        "failing_since": time_of(line.failing_since), "next_try": time_of(line.next_try), "trouble": line.trouble,
        "alarm": line.alarm, "todo": line.todo, "last_number": line.last, "epoch": line.epoch, "confirmed": line.confirmed,
        "last_receipt": time_of(line.receipt)}


def item_row(item: Item) -> dict[str, Any]:
    """One activity for one sibling as the commands show it."""
    return {"id": item.id, "state": item.state, "type": item.type, "uri": item.uri, "lane": str(LANES[item.lane]),
            "since": time_of(item.since), "settled": time_of(item.settled), "tries": item.tries,
            "next_try": time_of(item.next_try), "reason": item.why, "erased": item.erased}


def _short(item: Item) -> dict[str, Any]:
    row = item_row(item)
    return {key: "" if row[key] is None else row[key] for key in ("id", "type", "lane", "since", "tries", "reason", "uri")}


def _say(line: Standing, tried: Retried, as_json: bool, sentence: str) -> None:
    if as_json:
        show([line_row(line) | {"put_back": tried.sent, "erased": tried.erased}], True, one=True)
    else:
        click.echo(sentence)

