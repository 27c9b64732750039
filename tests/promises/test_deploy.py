"""The deployment files: they agree with the settings, with each other and with the programs that read them."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import uvicorn

from core.settings import Federation, Server
from federation import bundles
from federation.addresses import special_use
from instance.api.sockets import PING_SECONDS
from instance.api.streams import SOCKET
from instance.app import _FORM_BYTES, behind_the_front
from instance.cli import main
from instance.exits import SETS, Exit, script
from tests.mailserver import certificate

_ROOT = Path(__file__).parents[2]
_DEPLOY = _ROOT / "deploy"
_UNITS = sorted((_DEPLOY / "systemd").glob("*.service"))
_PROGRAM = "/opt/konsil/.venv/bin/konsil"
_AS_ROOT = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
                              reason="needs a network of its own")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not here")


def read(name: str) -> str:
    return (_DEPLOY / name).read_text("utf-8")


def run(*words: str | Path, cwd: Path = _ROOT) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def directives(text: str, name: str) -> list[str]:
    """The values of a unit file's setting, in the order they are given."""
    return [line.split("=", 1)[1] for line in text.replace("\\\n", "").splitlines() if line.startswith(f"{name}=")]


# the settings

def test_every_file_forwards_to_the_port_of_the_settings() -> None:
    port = Server().port
    for name, places in {"Caddyfile": [f"reverse_proxy 127.0.0.1:{port} "], "nginx.conf": [f"server 127.0.0.1:{port};"],
                         "container/compose.yaml": [f'"127.0.0.1:{port}:{port}"'],
                         "container/Dockerfile": [f"EXPOSE {port}", f"http://127.0.0.1:{port}/readyz"]}.items():
        text = read(name)
        assert all(place in text for place in places), name
        assert set(re.findall(r"\b8\d\d\d\b", text)) <= {str(port)}, name


def test_proxies_take_a_little_more_than_konsil_does_so_that_the_answer_is_ours() -> None:
    caddy = {name: int(size) * 1024
             for name, size in re.findall(r"request_body @(\w+) \{\s+max_size (\d+)KiB", read("Caddyfile"))}
    blocks = re.findall(r"client_max_body_size (\d+)k;", read("nginx.conf"))
    nginx = dict(zip(("others", "inbox", "bundles"), (int(size) * 1024 for size in blocks), strict=True))
    for limits in (caddy, nginx):
        assert Federation().body_limit_bytes < limits["inbox"] < 2 * Federation().body_limit_bytes
        assert _FORM_BYTES < limits["others"] < 2 * _FORM_BYTES
        assert bundles.BODY_LIMIT < limits["bundles"] < 2 * bundles.BODY_LIMIT
    for place in ("others", "bundles"):  # nothing in temporary files
        assert f"client_body_buffer_size {nginx[place] // 1024}k;" in read("nginx.conf")


def test_nginx_hands_on_the_upgrade_where_apps_listen_and_waits_longer_than_they_are_asked() -> None:
    blocks = dict(re.findall(r"location = (\S+) \{(.*?)\n\t\}", read("nginx.conf"), re.DOTALL))
    for path in (SOCKET, f"{SOCKET}/"):
        assert 'Connection "upgrade"' in blocks[path] and "Upgrade $http_upgrade" in blocks[path]
        for line in re.findall(r"\n\tproxy_set_header (?!Connection)(.*);", read("nginx.conf")):
            assert line in blocks[path]  # a block that sets one header has none of those around it
    [seconds] = re.findall(r"proxy_read_timeout (\d+)s", read("nginx.conf"))
    assert int(seconds) >= 2 * PING_SECONDS


def test_proxies_pass_documents_on_as_they_come_and_leave_it_to_konsil_to_say_what_is_too_large() -> None:
    [(rule, block)] = re.findall(r"location ~ (\S+) \{(.*?)\}", read("nginx.conf"), re.DOTALL)
    assert "client_max_body_size 0;" in block and "proxy_request_buffering off;" in block
    larger = {route.rule for route in behind_the_front() if (route.body_limit or 0) > _FORM_BYTES}
    assert larger == {"/join/<token>/documents", "/settings/portrait", "/drafts/<what>/<about>/pictures",
                      "/api/v1/media", "/api/v2/media", "/api/v1/accounts/update_credentials"}
    assert re.match(rule, "/join/abc-_9/documents") and re.match(rule, "/settings/portrait")
    assert re.match(rule, "/drafts/compose/-/pictures")
    assert not any(re.match(rule, path) for path in (
        "/join/documents", "/join/a/b/documents", "/join/a/documents/b/remove", "/", "/settings/portrait/remove",
        "/api/v1/media/1", "/api/v1/accounts/1", "/drafts/compose/-",
        "/drafts/compose/-/pictures/a/frame/1"))
    assert re.search(r"not path /inbox /inbox/bundle /join/\*/documents /settings/portrait /drafts/\*/\*/pictures /api/v1/media",
                     read("Caddyfile"))
    assert all(re.match(rule, path) for path in ("/api/v1/media", "/api/v2/media/", "/api/v1/accounts/update_credentials"))


def test_proxies_hang_up_before_the_server_does_and_wait_for_nobody_for_ever() -> None:
    kept = uvicorn.Config("x", log_config=None).timeout_keep_alive
    for name, patterns in {"Caddyfile": (r"\bkeepalive (\d+)s",), "nginx.conf": (r"\bkeepalive_timeout (\d+)s",)}.items():
        for pattern in patterns:
            assert [int(seconds) < kept for seconds in re.findall(pattern, read(name))] == [True], name
    assert all(word in read("Caddyfile") for word in ("read_header 10s", "read_body 2m"))
    assert all(word in read("nginx.conf") for word in ("client_header_timeout 10s", "client_body_timeout 10s"))


def test_proxies_log_no_path_and_no_query() -> None:
    formats = re.findall(r"log_format \w+ (.*);", read("nginx.conf"))
    assert len(formats) == 1 and not re.search(r"\$(request|request_uri|uri|args|query_string|http_\w+)\b", formats[0])
    assert set(re.findall(r"access_log ([^\s;]+)", read("nginx.conf"))) == {"off", "/var/log/nginx/konsil.access.log"}
    assert "request>uri delete" in read("Caddyfile") and not re.search(r"^\tlog\b", read("Caddyfile").split("\n}\n", 1)[1], re.M)


# the units

@pytest.mark.parametrize("path", _UNITS, ids=lambda path: path.name)
def test_units_name_the_same_places(path: Path) -> None:
    text = path.read_text("utf-8")
    assert directives(text, "Environment") == ["KONSIL_CONFIG=/srv/konsil/%i/config.toml"]
    assert directives(text, "EnvironmentFile") == ["-/etc/konsil/%i.env"]
    assert re.findall(r"\S*/konsil (?=[a-z])", text.replace("=", " ")) == [f"{_PROGRAM} "]
    if path.name != "konsil-egress@.service":
        assert (directives(text, "User"), directives(text, "Group")) == (["konsil"], ["konsil"])
        assert directives(text, "ReadWritePaths")[0].split()[0] == "/srv/konsil/%i" == directives(text, "WorkingDirectory")[0]
    for guide in directives(text, "Documentation"):
        assert Path(guide.removeprefix("file:///opt/konsil/")).suffix == ".md"


def test_the_server_is_started_without_a_worker_because_the_worker_has_a_unit_of_its_own() -> None:
    assert directives(read("systemd/konsil@.service"), "ExecStart") == [f"{_PROGRAM} serve --no-worker"]
    assert directives(read("systemd/konsil-worker@.service"), "ExecStart") == [f"{_PROGRAM} worker"]


def test_units_let_nothing_go_to_where_no_sibling_can_live() -> None:
    text = read("systemd/hardening.conf")
    denied = [ipaddress.ip_network(net) for line in directives(text, "IPAddressDeny") for net in line.split()]
    assert directives(text, "IPAddressAllow") == ["localhost"]
    for net in denied:
        assert special_use(str(net[0])) and special_use(str(net[-1])), net
    special = [ipaddress.ip_address(address) for address in (
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "255.255.255.255", "::", "::ffff:8.8.8.8", "64:ff9b::808:808", "100::1", "2001::1",
        "2001:20::1", "2001:db8::1", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1")]
    for address in special:
        assert special_use(str(address)) and any(address in net for net in denied), address


@needs("systemd-analyze")
def test_systemd_reads_the_units_and_finds_little_to_take_away(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "konsil"
    for path in (_DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace(_PROGRAM, str(program)), "utf-8")
    for unit in ("konsil", "konsil-worker", "konsil-backup"):
        (tmp_path / f"{unit}@.service.d").mkdir()
        shutil.copy(_DEPLOY / "systemd" / "hardening.conf", tmp_path / f"{unit}@.service.d" / "hardening.conf")
    names = [path.name.replace("@", "@de") for path in (_DEPLOY / "systemd").iterdir() if "@" in path.name]
    assert len(names) == 6
    said = run("systemd-analyze", "verify", "--man=no", *(f"./{name}" for name in names if not _lacks(name)), cwd=tmp_path)
    assert "konsil" not in said, said
    for name in ("konsil@de.service", "konsil-worker@de.service", "konsil-backup@de.service"):
        said = run("systemd-analyze", "security", "--offline=true", f"./{name}", cwd=tmp_path)
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        assert exposure is not None and float(exposure[1]) < 2.0, said


def _lacks(name: str) -> bool:
    """systemd asks whether programs are there, and nft need not be."""
    return name.startswith("konsil-egress") and not Path("/usr/sbin/nft").exists()


# the firewall

def test_the_firewall_the_command_and_the_refresher_mean_the_same_sets() -> None:
    text = read("konsil.nft")
    assert tuple(re.findall(r"^\tset (\w+) \{", text, re.M)) == SETS
    assert all(f"@{name} " in text for name in SETS)
    assert 'define konsil_user = "konsil"' in text and "meta skuid $konsil_user" in text
    unit = read("systemd/konsil-egress@.service")
    assert "/usr/sbin/nft -f /etc/konsil/konsil.nft" in unit and "/etc/konsil/konsil.nft" in text
    assert "list table inet konsil" in unit and "table inet konsil {" in text
    shape = re.search(r'grep -Ex "([^"]+)"', unit)
    assert shape is not None
    places = (Exit("sibling", "fr.example", 443, "active", True, ("8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"), ""),
              Exit("mail", "mail.example", 587, "", True, ("10.0.0.25", "fd00::25"), ""),
              Exit("resolver", "fd00::53", 53, "", True, ("fd00::53",), ""))
    lines = script(places).splitlines()
    assert len(lines) == len(SETS) + 5 and all(re.fullmatch(shape[1], line) for line in lines)
    for line in ("flush ruleset", "add element inet konsil siblings4 { 1.1.1.1 }; flush ruleset", 'include "/etc/shadow"',
                 "add element inet other siblings4 { 1.1.1.1 }", "delete table inet konsil"):
        assert re.fullmatch(shape[1], line) is None, line


@_AS_ROOT
@needs("nft")
def test_konsils_user_reaches_siblings_mail_and_resolvers_and_nobody_else() -> None:
    found = json.loads(run("unshare", "--net", sys.executable, "-m", "tests.firewall", "65534"))
    assert found == {
        "before": "ConnectionRefusedError", "sibling": "connected", "sibling at another port": "ConnectionRefusedError",
        "mail": "connected", "mail at another port": "ConnectionRefusedError", "resolver": "connected",
        "stranger": "ConnectionRefusedError", "loopback": "ConnectionRefusedError", "root": "connected", "served": "hello",
        "revoked": "ConnectionRefusedError", "counted": "6"}


# the proxies

@needs("nginx")
def test_nginx_reads_its_file(tmp_path: Path) -> None:
    certificate(tmp_path, "de.example")
    text = read("nginx.conf").replace("/var/log/nginx", str(tmp_path))
    text = re.sub(r"/etc/letsencrypt/live/de\.example/\w+\.pem", str(tmp_path / "chain.pem"), text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ {text} }}", "utf-8")
    assert "test is successful" in run("nginx", "-t", "-c", tmp_path / "nginx.conf")


@needs("caddy")
def test_caddy_reads_its_file() -> None:
    assert "Valid configuration" in run("caddy", "validate", "--config", _DEPLOY / "Caddyfile", "--adapter", "caddyfile")


# the commands

def _named() -> Iterator[tuple[str, str]]:
    """Every call of the program in the files and guides, and where it stands."""
    guides = sorted((_ROOT / "docs" / "operating").glob("*.md"))
    files = [path for path in sorted(_DEPLOY.rglob("*")) if path.is_file()]
    assert len(guides) > 2 and len(files) > 10
    for path in guides:
        text = path.read_text("utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        for part in (*blocks, *spans):
            for found in re.findall(r"^konsil ((?:--config \S+ )?[a-z].*)", part.replace("\\\n", " "), re.M):
                yield found, path.name
    for path in files:
        text = path.read_text("utf-8")
        for found in re.findall(rf"{_PROGRAM} ([a-z][^\n|']*)|`konsil ([a-z][^`]*)`", text):
            yield found[0] or found[1], path.name


def test_every_command_named_in_a_deployment_file_or_a_guide_exists() -> None:
    seen = set()
    for call, where in _named():
        words = re.sub(r"^--config \S+ ", "", call).split()
        command: click.Command = main
        name = []
        while isinstance(command, click.Group):
            assert words and words[0] in command.commands, f"{where}: konsil {call}"
            name.append(words.pop(0))
            command = command.commands[name[-1]]
        known = {option for each in command.params for option in each.opts}
        for word in words:
            if word.startswith("#"):
                break
            if word.startswith("--"):
                assert word.split("=")[0] in known, f"{where}: konsil {call}"
        seen.add(" ".join(name))
    assert {"serve", "worker", "egress", "init", "sibling add"} <= seen
