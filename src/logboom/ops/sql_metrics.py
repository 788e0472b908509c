"""Declarations of the metrics of SQL queries."""

from typing import Final

from logboom.ops.metric_views import Metric, MetricGroup, sql_view
from logboom.query.sql.sql_service import SqlService

SQL: Final = MetricGroup[SqlService](
    "SQL",
    (),
    sql_view,
    (
        Metric(
            "logboom_sql_queries_total",
            "counter",
            "SQL queries by outcome: done, refused (wrong, or not allowed), or failed at a limit.",
            lambda service: dict(service.counts),
            label="outcome",
        ),
        Metric(
            "logboom_sql_query_seconds_total",
            "counter",
            "Time of all SQL queries together.",
            lambda service: service.seconds,
            "seconds",
        ),
    ),
)
