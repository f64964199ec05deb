"""Shared fixtures of the live engine's tests."""

import pytest

from tests.support.patience import be_patient


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that lose no message to a slow machine, for tests of other things."""
    be_patient(monkeypatch)
