"""What the web layer asks of operations: one object, one method a question."""

import asyncio
from typing import TYPE_CHECKING, Any

from logboom.ops.alerts.service import Alerts
from logboom.ops.health import Readiness, health_document
from logboom.ops.monitor import Monitor
from logboom.ops.sources import SourceBook
from logboom.ops.status import status_document

if TYPE_CHECKING:
    from logboom.ops.metrics import Metrics


class Operations:
    """See `web.operations.Operations`.

    Args:
        monitor: what the answers are made of.
        sources: who sends.
        alerts: what fires.
    """

    def __init__(self, monitor: Monitor, sources: SourceBook, alerts: Alerts) -> None:
        self.monitor = monitor
        self.version = monitor.version
        self._sources = sources
        self._alerts = alerts
        self._readiness = Readiness(monitor)
        self._metrics: Metrics | None = None

    def health(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the document of `/api/health`."""
        return health_document(self.monitor)

    async def readiness(self) -> list[tuple[str, bool, str]]:
        """Name, outcome and detail of each check of `/readyz`."""
        return [(check.name, check.ok, check.detail) for check in await self._readiness.checks()]

    def look_again(self) -> None:
        """Find out whether a disk that failed works again; call it every second."""
        self._readiness.look_again()

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The body and the content type of `/metrics`, for a client's `Accept`."""
        return await asyncio.to_thread(self._render_metrics, accept)

    def _render_metrics(self, accept: str) -> tuple[bytes, str]:
        """On a thread: the library is loaded when somebody asks first, which most servers are never."""
        if self._metrics is None:
            from logboom.ops.metric_views import Parts  # noqa: PLC0415 - see above
            from logboom.ops.metrics import Metrics  # noqa: PLC0415

            self._metrics = Metrics(Parts(self.monitor, self._sources, self._alerts))
        return self._metrics.render(accept)

    async def status(self) -> dict[str, Any]:
        """The document of `/api/status`."""
        return await asyncio.to_thread(lambda: status_document(self.monitor, self._alerts.firing()))

    async def sources(self, limit: int) -> dict[str, Any]:
        """The document of `/api/sources`."""
        return await asyncio.to_thread(self._sources.document, limit)

    async def forget_source(self, listener: str, name: str) -> bool:
        """Wait for a source no more; False: there is no such source."""
        return await asyncio.to_thread(self._alerts.forget_source, listener, name)

    async def alerts(self) -> dict[str, Any]:
        """The document of `/api/alerts`."""
        return await asyncio.to_thread(self._alerts.document)
