"""Declarations of the metrics of alerts."""

from typing import Final

from logboom.ops.alerts.service import Alerts
from logboom.ops.metric_views import Metric, MetricGroup, alert_view, by_target, firing_by_severity

ALERTS: Final = MetricGroup[Alerts](
    "Alerts",
    (),
    alert_view,
    (
        Metric(
            "logboom_alerts_firing",
            "gauge",
            "Firing alerts.",
            firing_by_severity,
            label="severity",
        ),
        Metric(
            "logboom_alert_rule_matches",
            "gauge",
            "Entries that match a rule with a query, within its window.",
            lambda alerts: {rule["name"]: rule["matches"] for rule in alerts.rules},
            label="rule",
        ),
        Metric(
            "logboom_alert_rules_skipped_entries_total",
            "counter",
            "Entries that rules with a query did not look at under load; they are stored like all others.",
            lambda alerts: alerts.skipped,
        ),
        Metric(
            "logboom_alert_messages_sent_total",
            "counter",
            "Messages that a target accepted.",
            by_target(lambda target: target.sent),
            label="target",
        ),
        Metric(
            "logboom_alert_messages_failed_total",
            "counter",
            "Failed attempts to send a message to a target; they are retried.",
            by_target(lambda target: target.failed),
            label="target",
        ),
        Metric(
            "logboom_alert_messages_waiting",
            "gauge",
            "Alerts with a change that a target has not received yet.",
            by_target(lambda target: target.waiting),
            label="target",
        ),
    ),
)
