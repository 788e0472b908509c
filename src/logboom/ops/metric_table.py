"""Every metric, declared once: `/metrics` and its reference page derive from these tables."""

from typing import Any, Final

from logboom.model import Verdict
from logboom.ops.alerts.service import Alerts
from logboom.ops.metric_views import (
    Group,
    JournalView,
    ListenerView,
    Metric,
    alert_view,
    by_target,
    firing_by_severity,
    journal_view,
    listener_views,
    output_views,
    server_view,
    source_view,
)
from logboom.ops.sources import SourceBook
from logboom.ops.supervisor import Supervised
from logboom.outputs.thread_service import OutputService

SERVER: Final = Group[None](
    "Server",
    ("version", "python"),
    server_view,
    (Metric("logboom_build_info", "gauge", "Always 1; the labels tell what runs.", lambda _: 1),),
)

LISTENERS: Final = Group[ListenerView](
    "Listeners",
    ("listener", "protocol"),
    listener_views,
    (
        Metric(
            "logboom_listener_up",
            "gauge",
            "1 while the listener accepts connections, 0 while it waits to be started again.",
            lambda view: view.monitor.listeners[view.name].alive,
        ),
        Metric(
            "logboom_listener_restarts_total",
            "counter",
            "How often the listener died, or did not start, since the server's start.",
            lambda view: view.monitor.listeners[view.name].restarts,
        ),
        Metric(
            "logboom_listener_last_activity_timestamp_seconds",
            "gauge",
            "When the listener last started, took a connection or received something.",
            lambda view: view.moment(view.monitor.counters(view.name).last_activity),
            "seconds",
        ),
        Metric(
            "logboom_listener_last_data_timestamp_seconds",
            "gauge",
            "When the listener last received something; missing until it has.",
            lambda view: view.moment(view.monitor.counters(view.name).last_data),
            "seconds",
        ),
        Metric(
            "logboom_connections_open",
            "gauge",
            "Connections that are open.",
            lambda view: view.monitor.counters(view.name).connections_open,
        ),
        Metric(
            "logboom_connections_total",
            "counter",
            "Connections that were taken; of gRPC, those that were open at a look.",
            lambda view: view.monitor.counters(view.name).connections_total,
        ),
        Metric(
            "logboom_connections_refused_total",
            "counter",
            "Connections that were turned away: too many were open (`full`), of its `address`, or by its `network`.",
            ListenerView.turned_away,
            label="reason",
        ),
        Metric(
            "logboom_limits_reached_total",
            "counter",
            "How often somebody was held to a limit that has no metric of its own; a rate limit counts once a window.",
            ListenerView.limits_reached,
            label="limit",
        ),
        Metric(
            "logboom_connections_slow_closed_total",
            "counter",
            "Connections that were closed since their first request, or the TLS handshake, did not come.",
            lambda view: view.monitor.counters(view.name).slow_closed,
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
            "Wrong tokens that were shown.",
            lambda view: view.monitor.counters(view.name).auth_failed,
        ),
        Metric(
            "logboom_throttled_seconds_total",
            "counter",
            "For how long addresses that sent too fast were not read, all together.",
            lambda view: view.monitor.counters(view.name).throttled_s,
            "seconds",
        ),
        Metric(
            "logboom_connections_last_hour",
            "gauge",
            "Connections that were taken within the last hour, to the minute.",
            lambda view: view.monitor.connections_last_hour(view.name),
        ),
        Metric(
            "logboom_received_bytes_total",
            "counter",
            "Bytes of everything that came in, as it was on the wire.",
            lambda view: view.monitor.counters(view.name).bytes_received,
            "bytes",
        ),
        Metric(
            "logboom_received_batches_total",
            "counter",
            "Batches: all complete entries that one read or one request brought.",
            lambda view: view.monitor.counters(view.name).batches,
        ),
        Metric(
            "logboom_received_entries_total",
            "counter",
            "Entries that have their answer: stored, filtered, refused and failed ones.",
            lambda view: sum(list(view.monitor.counters(view.name).verdicts.values())),
        ),
        Metric(
            "logboom_stored_entries_total",
            "counter",
            "Entries that were taken, as durable as the listener's `ack` and `store` say.",
            lambda view: view.verdicts(Verdict.ACCEPTED),
        ),
        Metric(
            "logboom_filtered_entries_total",
            "counter",
            "Entries below the listener's `level_min`: left out on purpose, answered as fine.",
            lambda view: view.verdicts(Verdict.FILTERED),
        ),
        Metric(
            "logboom_duplicate_entries_total",
            "counter",
            "Entries sent again under the same key with the same content: stored once, answered as stored.",
            lambda view: view.verdicts(Verdict.DUPLICATE),
        ),
        Metric(
            "logboom_refused_entries_total",
            "counter",
            "Entries that were refused: over the rate limit (`limited`), or wrong (the other reasons).",
            ListenerView.refused,
            label="reason",
        ),
        Metric(
            "logboom_failed_entries_total",
            "counter",
            "Good entries that the journal could not store; their senders were told to send them again.",
            lambda view: view.verdicts(Verdict.FAILED),
        ),
        Metric(
            "logboom_ack_latency_seconds",
            "histogram",
            "From receiving a batch to its answer.",
            lambda view: view.monitor.counters(view.name).ack_latency,
            "seconds",
        ),
    ),
)

JOURNAL: Final = Group[JournalView](
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
            "One group's write and sync (fdatasync).",
            lambda view: view.monitor.journal.commit_times,
            "seconds",
        ),
        Metric(
            "logboom_journal_committed_batches_total",
            "counter",
            "Batches that were committed; divided by the commits it is the mean size of a group.",
            lambda view: view.monitor.journal.commit_batches,
        ),
        Metric(
            "logboom_journal_pending_bytes",
            "gauge",
            "Bytes that were received and wait for their commit.",
            lambda view: view.monitor.journal.pending_bytes,
            "bytes",
        ),
        Metric(
            "logboom_journal_size_bytes",
            "gauge",
            "All segments together.",
            lambda view: view.size_bytes,
            "bytes",
        ),
        Metric("logboom_journal_segments", "gauge", "Segment files.", lambda view: view.segments),
        Metric(
            "logboom_journal_entries",
            "gauge",
            "Entries that can be read now.",
            lambda view: view.next_sequence - view.oldest_sequence,
        ),
        Metric(
            "logboom_journal_oldest_sequence",
            "gauge",
            "Sequence of the oldest entry that is still there.",
            lambda view: view.oldest_sequence,
        ),
        Metric(
            "logboom_journal_next_sequence",
            "gauge",
            "Sequence that the next entry will have: how many there ever were.",
            lambda view: view.next_sequence,
        ),
        Metric(
            "logboom_deduplication_keys",
            "gauge",
            "Keys of stored entries that are remembered.",
            lambda view: len(view.monitor.deduplicator),
        ),
        Metric(
            "logboom_deduplication_reach_seconds",
            "gauge",
            "Age of the oldest key that is remembered: an entry that is sent again later is stored again.",
            lambda view: view.monitor.deduplicator.reach_s,
            "seconds",
        ),
        Metric(
            "logboom_disk_free_bytes",
            "gauge",
            "Free on the journal's disk, for an ordinary user.",
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
            "`journal.free_bytes_min`: with less left, entries are refused.",
            lambda view: view.monitor.settings.journal.free_bytes_min,
            "bytes",
        ),
    ),
)

OUTPUTS: Final = Group[Supervised[OutputService]](
    "Outputs",
    ("output", "type"),
    output_views,
    (
        Metric(
            "logboom_output_up",
            "gauge",
            "1 while the output runs and its writes work; else 0, and it catches up later.",
            lambda output: output.alive and output.service.runner.failing is None,
        ),
        Metric(
            "logboom_output_restarts_total",
            "counter",
            "How often the output died since the server's start; failed writes do not count.",
            lambda output: output.restarts,
        ),
        Metric(
            "logboom_output_lag_entries",
            "gauge",
            "Entries of the journal that are not durable in the output yet.",
            lambda output: output.service.runner.lag,
        ),
        Metric(
            "logboom_output_next_sequence",
            "gauge",
            "The output's position: sequence of the next entry to be written.",
            lambda output: output.service.runner.position,
        ),
        Metric(
            "logboom_output_damaged_entries_total",
            "counter",
            "Damaged journal lines that were left out.",
            lambda output: output.service.runner.output.damaged,
        ),
    ),
)

SOURCES: Final = Group[SourceBook](
    "Sources",
    (),
    source_view,
    (
        Metric("logboom_sources", "gauge", "Sources that are known.", lambda book: book.known),
        Metric(
            "logboom_sources_evicted_total",
            "counter",
            "Sources that were let go because there were too many names.",
            lambda book: book.evicted,
        ),
        Metric(
            "logboom_sources_skipped_entries_total",
            "counter",
            "Entries that came too fast to be looked at for their source; they are stored like all others.",
            lambda book: book.skipped,
        ),
    ),
)

ALERTS: Final = Group[Alerts](
    "Alerts",
    (),
    alert_view,
    (
        Metric(
            "logboom_alerts_firing",
            "gauge",
            "Alerts that fire now.",
            firing_by_severity,
            label="severity",
        ),
        Metric(
            "logboom_alert_messages_sent_total",
            "counter",
            "Messages that a target of `alerts.notify` took.",
            by_target(lambda target: target.sent),
            label="target",
        ),
        Metric(
            "logboom_alert_messages_failed_total",
            "counter",
            "Tries to send a message that a target did not take; it is tried again.",
            by_target(lambda target: target.failed),
            label="target",
        ),
        Metric(
            "logboom_alert_messages_waiting",
            "gauge",
            "Alerts of which a target has still to be told something.",
            by_target(lambda target: target.waiting),
            label="target",
        ),
    ),
)

GROUPS: Final[tuple[Group[Any], ...]] = (SERVER, LISTENERS, JOURNAL, OUTPUTS, SOURCES, ALERTS)

PROCESS: Final = {
    "process_cpu_seconds_total": "Processor time, user and system.",
    "process_resident_memory_bytes": "Memory that is in use.",
    "process_virtual_memory_bytes": "Memory that is mapped.",
    "process_start_time_seconds": "When the process started, since the epoch.",
    "process_open_fds": "Open file descriptors.",
    "process_max_fds": "How many there may be.",
}
"""What prometheus-client adds of the process, on Linux."""
