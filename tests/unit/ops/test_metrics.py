"""What `/metrics` tells of a journal, listeners and outputs."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from logboom.config import parse
from logboom.histogram import Histogram
from logboom.journal.folder_log import FolderLog
from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Source, Verdict
from logboom.ops.alerts.alert_settings import alerts_settings
from logboom.ops.alerts.lifecycle import Condition
from logboom.ops.alerts.service import Alerts
from logboom.ops.cluster_metrics import CLUSTER
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.metric_table import GROUPS, PROCESS
from logboom.ops.metric_views import Parts
from logboom.ops.metrics import Metrics
from logboom.ops.monitor import Monitor
from logboom.ops.pack_service import PackService
from logboom.ops.source_book import SourceBook
from logboom.ops.supervisor import Supervised
from logboom.pipeline.door import Refused
from logboom.pipeline.intake import Intake, IntakeLimits

SETTINGS = {
    "only": ["device", "http"],
    "listeners": {"device": {"protocol": "device", "port": 0}, "http": {"protocol": "http", "port": 0}},
    "outputs": {"all": {"type": "jsonl"}, "cache": {"type": "redis"}},
    "journal": {"free_bytes_min": 12345},
}
WALL = 1_700_000_000.0


class Server:
    """The parts that a monitor asks, without sockets: two listeners, two outputs, a real journal."""

    def __init__(self, folder: Path) -> None:
        self.now = time.monotonic()
        self.delivered = threading.Event()
        self.journal = Journal(folder, self._deliver)
        self.listeners = {name: self._listener(name) for name in ("device", "http")}
        self.outputs = {
            name: self._output(lag, failing)
            for name, lag, failing in [("all", 0, None), ("cache", 7, "away")]
        }
        self.monitor = Monitor(
            parse(SETTINGS),
            self.journal,
            self.listeners,
            self.outputs,
            version="1.2.3",
            clock=lambda: self.now,
            wall=lambda: WALL,
        )
        self.monitor.devices = DeviceBook(folder, self.journal.log, lambda *_: None)
        log = FolderLog(folder / "journal")
        self.monitor.packer = PackService(log, self.monitor.settings.archive, lambda *_: None)
        self.sources = SourceBook(folder, lambda: 0, lambda *_: None, clock=lambda: self.now)
        settings = alerts_settings(
            {"notify": ["json://host/hook", "slack://a/b/c"], "rules": {"dry": {"query": "pump"}}}
        )
        self.alerts = Alerts(settings, self.monitor, self.sources, folder, lambda *_: None)
        self.metrics = Metrics(Parts(self.monitor, self.sources, self.alerts))

    def _deliver(self, function: Any, *arguments: Any) -> None:
        function(*arguments)
        self.delivered.set()

    def _listener(self, name: str) -> Supervised[Any]:
        intake = Intake(self.journal, AckLevel.SYNCED, lambda _kind, _text: None, IntakeLimits())
        found = Supervised[Any](SimpleNamespace(name=name, intake=intake, ports=[1]))
        found.alive = True
        return found

    @staticmethod
    def _output(lag: int, failing: str | None) -> Supervised[Any]:
        runner = SimpleNamespace(
            lag=lag,
            position=40 - lag,
            standby=False,
            failing=failing,
            output=SimpleNamespace(damaged=lag, skipped=lag + 1),
        )
        found = Supervised[Any](SimpleNamespace(runner=runner), "output")
        found.alive = True
        return found

    def counters(self, listener: str) -> Any:
        return self.listeners[listener].service.intake.counters

    def store(self, entry: bytes) -> None:
        """One entry by way of the device listener; returns when it is durable."""
        batch = Batch(entry, bytes([Verdict.ACCEPTED]), size_bytes=len(entry) + 1)
        batch.source, batch.received_ns = Source("device", "10.0.0.1"), time.time_ns()
        self.delivered.clear()
        self.listeners["device"].service.intake.submit(batch, lambda _receipt: None)
        assert self.delivered.wait(30)

    def scrape(self) -> dict[str, float]:
        """Each sample as the text format writes it."""
        body, _ = self.metrics.render()
        lines = [line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    found.journal.close()


DEVICE = '{listener="device",protocol="device"}'


def test_every_metric_is_shown_as_it_is_declared_and_no_other(server: Server) -> None:
    server.counters("device").received(server.now)
    declared = {
        metric.name: (metric.kind, metric.help, {*group.labels, *([metric.label] if metric.label else [])})
        for group in GROUPS
        for metric in group.metrics
        if group is not CLUSTER  # this server is in none
    }
    for parser, accept in ((parse_plain, ""), (parse_openmetrics, "application/openmetrics-text")):
        shown = {}
        for family in parser(server.metrics.render(accept)[0].decode()):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            shown[name] = (family.type, family.documentation, labels)
        assert {name for name in shown if name.startswith("process_")} == set(PROCESS)
        assert {name: one for name, one in shown.items() if name not in PROCESS} == declared


@pytest.mark.parametrize(
    "metric", [one for group in GROUPS for one in group.metrics], ids=lambda one: one.name
)
def test_names_keep_to_the_convention(metric: Any) -> None:
    assert re.fullmatch(r"logboom(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|millis|kb|mb|percent|count|sum|bucket)(_|$)", metric.name)
    stem = metric.name.removesuffix("_total")
    assert metric.unit == next((unit for unit in ("seconds", "bytes") if stem.endswith(f"_{unit}")), "")
    assert metric.help.endswith(".")


def test_no_label_can_hold_what_a_peer_sends() -> None:
    labels = {label for group in GROUPS for label in group.labels}
    labels |= {metric.label for group in GROUPS for metric in group.metrics if metric.label}
    assert labels == {
        "listener",
        "protocol",
        "output",
        "type",
        "version",
        "python",
        "reason",
        "limit",
        "severity",
        "target",
        "rule",
        "replica",
    }


def test_what_came_in_is_told_by_listener_and_by_what_became_of_it(server: Server) -> None:
    verdicts = server.counters("device").verdicts
    for number, verdict in enumerate(Verdict, 1):
        verdicts[verdict] = number
    found = server.scrape()
    assert found[f"logboom_received_entries_total{DEVICE}"] == sum(range(1, len(Verdict) + 1))
    assert found[f"logboom_stored_entries_total{DEVICE}"] == verdicts[Verdict.ACCEPTED]
    assert found[f"logboom_filtered_entries_total{DEVICE}"] == verdicts[Verdict.FILTERED]
    assert found[f"logboom_failed_entries_total{DEVICE}"] == verdicts[Verdict.FAILED]
    reasons = {Verdict.LIMITED, Verdict.NOT_JSON, Verdict.NOT_OBJECT, Verdict.MISSING_FIELD, Verdict.TOO_LONG}
    for listener, expected in (("device", verdicts), ("http", dict.fromkeys(Verdict, 0))):
        refused = {
            name: value
            for name, value in found.items()
            if name.startswith(f'logboom_refused_entries_total{{listener="{listener}"')
        }
        assert refused == {
            f'logboom_refused_entries_total{{listener="{listener}",protocol="{listener}",'
            f'reason="{reason.name.lower()}"}}': expected[reason]
            for reason in reasons
        }


def test_what_is_stored_shows_in_listener_and_journal(server: Server) -> None:
    for number in range(3):
        server.store(b'{"n":%d}' % number)
    found = server.scrape()
    assert found[f"logboom_stored_entries_total{DEVICE}"] == found["logboom_journal_next_sequence"] == 3
    assert found["logboom_journal_entries"] == 3
    assert found["logboom_journal_oldest_sequence"] == found["logboom_journal_pending_bytes"] == 0
    assert found[f"logboom_received_bytes_total{DEVICE}"] == 3 * len(b'{"n":1}\n')
    assert found[f"logboom_received_batches_total{DEVICE}"] == 3
    assert found["logboom_journal_committed_batches_total"] == 3
    assert found["logboom_journal_commit_duration_seconds_count"] == 3
    assert found[f"logboom_ack_latency_seconds_count{DEVICE}"] == 3
    assert found["logboom_journal_segments"] == 1
    [segment] = server.journal.folder.glob("*.jsonl")
    assert found["logboom_journal_size_bytes"] == segment.stat().st_size
    assert found["logboom_journal_writable"] == 1


def test_an_empty_journal_has_no_entries(server: Server) -> None:
    found = server.scrape()
    assert found["logboom_journal_entries"] == found["logboom_journal_size_bytes"] == 0


def test_a_histogram_counts_what_is_up_to_each_bound(server: Server) -> None:
    histogram = server.counters("device").ack_latency = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    found = server.scrape()
    name, labels = "logboom_ack_latency_seconds", DEVICE[1:-1]
    assert found[f'{name}_bucket{{le="0.1",{labels}}}'] == 2
    assert found[f'{name}_bucket{{le="1.0",{labels}}}'] == 3
    assert found[f'{name}_bucket{{le="+Inf",{labels}}}'] == found[f"{name}_count{DEVICE}"] == 4
    assert found[f"{name}_sum{DEVICE}"] == pytest.approx(7.65)


def test_connections_are_told(server: Server) -> None:
    counters = server.counters("device")
    counters.accepted(1)
    counters.accepted(2)
    counters.turned_away(Refused.FULL)
    counters.slow_closed, counters.handshakes_failed, counters.auth_failed = 3, 4, 5
    counters.throttled_s = 1.5
    found = server.scrape()
    assert found[f"logboom_connections_open{DEVICE}"] == found[f"logboom_connections_total{DEVICE}"] == 2
    assert found[f"logboom_connections_last_hour{DEVICE}"] == 2
    assert {
        reason: found[f'logboom_connections_refused_total{DEVICE[:-1]},reason="{reason}"}}']
        for reason in Refused
    } == {Refused.FULL: 1, Refused.ADDRESS: 0, Refused.NETWORK: 0}
    assert found[f"logboom_connections_slow_closed_total{DEVICE}"] == 3
    assert found[f"logboom_tls_handshakes_failed_total{DEVICE}"] == 4
    assert found[f"logboom_auth_failures_total{DEVICE}"] == 5
    assert found[f"logboom_throttled_seconds_total{DEVICE}"] == 1.5


def test_what_is_down_shows(server: Server) -> None:
    server.listeners["http"].alive, server.listeners["http"].restarts = False, 5
    server.journal.failing = "no space"
    found = server.scrape()
    assert found[f"logboom_listener_up{DEVICE}"] == 1
    assert found['logboom_listener_up{listener="http",protocol="http"}'] == 0
    assert found['logboom_listener_restarts_total{listener="http",protocol="http"}'] == 5
    assert found["logboom_journal_writable"] == 0
    assert found['logboom_output_up{output="all",type="jsonl"}'] == 1
    assert found['logboom_output_up{output="cache",type="redis"}'] == 0
    assert found['logboom_output_lag_entries{output="cache",type="redis"}'] == 7
    assert found['logboom_output_next_sequence{output="cache",type="redis"}'] == 33
    assert found['logboom_output_damaged_entries_total{output="cache",type="redis"}'] == 7


def test_alerts_and_sources_are_told(server: Server) -> None:
    [first, second] = server.alerts.targets
    first.sent, second.failed = 3, 4
    server.sources.evicted, server.sources.skipped = 5, 6
    server.alerts._engine.evaluate([Condition("rule", "subject", "critical", "text", "over")], 0.0, 0.0)
    found = server.scrape()
    assert found['logboom_alerts_firing{severity="critical"}'] == 1
    assert found['logboom_alerts_firing{severity="warning"}'] == 0
    assert found['logboom_alert_messages_sent_total{target="json://host"}'] == 3
    assert found['logboom_alert_messages_failed_total{target="slack://…"}'] == 4
    assert found['logboom_alert_messages_waiting{target="slack://…"}'] == 0
    assert found["logboom_sources"] == 0
    assert found["logboom_sources_evicted_total"] == 5
    assert found["logboom_sources_skipped_entries_total"] == 6


def test_moments_are_seconds_since_the_epoch_and_missing_before_they_come(server: Server) -> None:
    started, data = (
        "logboom_listener_last_activity_timestamp_seconds",
        "logboom_listener_last_data_timestamp_seconds",
    )
    counters = server.counters("device")
    assert f"{started}{DEVICE}" not in server.scrape()
    counters.last_activity = server.now - 100
    found = server.scrape()
    assert found[f"{started}{DEVICE}"] == WALL - 100
    assert f"{data}{DEVICE}" not in found
    counters.received(server.now - 20)
    found = server.scrape()
    assert found[f"{started}{DEVICE}"] == found[f"{data}{DEVICE}"] == WALL - 20


def test_the_disk_is_asked_anew_and_left_out_when_it_does_not_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = server.scrape()
    assert 0 < found["logboom_disk_free_bytes"] <= found["logboom_disk_size_bytes"]
    assert found["logboom_disk_free_min_bytes"] == 12345

    def fail(_path: Path) -> None:
        raise OSError(5, "says the test")

    monkeypatch.setattr("os.statvfs", fail)
    found = server.scrape()
    assert "logboom_disk_free_bytes" not in found
    assert found["logboom_journal_writable"] == 0  # the journal asks the same before it writes


def test_versions_are_labels(server: Server) -> None:
    [name] = [name for name in server.scrape() if name.startswith("logboom_build_info")]
    assert re.fullmatch(r'logboom_build_info\{python="3\.\d+\.\d+",version="1\.2\.3"\}', name)


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75",
            True,
        ),
        ("text/html, application/OpenMetrics-Text ; version=99.x;escaping=\x01", True),
        ("application/openmetrics-textual", False),
        (";;=,,/", False),
    ],
)
def test_who_accepts_openmetrics_gets_it(server: Server, accept: str, open_metrics: bool) -> None:
    body, content_type = server.metrics.render(accept)
    assert body.endswith(b"# EOF\n") == open_metrics
    assert content_type == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
        if open_metrics
        else "text/plain; version=0.0.4; charset=utf-8"
    )


def test_scrapes_on_several_threads_agree_with_themselves_while_everything_changes(server: Server) -> None:
    """No counter ever goes down, and each histogram's count is that of its last bucket."""
    ended, troubles = threading.Event(), list[str]()

    def change() -> None:
        counters = server.counters("device")
        while not ended.is_set():
            counters.ack_latency.observe(0.001)
            counters.verdicts[Verdict.ACCEPTED] += 1
            server.journal.commit_times.observe(0.001)

    def look() -> None:
        seen: dict[str, float] = {}
        for _ in range(20):
            found = server.scrape()
            for name, value in found.items():
                if re.search(r"(_total|_bucket|_count|_sum)(\{|$)", name) and value < seen.get(name, 0):
                    troubles.append(f"{name}: {seen[name]} then {value}")
            if (
                found['logboom_ack_latency_seconds_bucket{le="+Inf",' + DEVICE[1:]]
                != found[f"logboom_ack_latency_seconds_count{DEVICE}"]
            ):
                troubles.append("a count is not that of the last bucket")
            seen = found

    changing = threading.Thread(target=change)
    lookers = [threading.Thread(target=look) for _ in range(3)]
    for thread in (changing, *lookers):
        thread.start()
    for thread in lookers:
        thread.join()
    ended.set()
    changing.join()
    assert troubles == []
    assert server.scrape()[f"logboom_stored_entries_total{DEVICE}"] > 0
