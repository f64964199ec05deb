"""Metrics in the text format of Prometheus."""

from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from chat.metrics import catalogue
from chat.metrics.catalogue import METRICS, PREFIX
from chat.metrics.figures import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(figures: Figures) -> bytes:
    """Return the figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Collector(figures))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> list[Metric]:
        return [_family(metric, self._figures) for metric in METRICS.values()]


def _family(metric: catalogue.Metric, figures: Figures) -> Metric:
    name = PREFIX + metric.name
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.meaning, labels=metric.labels)
        for key, (*counts, total) in figures.histograms.items():
            if key[0] == metric.name:
                bounds = [*map(str, metric.bounds), "+Inf"]
                histogram.add_metric(key[1:], list(zip(bounds, accumulate(counts), strict=True)), total)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily
    if metric.kind == "counter":
        family, values = CounterMetricFamily(name, metric.meaning, labels=metric.labels), figures.counters
    else:
        family, values = GaugeMetricFamily(name, metric.meaning, labels=metric.labels), figures.gauges
    for key, value in values.items():
        if key[0] == metric.name:
            family.add_metric(key[1:], value)
    return family
