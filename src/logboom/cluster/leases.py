"""Leases: of all followers, one at a time writes an output.

A lease is a value in a bucket of the cluster, which is written with the revision that it replaces. Its holder renews
it, and may write until `lease_s` after the beginning of its last renewal that was answered. Another server takes it
when it has seen the same revision for longer than that, or when the holder has released it. Both count time with
clocks of their own, which need not show the same time of day: the holder has stopped before another one begins.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import msgspec

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.key_values import open_bucket
from logboom.durable import make_folder, replace_file
from logboom.errors import OutputError
from logboom.model import Report
from logboom.outputs.jetstream_connection import ANSWER_TIMEOUT_S, close, connect, error_text
from logboom.outputs.journal_id import ID_CHARACTERS, id_path

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

LEASES: Final = "leases"
"""Name of the bucket."""

RENEWALS: Final = 5
"""Renewals per duration of a lease, so that some may fail."""

MARGIN: Final = 1.1
"""Factor of the time until another server takes a lease, for clocks that run at different rates."""

RELEASE_S_MAX: Final = 2.0
"""Time limit of a release; without it, the next server waits for the end of the lease."""


def boot_time() -> float:
    """Seconds since the boot, including those in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseValue(msgspec.Struct, frozen=True):
    """Value of a lease."""

    holder: str
    """Random identifier of the process; empty: the lease is free."""
    server: str
    """Name of the server, for people."""
    stream: str
    """Identifier of the stream that `position` belongs to."""
    position: int
    """The next sequence of the copies that the output will write."""


class Lease:
    """Lease of one output; a `Permit`.

    Args:
        name: name of the output, and key of the lease.
        moves: see `Permit`.
        clock: seconds, monotonic, and running while the machine is suspended.
    """

    def __init__(self, name: str, *, moves: bool, clock: Callable[[], float] = boot_time) -> None:
        self.name = name
        self.moves = moves
        self.position = 0
        self.writing = False
        self.until = float("-inf")
        """Time at which it ends, unless it is renewed."""
        self.revision = 0
        """Revision of the last known value. 0: there is none."""
        self.seen_at = 0.0
        """Time at which this revision was first seen, or written."""
        self.held = False
        """True if that value is from this server."""
        self._clock = clock

    @property
    def granted(self) -> bool:
        """See `Permit`."""
        return self._clock() < self.until

    def note(self, position: int) -> None:
        """See `Permit`."""
        if self.granted:
            self.position = position


class Leases:
    """Keeper of the leases of one server. Belongs to the event loop.

    Args:
        settings: the servers and the stream.
        folder: folder of the copy, which gets the stream's identifier as that of its journal.
        server: name of this server.
        moves: whether the position moves, per output; see `Permit`.
        report: logs which outputs this server writes.
        clock: see `Lease`.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        folder: Path,
        server: str,
        moves: Mapping[str, bool],
        report: Report,
        *,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.of = {name: Lease(name, moves=moving, clock=clock) for name, moving in moves.items()}
        """The leases by the names of their outputs."""
        self._settings = settings
        self._folder = folder
        self._server = server
        self._holder = secrets.token_hex(8)
        self._stream = ""
        self._report = report
        self._clock = clock

    async def run(self) -> None:
        """Take and renew the leases, until it is cancelled."""
        while self.of:
            with suppress(OutputError, OSError):  # health and alerts have the state of the cluster
                await self._with_bucket(self._keep)
            await asyncio.sleep(self._settings.lease_s / RENEWALS)

    async def release(self) -> None:
        """Let other servers take the leases of outputs that have stopped at once."""
        own = [lease for lease in self.of.values() if lease.held and not lease.writing]

        async def free(bucket: "KeyValue") -> None:
            for lease in own:
                await self._write(bucket, lease, "")

        if own:
            with suppress(OutputError, OSError, TimeoutError):
                await asyncio.wait_for(self._with_bucket(free), RELEASE_S_MAX)

    async def _with_bucket(self, work: "Callable[[KeyValue], object]") -> None:
        """Connect, and do `work`. Raises `OutputError`, `OSError`."""
        client = await connect(self._settings)
        try:
            from nats.errors import Error  # noqa: PLC0415 - an extra

            try:
                stream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
                await self._identify(stream)
                await work(await open_bucket(stream, self._settings, LEASES))  # type: ignore[misc]
            except (Error, TimeoutError, msgspec.MsgspecError) as error:
                raise OutputError(error_text(error)) from error
        finally:
            await close(client)

    async def _identify(self, stream: "JetStreamContext") -> None:
        """Store the identifier of the stream, with which databases keep the position in the copies."""
        made = (await stream.stream_info(self._settings.stream)).created
        name = f"{self._settings.stream} {made}".encode()
        self._stream = hashlib.sha256(name).hexdigest()[:ID_CHARACTERS]
        path = id_path(self._folder)
        make_folder(path.parent)
        replace_file(path, [f"{self._stream}\n".encode()])

    async def _keep(self, bucket: "KeyValue") -> None:
        while True:
            for lease in self.of.values():
                await self.attend(bucket, lease)
            await asyncio.sleep(self._settings.lease_s / RENEWALS)

    async def attend(self, bucket: "KeyValue", lease: Lease) -> None:
        """Renew a lease, or take it if it is free. Raises errors of nats-py."""
        if lease.held or await self._is_free(bucket, lease):
            await self._write(bucket, lease, self._holder)

    async def _is_free(self, bucket: "KeyValue", lease: Lease) -> bool:
        """Look at a lease."""
        from nats.js.errors import KeyNotFoundError  # noqa: PLC0415

        try:
            entry = await bucket.get(_key(lease.name))
        except KeyNotFoundError as error:
            lease.revision = 0 if error.entry is None else error.entry.revision
            return True
        now, revision = self._clock(), entry.revision or 0  # after the answer: the holder's time began before
        if revision < lease.revision:  # from a replica that is behind
            return False
        if revision > lease.revision:
            lease.revision, lease.seen_at = revision, now
        found = msgspec.json.decode(entry.value or b"", type=LeaseValue)
        if not lease.granted:
            lease.position = found.position if found.stream == self._stream else 0
        waits_s = self._settings.lease_s * MARGIN
        return found.holder in ("", self._holder) or now - lease.seen_at > waits_s

    async def _write(self, bucket: "KeyValue", lease: Lease, holder: str) -> None:
        """Write a lease, unless another server has done so. Raises errors of nats-py."""
        from nats.js.errors import KeyWrongLastSequenceError  # noqa: PLC0415

        sent_at, was_granted = self._clock(), lease.granted
        value = msgspec.json.encode(LeaseValue(holder, self._server, self._stream, lease.position))
        lease.held = False  # unknown until the answer is there; the time that was granted goes on
        try:
            revision = await bucket.update(_key(lease.name), value, last=lease.revision)
        except KeyWrongLastSequenceError:
            lease.revision = 0
            return
        lease.revision, lease.seen_at = revision, self._clock()
        lease.held = holder == self._holder
        lease.until = sent_at + self._settings.lease_s if lease.held else float("-inf")
        if lease.held and not was_granted:
            self._report("info", f"output {lease.name}: written by this server from now on")


async def holdings(settings: ClusterSettings) -> dict[str, LeaseValue]:
    """Values of all leases, by the names of the outputs.

    Raises:
        OutputError: no server can be reached, or the bucket can't be read.
    """
    client = await connect(settings)
    try:
        return await _holdings(client.jetstream(timeout=ANSWER_TIMEOUT_S), settings.stream)
    finally:
        await close(client)


async def _holdings(stream: "JetStreamContext", name: str) -> dict[str, LeaseValue]:
    from nats.errors import Error  # noqa: PLC0415
    from nats.js.errors import BucketNotFoundError, NoKeysError  # noqa: PLC0415

    try:
        bucket = await stream.key_value(f"{name}-{LEASES}")
        keys: Iterable[str] = sorted(await bucket.keys())
        values = {key: (await bucket.get(key)).value or b"" for key in keys}
    except (BucketNotFoundError, NoKeysError):
        return {}
    except (Error, TimeoutError) as error:
        raise OutputError(f"leases of stream {name}: {error_text(error)}") from error
    return {_name(key): msgspec.json.decode(value, type=LeaseValue) for key, value in values.items()}


def _key(name: str) -> str:
    """Key for an output's name, with the characters that NATS allows."""
    return quote(name, safe="").replace(".", "%2E").replace("~", "%7E").replace("%", "=")


def _name(key: str) -> str:
    return unquote(key.replace("=", "%"))
