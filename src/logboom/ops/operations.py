"""What the web layer asks of operations: one object, one method a question."""

import asyncio
from typing import TYPE_CHECKING, Any

from logboom.ops.health import Readiness, health_document
from logboom.ops.monitor import Monitor
from logboom.ops.status import status_document

if TYPE_CHECKING:
    from logboom.ops.metrics import Metrics


class Operations:
    """See `web.operations.Operations`.

    Args:
        monitor: what the answers are made of.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._readiness = Readiness(monitor)
        self._metrics: Metrics | None = None

    def health(self) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the document of `/api/health`."""
        return health_document(self.monitor)

    async def readiness(self) -> list[tuple[str, bool, str]]:
        """Name, outcome and detail of each check of `/readyz`."""
        return [(check.name, check.ok, check.detail) for check in await self._readiness.checks()]

    async def metrics(self) -> tuple[bytes, str]:
        """The body and the content type of `/metrics`."""
        return await asyncio.to_thread(self._render_metrics)

    def _render_metrics(self) -> tuple[bytes, str]:
        """On a thread: the library is loaded when somebody asks first, which most servers are never."""
        if self._metrics is None:
            from logboom.ops.metrics import Metrics  # noqa: PLC0415 - see above

            self._metrics = Metrics(self.monitor)
        return self._metrics.render()

    async def status(self) -> dict[str, Any]:
        """The document of `/api/status`."""
        return await asyncio.to_thread(status_document, self.monitor)
