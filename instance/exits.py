"""Who this instance may open connections to, for operators and for the firewall: `konsil egress`.

Siblings that the gate lets through for at least one purpose, the mail server, the identity provider, the translation server, push
services, and the resolvers that find them. What the firewall's sets hold is written anew from this list; their names stand in
deploy/konsil.nft too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import click

from core.egress import look_up
from core.errors import InvalidInput
from federation.addresses import authority_of, is_loopback, never_contacted
from federation.allowlist import reachable
from instance.assembly import Assembly
from instance.console import AS_JSON, assembled, show

_RESOLVERS = Path("/etc/resolv.conf")
_DNS = 53
_LOOK_UP_SECONDS = 10.0
SETS = ("siblings4", "siblings6", "mail4", "mail6", "identity4", "identity6", "translation4", "translation6", "push4", "push6",
        "resolvers4", "resolvers6")
"""The sets of the table `inet konsil`: addresses, and for mail and the services addresses with their port."""
_WITH_PORT = ("mail", "identity", "translation", "push")


class Exit(NamedTuple):
    """One place connections may go to: `kind` is sibling, mail, identity, translation, push or resolver. `addresses` is empty
    where `trouble` says why; `state` is a sibling's, and nothing goes where it is not `open`."""

    kind: str
    host: str
    port: int
    state: str
    open: bool
    addresses: tuple[str, ...]
    trouble: str


async def exits(assembly: Assembly) -> tuple[Exit, ...]:
    """Every place, with the addresses its name leads to now; siblings that are proposed or revoked are left out."""
    loopback = is_loopback(assembly.identity.origin)
    states = reachable()
    waiting = []
    for row in await assembly.siblings.rows():
        if row.state in states:
            host, port = authority_of(row.origin)
            waiting.append(_resolved("sibling", host, port, row.state, loopback=loopback))
    mail = assembly.settings.mail
    if mail.host:
        waiting.append(_resolved("mail", mail.host, mail.port, "", loopback=None))
    for origin in assembly.identities.origins:
        waiting.append(_resolved("identity", *authority_of(origin), "", loopback=loopback))
    for origin in assembly.translator.origins:
        waiting.append(_resolved("translation", *authority_of(origin), "", loopback=loopback or is_loopback(origin)))
    for origin in assembly.pushes.service.origins:
        waiting.append(_resolved("push", *authority_of(origin), "", loopback=loopback))
    return (*await asyncio.gather(*waiting), *_resolvers())


async def _resolved(kind: str, host: str, port: int, state: str, *, loopback: bool | None) -> Exit:
    """A place with its addresses; those that are never contacted count as trouble, unless `loopback` is None."""
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            found = await look_up(host, port)
    except (OSError, TimeoutError) as error:
        return Exit(kind, host, port, state, True, (), f"the name leads nowhere: {error or 'no answer in time'}")
    addresses = tuple(dict.fromkeys(str(info[4][0]) for info in found))
    if loopback is not None and any(never_contacted(address, loopback=loopback) for address in addresses):
        return Exit(kind, host, port, state, False, (), f"an address that is never contacted: {', '.join(addresses)}")
    return Exit(kind, host, port, state, True, addresses, "")


def _resolvers() -> list[Exit]:
    """Those the system asks."""
    try:
        lines = _RESOLVERS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    hosts = dict.fromkeys(line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver")
    return [Exit("resolver", host, _DNS, "", True, (host,), "") for host in hosts if _is_address(host)]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def script(places: Iterable[Exit]) -> str:
    """What `nft -f` reads: each set emptied and filled anew, in one transaction. Siblings on this machine are no matter for
    a firewall that lets through port 443 alone."""
    elements: dict[str, list[str]] = {name: [] for name in SETS}
    for place in places:
        for address in place.addresses if place.open else ():
            ip = ip_address(address)
            if place.kind == "sibling" and ip.is_loopback:
                continue
            name = {"sibling": "siblings", "resolver": "resolvers"}.get(place.kind, place.kind) + str(ip.version)
            element = f"{ip} . {place.port}" if place.kind in _WITH_PORT else str(ip)
            if element not in elements[name]:
                elements[name].append(element)
    lines = [f"flush set inet konsil {name}" for name in SETS]
    lines += [f"add element inet konsil {name} {{ {', '.join(sorted(found))} }}" for name, found in elements.items() if found]
    return "\n".join(lines)


@click.command()
@click.option("--nftables", is_flag=True, help="A script for nft -f that fills the firewall's sets.")
@AS_JSON
@click.pass_context
def egress(ctx: click.Context, nftables: bool, as_json: bool) -> None:
    """Who this instance may open connections to."""
    if nftables and as_json:
        raise InvalidInput("Choose one of --nftables and --json.")
    places = assembled(ctx, exits)
    if nftables:
        for place in places:
            if place.trouble:
                click.echo(f"{place.host}: {place.trouble}", err=True)
        click.echo(script(places))
    elif as_json:
        show([place._asdict() | {"addresses": list(place.addresses)} for place in places], True)
    else:
        show([{"kind": place.kind, "host": place.host, "port": place.port, "state": place.state,
               "addresses": ", ".join(place.addresses) or place.trouble} for place in places], False)
