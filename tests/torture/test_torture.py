"""The short form of the torture test; `make torture SEEDS=50` runs the long form."""

import asyncio
import os

import pytest

from tests.support.brokers import missing
from tests.support.server import ROOT
from tests.torture.mutants import MUTANTS
from tests.torture.run import torture

SECONDS = float(os.environ.get("TORTURE_SECONDS", "30"))
PATIENCE = 15.0  # `make torture` checks the promised three, on an idle machine


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(("seed", "broker"), [(1, "redis"), (2, "rabbitmq"), (3, "nats"), (4, "kafka")])
def test_readers_see_every_message_once_and_in_order_despite_faults(seed: int, broker: str) -> None:
    if reason := missing(broker):
        pytest.skip(reason)
    result = asyncio.run(torture(seed, SECONDS, broker=broker, patience=PATIENCE))
    assert result.violations == []
    assert result.writes > 100
    assert result.over_sockets > 10
    assert result.deliveries > result.writes
    assert sum(result.faults.values()) > 10


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_still_matches_the_code(mutant: str) -> None:
    assert all(old in (ROOT / name).read_text() for name, old, _ in MUTANTS[mutant])
