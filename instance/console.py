"""What the commands of the command line share: the instance they work on, and how they print."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import click

from core.clock import rfc3339
from core.settings import Settings, load
from instance.assembly import Assembly, assemble

T = TypeVar("T")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
DRY = click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")


AS_OPERATOR = click.option("--as", "acting_as", metavar="HANDLE",
                           help="Which operator you are; password and code are asked for, or are lines of standard input.")


def settings_of(ctx: click.Context) -> Settings:
    return load(ctx.find_root().obj)


def assembled(ctx: click.Context, work: Callable[[Assembly], Awaitable[T]]) -> T:
    """Assemble the instance named by --config, do the work, take it apart."""

    async def run() -> T:
        async with assemble(settings_of(ctx)) as assembly:
            return await work(assembly)

    return asyncio.run(run())


def show(rows: Iterable[dict[str, Any]], as_json: bool, *, one: bool = False) -> None:
    """A table for people, JSON for programs."""
    found = list(rows)
    if as_json:
        click.echo(json.dumps(found[0] if one else found, ensure_ascii=False, indent=2))
    elif one:
        for key, value in found[0].items():
            click.echo(f"{key:<14} {'' if value is None else value}")
    elif found:
        widths = {key: max(len(key), *(len(str(row[key])) for row in found)) for key in found[0]}
        click.echo("  ".join(key.ljust(widths[key]) for key in widths))
        for row in found:
            click.echo("  ".join(str(row[key]).ljust(widths[key]) for key in widths))


def password_from(from_stdin: bool) -> str:
    """The password from standard input, or a fresh one."""
    return sys.stdin.readline().rstrip("\n") if from_stdin else secrets.token_urlsafe(12)


def show_added(person: dict[str, Any], sentence: str, password: str | None, as_json: bool) -> None:
    """Say who was added; a password made here is shown this once, in the JSON or else on standard error."""
    if as_json:
        show([person | ({} if password is None else {"password": password})], True, one=True)
        return
    click.echo(sentence)
    if password is not None:
        click.echo(f"password: {password}", err=True)


async def acting(assembly: Assembly, handle: str | None) -> str:
    """Who does this, for the audit log: the operator named with `--as`, who proves it, or whoever sits at the machine."""
    if handle is None:
        return me()
    asked = await assembly.sessions.needs_code(handle)
    if sys.stdin.isatty():
        password = click.prompt(f"Password of {handle}", hide_input=True, err=True)
        code = click.prompt(f"Code of {handle}", err=True) if asked else ""
    else:
        password = sys.stdin.readline().rstrip("\n")
        code = sys.stdin.readline().strip() if asked else ""
    return (await assembly.sessions.operator(handle, password, code, "")).handle


def me() -> str:
    """Whoever sits at the machine."""
    return f"cli:{os.environ.get('USER', 'root')}"


def time_of(ms: int | None) -> str | None:
    return rfc3339(ms) if ms else None
