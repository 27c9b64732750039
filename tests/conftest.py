"""Instances without their servers, for tests of what lies beneath: made once, copied for each test. And the logs, put back."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from core.settings import Settings, load
from instance.assembly import Assembly, assemble
from instance.setup import create_instance


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what a test has measured: it stands at the end of the run, whether the test passes or not."""
    return lambda text: request.node.user_properties.append(("figures", text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests have measured; with many processes it comes along with their reports."""
    said = [f"{report.location[2]}: {text}" for reports in terminalreporter.stats.values() for report in reports
            if getattr(report, "when", "") == "call" for name, text in report.user_properties if name == "figures"]
    if said:
        terminalreporter.section("figures")
        for line in sorted(said):
            terminalreporter.line(line)


@pytest.fixture
def logs_restored() -> Iterator[None]:
    """For tests that send the logs elsewhere: puts them back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A German instance at 127.0.0.1:8199, as `konsil init` leaves it; never changed, only copied."""
    directory = tmp_path_factory.mktemp("made") / "de"
    asyncio.run(create_instance(directory, country="de", domain="127.0.0.1", port=8199))
    return directory


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The directory of an instance of this test's own."""
    return Path(shutil.copytree(made, tmp_path / "de"))


@pytest.fixture
def settings(place: Path) -> Settings:
    """Its settings, with pauses and timeouts a test can wait for."""
    loaded = load(place / "config.toml", {})
    return msgspec.structs.replace(loaded, federation=msgspec.structs.replace(
        loaded.federation, retry_first_seconds=0.1, retry_limit_seconds=0.4, timeout_seconds=2.0))


@pytest.fixture
async def its(settings: Settings) -> AsyncIterator[Assembly]:
    """The instance, put together, with nothing running."""
    async with assemble(settings) as assembly:
        yield assembly
