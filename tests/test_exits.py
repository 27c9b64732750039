"""`konsil egress`: who may be reached, in a list for operators and in a script for the firewall."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from core.settings import Mail, Push
from federation.identity import members_of
from instance import exits as module
from instance.assembly import Assembly
from instance.cli import main
from instance.exits import SETS, Exit, exits, script
from posts.pushes import Pushes
from tests.servers import FakeSibling

pytestmark = pytest.mark.usefixtures("logs_restored")

_ADDRESSES = {
    "fr.example": ["8.8.8.8", "2001:4860:4860::8888", "8.8.8.8"], "it.example": ["1.1.1.1"], "es.example": ["9.9.9.9"],
    "gb.example": ["4.4.4.4"], "at.example": ["10.1.2.3"], "mail.example": ["10.0.0.25"], "127.0.0.1": ["127.0.0.1"]}
_STATES = {"fr.example": "active", "it.example": "paused", "es.example": "revoked", "gb.example": "proposed",
           "at.example": "active", "ch.example": "confirmed"}


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These names lead to these addresses; ch.example to none. The resolvers are 192.0.2.53 and one on IPv6."""
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in _ADDRESSES:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in _ADDRESSES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    file = tmp_path / "resolv.conf"
    file.write_text("# comment\nsearch example\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\nnameserver x;\n",
                    "utf-8")
    monkeypatch.setattr(module, "_RESOLVERS", file)


@pytest.fixture
async def listed(its: Assembly) -> Assembly:
    """An instance with siblings in every state, and a mail server."""
    for domain, state in _STATES.items():
        origin = f"https://{domain}"
        described = msgspec.structs.replace(FakeSibling().described(), origin=origin, actor=f"{origin}/actor",
                                            inbox=f"{origin}/inbox", key_id=f"{origin}/actor#main-key",
                                            members=members_of(origin))
        await its.siblings.add(domain, "fr", described.fingerprint, descriptor=described)
        await its.database.write(lambda tx, origin=origin, state=state: tx.run(  # type: ignore[misc]
            "UPDATE siblings SET state = ? WHERE origin = ?", (state, origin)))
    return its


async def test_siblings_that_the_gate_lets_through_are_listed_with_where_they_are_now(listed: Assembly) -> None:
    found = {place.host: place for place in await exits(listed)}
    assert set(found) == {"fr.example", "it.example", "at.example", "ch.example", "192.0.2.53", "fe80::1"}
    assert found["fr.example"] == Exit("sibling", "fr.example", 443, "active", True, ("8.8.8.8", "2001:4860:4860::8888"), "")
    assert found["192.0.2.53"] == Exit("resolver", "192.0.2.53", 53, "", True, ("192.0.2.53",), "")
    assert not found["ch.example"].addresses and "leads nowhere" in found["ch.example"].trouble
    assert not found["at.example"].open and "never contacted: 10.1.2.3" in found["at.example"].trouble


async def test_the_mail_server_may_be_in_our_own_network_because_the_settings_name_it(listed: Assembly) -> None:
    settings = msgspec.structs.replace(listed.settings, mail=Mail(host="mail.example", port=465, sender="a@b.example"))
    place, = [one for one in await exits(_with(listed, settings)) if one.kind == "mail"]
    assert place == Exit("mail", "mail.example", 465, "", True, ("10.0.0.25",), "")


async def test_push_services_are_those_of_the_settings(its: Assembly) -> None:
    pushes = Pushes(its.database, its.vault, its.clock, its.ids, Push(("es.example", "127.0.0.1:8443")), its.pack.zone)
    places = await exits(dataclasses.replace(its, pushes=pushes))
    assert [(one.host, one.port, one.addresses) for one in places if one.kind == "push"] == [
        ("es.example", 443, ("9.9.9.9",)), ("127.0.0.1", 8443, ("127.0.0.1",))]
    assert "add element inet konsil push4 { 127.0.0.1 . 8443, 9.9.9.9 . 443 }" in script(places)
    assert not [one for one in await exits(its) if one.kind == "push"]


def _with(its: Assembly, settings: Any) -> Assembly:
    return dataclasses.replace(its, settings=settings)


async def test_the_script_empties_every_set_and_fills_it_with_what_is_open(listed: Assembly) -> None:
    settings = msgspec.structs.replace(listed.settings, mail=Mail(host="mail.example", port=587, sender="a@b.example"))
    lines = script(await exits(_with(listed, settings))).splitlines()
    assert lines[:len(SETS)] == [f"flush set inet konsil {name}" for name in SETS]
    assert lines[len(SETS):] == [
        "add element inet konsil siblings4 { 1.1.1.1, 8.8.8.8 }",  # one paused may still be sent an erasure order
        "add element inet konsil siblings6 { 2001:4860:4860::8888 }",
        "add element inet konsil mail4 { 10.0.0.25 . 587 }",
        "add element inet konsil resolvers4 { 192.0.2.53 }",
        "add element inet konsil resolvers6 { fe80::1 }"]


def test_with_nobody_on_the_list_the_sets_are_empty() -> None:
    assert script(()).splitlines() == [f"flush set inet konsil {name}" for name in SETS]


def test_the_command_prints_a_table_json_or_the_script_and_not_two_of_them(place: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["--config", str(place / "config.toml"), "egress", *words])

    assert run().stdout.splitlines()[0].split() == ["kind", "host", "port", "state", "addresses"]
    rows = json.loads(run("--json").stdout)
    assert rows and all(set(row) == documented() for row in rows)
    assert run("--nftables").stdout.splitlines()[-1] == "add element inet konsil resolvers6 { fe80::1 }"
    assert run("--nftables", "--json").exit_code == 1


def documented() -> set[str]:
    text = (Path(__file__).parent.parent / "docs" / "operating" / "commands.md").read_text("utf-8")
    found = re.search(r"^\| `konsil egress` \|[^|]*\| \*list\*: (.*) \|$", text, re.MULTILINE)
    assert found is not None
    return set(found[1].split(", "))
