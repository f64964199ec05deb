"""The simulation behind docs/scaling.md, against queueing theory."""

import statistics

import pytest

from benchmarks.simulation.measured import Measured, fit
from benchmarks.simulation.model import Costs, Result, Setup, capacity, simulate

FREE = Costs(post=0, hint=0, reader=0, database=0, wait=0, broker=0, broker_node=0, load=0)
COSTS = Costs(post=2e-3, hint=1e-3, reader=1e-5, database=5e-4, wait=3e-3, broker=1e-4, broker_node=2e-5, load=4e-6)


def vars_of(costs: Costs) -> dict[str, float]:
    return {name: getattr(costs, name) for name in Costs.__dataclass_fields__}


def cost_of(result: Result, kind: str, setup: Setup) -> float:
    """CPU seconds of a message in the processes of a kind."""
    busy = sum(share for name, share in result.busy.items() if name.startswith(kind))
    return busy * setup.seconds / len(result.latencies)


def test_a_single_queue_waits_as_theory_says() -> None:
    costs = Costs(**{**vars_of(FREE), "database": 0.01})
    result = simulate(costs, Setup(1, 0, 50, rooms=1_000, seconds=100))
    # Pollaczek and Khinchine: half used, constant work.
    assert statistics.mean(result.latencies) == pytest.approx(0.015, rel=0.08)


def test_messages_cost_what_their_parts_cost() -> None:
    setup = Setup(4, 400, 2, seconds=400)
    result = simulate(COSTS, setup)
    assert cost_of(result, "node", setup) == pytest.approx(2e-3 + 3 * 1e-3 + 400 * 1e-5, rel=0.02)
    assert cost_of(result, "broker", setup) == pytest.approx(1e-4 + 4 * 2e-5, rel=0.02)
    assert min(result.latencies) == pytest.approx(2e-3 + 5e-4 + 3e-3 + 1.8e-4 + 1e-3 + 100 * 1e-5, rel=0.05)


def test_a_busy_room_gets_ten_frames_a_second() -> None:
    costs = Costs(**{**vars_of(FREE), "reader": 1e-4})
    result = simulate(costs, Setup(1, 100, 200, seconds=30))
    # Ten frames of twenty messages: each is as long as one frame and nineteen sevenths.
    assert result.busy["node 0"] == pytest.approx(10 * 100 * 1e-4 * (1 + 19 / 7), rel=0.1)
    assert 0.02 < result.percentile(50) < 1


def test_processes_share_the_cores_with_others() -> None:
    alone = simulate(COSTS, Setup(1, 100, 1, cores=1, seconds=200)).percentile(50)
    crowded = simulate(COSTS, Setup(1, 100, 1, cores=1, others=1, seconds=200)).percentile(50)
    assert crowded == pytest.approx(2 * alone - COSTS.wait, rel=0.1)


def test_rooms_that_stay_on_one_node_let_nodes_add_up() -> None:
    slow = Costs(**{name: 30 * value for name, value in vars_of(COSTS).items()})
    one, four = (capacity(slow, nodes, 20, rooms=40, spread=1) for nodes in (1, 4))
    assert four / one == pytest.approx(4, rel=0.4)
    assert capacity(slow, 4, 20, rooms=40) < 2 * one
    assert capacity(COSTS, 1, 10_000_000) == 0


def test_the_fit_finds_the_costs_of_a_simulated_run() -> None:
    def measured(nodes: int, readers: int) -> Measured:
        setup = Setup(nodes, readers, 0.5, seconds=800)
        result = simulate(COSTS, setup)
        node, database, broker, load = (cost_of(result, kind, setup) for kind in ("node", "database", "broker", "load"))
        return Measured(nodes, readers, 0.5, node, database, broker, load, result.latencies, 0)

    found = fit([measured(nodes, readers) for nodes in (1, 2) for readers in (100, 1_200)])
    for name, value in vars_of(COSTS).items():
        assert getattr(found, name) == pytest.approx(value, rel=0.25, abs=5e-5), name
