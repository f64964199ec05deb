"""docs/monitoring.md lists each metric as it is."""

import re

from chat.metrics.catalogue import METRICS, PREFIX
from tests.support.server import ROOT


def test_the_document_lists_every_metric_with_its_kind_and_labels() -> None:
    text = (ROOT / "docs/monitoring.md").read_text()
    rows = re.findall(r"^\| `(simplechat_\w+)` \| (\w+) \| ([^|]*)\|", text, re.M)
    documented = {name.removesuffix("_total"): (kind, tuple(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    assert len(documented) == len(rows)
    assert documented == {f"{PREFIX}{each.name}": (each.kind, each.labels) for each in METRICS.values()}
