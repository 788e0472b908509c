"""The operations that the web handlers call: one object with one method per request."""

import asyncio
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logboom.journal.log import Log
from logboom.model import Report
from logboom.ops.alerts.rule_book import RuleConflictError
from logboom.ops.alerts.service import Alerts
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.explainer import Explainer
from logboom.ops.health import Readiness, health_document
from logboom.ops.monitor import Monitor
from logboom.ops.retries import retry_refused
from logboom.ops.saved_views import SavedViews
from logboom.ops.source_book import SourceBook
from logboom.ops.status import status_document
from logboom.ops.storage import storage_document
from logboom.query.device_question import DeviceQuestion
from logboom.query.line_question import LineQuestion
from logboom.query.sql.sql_service import SqlService

if TYPE_CHECKING:
    from logboom.ops.metrics import Metrics


class ServerOperations:
    """Implementation of `web.operations.Operations`.

    Args:
        monitor: state of the server.
        sources: known sources.
        alerts: alerts of the server.
        data_dir: folder of the file with the saved views.
        report: logs what can't be read.
    """

    def __init__(
        self, monitor: Monitor, sources: SourceBook, alerts: Alerts, data_dir: Path, report: Report
    ) -> None:
        self.monitor = monitor
        self.version = monitor.version
        self.views = SavedViews(data_dir, report)
        self._sources = sources
        self._alerts = alerts
        self._readiness = Readiness(monitor)
        self._metrics: Metrics | None = None

    @property
    def sql(self) -> SqlService:
        """See `web.operations.Operations`."""
        if self.monitor.sql is None:
            raise RuntimeError("the server has no SQL service")
        return self.monitor.sql

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status and the document of `/api/health`."""
        return health_document(self.monitor)

    async def readiness(self) -> list[tuple[str, bool, str]]:
        """Return name, outcome and detail of each check of `/readyz`."""
        return [(check.name, check.ok, check.detail) for check in await self._readiness.checks()]

    def tick(self) -> None:
        """Sample the counters, and test whether a failed disk works again; to be called every `TICK_S`."""
        self.monitor.tick()
        self._readiness.look_again()

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return the body and the content type of `/metrics` for a client's `Accept` header."""
        return await asyncio.to_thread(self._render_metrics, accept)

    def _render_metrics(self, accept: str) -> tuple[bytes, str]:
        """Render on a thread; the library is imported at the first request, which most servers never get."""
        if self._metrics is None:
            from logboom.ops.metric_views import Parts  # noqa: PLC0415 - see above
            from logboom.ops.metrics import Metrics  # noqa: PLC0415

            self._metrics = Metrics(Parts(self.monitor, self._sources, self._alerts))
        return self._metrics.render(accept)

    async def status(self) -> dict[str, Any]:
        """Return the document of `/api/status`."""
        return await asyncio.to_thread(
            lambda: status_document(self.monitor, self._alerts.firing(), self._alerts.urgent())
        )

    async def storage(self) -> dict[str, Any]:
        """Return the document of `/api/storage`."""
        return await asyncio.to_thread(lambda: storage_document(self.monitor, self.monitor.extent.look()))

    async def sources(self, limit: int) -> dict[str, Any]:
        """Return the document of `/api/sources`."""
        return await asyncio.to_thread(self._sources.document, limit)

    async def devices(self, asked: DeviceQuestion) -> dict[str, Any]:
        """Return the document of `/api/devices`."""
        return await asyncio.to_thread(self._devices.document, asked)

    async def name_device(self, listener: str, name: str, given: str) -> bool:
        """Give a device a name, see `DeviceBook.give_name`."""
        return await asyncio.to_thread(self._devices.give_name, listener, name, given)

    @property
    def _devices(self) -> DeviceBook:
        if self.monitor.devices is None:
            raise RuntimeError("the server has no list of devices")
        return self.monitor.devices

    def refused(self, limit: int, source: str) -> dict[str, Any]:
        """Return the document of `/api/refused`."""
        kept = self.monitor.refused
        if kept is None:
            return {"refused": [], "total": 0, "omitted": 0}
        found = (one for one in kept if not source or one.source == source)
        return {
            "refused": [one.document() for one in islice(found, limit)],
            "total": len(kept),
            "omitted": kept.omitted,
        }

    def why(self, asked: LineQuestion, log: Log, give_up: Callable[[], bool]) -> Callable[[], dict[str, Any]]:
        """See `web.operations.Operations`: the refused lines belong to the event loop, so they are copied here."""
        explainer = Explainer(self.monitor, tuple(self.monitor.refused or ()))
        return lambda: explainer.explain(asked, log, give_up)

    async def retry_refused(self) -> dict[str, int]:
        """Judge the refused lines again, and store the good ones."""
        kept = self.monitor.refused
        return {} if kept is None else await retry_refused(kept, self.monitor.listeners)

    async def forget_source(self, listener: str, name: str) -> bool:
        """Forget a source; False if it is unknown."""
        return await asyncio.to_thread(self._alerts.forget_source, listener, name)

    async def alerts(self) -> dict[str, Any]:
        """Return the document of `/api/alerts`."""
        return await asyncio.to_thread(self._alerts.document)

    async def alert_history(self, limit: int) -> dict[str, Any]:
        """Return the document of `/api/alerts/history`."""
        return await asyncio.to_thread(self._alerts.history, limit)

    async def put_rule(self, name: str, table: dict[str, Any], *, is_new: bool) -> str:
        """Make or replace a rule with a query; return why it must not be, or nothing. See `RuleBook.put`."""
        try:
            await asyncio.to_thread(self._alerts.put_rule, name, table, is_new=is_new)
        except RuleConflictError as error:
            return str(error)
        return ""

    async def remove_rule(self, name: str) -> str:
        """Remove a rule; as `put_rule`."""
        try:
            await asyncio.to_thread(self._alerts.remove_rule, name)
        except RuleConflictError as error:
            return str(error)
        return ""

    def try_rule(
        self, log: Log, table: dict[str, Any], since: float | None, give_up: Callable[[], bool]
    ) -> dict[str, Any]:
        """Return the document of the trial of a rule; it reads the journal. Raises `ConfigError`."""
        return self._alerts.try_rule(log, table, since, give_up)

    async def test_targets(self, names: list[str], rule: str) -> dict[str, str | None] | None:
        """Send a test message to targets, see `Alerts.test_targets`."""
        return await asyncio.to_thread(self._alerts.test_targets, names, rule)

    async def mute(self, rule: str, subject: str, until: float | None, by: str) -> bool:
        """Mute a rule or an alert, see `Alerts.mute`."""
        return await asyncio.to_thread(self._alerts.mute, rule, subject, until, by)

    async def acknowledge(self, rule: str, subject: str, by: str, *, on: bool) -> bool:
        """Acknowledge an alert, see `Alerts.acknowledge`."""
        return await asyncio.to_thread(self._alerts.acknowledge, rule, subject, by, on=on)
