"""Keys on the command line: `konsil keys` for our own, `konsil sibling key` for those that siblings announce."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import click

from federation.keyring import KeyAnswer, OwnKey
from federation.overview import SiblingRow
from federation.siblingkeys import Sight
from federation.signatures.keys import fingerprint_words, grouped
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, DRY, YES, acting, assembled, show, time_of


@click.group()
def keys() -> None:
    """Our own key, and changing it."""


@keys.command("list")
@AS_JSON
@click.pass_context
def keys_list(ctx: click.Context, as_json: bool) -> None:
    """Our keys, newest first, and which siblings have confirmed the one that is announced."""
    rows = assembled(ctx, lambda a: a.keyring.keys())
    show([_row(key) if as_json else _short(key) for key in rows], as_json)


@keys.command("rotate")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def keys_rotate(ctx: click.Context, acting_as: str | None, as_json: bool) -> None:
    """Make a new key and announce it to the siblings; with four eyes, propose it to another operator."""
    _act(ctx, acting_as, as_json, lambda a, by: a.keyring.rotate(by))


@keys.command("confirm")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def keys_confirm(ctx: click.Context, acting_as: str | None, as_json: bool) -> None:
    """Announce the key that another operator has proposed."""
    _act(ctx, acting_as, as_json, lambda a, by: a.keyring.confirm(by))


@keys.command("switch")
@AS_OPERATOR
@YES
@DRY
@AS_JSON
@click.pass_context
def keys_switch(ctx: click.Context, acting_as: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Sign with the announced key from now on; siblings that have not confirmed it refuse us until they have."""
    key = assembled(ctx, lambda a: a.keyring.coming())
    refusing = ", ".join(key.unconfirmed)
    says = f"Not confirmed by {refusing}: they would refuse everything." if refusing else "All siblings have confirmed it."
    if dry_run:
        if as_json:
            show([_row(key)], True, one=True)
        else:
            click.echo(f"{grouped(key.fingerprint)} is {key.state}. {says}")
        return
    if not yes:
        click.confirm(f"{says} Sign with {grouped(key.fingerprint)} from now on?", abort=True, err=True)
    _act(ctx, acting_as, as_json, lambda a, by: a.keyring.switch(key.id, by))


@keys.command("cancel")
@AS_OPERATOR
@YES
@DRY
@AS_JSON
@click.pass_context
def keys_cancel(ctx: click.Context, acting_as: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Drop the key that was to come; siblings are told that it will not."""
    key = assembled(ctx, lambda a: a.keyring.coming())
    if dry_run:
        if as_json:
            show([_row(key)], True, one=True)
        else:
            click.echo(f"{grouped(key.fingerprint)} is {key.state} and would be dropped.")
        return
    if not yes:
        click.confirm(f"Drop {grouped(key.fingerprint)}?", abort=True, err=True)
    _act(ctx, acting_as, as_json, lambda a, by: a.keyring.cancel(by))


@click.group("key")
def sibling_key() -> None:
    """The key that a sibling has announced."""


@sibling_key.command("confirm")
@click.argument("domain")
@click.option("--fingerprint", required=True, help="As its operator read it to you: hex or words.")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def key_confirm(ctx: click.Context, domain: str, fingerprint: str, acting_as: str | None, as_json: bool) -> None:
    """Pin the announced key beside the present one."""
    async def work(assembly: Assembly) -> SiblingRow:
        return await assembly.sibling_keys.confirm(domain, await acting(assembly, acting_as), fingerprint)

    _show_sibling(assembled(ctx, work), as_json)


@sibling_key.command("refuse")
@click.argument("domain")
@AS_OPERATOR
@AS_JSON
@click.pass_context
def key_refuse(ctx: click.Context, domain: str, acting_as: str | None, as_json: bool) -> None:
    """Do not take the announced key."""
    async def work(assembly: Assembly) -> SiblingRow:
        return await assembly.sibling_keys.refuse(domain, await acting(assembly, acting_as))

    _show_sibling(assembled(ctx, work), as_json)


@sibling_key.command("look")
@click.argument("domain")
@AS_JSON
@click.pass_context
def key_look(ctx: click.Context, domain: str, as_json: bool) -> None:
    """Look at its /actor now instead of within the hour; exit code 1 if the key is a strange one."""
    async def work(assembly: Assembly) -> tuple[Sight, SiblingRow]:
        seen = await assembly.keywatch.look(domain)
        return seen.sight, await assembly.siblings.row(domain)

    sight, row = assembled(ctx, work)
    _show_sibling(row, as_json)
    if sight == Sight.STRANGE:
        click.echo(row.reason, err=True)
        ctx.exit(1)


def succession_of(row: SiblingRow) -> dict[str, Any]:
    """How far a sibling is with changing its key, for programs."""
    found = row.succession
    return {"key_announced": time_of(found.announced_at), "key_compared_by": found.compared_by,
            "next_fingerprint": found.next_fingerprint, "key_seen": found.seen, "key_seen_at": time_of(found.seen_at)}


def _act(ctx: click.Context, acting_as: str | None, as_json: bool,
         step: Callable[[Assembly, str], Coroutine[Any, Any, OwnKey]]) -> None:
    async def work(assembly: Assembly) -> OwnKey:
        return await step(assembly, await acting(assembly, acting_as))

    show([_row(assembled(ctx, work))], as_json, one=True)


def _show_sibling(row: SiblingRow, as_json: bool) -> None:
    show([{"domain": row.domain, "state": row.state, "fingerprint": row.fingerprint, **succession_of(row)}], as_json, one=True)


def _row(key: OwnKey) -> dict[str, Any]:
    def those(answer: KeyAnswer) -> list[str]:
        return [domain for domain, said in key.answers.items() if said == answer]

    return {"id": key.key_id, "state": key.state, "fingerprint": key.fingerprint, "words": fingerprint_words(key.fingerprint),
            "created": time_of(key.created), "changed": time_of(key.changed), "proposed_by": key.proposed_by,
            "confirmed": those(KeyAnswer.CONFIRMED), "refused": those(KeyAnswer.REFUSED), "waiting": those(KeyAnswer.WAITING)}


def _short(key: OwnKey) -> dict[str, Any]:
    row = _row(key)
    return {"state": row["state"], "fingerprint": grouped(key.fingerprint), "changed": row["changed"]} | {
        name: ", ".join(row[name]) for name in ("confirmed", "refused", "waiting")}
