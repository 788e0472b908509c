"""Performance goals of Logboom, compared with the measurements."""

import operator
from dataclasses import dataclass, field
from typing import Any, Final

from bench.benchmarks import (
    doors,
    handling,
    live_page,
    many,
    page,
    postgres,
    protocols,
    query,
    reading,
    scraping,
    startup,
    stop_and_wait,
    throughput,
    web,
)
from bench.door_bodies import DOORS
from bench.results import Run
from bench.spread import spread
from bench.table import table


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure with its bounds, in the figure's own unit."""

    benchmark: str
    key: str
    text: str
    goal: float
    demanded: float | None = None
    more_is_better: bool = False
    labels: dict[str, Any] = field(default_factory=dict)

    def row(self, run: Run) -> list[str] | None:
        """A row of the table; None when nothing was measured."""
        found = spread(
            [trial[self.key] for trial in run.accepted("logboom", **self.labels) if self.key in trial]
        )
        if found is None:
            return None
        reaches = operator.ge if self.more_is_better else operator.le
        demanded = "" if self.demanded is None else _number(self.demanded)
        if reaches(found.median, self.goal):
            verdict = "✅ goal reached"
        elif self.demanded is not None and reaches(found.median, self.demanded):
            verdict = "✅ demand met, goal missed"
        else:
            verdict = "❌ missed"
        return [self.text, _number(found.median), demanded, _number(self.goal), verdict]


def _throughput_goals(connections: int) -> list[Goal]:
    where = "1 connection" if connections == 1 else f"{connections} connections"
    labels = {"connections": connections}
    name = throughput.NAME
    return [
        Goal(
            name,
            "lines_per_s",
            f"durable, acked lines/s, {where}",
            1.5e6,
            1e6,
            more_is_better=True,
            labels=labels,
        ),
        Goal(name, "cpu_s_per_million", f"CPU s per 1 M lines, {where}", 0.6, 0.8, labels=labels),
        Goal(name, "peak_rss_mib", f"peak RSS MiB, {where}", 60, labels=labels),
    ]


_WAIT: Final = {"connections": 64}
_MANY: Final = {"connections": 10_000}

GOALS: Final = [
    *_throughput_goals(1),
    *_throughput_goals(4),
    Goal(
        stop_and_wait.NAME,
        "acks_per_s",
        "stop-and-wait acks/s, 64 connections",
        50_000,
        more_is_better=True,
        labels=_WAIT,
    ),
    Goal(many.NAME, "cpu_share", "10,000 connections: share of a core", 0.25, labels=_MANY),
    Goal(many.NAME, "peak_rss_mib", "10,000 connections: peak RSS MiB", 100, labels=_MANY),
    Goal(many.NAME, "p99_ms", "10,000 connections: p99 ack, ms", 10, labels=_MANY),
    Goal(startup.STARTUP, "listening_s", "startup to listening, s", 0.5),
    Goal(startup.RECOVERY, "listening_s", "recovery of 1 GiB, s", 1.0, labels={"state": startup.AS_KILLED}),
    Goal(
        startup.RECOVERY,
        "listening_s",
        "recovery of 1 GiB without index, s",
        1.0,
        labels={"state": startup.NO_INDEX},
    ),
    Goal(
        protocols.NAME,
        "per_s",
        "Cap'n Proto messages/s, stored, one core",
        300_000,
        150_000,
        more_is_better=True,
        labels={"what": protocols.CAPNP},
    ),
    *(
        Goal(web.NAME, "per_s", text, goal, more_is_better=True, labels={"what": what})
        for what, text, goal in (
            (web.WEBSOCKET, "WebSocket messages/s, stored, one core", 60_000),
            (web.NDJSON, "HTTP NDJSON entries/s, stored, one core", 500_000),
            (web.REDIS, "Redis output, entries/s", 20_000),
        )
    ),
    *(
        Goal(
            doors.NAME,
            "per_cpu_s",
            f"{door.what}: records per CPU s",
            door.goal_per_s,
            more_is_better=True,
            labels={"what": door.what},
        )
        for door in DOORS
    ),
    Goal(handling.NAME, "p50_us", "Python handler: p50 of a record, µs", 15, labels={"what": handling.THERE}),
    Goal(
        postgres.NAME,
        "per_s",
        "PostgreSQL output, readings/s into both tables",
        50_000,
        more_is_better=True,
        labels={"what": postgres.READINGS},
    ),
    *(
        Goal(
            scraping.NAME,
            f"{mark}_ms",
            f"/api/health at full ingest: {mark}, ms",
            10,
            labels={"what": scraping.HEALTH},
        )
        for mark in ("p50", "p99")
    ),
    Goal(scraping.NAME, "cpu_ms", "one scrape: CPU ms", 10, labels={"what": scraping.IDLE}),
    Goal(reading.NAME, "seconds", "search of 1 M entries, s", 1.0, labels={"what": reading.RARE}),
    Goal(reading.NAME, "seconds", "volume of 1 M entries, s", 0.5, labels={"what": reading.COLD}),
    Goal(reading.NAME, "seconds", "the same, asked again, s", 0.02, labels={"what": reading.WARM}),
    Goal(
        reading.NAME,
        "per_s",
        "export, CSV rows/s",
        200_000,
        more_is_better=True,
        labels={"what": reading.CSV},
    ),
    *(
        Goal(query.NAME, "seconds", f"{what}, s", 0.1, labels={"what": what})
        for what in (
            *(query.RARE_COLD, query.NOTHING_COLD, query.FREQUENT),
            *(query.COLD, query.FIELDS, query.STATS),
        )
    ),
    Goal(
        query.NAME, "peak_rss_mib", "server's peak RSS while asked, MiB", 100, labels={"what": query.FIELDS}
    ),
    Goal(page.NAME, "first_paint_s", "the page's first paint, s", 0.3, 1.0, labels={"what": page.FIRST}),
    Goal(
        live_page.NAME,
        "stall_ms",
        "longest stall of Live, ms",
        100,
        labels={"what": f"{live_page.RATES[-1]} lines/s"},
    ),
]


def goals_table(runs: dict[str, Run]) -> str:
    """All goals for which something was measured, in full size."""
    measured = {name: run for name, run in runs.items() if not run.quick}
    rows = (goal.row(measured[goal.benchmark]) for goal in GOALS if goal.benchmark in measured)
    return table(
        ["figure", "median", "demanded", "goal", "verdict"], [row for row in rows if row is not None]
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
