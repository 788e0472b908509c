"""Comparison of a follower's copy with the stream: the same lines, in the same order."""

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from logboom.cluster.points import PointFile
from logboom.cluster.stream import ClusterError
from logboom.journal.log import Log, blocks
from logboom.outputs.jetstream_connection import (
    ANSWER_TIMEOUT_S,
    JetstreamSettings,
    close,
    connect,
    error_text,
)

if TYPE_CHECKING:
    from hashlib import _Hash as Hash
    from pathlib import Path

    from nats.js import JetStreamContext


class Comparison(NamedTuple):
    """Result of a comparison."""

    first: int
    """The first sequence of the copy that was compared."""
    end: int
    """The sequence after the last one."""
    digest: str
    """SHA-256 of the copy's lines."""
    stream_digest: str
    """SHA-256 of the stream's lines."""

    @property
    def good(self) -> bool:
        """True if both have the same lines."""
        return self.digest == self.stream_digest


async def compare(settings: JetstreamSettings, folder: "Path", log: Log) -> Comparison:
    """Read the part of the stream that is in the copy, and compare the lines.

    Args:
        settings: the servers and the stream.
        folder: the folder of the copy, which has the points.
        log: the copy.

    Raises:
        OutputError: no server can be reached.
        ClusterError: the stream can't be read, or has nothing that is in the copy.
    """
    from nats.errors import Error  # noqa: PLC0415 - an extra

    client = await connect(settings)
    try:
        return await _compare(client.jetstream(timeout=ANSWER_TIMEOUT_S), settings, folder, log)
    except (Error, TimeoutError) as error:
        raise ClusterError(f"stream {settings.stream}: {error_text(error)}") from error
    finally:
        await close(client)


async def _compare(
    stream: "JetStreamContext", settings: JetstreamSettings, folder: "Path", log: Log
) -> Comparison:
    info = await stream.stream_info(settings.stream)
    oldest, end = log.oldest(), log.end
    start = PointFile(folder / "points", keep=True).first_from(info.state.first_seq, oldest)
    if start is None or start.sequence >= end:
        raise ClusterError("the stream and the copy have no lines in common")
    theirs = sha256()
    await _hash_stream(stream, settings, start.stream_sequence, end - start.sequence, theirs)
    ours = sha256()
    for block in blocks(log, start.sequence, end):
        ours.update(block.data)
    return Comparison(start.sequence, end, ours.hexdigest(), theirs.hexdigest())


async def _hash_stream(
    stream: "JetStreamContext", settings: JetstreamSettings, start: int, count: int, digest: "Hash"
) -> None:
    """Add the first `count` lines of the stream from a message on."""
    from nats.js.api import ConsumerConfig, DeliverPolicy  # noqa: PLC0415

    config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start)
    messages = await stream.subscribe(
        settings.subjects, stream=settings.stream, ordered_consumer=True, config=config
    )
    while count > 0:
        lines = (await messages.next_msg(timeout=ANSWER_TIMEOUT_S)).data.splitlines(keepends=True)
        digest.update(b"".join(lines[:count]))
        count -= len(lines)
    await messages.unsubscribe()
