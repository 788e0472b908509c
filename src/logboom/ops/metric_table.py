"""Declarations of all metrics, from which `/metrics` and its reference page are made."""

from typing import Any, Final

from logboom.model import Verdict
from logboom.ops.alert_metrics import ALERTS
from logboom.ops.cluster_metrics import CLUSTER
from logboom.ops.device_metrics import DEVICES
from logboom.ops.metric_views import (
    JournalView,
    ListenerView,
    Metric,
    MetricGroup,
    journal_view,
    listener_views,
    output_views,
    server_view,
    source_view,
)
from logboom.ops.source_book import SourceBook
from logboom.ops.storage_metrics import STORAGE
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService

SERVER: Final = MetricGroup[None](
    "Server",
    ("version", "python"),
    server_view,
    (Metric("logboom_build_info", "gauge", "Always 1; the labels have the versions.", lambda _: 1),),
)

LISTENERS: Final = MetricGroup[ListenerView](
    "Listeners",
    ("listener", "protocol"),
    listener_views,
    (
        Metric(
            "logboom_listener_up",
            "gauge",
            "1 while the listener accepts connections, 0 while it waits for a restart.",
            lambda view: view.monitor.listeners[view.name].alive,
        ),
        Metric(
            "logboom_listener_restarts_total",
            "counter",
            "Failures of the listener, at its start or later, since the server's start.",
            lambda view: view.monitor.listeners[view.name].restarts,
        ),
        Metric(
            "logboom_listener_last_activity_timestamp_seconds",
            "gauge",
            "Time of the listener's last start, connection or data.",
            lambda view: view.moment(view.monitor.counters(view.name).last_activity),
            "seconds",
        ),
        Metric(
            "logboom_listener_last_data_timestamp_seconds",
            "gauge",
            "Time of the last data that the listener received; missing before the first.",
            lambda view: view.moment(view.monitor.counters(view.name).last_data),
            "seconds",
        ),
        Metric(
            "logboom_connections_open",
            "gauge",
            "Open connections.",
            lambda view: view.monitor.counters(view.name).connections_open,
        ),
        Metric(
            "logboom_connections_total",
            "counter",
            "Accepted connections; for gRPC, those that were open when counted.",
            lambda view: view.monitor.counters(view.name).connections_total,
        ),
        Metric(
            "logboom_connections_refused_total",
            "counter",
            "Refused connections: too many open (`full`), too many of the `address`, or the `network` is not allowed.",
            ListenerView.turned_away,
            label="reason",
        ),
        Metric(
            "logboom_limits_reached_total",
            "counter",
            "Enforcements of a limit that has no separate metric; a rate limit counts once per window.",
            ListenerView.limits_reached,
            label="limit",
        ),
        Metric(
            "logboom_connections_slow_closed_total",
            "counter",
            "Connections that were closed because no first request or TLS handshake arrived in time.",
            lambda view: view.monitor.counters(view.name).slow_closed,
        ),
        Metric(
            "logboom_datagrams_dropped_total",
            "counter",
            "Datagrams that the kernel dropped since the listener's buffer was full: they are lost.",
            lambda view: view.monitor.counters(view.name).datagrams_dropped,
        ),
        Metric(
            "logboom_tls_handshakes_failed_total",
            "counter",
            "TLS handshakes that failed.",
            lambda view: view.monitor.counters(view.name).handshakes_failed,
        ),
        Metric(
            "logboom_auth_failures_total",
            "counter",
            "Attempts with an invalid token.",
            lambda view: view.monitor.counters(view.name).auth_failed,
        ),
        Metric(
            "logboom_throttled_seconds_total",
            "counter",
            "Total time for which addresses that sent too fast were not read.",
            lambda view: view.monitor.counters(view.name).throttled_s,
            "seconds",
        ),
        Metric(
            "logboom_connections_last_hour",
            "gauge",
            "Connections that were accepted within the last hour, to the minute.",
            lambda view: view.monitor.connections_last_hour(view.name),
        ),
        Metric(
            "logboom_received_bytes_total",
            "counter",
            "Received bytes, as on the wire.",
            lambda view: view.monitor.counters(view.name).bytes_received,
            "bytes",
        ),
        Metric(
            "logboom_received_batches_total",
            "counter",
            "Batches: the complete entries of one read or one request, or of many small reads together.",
            lambda view: view.monitor.counters(view.name).batches,
        ),
        Metric(
            "logboom_received_entries_total",
            "counter",
            "Answered entries: stored, filtered, refused and failed ones.",
            lambda view: sum(list(view.monitor.counters(view.name).verdicts.values())),
        ),
        Metric(
            "logboom_stored_entries_total",
            "counter",
            "Accepted entries, as durable as `ack` and `store` of the listener require.",
            lambda view: view.verdicts(Verdict.ACCEPTED),
        ),
        Metric(
            "logboom_filtered_entries_total",
            "counter",
            "Entries below the listener's `level_min`: not stored on purpose, acknowledged.",
            lambda view: view.verdicts(Verdict.FILTERED),
        ),
        Metric(
            "logboom_duplicate_entries_total",
            "counter",
            "Entries sent again with the same key and content: stored once, answered as stored.",
            lambda view: view.verdicts(Verdict.DUPLICATE),
        ),
        Metric(
            "logboom_refused_entries_total",
            "counter",
            "Refused entries: over the rate limit (`limited`), or not valid (the other reasons).",
            ListenerView.refused,
            label="reason",
        ),
        Metric(
            "logboom_failed_entries_total",
            "counter",
            "Valid entries that the journal could not store; their senders were asked to send them again.",
            lambda view: view.verdicts(Verdict.FAILED),
        ),
        Metric(
            "logboom_ack_latency_seconds",
            "histogram",
            "Time from receiving a batch to its answer.",
            lambda view: view.monitor.counters(view.name).ack_latency,
            "seconds",
        ),
    ),
)

JOURNAL: Final = MetricGroup[JournalView](
    "Journal",
    (),
    journal_view,
    (
        Metric(
            "logboom_journal_writable",
            "gauge",
            "1 while entries can be stored, 0 while they are refused: a write failed, or too little space is free.",
            lambda view: view.monitor.journal.trouble is None,
        ),
        Metric(
            "logboom_journal_failed_groups_total",
            "counter",
            "Groups of batches that could not be stored.",
            lambda view: view.monitor.journal.failed_groups,
        ),
        Metric(
            "logboom_journal_commit_duration_seconds",
            "histogram",
            "Duration of one group's write and sync (fdatasync).",
            lambda view: view.monitor.journal.commit_times,
            "seconds",
        ),
        Metric(
            "logboom_journal_committed_batches_total",
            "counter",
            "Committed batches; divided by the commits, this is the mean size of a group.",
            lambda view: view.monitor.journal.commit_batches,
        ),
        Metric(
            "logboom_journal_pending_bytes",
            "gauge",
            "Received bytes that wait for their commit.",
            lambda view: view.monitor.journal.pending_bytes,
            "bytes",
        ),
        Metric(
            "logboom_journal_size_bytes",
            "gauge",
            "Size of all segments.",
            lambda view: view.size_bytes,
            "bytes",
        ),
        Metric("logboom_journal_segments", "gauge", "Number of segment files.", lambda view: view.segments),
        Metric(
            "logboom_journal_entries",
            "gauge",
            "Number of entries that can be read.",
            lambda view: view.next_sequence - view.oldest_sequence,
        ),
        Metric(
            "logboom_journal_oldest_sequence",
            "gauge",
            "Sequence of the oldest entry.",
            lambda view: view.oldest_sequence,
        ),
        Metric(
            "logboom_journal_next_sequence",
            "gauge",
            "Sequence of the next entry, which is the number of all entries so far.",
            lambda view: view.next_sequence,
        ),
        Metric(
            "logboom_deduplication_keys",
            "gauge",
            "Remembered keys of stored entries.",
            lambda view: len(view.monitor.deduplicator),
        ),
        Metric(
            "logboom_deduplication_reach_seconds",
            "gauge",
            "Age of the oldest remembered key: an entry that is sent again later is stored again.",
            lambda view: view.monitor.deduplicator.reach_s,
            "seconds",
        ),
        Metric(
            "logboom_disk_free_bytes",
            "gauge",
            "Free space of the journal's disk for an ordinary user.",
            lambda view: view.disk_free_bytes,
            "bytes",
        ),
        Metric(
            "logboom_disk_size_bytes",
            "gauge",
            "Size of the journal's disk.",
            lambda view: view.disk_size_bytes,
            "bytes",
        ),
        Metric(
            "logboom_disk_free_min_bytes",
            "gauge",
            "`journal.free_bytes_min`: with less free space, entries are refused.",
            lambda view: view.monitor.settings.journal.free_bytes_min,
            "bytes",
        ),
    ),
)

OUTPUTS: Final = MetricGroup[Supervised[OutputService]](
    "Outputs",
    ("output", "type"),
    output_views,
    (
        Metric(
            "logboom_output_up",
            "gauge",
            "1 while the output runs and its writes work, else 0; it catches up later.",
            lambda output: output.alive and output.service.runner.failing is None,
        ),
        Metric(
            "logboom_output_restarts_total",
            "counter",
            "Failures of the output since the server's start, without failed writes.",
            lambda output: output.restarts,
        ),
        Metric(
            "logboom_output_lag_entries",
            "gauge",
            "Entries that are not durable in the output yet.",
            lambda output: output.service.runner.lag,
        ),
        Metric(
            "logboom_output_standby",
            "gauge",
            "1 while another server of the cluster writes the output.",
            lambda output: output.service.runner.standby,
        ),
        Metric(
            "logboom_output_next_sequence",
            "gauge",
            "Position of the output: sequence of the next entry to be written.",
            lambda output: output.service.runner.position,
        ),
        Metric(
            "logboom_output_damaged_entries_total",
            "counter",
            "Damaged journal lines that were skipped.",
            lambda output: output.service.runner.output.damaged,
        ),
        Metric(
            "logboom_output_skipped_entries_total",
            "counter",
            "Entries since the server's start that the output's settings `listeners` and `filter` exclude.",
            lambda output: output.service.runner.output.skipped,
        ),
    ),
)

SOURCES: Final = MetricGroup[SourceBook](
    "Sources",
    (),
    source_view,
    (
        Metric("logboom_sources", "gauge", "Number of known sources.", lambda book: book.known),
        Metric(
            "logboom_sources_evicted_total",
            "counter",
            "Sources that were removed because there were too many names.",
            lambda book: book.evicted,
        ),
        Metric(
            "logboom_sources_skipped_entries_total",
            "counter",
            "Entries skipped by source analysis under load; they are stored like all others.",
            lambda book: book.skipped,
        ),
    ),
)

GROUPS: Final[tuple[MetricGroup[Any], ...]] = (
    SERVER,
    LISTENERS,
    JOURNAL,
    OUTPUTS,
    SOURCES,
    STORAGE,
    DEVICES,
    ALERTS,
    CLUSTER,
)

PROCESS: Final = {
    "process_cpu_seconds_total": "Processor time, user and system.",
    "process_resident_memory_bytes": "Resident memory.",
    "process_virtual_memory_bytes": "Mapped memory.",
    "process_start_time_seconds": "Start of the process, seconds since the epoch.",
    "process_open_fds": "Open file descriptors.",
    "process_max_fds": "Limit for open file descriptors.",
}
"""Metrics of the process that prometheus-client adds on Linux."""
