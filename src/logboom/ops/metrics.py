"""`/metrics`: the server's counters for Prometheus.

All values are read during a scrape: a metric costs nothing on the path of an entry.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import generate_latest as plain_text
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from logboom.histogram import Histogram
from logboom.ops.metric_table import GROUPS
from logboom.ops.metric_views import Metric, MetricGroup, Parts

OPENMETRICS: Final = "application/openmetrics-text"
PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"

_encode_openmetrics: Final[Callable[[Collector], bytes]] = (
    openmetrics_text  # the library's function has no types
)
_FAMILIES: Final[dict[str, Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Metrics:
    """Renders the metrics. It has no state, so several threads may render at once.

    Args:
        parts: the parts that are read.
    """

    def __init__(self, parts: Parts) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_PartsCollector(parts))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the body of `/metrics` and its content type.

        Args:
            accept: the request's `Accept` header; any text, for some of which the library's parser raises.
        """
        accepted = {choice.partition(";")[0].strip().lower() for choice in accept.split(",")}
        if OPENMETRICS in accepted:
            return _encode_openmetrics(self._registry), OPENMETRICS_TYPE
        return plain_text(self._registry), PLAIN_TYPE


class _PartsCollector(Collector):
    """Collector of the families of `metric_table`, at each scrape."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Family]:
        """See `Collector`."""
        for group in GROUPS:
            yield from _families(group, self._parts)


def _families(group: MetricGroup[Any], parts: Parts) -> Iterator[Family]:
    """Yield the families of a group; none for a group without parts, such as outputs."""
    views = list(group.views(parts))
    for metric in group.metrics if views else ():
        labels = [*group.labels, metric.label] if metric.label else group.labels
        family = _FAMILIES[metric.kind](metric.name, metric.help, labels=labels, unit=metric.unit)
        for values, view in views:
            _add(family, metric, values, view)
        yield family


def _add(family: Any, metric: Metric[Any], labels: tuple[str, ...], view: object) -> None:
    reading = metric.read(view)
    if isinstance(reading, Histogram):
        family.add_metric(labels, *_buckets(reading))
    elif isinstance(reading, Mapping):
        for label, value in reading.items():
            family.add_metric((*labels, label), value)
    elif reading is not None:
        family.add_metric(labels, float(reading))


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets for Prometheus, and the sum."""
    counts = accumulate(
        list(histogram.counts)
    )  # a copy: an observation in between would be in some buckets only
    bounds = (*map(floatToGoString, histogram.bounds), "+Inf")
    return list(zip(bounds, counts, strict=True)), histogram.total
