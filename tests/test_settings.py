"""Settings: documented one by one, overridden from the environment, and refused by name when nobody knows them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import Misconfigured
from core.settings import Settings, load

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
        "KONSIL_FEDERATION__FOUR_EYES": "true",
        "KONSIL_LOG__LEVEL": "debug",
        "KONSIL_CONFIG": "elsewhere",
        "PATH": "/bin",
    })
    assert (settings.server.port, settings.server.host) == (8201, "127.0.0.2")
    assert settings.instance.languages == ("de", "fr", "it")
    assert settings.server.trusted_proxies == ()
    assert settings.federation.timeout_seconds == 2.5
    assert settings.federation.four_eyes is True
    assert settings.log.level == "debug"


def test_the_data_directory_is_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(_file(tmp_path, "[instance]\ndata_dir = 'data'\n"), {})
    assert settings.path("konsil.db") == (tmp_path / "data" / "konsil.db").resolve()
