"""Limits of a gRPC server, each with its reason."""

import os
from typing import Final

RPCS_MAX: Final = 4096
"""Calls at once over all connections, streams included; further ones get RESOURCE_EXHAUSTED."""

STREAMS_PER_CONNECTION_MAX: Final = 1024
"""Calls at once of one connection; its client holds back further ones by itself."""

METADATA_BYTES_MAX: Final = 16 << 10
"""Headers of one call; nobody needs any here."""

WAITING_BYTES_MAX: Final = 64 << 20
"""Bytes of single calls that wait for a slow journal; beyond, they are refused for now. Streams need no such limit:
they are not read while the journal is behind."""

STREAM_BYTES_MAX: Final = 256 << 10
"""Bytes of one stream that are read ahead while its last batch is on the way to the disk."""

STREAM_MESSAGES_MAX: Final = 4096
"""Messages of one stream that make a batch: decoding them takes some milliseconds, in which nobody else is served."""

KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 30_000
"""A peer that vanished without a word is noticed after a minute and a half."""

PING_INTERVAL_MS_MIN: Final = 5_000
"""Clients may ask as often for a sign of life; by default they would be cut off for more than one in five minutes."""

DRAIN_S: Final = 60.0
"""Calls of a stopped server end by themselves; what is left after this is aborted. `drain` is earlier, as a rule."""


VERBOSITY: Final = "GRPC_VERBOSITY"
"""The environment's name for how much gRPC's core writes to stderr by itself."""


def hush_core() -> None:
    """Keep gRPC's core from writing a line of its own for each failed handshake; before it is imported.

    Scanners would flood stderr past the operational log. Whoever sets the variable sees what they ask for.
    """
    os.environ.setdefault(VERBOSITY, "NONE")


FIRST_FRAME_MS: Final = 20_000
"""A connection that has not spoken HTTP/2 by then only holds a place; the core's own limit is two minutes."""

CONNECTIONS_SHARE: Final = 4
"""One part in so many of the open files that are left is put by for gRPC's connections: the core takes them by itself,
and never says how many there are."""


def server_options(message_bytes_max: int, connections_max: int) -> list[tuple[str, int]]:
    """Options for gRPC's core. Their names: grpc's `channel_arg_names.h`.

    Args:
        message_bytes_max: the largest request, bytes.
        connections_max: further ones are closed at once.
    """
    return [
        ("grpc.max_receive_message_length", message_bytes_max),
        ("grpc.max_allowed_incoming_connections", connections_max),
        ("grpc.server_handshake_timeout_ms", FIRST_FRAME_MS),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.so_reuseport", 0),  # two servers would share the port, and each would get half of the calls
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
    ]
