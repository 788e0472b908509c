"""`/api/status`: the document of the page's overview."""

from collections.abc import Sequence
from typing import Any

from logboom.cluster.membership import Cluster
from logboom.formats.redaction import place
from logboom.journal.journal import Journal
from logboom.ops.alerts.lifecycle import Alert
from logboom.ops.alerts.severity import CRITICAL, WARNING
from logboom.ops.health import trouble_of
from logboom.ops.monitor import Monitor


def status_document(monitor: Monitor, firing: Sequence[Alert], urgent: Sequence[Alert]) -> dict[str, Any]:
    """Make the document with the server's state and the number of firing alerts; takes one `stat` per segment."""
    trouble = trouble_of(monitor)
    totals = monitor.totals()
    return {
        "version": monitor.version,
        "started_at": monitor.utc(monitor.started).isoformat(timespec="seconds"),
        "uptime_s": round(monitor.uptime_s, 1),
        "status": trouble.status,
        "problems": [*trouble.errors, *trouble.warnings],
        "alerts": {"firing": len(firing), "worst": _worst(urgent)},
        "journal": _journal(monitor),
        "totals": {**totals._asdict(), "refused": sum(totals.refused.values())},
        "rates": {
            "lines_per_s": round(monitor.lines_per_s(), 1),
            "bytes_per_s": round(monitor.bytes_per_s(), 1),
        },
        "listeners": [_listener(monitor, name) for name in monitor.listeners],
        "outputs": [_output(monitor, name) for name in monitor.outputs],
        "cluster": None if monitor.cluster is None else _cluster(monitor.cluster),
    }


def _worst(alerts: Sequence[Alert]) -> str | None:
    """Highest severity of some alerts; None without any."""
    if not alerts:
        return None
    return CRITICAL if any(alert.severity == CRITICAL for alert in alerts) else WARNING


def _journal(monitor: Monitor) -> dict[str, Any]:
    journal = monitor.journal
    oldest, size, segments = journal.log.extent()
    trouble = journal.trouble
    return {
        "entries": journal.log.end,
        "oldest_sequence": oldest,
        "bytes": size,
        "segments": segments,
        "free_bytes": _free_bytes(journal),
        "writable": trouble is None,
        "trouble": trouble,
        "last_commit_s": journal.last_commit_s or None,  # before the first one
        "index": monitor.index_progress()._asdict(),
    }


def _free_bytes(journal: Journal) -> int | None:
    try:
        return journal.free_bytes
    except OSError:  # the field `writable` shows a failing disk
        return None


def _listener(monitor: Monitor, name: str) -> dict[str, Any]:
    supervised = monitor.listeners[name]
    counters, totals = monitor.counters(name), monitor.totals(name)
    activity = counters.last_activity
    return {
        "name": name,
        "protocol": monitor.settings.listeners[name].protocol,
        "ports": supervised.service.ports,
        "alive": supervised.alive,
        "restarts": supervised.restarts,
        "trouble": supervised.trouble,
        "connections_open": counters.connections_open,
        "connections_total": counters.connections_total,
        "connections_refused": counters.connections_refused,
        "connections_last_hour": monitor.connections_last_hour(name),
        "received": totals.received,
        "stored": totals.stored,
        "refused": totals.refused,
        "bytes": totals.bytes,
        "last_activity": None if activity is None else monitor.utc(activity).isoformat(timespec="seconds"),
        "lines_per_s": round(monitor.lines_per_s(name), 1),
    }


def _output(monitor: Monitor, name: str) -> dict[str, Any]:
    supervised = monitor.outputs[name]
    runner = supervised.service.runner
    return {
        "name": name,
        "type": monitor.output_type(name),
        "alive": supervised.alive,
        "restarts": supervised.restarts,
        "trouble": runner.failing or supervised.trouble,
        "lag": runner.lag,
        "standby": runner.standby,
        "position": runner.position,
        "skipped": runner.output.skipped,
    }


def _cluster(cluster: Cluster) -> dict[str, Any]:
    """State of the cluster as of its last check, and of the copy now."""
    state, follower = cluster.state, cluster.follower
    lags = {name: lag for name, _, lag in state.replicas} | {state.leader: 0}
    return {
        "stream": cluster.settings.stream,
        "storing": not cluster.replication.failing and state.stream_trouble is None,
        "copy_lag": None if follower is None else follower.state.lag,
        "servers": [
            {
                "name": node.name or place(node.url),
                "url": place(node.url),
                "leader": bool(node.name) and node.name == state.leader,
                "lag": lags.get(node.name),
                "trouble": node.unsafe or node.trouble,
            }
            for node in state.nodes
        ],
    }
