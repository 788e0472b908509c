"""Alert rules about `[cluster]`: a lost majority, unsafe settings, servers and copies that are behind."""

from collections.abc import Iterator
from typing import Final

from logboom.cluster.membership import Cluster
from logboom.ops.alerts.alert_settings import ClusterDegradedRule, ClusterDownRule, RuleSettings
from logboom.ops.alerts.lifecycle import Condition

ELECTION_S: Final = 90.0
"""Time for which the stream may not answer: two checks, since one may fall into the choice of a new leader."""


def down_conditions(settings: ClusterDownRule, cluster: Cluster | None) -> Iterator[Condition]:
    """Yield the conditions of `cluster_down`."""
    if cluster is None:
        return
    state = cluster.state
    recovered = "the cluster stores entries again"
    if cluster.replication.failing:
        text = f"the cluster has not stored entries within {cluster.settings.timeout_s:g} s"
        yield _condition("cluster_down", "majority", settings, text, recovered)
    elif state.stream_trouble is not None:
        text = f"the cluster does not answer: {state.stream_trouble}"
        found = _condition("cluster_down", "majority", settings, text, recovered)
        yield found._replace(for_s=max(settings.for_s, ELECTION_S))
    if state.unsafe:
        text = f"an answered entry may be lost: {state.unsafe[0]}"
        yield _condition("cluster_down", "settings", settings, text, "the cluster has safe settings again")


def degraded_conditions(settings: ClusterDegradedRule, cluster: Cluster | None) -> Iterator[Condition]:
    """Yield the conditions of `cluster_degraded`."""
    if cluster is None:
        return
    state = cluster.state
    troubles = [text for text in state.troubles if text != state.stream_trouble]
    if troubles:
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        text, recovered = f"{troubles[0]}{more}", "all servers and replicas of the cluster are in order again"
        yield _condition("cluster_degraded", "servers", settings, text, recovered)
    if cluster.follower is None:
        return
    copy = cluster.follower.state
    if copy.trouble is not None or copy.lag > settings.lag_max:
        reason = f": {copy.trouble}" if copy.trouble else ""
        text = f"the copy is {copy.lag:,} messages behind the cluster{reason}"
        yield _condition(
            "cluster_degraded", "copy", settings, text, "the copy keeps up with the cluster again"
        )


def _condition(rule: str, subject: str, settings: RuleSettings, text: str, recovered: str) -> Condition:
    return Condition(rule, subject, settings.severity, text, recovered, settings.for_s, settings.clear_s)
