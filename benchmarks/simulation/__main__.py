"""`python -m benchmarks.simulation`: measure one and two nodes, fit the model, predict four, and measure these."""

import signal
import sys
from dataclasses import asdict

import psutil

from benchmarks.programs import NotHere
from benchmarks.simulation.measured import Measured, fit, measure
from benchmarks.simulation.model import Costs, Setup, capacity, simulate
from benchmarks.simulation.namespaces import Nodes

# From docs/benchmarks.md: `post` from the row `posts`, `reader` from `nodes`, `wait` from a lone post. `hint` is from
# docs/delivery.md. `database` is the rest of the time of a core that serves the chat and PostgreSQL at the rate of
# `posts`. The broker's costs are assumed: 0.2 ms were measured, with cold caches. Readers run on machines of their own.
BENCHMARKS = Costs(
    post=470e-6, hint=300e-6, reader=10.9e-6, database=90e-6, wait=3.6e-3, broker=30e-6, broker_node=5e-6, load=0.0
)
NODES = (1, 2, 4, 8)
MANY, POSTS = 1_200, 50
# Nodes and readers, with four posts a second; nodes, readers and posts a second.
FITTED = [(1, 100), (2, 100), (1, MANY), (2, MANY)]
CHECKS = [(4, 400, 4.0), (4, MANY, 4.0), (4, MANY, 12.0)]


def main() -> None:
    """Measure, fit and check; with `paper` as argument, only print the predictions from docs/benchmarks.md."""
    if sys.argv[1:] != ["paper"]:
        # Namespaces and servers are removed on the way out.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
        try:
            costs, checks = _measure()
        except NotHere as error:
            sys.exit(f"the simulation cannot be checked on this machine: {error}")
        _print_costs(costs)
        for check in checks:
            _print_check(costs, check)
    _print_paper()


def _measure() -> tuple[Costs, list[Measured]]:
    nodes = Nodes(max(used for used, _, _ in CHECKS), MANY)
    try:
        runs = [measure(nodes, used, readers, 4.0, POSTS) for used, readers in FITTED]
        return fit(runs), [measure(nodes, *check, POSTS) for check in CHECKS]
    finally:
        nodes.close()


def _print_costs(costs: Costs) -> None:
    for name, value in asdict(costs).items():
        print(f"{name:12} {1e6 * value:10,.1f} µs")


def _print_check(costs: Costs, measured: Measured) -> None:
    cores = psutil.cpu_count() or 1
    setup = Setup(
        measured.nodes, measured.readers, measured.posts_a_second, cores=cores, others=measured.others, seconds=120
    )
    predicted = simulate(costs, setup)
    messages = max(1, len(predicted.latencies)) / setup.seconds
    print(f"\n{measured.nodes} nodes, {measured.readers:,} readers, {measured.posts_a_second:g} posts a second")
    print(f"(on {cores} cores, which {measured.others:.1f} others want, too)")
    print(f"{'measured':>52}{'simulated':>12}")
    for kind in ("node", "database", "broker", "load"):
        simulated = sum(share for name, share in predicted.busy.items() if name.startswith(kind)) / messages
        _print_pair(f"CPU a message, {kind}", getattr(measured, kind), simulated)
    ordered = sorted(measured.latencies)
    for percent in (50, 90):
        really = ordered[round(percent / 100 * (len(ordered) - 1))]
        _print_pair(f"post to last reader, p{percent}", really, predicted.percentile(percent))


def _print_pair(name: str, measured: float, simulated: float) -> None:
    print(f"{name:40}{1e3 * measured:12.2f}{1e3 * simulated:12.2f} ms")


def _print_paper() -> None:
    """Print the predictions for nodes with a core each, from the costs of docs/benchmarks.md."""
    print("\nmost posts a second of which 99 of 100 reach the last reader within a second, on 1, 2, 4 and 8 nodes:")
    for readers in (100, 1_000, 10_000, 50_000):
        figures = [capacity(BENCHMARKS, nodes, readers) for nodes in NODES]
        print(f"{f'one room of {readers:,} readers':40}{''.join(f'{figure:10,.1f}' for figure in figures)}")
    for name, spread in (("on all nodes", 0), ("each on one node", 1)):
        figures = [capacity(BENCHMARKS, nodes, 20, rooms=200, spread=spread) for nodes in NODES]
        print(f"{f'200 rooms of 20 readers, {name}':40}{''.join(f'{figure:10,.0f}' for figure in figures)}")


if __name__ == "__main__":
    main()
