"""What the tests of the live engine share."""

import pytest

from tests.support.patience import be_patient


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers lose nothing to a slow machine, in tests of other things than how they lose it."""
    be_patient(monkeypatch)
