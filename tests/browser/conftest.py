"""A browser for each file of tests, windows for each test, and a picture of every window when a test fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, connected, running
from tests.browser.window import Window

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the browser's fixture know how the test ended."""
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running Chromium."""
    with running() as found:
        yield found


@pytest.fixture
async def browser(address: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Chromium]:
    """It, with no window yet. When the test fails, each of its windows is kept as a picture."""
    async with connected(address) as found:
        yield found
        if request.node.stash.get(_failed, False):
            for number, window in enumerate(found.windows.values(), 1):
                file = tmp_path / f"window-{number}.png"
                await window.picture(file)
                print(f"window {number} is in {file}")


@pytest.fixture
async def window(browser: Chromium) -> Window:
    """One window without JavaScript: what works in it works without."""
    return await browser.open(scripts=False)
