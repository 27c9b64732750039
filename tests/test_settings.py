"""Settings: documented one by one, overridden from the environment, and refused by name when nobody knows them."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Misconfigured
from core.settings import Settings, load
from instance.assembly import assemble
from instance.setup import create_instance
from instance.sound import check_instance
from tests.servers import countries
from tests.test_pages import Browser

_DOCUMENTED = Path(__file__).parent.parent / "config.toml"


def _defaults() -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(Settings())
    return {section: {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
            for section, keys in tree.items()}


def _file(directory: Path, text: str = "") -> Path:
    path = directory / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    documented = tomllib.loads(_DOCUMENTED.read_text("utf-8"))
    defaults = _defaults()
    assert {(section, key) for section, keys in documented.items() for key in keys} == {
        (section, key) for section, keys in defaults.items() for key in keys}
    assert documented == defaults


def test_every_documented_setting_says_why() -> None:
    lines = _DOCUMENTED.read_text("utf-8").splitlines()
    settings = [index for index, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(settings) == sum(len(keys) for keys in _defaults().values())
    for index in settings:
        assert lines[index - 1].startswith("# ") and len(lines[index - 1]) > 20, lines[index]


def test_the_documented_file_can_be_used_as_it_stands() -> None:
    settings = load(_DOCUMENTED, {})
    assert settings.instance.data_dir == str(_DOCUMENTED.parent)
    assert msgspec.structs.replace(settings, instance=Settings().instance) == Settings()


@pytest.mark.parametrize(("text", "named"), [
    ("[server]\nprot = 1\n", "prot"),
    ("[sever]\nport = 1\n", "sever"),
    ("[server]\nport = 'many'\n", "$.server.port"),
    ("[server]\nport = 70000\n", "$.server.port"),
    ("[posts]\nrender_deadline_seconds = 0\n", "$.posts.render_deadline_seconds"),
    ("[server\n", "TOML"),
    ("[federation]\nsignature_profile = 'none'\n", "federation.signature_profile"),
    ("[database]\nsynchronous = 'OFF'\n", "database.synchronous"),
    ("[database]\nurl = 'mysql://x'\n", "database.url"),
    ("[log]\nlevel = 'silent'\n", "log.level"),
    ("[log]\nformat = 'xml'\n", "log.format"),
    *((f"[clients]\norigins = ['{origin}']\n", "clients.origins") for origin in (
        "*", "https://", "elk.example", "http://elk.example", "https://elk.example/", "https://ELK.example", "null", "app://x")),
    ("[clients]\nrequests = 0\n", "$.clients.requests"),
])
def test_a_file_that_is_not_understood_refuses_and_names_the_place(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(_file(tmp_path, text), {})
    assert named in caught.value.message


@pytest.mark.parametrize("name", ["KONSIL_SERVER__PROT", "KONSIL_SEVER__PORT", "KONSIL_SERVER", "KONSIL_SERVER_PORT"])
def test_an_unknown_environment_variable_refuses_and_names_itself(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        load(_file(tmp_path), {name: "1"})


def test_a_wrong_value_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"KONSIL_SERVER__PORT.*server\.port"):
        load(_file(tmp_path), {"KONSIL_SERVER__PORT": "many"})


def test_a_section_that_is_no_table_refuses_also_when_the_environment_adds_to_it(tmp_path: Path) -> None:
    path = _file(tmp_path, "server = 3\n")
    for environ in ({}, {"KONSIL_SERVER__PORT": "1"}):
        with pytest.raises(Misconfigured, match="server"):
            load(path, environ)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(Misconfigured, match=str(path)):
            load(path, {})


def test_the_environment_wins_over_the_file_in_every_type(tmp_path: Path) -> None:
    path = _file(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\n[instance]\nlanguages = ['de']\n")
    settings = load(path, {
        "KONSIL_SERVER__PORT": "8201",
        "KONSIL_INSTANCE__LANGUAGES": "de, fr ,it",
        "KONSIL_SERVER__TRUSTED_PROXIES": "",
        "KONSIL_FEDERATION__TIMEOUT_SECONDS": "2.5",
        "KONSIL_FEDERATION__FOUR_EYES": "false",
        "KONSIL_LOG__LEVEL": "debug",
        "KONSIL_CONFIG": "elsewhere",
        "PATH": "/bin",
    })
    assert (settings.server.port, settings.server.host) == (8201, "127.0.0.2")
    assert settings.instance.languages == ("de", "fr", "it")
    assert settings.server.trusted_proxies == ()
    assert settings.federation.timeout_seconds == 2.5
    assert settings.federation.four_eyes is False
    assert settings.log.level == "debug"


def test_the_data_directory_is_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(_file(tmp_path, "[instance]\ndata_dir = 'data'\n"), {})
    assert settings.path("konsil.db") == (tmp_path / "data" / "konsil.db").resolve()


async def test_an_instance_that_does_not_know_who_it_is_does_not_start(tmp_path: Path) -> None:
    settings = await create_instance(tmp_path / "de", country="de", domain="de.example", port=8100)
    check_instance(settings)
    async with assemble(settings) as assembly:
        assert (assembly.identity.origin, assembly.identity.domain) == ("https://de.example", "de.example")
    for change, named in (
            ({"country": ""}, "instance.country"), ({"country": "xx"}, "'xx'"), ({"name": " "}, "instance.name"),
            ({"url": ""}, "instance.url"), ({"url": "http://de.example"}, "instance.url"),
            ({"url": "https://de.example/"}, "instance.url"), ({"url": "https://fr.example"}, "instance.domain"),
            ({"domain": "sub.de.example"}, "instance.domain"), ({"domain": ""}, "instance.domain"),
            ({"languages": ("de", "xx-nonsense")}, "instance.languages")):
        wrong = msgspec.structs.replace(settings, instance=msgspec.structs.replace(settings.instance, **change))
        with pytest.raises(Misconfigured) as caught:
            async with assemble(wrong):
                pass
        assert named in caught.value.message, change


def test_every_setting_is_read_by_something() -> None:
    root = _DOCUMENTED.parent
    read: set[str] = set()
    for package in ("core", "federation", "actors", "posts", "inbox", "instance"):
        for path in (root / package).rglob("*.py"):
            if path != root / "core" / "settings.py":
                read |= {node.attr for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)}
    refused_unless_default = {"signature_profile"}
    resolved_while_loading = {"data_dir"}
    settings = {key for keys in _defaults().values() for key in keys}
    assert settings - read == refused_unless_default | resolved_while_loading


async def test_a_post_may_be_as_long_as_the_settings_say(tmp_path: Path) -> None:
    def settled(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, posts=msgspec.structs.replace(settings.posts, text_limit=60_000))

    written = {"kind": "note", "question": "Long?", "language": "de", "step": "publish", "reach": "home"}
    async with countries(tmp_path, "de", worker=False, settled=settled) as (de,), Browser(de) as ada:
        assert await ada.login("ada") == 303
        assert (await ada.post("/compose", written | {"text": "x" * 60_001}))[0] == 400
        assert (await ada.post("/compose", written | {"text": "x" * 60_000}))[0] == 303
        assert await de.count("posts", "length(source) = 60000") == 1
