"""What is noted about siblings, and the list as a file, at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from core.disk import whole
from core.errors import Conflict, InvalidInput
from federation.addresses import domain_of
from federation.descriptor import Descriptor
from federation.documents import parse
from federation.overview import Details
from instance.assembly import Assembly
from instance.console import AS_JSON, AS_OPERATOR, acting, assembled, show

_OPTIONS = {
    "operator": "Who runs it.", "medical_contact": "Its doctor for medical questions.",
    "technical_contact": "Whom to ask about the machines.", "dpo": "Its data protection officer.",
    "agreement_on": "The day of the agreement, as 2026-12-31.", "review_on": "The day it is to be looked at again.",
    "basis": "On what footing personal data may go there.", "note": "A note for operators only.",
}


def details_options(command: Any) -> Any:
    """An option for each of the details."""
    for name, told in reversed(_OPTIONS.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, default=None, help=told)(command)
    return command


def details_of(given: dict[str, str | None], before: Details | None = None) -> Details:
    """The details that were given, laid over those from before."""
    return msgspec.structs.replace(before or Details(), **{
        name: given[name] for name in _OPTIONS if given.get(name) is not None})


@click.command("describe")
@click.argument("domain")
@details_options
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_describe(ctx: click.Context, /, domain: str, acting_as: str | None, as_json: bool, **given: str | None) -> None:
    """Note who runs a sibling, whom to ask and on what footing; what is not given stays."""
    async def work(assembly: Assembly) -> Details:
        row = await assembly.siblings.row(domain)
        by = await acting(assembly, acting_as)
        return (await assembly.siblings.describe(domain, by, details_of(given, row.details))).details

    show([msgspec.structs.asdict(assembled(ctx, work))], as_json, one=True)


class _Kept(msgspec.Struct, frozen=True):
    """A line of the exported list."""

    descriptor: Descriptor
    fingerprint: str
    state: str
    details: Details


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_context
def sibling_export(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Write the allowlist to a file: keys, fingerprints, states, details."""
    async def work(assembly: Assembly) -> list[_Kept]:
        kept = [(await assembly.siblings.described(row.domain), row) for row in await assembly.siblings.rows()]
        return [_Kept(described, row.fingerprint, row.state, row.details) for described, row in kept]

    found = assembled(ctx, work)
    try:
        with whole(file) as out:
            json.dump({"siblings": msgspec.to_builtins(found)}, out, ensure_ascii=False, indent=2)
    except FileExistsError:
        raise InvalidInput("%(path)s exists already; nothing was written.", values={"path": file}) from None
    _say(as_json, file, len(found), f"{len(found)} siblings are in {file}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@AS_OPERATOR
@AS_JSON
@click.pass_context
def sibling_import(ctx: click.Context, file: Path, acting_as: str | None, as_json: bool) -> None:
    """Propose every sibling of an exported list that is not on ours; each has to be confirmed as any other."""
    try:
        kept = msgspec.convert(parse(file.read_bytes())["siblings"], list[_Kept])
    except (KeyError, msgspec.ValidationError):
        raise InvalidInput("%(path)s is not an exported allowlist.", values={"path": file}) from None

    async def work(assembly: Assembly) -> int:
        by, added = await acting(assembly, acting_as), 0
        for one in kept:
            if one.descriptor.origin == assembly.identity.origin or one.state == "revoked":
                continue
            try:
                await assembly.siblings.add(domain_of(one.descriptor.origin), one.descriptor.country, one.fingerprint,
                                            descriptor=one.descriptor, by=by, details=one.details)
                added += 1
            except Conflict:
                continue  # on the list already, and what is there stays as it is
        return added

    added = assembled(ctx, work)
    _say(as_json, file, added, f"{added} siblings were proposed. Confirm each of them once its fingerprint has been compared.")


def _say(as_json: bool, file: Path, count: int, sentence: str) -> None:
    if as_json:
        show([{"file": str(file), "siblings": count}], True, one=True)
    else:
        click.echo(sentence)
