"""The stream: creation with the settings that `ack = "replicated"` needs, and the positions in it."""

from typing import TYPE_CHECKING, NamedTuple

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.inspection import unsafe_settings
from logboom.errors import LogboomError
from logboom.outputs.jetstream import COUNT, FIRST
from logboom.outputs.jetstream_connection import ANSWER_TIMEOUT_S, close, connect, error_text

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo


class ClusterError(LogboomError):
    """The cluster does not do what a command needs; the text says why."""


class Front(NamedTuple):
    """Server that forwards to the stream."""

    journal: str
    """Identifier of its journal."""
    messages: int
    position: int
    """The sequence of its journal up to which the stream has everything."""


async def create_stream(settings: ClusterSettings, replicas: int, bytes_max: int) -> bool:
    """Create the stream; False: it was there already, and is as it has to be.

    Args:
        settings: the servers and the name of the stream.
        replicas: number of servers with the whole stream.
        bytes_max: size at which the stream deletes its oldest messages. 0: no limit.

    Raises:
        OutputError: no server can be reached.
        ClusterError: it can't be created, or is there with other settings.
    """
    from nats.errors import Error  # noqa: PLC0415 - an extra
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig  # noqa: PLC0415
    from nats.js.errors import NotFoundError  # noqa: PLC0415

    config = StreamConfig(
        name=settings.stream,
        subjects=[settings.subjects],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
        max_bytes=bytes_max or -1,
        deny_delete=True,
        allow_direct=True,
    )
    client = await connect(settings)
    try:
        stream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
        try:
            found = await stream.stream_info(settings.stream)
        except NotFoundError:
            await stream.add_stream(config)
            return True
    except (Error, TimeoutError) as error:
        raise ClusterError(f"stream {settings.stream} can't be created: {error_text(error)}") from error
    finally:
        await close(client)
    wrong = unsafe_settings(found, settings)
    if wrong:
        raise ClusterError(
            f"{wrong[0]}; change it with the tools of NATS, or choose another `cluster.stream`"
        )
    return False


async def fronts(settings: ClusterSettings) -> list[Front]:
    """The servers that have forwarded to the stream, and their positions.

    Raises:
        OutputError: no server can be reached.
        ClusterError: the stream can't be read.
    """
    from nats.errors import Error  # noqa: PLC0415 - an extra

    client = await connect(settings)
    try:
        stream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
        info = await stream.stream_info(settings.stream, subjects_filter=settings.subjects)
        return await _positions(stream, settings, info)
    except (Error, TimeoutError) as error:
        raise ClusterError(f"stream {settings.stream}: {error_text(error)}") from error
    finally:
        await close(client)


async def _positions(
    stream: "JetStreamContext", settings: ClusterSettings, info: "StreamInfo"
) -> list[Front]:
    found = []
    for subject, messages in sorted((info.state.subjects or {}).items()):
        last = await stream.get_last_msg(settings.stream, subject)
        headers = last.headers or {}
        position = int(headers.get(FIRST, 0)) + int(headers.get(COUNT, 0))
        found.append(Front(subject.rpartition(".")[2], messages, position))
    return found
