"""Checks of the cluster: whether every server and the stream keep what `ack = "replicated"` promises."""

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.errors import OutputError
from logboom.outputs.jetstream_connection import ANSWER_TIMEOUT_S, close, connect, error_text

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from nats.js.api import StreamInfo

MONITOR_TIMEOUT_S: Final = 3.0

VERSION_MIN: Final = (2, 15)
"""The first version whose `sync_interval: always` syncs the log of each replica before it answers."""


class NodeState(NamedTuple):
    """State of one server."""

    url: str
    name: str = ""
    version: str = ""
    syncs_always: bool = False
    trouble: str | None = None
    """Reason why it does not answer, or has no storage for streams."""

    @property
    def unsafe(self) -> str | None:
        """Setting that breaks the promise, and how to change it; None: there is none, or no answer."""
        if self.trouble is not None:
            return None
        if not self.syncs_always:
            return f"{self.url} syncs at intervals; set `sync_interval: always` in its block `jetstream`"
        if version_of(self.version) < VERSION_MIN:
            return f"{self.url} is version {self.version}; 2.15 or later is needed"
        return None


class ClusterState(NamedTuple):
    """Result of one check."""

    nodes: tuple[NodeState, ...] = ()
    leader: str = ""
    replicas: tuple[tuple[str, bool, int], ...] = ()
    """The followers of the stream's leader: name, up to date, lag in operations."""
    unsafe: tuple[str, ...] = ()
    """Settings that break the promise of `replicated`."""
    troubles: tuple[str, ...] = ()
    """Current failures: servers and replicas that are away or behind."""
    stream_trouble: str | None = None
    """Reason why the stream does not answer, as without a majority; also among `troubles`."""
    messages: int = 0
    bytes: int = 0
    first: int = 0
    last: int = 0


async def inspect(settings: ClusterSettings) -> ClusterState:
    """Ask all servers and the stream. Never raises for what it finds."""
    nodes = tuple(await asyncio.gather(*[_node(url) for url in settings.monitor_urls]))
    unsafe = [node.unsafe for node in nodes if node.unsafe is not None]
    troubles = [f"{node.url}: {node.trouble}" for node in nodes if node.trouble is not None]
    try:
        info = await _stream(settings)
    except OutputError as error:
        text = str(error)
        return ClusterState(nodes, unsafe=tuple(unsafe), troubles=(*troubles, text), stream_trouble=text)
    unsafe += unsafe_settings(info, settings)
    found = info.cluster
    replicas = tuple(
        (one.name or "", bool(one.current), one.lag or 0) for one in (found and found.replicas) or ()
    )
    troubles += [
        f"replica {name} of stream {settings.stream} is {lag:,} operations behind"
        for name, current, lag in replicas
        if not current
    ]
    state = info.state
    return ClusterState(
        nodes,
        leader=(found and found.leader) or "",
        replicas=replicas,
        unsafe=tuple(unsafe),
        troubles=tuple(troubles),
        messages=state.messages,
        bytes=state.bytes,
        first=state.first_seq,
        last=state.last_seq,
    )


def unsafe_settings(info: "StreamInfo", settings: ClusterSettings) -> list[str]:
    """Settings of the stream that break the promise of `replicated`."""
    config, stream = info.config, f"stream {settings.stream}"
    found = []
    if (config.num_replicas or 1) < settings.replicas_min:
        found.append(
            f"{stream} has {config.num_replicas or 1} replicas; expected {settings.replicas_min} or more"
        )
    if config.storage != "file":
        found.append(f"{stream} is in memory; its storage has to be `file`")
    if config.no_ack:
        found.append(f"{stream} sends no acknowledgements (`no_ack`)")
    if config.retention not in (None, "limits"):
        found.append(f"{stream} deletes what was read; its retention has to be `limits`")
    return found


async def _stream(settings: ClusterSettings) -> "StreamInfo":
    """Raises `OutputError`."""
    client = await connect(settings)
    try:
        from nats.errors import Error  # noqa: PLC0415 - an extra

        try:
            return await client.jetstream(timeout=ANSWER_TIMEOUT_S).stream_info(settings.stream)
        except (Error, TimeoutError) as error:
            raise OutputError(f"stream {settings.stream}: {error_text(error)}") from error
    finally:
        await close(client)


async def _node(url: str) -> NodeState:
    """Ask one server's monitoring port."""
    import aiohttp  # noqa: PLC0415 - takes 15 MiB, which a server without a cluster or HTTP saves

    timeout = aiohttp.ClientTimeout(total=MONITOR_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            general = await _document(session, f"{url.rstrip('/')}/varz")
            stored = await _document(session, f"{url.rstrip('/')}/jsz")
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
        return NodeState(url, trouble=f"no answer: {error or type(error).__name__}")
    config = stored.get("config") or {}
    name, version = str(general.get("server_name", "")), str(general.get("version", ""))
    if stored.get("disabled"):
        return NodeState(url, name, version, trouble="JetStream is off; after a full disk it needs a restart")
    return NodeState(url, name, version, bool(config.get("sync_always")))


async def _document(session: "ClientSession", url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        return msgspec.json.decode(await answer.read(), type=dict)


def version_of(text: str) -> tuple[int, ...]:
    """The first two numbers of a version; zeros when it can't be read."""
    parts = text.split("-", maxsplit=1)[0].split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
