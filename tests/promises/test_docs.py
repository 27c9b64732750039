"""What is written down is there, and what is there is written down."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from actors.accounts import ACCOUNT_STATES
from actors.applications import APPLICATION_STATES
from actors.mails import MAIL_STATES
from federation.allowlist import SIBLING_STATES
from federation.keyring import KEY_STATES
from instance.cli import main
from posts.cases import CASE_STATES
from posts.exports import EXPORT_STATES
from posts.matters import MATTER_STATES
from posts.unmasking import UNMASKING_STATES
from tests.browser import tour

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = (*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md"))
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
_PACKAGES = ("core", "federation", "actors", "posts", "inbox", "instance")


def _commands(group: click.Group, before: str = "konsil") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    text = "\n".join(document.read_text("utf-8") for document in _DOCUMENTS)
    commands = dict(_commands(main))
    assert len(commands) > 12
    for name in commands:
        assert re.search(rf"{name}\b", text), f"{name} is in no document"
    table = re.findall(r"^\| `(konsil [^`]+)`", (_ROOT / "docs" / "operating" / "commands.md").read_text("utf-8"), re.MULTILINE)
    assert {name.split(" --")[0] for name in table} == set(commands)


def test_every_command_and_every_option_that_does_not_explain_itself_has_a_sentence() -> None:
    plain = {"--country", "--domain", "--name", "--port", "--role", "--limit", "--reason", "--password-stdin", "--countries",
             "--base-port", "--dir"}
    for name, command in _commands(main):
        assert command.help, name
        for option in command.params:
            if isinstance(option, click.Option) and option.opts[0] not in plain:
                assert option.help, f"{name} {option.opts[0]}"


def test_every_dependency_says_in_one_line_what_it_is_for() -> None:
    listed = [*_PROJECT["project"]["dependencies"], *_PROJECT["project"]["optional-dependencies"]["test"]]
    lines = (_ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    for name in listed:
        line, = (line for line in lines if line.strip().startswith(f'"{name}"'))
        assert re.search(r"# \S{3,}", line), f"{name} has no reason"


def test_every_dependency_is_locked_with_hashes() -> None:
    lock = (_ROOT / "requirements.lock").read_text("utf-8")
    for name in (*_PROJECT["project"]["dependencies"], *_PROJECT["project"]["optional-dependencies"]["test"]):
        bare = re.split(r"[<>=]", name)[0]
        assert re.search(rf"^{re.escape(bare)}==\S+ \\\n +--hash=sha256:", lock, re.MULTILINE | re.IGNORECASE), bare


def test_every_package_is_in_the_wheel() -> None:
    found = {path.parent.relative_to(_ROOT).as_posix().replace("/", ".") for package in (*_PACKAGES, "templates")
             for path in (_ROOT / package).rglob("__init__.py")}
    assert found == set(_PROJECT["tool"]["setuptools"]["packages"])


def test_every_link_between_documents_leads_somewhere() -> None:
    links = 0
    for document in _DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text("utf-8")):
            if "://" not in target:
                links += 1
                assert (document.parent / target).exists(), f"{document.relative_to(_ROOT)}: {target}"
    assert links > 3


def test_the_tour_shows_every_scene_in_every_look_and_nothing_else() -> None:
    pictures = {f"{scene}-{look}.png" for scene in tour.SCENES for look in tour.LOOKS}
    assert {path.name for path in tour.PICTURES.iterdir()} == pictures
    assert set(re.findall(r"\]\(pictures/([^)]+)\)", (_ROOT / "docs" / "tour.md").read_text("utf-8"))) == pictures
    assert sum(path.stat().st_size for path in tour.PICTURES.iterdir()) <= tour.MOST_BYTES


def test_the_reading_order_exists_and_is_an_hours_reading() -> None:
    text = (_ROOT / "docs" / "architecture.md").read_text("utf-8").split("## Reading order")[1]
    order = re.findall(r"[\w/]+\.(?:py|toml)", text)
    assert len(order) == 5
    assert sum(len((_ROOT / name).read_text("utf-8").splitlines()) for name in order) < 1150


def test_every_module_says_what_lives_there_and_none_grows_too_long() -> None:
    for package in _PACKAGES:
        for source in (_ROOT / package).rglob("*.py"):
            text = source.read_text("utf-8")
            if text.strip():
                assert text.startswith('"""'), source
            assert len(text.splitlines()) < 600, source


def test_every_decision_has_its_number_once() -> None:
    numbers = sorted(int(path.name[:4]) for path in (_ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_pictures_of_states_are_what_is_declared() -> None:
    text = (_ROOT / "docs" / "architecture.md").read_text("utf-8")
    for graph in (SIBLING_STATES, ACCOUNT_STATES, MAIL_STATES, KEY_STATES, UNMASKING_STATES, MATTER_STATES, APPLICATION_STATES,
                  EXPORT_STATES, CASE_STATES):
        assert f"```mermaid\n{graph.mermaid()}```" in text, graph.name
