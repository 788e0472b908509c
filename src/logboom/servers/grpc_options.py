"""Limits of a gRPC server, each with its reason."""

import os
from typing import Final

RPCS_MAX: Final = 4096
"""Calls at once over all connections, streams included; further ones get RESOURCE_EXHAUSTED."""

CALLS_PER_ADDRESS_MAX: Final = 512
"""Concurrent calls of one address: clients have tens, and a few streams. Each may hold a message that never ends."""

STREAMS_PER_CONNECTION_MAX: Final = 128
"""Concurrent calls of one connection; its client holds back further ones."""

WATCHES_MAX: Final = 64
WATCHES_PER_ADDRESS_MAX: Final = 8
"""Calls at once that need no token and go on: health watchers, and those that ask for the schema. They are few."""

MESSAGE_S_MAX: Final = 20.0
"""A call that has one message brings it by then. Streams may be silent: who follows a file is."""

REFLECTION_S_MAX: Final = 10.0
"""Asking for the schema is a matter of milliseconds."""

CORE_SHARE: Final = 4
"""Share by which the core's limit for messages is above ours: it refuses without a log line. Slightly longer
messages are refused by us: counted, and logged."""

PENDING_MAX: Final = 16_384
"""Calls that wait for their turn to be looked at: beyond a thousand, the core would end some of them without a reason,
those of any client."""

METADATA_BYTES_MAX: Final = 16 << 10
"""Headers of one call; none are needed here."""

WAITING_BYTES_MAX: Final = 64 << 20
"""Bytes of single calls that wait for a slow journal; beyond, they are refused for now. Streams need no such limit:
they are not read while the journal is behind."""

STREAM_BYTES_MAX: Final = 256 << 10
"""Bytes of one stream that are read ahead while its last batch is on the way to the disk."""

STREAM_MESSAGES_MAX: Final = 4096
"""Messages of one stream in a batch: decoding them takes some milliseconds, in which no other client is served."""

KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 30_000
"""A peer that vanished without a word is noticed after a minute and a half."""

PING_INTERVAL_MS_MIN: Final = 5_000
"""Clients may ask as often for a sign of life; by default they would be cut off for more than one in five minutes."""

IDLE_MS: Final = 10 * 60_000
"""Time after which a connection without calls is closed. Clients connect again when they have messages."""

DRAIN_S: Final = 60.0
"""Calls of a stopped server end by themselves; what is left after this is aborted. `drain` is earlier, as a rule."""


VERBOSITY: Final = "GRPC_VERBOSITY"
"""Environment variable for what gRPC's core writes to stderr."""


def hush_core() -> None:
    """Keep gRPC's core from writing a line of its own for each failed handshake; before it is imported.

    Scanners would flood stderr past the operational log. A value that the user sets is kept.
    """
    os.environ.setdefault(VERBOSITY, "NONE")


FIRST_FRAME_MS: Final = 20_000
"""A connection that has not spoken HTTP/2 by then only holds a place; the core's own limit is two minutes."""


def server_options(message_bytes_max: int) -> list[tuple[str, int]]:
    """Options for gRPC's core. Their names: grpc's `channel_arg_names.h`.

    Args:
        message_bytes_max: the largest request that is taken, bytes.
    """
    return [
        ("grpc.max_receive_message_length", message_bytes_max + message_bytes_max // CORE_SHARE),
        ("grpc.server_handshake_timeout_ms", FIRST_FRAME_MS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
        ("grpc.server.max_pending_requests", PENDING_MAX),
        ("grpc.server.max_pending_requests_hard_limit", PENDING_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
    ]
