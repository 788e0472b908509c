"""Metrics of `[cluster]`."""

from collections.abc import Iterator
from typing import Final

from logboom.cluster.membership import Cluster
from logboom.ops.metric_views import Metric, MetricGroup, Parts


def _cluster_view(parts: Parts) -> Iterator[tuple[tuple[str, ...], Cluster]]:
    """Yield the cluster, if there is one."""
    if parts.monitor.cluster is not None:
        yield (), parts.monitor.cluster


CLUSTER: Final = MetricGroup[Cluster](
    "Cluster",
    (),
    _cluster_view,
    (
        Metric(
            "logboom_cluster_up",
            "gauge",
            "1 while the cluster stores entries in time, 0 while listeners with `replicated` refuse them.",
            lambda cluster: not cluster.replication.failing,
        ),
        Metric(
            "logboom_cluster_nodes_up",
            "gauge",
            "Servers of `cluster.monitor_urls` that answer and have storage, at the last check.",
            lambda cluster: sum(node.trouble is None for node in cluster.state.nodes),
        ),
        Metric(
            "logboom_cluster_problems",
            "gauge",
            "Servers, replicas and settings that are not in order, at the last check.",
            lambda cluster: len(cluster.state.unsafe) + len(cluster.state.troubles),
        ),
        Metric(
            "logboom_cluster_replica_lag_operations",
            "gauge",
            "Operations that a replica of the stream is behind its leader, at the last check.",
            lambda cluster: {name: lag for name, _, lag in cluster.state.replicas},
            label="replica",
        ),
        Metric(
            "logboom_cluster_timeouts_total",
            "counter",
            "Batches that the cluster did not store within `cluster.timeout_s`.",
            lambda cluster: cluster.replication.timeouts,
        ),
        Metric(
            "logboom_cluster_pending_bytes",
            "gauge",
            "Stored bytes whose answers wait for the cluster.",
            lambda cluster: cluster.replication.pending_bytes,
            "bytes",
        ),
        Metric(
            "logboom_cluster_follower_lag_messages",
            "gauge",
            "Messages of the stream that are not in the copy; 0 without a copy.",
            lambda cluster: 0 if cluster.follower is None else cluster.follower.state.lag,
        ),
    ),
)
