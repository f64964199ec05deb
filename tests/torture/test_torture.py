"""The short form of the torture test; `make torture SEEDS=50` is the long one."""

import asyncio
import os

import pytest

from tests.support.server import ROOT
from tests.torture.mutants import MUTANTS
from tests.torture.run import torture

SECONDS = float(os.environ.get("TORTURE_SECONDS", "30"))
PATIENCE = 15.0  # whether three are enough, `make torture` says, where nothing else runs


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_doubled_or_out_of_order_whatever_breaks(seed: int) -> None:
    result = asyncio.run(torture(seed, SECONDS, patience=PATIENCE))
    assert result.violations == []
    assert result.writes > 100
    assert result.deliveries > result.writes
    assert sum(result.faults.values()) > 10


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_still_fits_the_code_it_breaks(mutant: str) -> None:
    assert all(old in (ROOT / name).read_text() for name, old, _ in MUTANTS[mutant])
