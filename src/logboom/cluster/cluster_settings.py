"""Settings of `[cluster]`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from logboom.config import convert
from logboom.errors import ConfigError
from logboom.outputs.jetstream_connection import JetstreamSettings
from logboom.settings import Natural, Settings, Table

OUTPUT_NAME: Final = "cluster"
"""Name of the output that forwards the journal to the cluster."""


class ClusterSettings(JetstreamSettings, kw_only=True, forbid_unknown_fields=True):
    """`[cluster]`: a NATS cluster that replicates the journal, for `ack = "replicated"`."""

    type: Annotated[Literal["jetstream"], Meta(description="Type of the output that forwards entries.")] = (
        "jetstream"
    )
    monitor_urls: Annotated[
        list[str],
        Meta(
            description="HTTP monitoring addresses of the servers, such as `http://host:8222`; one per server. "
            '`ack = "replicated"` needs them.'
        ),
    ] = msgspec.field(default_factory=list)
    replicas_min: Annotated[
        int,
        Meta(ge=1, le=5, description="Fewest replicas of the stream with which `replicated` is answered."),
    ] = 3
    follow: Annotated[
        bool,
        Meta(
            description="Keep a copy of all entries of the cluster in `data_dir`, for page, queries and outputs. Off: "
            "they have the entries of this server only."
        ),
    ] = False
    timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description='Time for a majority to store an entry, seconds; then listeners with `ack = "replicated"` '
            "refuse entries until the cluster works again.",
        ),
    ] = 10.0
    spool_bytes_max: Annotated[
        Natural,
        Meta(
            description="Bytes of entries that wait for the cluster, to a segment; at this size `spool_full` applies. "
            "0: half of the disk."
        ),
    ] = 0
    spool_full: Annotated[
        Literal["refuse", "drop_oldest"],
        Meta(
            description="With a full spool, refuse new entries, or let retention delete entries that the cluster does "
            "not have."
        ),
    ] = "refuse"
    spool_age_s: Annotated[
        float,
        Meta(
            ge=0,
            description="With `follow`: how long forwarded segments are kept next to the copy, seconds.",
        ),
    ] = 86400.0
    one_writer: Annotated[
        Literal["network", "all", "none"],
        Meta(
            description="With `follow`, outputs that one of all followers writes at a time, by a lease: those over the "
            "network (`postgres`, `redis`, `jetstream`), all, or none. Each follower writes the others."
        ),
    ] = "network"
    lease_s: Annotated[
        float,
        Meta(
            ge=1,
            description="Duration of a lease, seconds: when its holder is lost, another follower takes over after it.",
        ),
    ] = 15.0


def cluster_settings(table: Table) -> ClusterSettings | None:
    """Validate `[cluster]`; None without it, or if it is not enabled. Raises `ConfigError`."""
    if not table:
        return None
    settings = convert(table, ClusterSettings, "cluster")
    return settings if settings.enabled else None


def check_acks(settings: Settings, cluster: ClusterSettings | None) -> None:
    """Refuse `ack = "replicated"` without a cluster, or with one that can't be checked. Raises `ConfigError`."""
    wanting = [name for name, one in settings.active_listeners.items() if one.ack == "replicated"]
    if wanting and cluster is None:
        raise ConfigError(f'listeners.{wanting[0]}.ack: "replicated" needs the table [cluster] with its urls')
    if wanting and cluster is not None and (found := len(cluster.monitor_urls)) < cluster.replicas_min:
        raise ConfigError(
            f'cluster.monitor_urls: {found} of at least {cluster.replicas_min} addresses; `ack = "replicated"` needs '
            "that of every server, such as `http://host:8222`, to check that it syncs always"
        )
    if cluster is not None and OUTPUT_NAME in settings.outputs:
        raise ConfigError(f"outputs.{OUTPUT_NAME}: this name belongs to [cluster]; choose another")
