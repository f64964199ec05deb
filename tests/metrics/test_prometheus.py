"""A real Prometheus reads the figures, the alerts are tested, and each query of the dashboard finds something."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from chat.metrics.catalogue import METRICS, PREFIX
from tests.support.databases import fresh_database, run
from tests.support.live_client import LiveClient
from tests.support.people import Person, first_run
from tests.support.prometheus import RULES, Prometheus, find_prometheus
from tests.support.server import ROOT, ForkedServer

DASHBOARD = json.loads((ROOT / "deploy/grafana/simplechat.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
# Of these nothing is found while all is well.
ABOUT_FAILURES = re.compile(r'status=~"5|task_restarts|broker_reconnects')
NAME = re.compile(r"\bsimplechat_\w+")

needs_prometheus = pytest.mark.skipif(find_prometheus() is None, reason="prometheus is not installed")


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus that has asked a chat twice for its figures, with a message and a reader between."""
    with ExitStack() as stack:
        server = ForkedServer(stack.enter_context(fresh_database()))
        stack.callback(server.remove)
        server.start()
        alice = first_run(server)
        found = Prometheus(server.port)
        stack.callback(found.remove)
        found.until_found("simplechat_posts_total")
        run(_post_to_a_reader(alice))
        found.until_found("simplechat_posts_total == 1")
        found.until_found("rate(simplechat_posts_total[1m]) > 0")
        found.until_found("rate(simplechat_delivery_lag_seconds_count[1m]) > 0")
        yield found


async def _post_to_a_reader(alice: Person) -> None:
    async with LiveClient(alice, 1) as page:
        await asyncio.to_thread(alice.post, 1, "hello")
        await page.until_shows("hello")


@needs_prometheus
@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_each_query_of_the_dashboard_finds_something(prometheus: Prometheus, title: str, query: str) -> None:
    found = prometheus.query(query.replace("$instance", ".*").replace("$__rate_interval", "1m"))
    assert found or ABOUT_FAILURES.search(query), title
    if title == "How late messages arrive":
        assert 0 < found[0].value < 60


@needs_prometheus
def test_the_dashboard_finds_the_machine(prometheus: Prometheus) -> None:
    variable = next(each for each in DASHBOARD["templating"]["list"] if each["name"] == "instance")
    name = re.findall(r"label_values\((\w+), instance\)", variable["query"]["query"])[0]
    assert prometheus.query(name)


@needs_prometheus
def test_no_alert_fires_while_all_is_well(prometheus: Prometheus) -> None:
    groups = prometheus.get("rules")["groups"]
    assert isinstance(groups, list)
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(alerts())
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []
    assert prometheus.get("alerts")["alerts"] == []


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text())


@needs_prometheus
def test_the_alerts_fire_and_stay_silent_as_they_should() -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "it comes with prometheus"
    for command in (["test", "rules", "alerts-test.yml"], ["check", "config", "prometheus.yml"]):
        done = subprocess.run([promtool, *command], cwd=RULES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_and_dashboard_name_only_metrics_that_there_are() -> None:
    suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
    known = {f"{PREFIX}{each.name}{suffix}" for each in METRICS.values() for suffix in suffixes[each.kind]}
    rules = re.findall(r"expr:(.*?)for:", (RULES / "alerts.yml").read_text(), re.DOTALL)
    assert set(NAME.findall(" ".join([*rules, *(query for _, query in QUERIES)]))) <= known


def test_each_alert_is_tested_and_documented() -> None:
    tested = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts", (RULES / "alerts-test.yml").read_text())
    assert set(tested) == set(alerts())
    documented = re.findall(r"^\| `(Chat\w+)` ", (ROOT / "docs/monitoring.md").read_text(), re.M)
    assert documented == alerts()
