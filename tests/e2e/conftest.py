"""Windows of a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browsers import Windows, running_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of a file of tests. Its event loop must not outlive them: async tests may follow in this process."""
    with running_browser() as browser:
        yield browser


@pytest.fixture(autouse=True)
def browser_tests_are_unmeasured(unmeasured: None) -> None:
    """A browser asks a server for so much that measuring it would take the longest."""


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """Windows that make the test fail on console errors, uncaught errors and violations of the CSP."""
    windows = Windows(browser)
    yield windows
    windows.close()
    assert windows.complaints == []
