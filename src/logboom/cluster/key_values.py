"""Key-value buckets next to the stream, with as many replicas."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

    from logboom.outputs.jetstream_connection import JetstreamSettings


async def open_bucket(stream: "JetStreamContext", settings: "JetstreamSettings", name: str) -> "KeyValue":
    """Open a bucket; it is created if it is missing, and gets the stream's number of replicas if it has another.

    Args:
        stream: the API of nats-py.
        settings: the stream, whose name is the first part of the bucket's.
        name: the second part of the bucket's name.

    Raises:
        nats.errors.Error: the servers refuse it, or do not answer.
    """
    from nats.js.errors import NotFoundError  # noqa: PLC0415 - an extra

    bucket = f"{settings.stream}-{name}"
    replicas = (await stream.stream_info(settings.stream)).config.num_replicas or 1
    try:
        found = (await stream.stream_info(f"KV_{bucket}")).config
    except NotFoundError:
        return await stream.create_key_value(bucket=bucket, history=1, replicas=replicas)
    if (found.num_replicas or 1) != replicas:
        await stream.update_stream(found.evolve(num_replicas=replicas))
    return await stream.key_value(bucket)
