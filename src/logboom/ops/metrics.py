"""`/metrics`: the server's counters as Prometheus reads them."""

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from logboom.ops.monitor import Monitor

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """Renders what the monitor knows."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._registry = CollectorRegistry(auto_describe=False)

    def render(self) -> tuple[bytes, str]:
        """The body of `/metrics` and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE
