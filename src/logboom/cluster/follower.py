"""The follower: turns the cluster's stream into a local journal, the same on every follower.

The copy has the lines of all servers in the order of the stream, with sequences of its own. Everything that reads a
journal reads it unchanged. **Points** are pairs of a position in the stream and a sequence of the copy: after a restart
they show where to read on. Some are also in the cluster, for a new follower, as the stream deletes its oldest messages.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from logboom.cluster.key_values import open_bucket
from logboom.cluster.points import CopyPoint, PointFile
from logboom.errors import OutputError
from logboom.journal.index import received_at_ns
from logboom.journal.journal import AckLevel, Journal
from logboom.model import Batch, Receipt, Report, Source, Verdict
from logboom.outputs.jetstream import COUNT
from logboom.outputs.jetstream_connection import (
    ANSWER_TIMEOUT_S,
    JetstreamSettings,
    close,
    connect,
    end_tasks,
    error_text,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

POINTS: Final = "points"
"""Name of the bucket with shared points."""

POINT_MESSAGES: Final = 16
"""Messages between two points: about 16 MB, which are read again after a restart."""

SHARE_INTERVAL_S: Final = 600.0
"""Interval of the points in the cluster."""

SHARED_POINTS: Final = 64
"""Shared points that are kept: about eleven hours, within which a new follower can start."""

IN_FLIGHT_BYTES: Final = 8 << 20
"""Bytes that wait for the copy's disk; then the stream is not read."""

SILENCE_S: Final = 3.0
"""Time without a message after which the end of the stream is requested, and the subscription renewed if needed."""

RETRY_S: Final = 0.5


class FollowerError(Exception):
    """The copy can't be continued; the text says why."""


class FollowerState(NamedTuple):
    """State of the follower, for health and metrics."""

    stream_sequence: int
    """The last message that is in the copy, or on its way."""
    stream_end: int
    """The last known message of the stream."""
    trouble: str | None

    @property
    def lag(self) -> int:
        """Number of messages that are not in the copy."""
        return max(0, self.stream_end - self.stream_sequence)


class CopyFollower:
    """Thread that keeps the copy at the end of the stream.

    Args:
        settings: the servers and the stream.
        copy: the journal of the copy, which gets its receipts with `deliver`.
        folder: has the file of points.
        report: logs errors and recoveries.
    """

    def __init__(self, settings: JetstreamSettings, copy: Journal, folder: Path, report: Report) -> None:
        self._settings = settings
        self._copy = copy
        self._points = PointFile(folder / "points")
        self._report = report
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._next = CopyPoint(1, 0)
        self._noted = self._shared_at = 0.0
        self._stored: asyncio.Event
        self._failed: str | None = None
        self._end = 0
        self._trouble: str | None = None

    @property
    def state(self) -> FollowerState:
        """The current state; callable from any thread."""
        return FollowerState(self._next.stream_sequence - 1, self._end, self._trouble)

    def deliver(self, call: Callable[..., object], *args: Any) -> None:
        """Run a callable on the follower's loop."""
        with suppress(RuntimeError):  # it is closed: the receipts of the last group are not needed
            self._loop.call_soon_threadsafe(call, *args)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading. The copy is closed by its owner. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
            self._thread.join()

    # --- the thread ---

    def _run(self) -> None:
        self._task = self._loop.create_task(self._keep_going())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(end_tasks())
        self._loop.close()

    async def _keep_going(self) -> None:
        """Follow the stream, and try again after errors."""
        self._stored = asyncio.Event()
        while True:
            try:
                await self._follow()
            except (OutputError, FollowerError, OSError) as error:
                self._failing(str(error))
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        client = await connect(self._settings)
        try:
            import nats.errors  # noqa: PLC0415 - an extra

            try:
                await self._read(client.jetstream(timeout=ANSWER_TIMEOUT_S))
            except (nats.errors.Error, TimeoutError) as error:
                raise OutputError(error_text(error)) from error
        finally:
            await close(client)

    async def _read(self, stream: "JetStreamContext") -> None:
        from nats.errors import TimeoutError as Silence  # noqa: PLC0415
        from nats.js.api import ConsumerConfig, DeliverPolicy  # noqa: PLC0415

        self._failed = None
        await self._take_position(stream)
        start = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._next.stream_sequence
        )
        subscription = await stream.subscribe(
            self._settings.subjects,
            stream=self._settings.stream,
            ordered_consumer=True,
            config=start,
            pending_bytes_limit=256 << 20,
        )
        self._recovered()
        while True:
            try:
                message = await subscription.next_msg(timeout=SILENCE_S)
            except Silence:
                if await self._find_end(stream) >= self._next.stream_sequence:
                    return  # the subscription is lost
                continue
            await self._take(message)
            await self._share_point(stream)

    async def _find_end(self, stream: "JetStreamContext") -> int:
        info = await stream.stream_info(self._settings.stream)
        self._end = info.state.last_seq
        return self._end

    async def _take_position(self, stream: "JetStreamContext") -> None:
        """Find out where to read on. Raises `FollowerError`."""
        info = await stream.stream_info(self._settings.stream)
        self._end = info.state.last_seq
        while self._copy.pending_bytes:  # of the connection before
            await self._wait_for_room(0)
        stored = self._copy.committed.next_sequence
        self._next = self._points.last_before(stored) or CopyPoint(1, 0)
        oldest = info.state.first_seq
        if self._next.stream_sequence >= oldest or self._next.stream_sequence > self._end:
            return
        if stored:
            raise FollowerError(
                f"the copy is at message {self._next.stream_sequence} of the stream, which begins at {oldest} now: "
                "delete the folder of the copy to start a new one"
            )
        self._next = await self._shared_point(stream, oldest)
        self._copy.begin_at(self._next.sequence)

    async def _take(self, message: "Msg") -> None:
        """Store a message, or the part of it that is not in the copy yet."""
        stream_sequence = message.metadata.sequence.stream
        self._end = max(self._end, stream_sequence + message.metadata.num_pending)
        if stream_sequence < self._next.stream_sequence:
            return
        point = CopyPoint(stream_sequence, self._next.sequence)
        lines = message.data
        count = lines.count(b"\n")
        if COUNT not in (message.headers or {}) or (lines and not lines.endswith(b"\n")):
            self._report(
                "error", f"message {stream_sequence} of the stream was not written by Logboom; skipped"
            )
            count = 0
        self._next = CopyPoint(stream_sequence + 1, point.sequence + count)
        stored = self._copy.committed.next_sequence
        if count and self._next.sequence > stored:
            self._points.note(point, every=POINT_MESSAGES)
            await self._submit(lines, count)

    async def _submit(self, lines: bytes, count: int) -> None:
        batch = Batch(b"", bytes(count), size_bytes=len(lines))
        batch.lines = lines
        batch.source = Source("", "")
        batch.received_ns = received_at_ns(lines) or time.time_ns()
        self._copy.submit(batch, AckLevel.SYNCED, self._answered)
        await self._wait_for_room(IN_FLIGHT_BYTES)
        if self._failed is not None:
            raise FollowerError(self._failed)

    async def _wait_for_room(self, bytes_max: int) -> None:
        while self._copy.pending_bytes > bytes_max:
            self._stored.clear()
            await self._stored.wait()

    def _answered(self, receipt: Receipt) -> None:
        if Verdict.FAILED in receipt.verdicts:
            self._failed = f"the copy can't store: {self._copy.failing}"
        self._stored.set()

    # --- points in the cluster ---

    async def _share_point(self, stream: "JetStreamContext") -> None:
        now = time.monotonic()
        if now - self._shared_at < SHARE_INTERVAL_S:
            return
        self._shared_at = now
        bucket = await open_bucket(stream, self._settings, POINTS)
        await bucket.put(f"{self._next.stream_sequence:020}", self._next.packed)
        names = sorted(await bucket.keys())
        for name in names[:-SHARED_POINTS]:
            await bucket.purge(name)

    async def _shared_point(self, stream: "JetStreamContext", oldest: int) -> CopyPoint:
        """The first point in the cluster that the stream still has. Raises `FollowerError`."""
        from nats.js.errors import NoKeysError  # noqa: PLC0415

        with suppress(NoKeysError):
            bucket = await open_bucket(stream, self._settings, POINTS)
            for name in sorted(await bucket.keys()):
                if int(name) >= oldest:
                    value = (await bucket.get(name)).value or b""
                    return CopyPoint.unpacked(value)
        raise FollowerError(
            f"the stream begins at message {oldest}, and no other follower has noted a later point yet; "
            "it does so every ten minutes"
        )

    # --- reports ---

    def _failing(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._report("error", f"follower: {trouble}; it will be retried")
        self._trouble = trouble

    def _recovered(self) -> None:
        if self._trouble is not None:
            self._report("info", "follower: reads the stream again")
        self._trouble = None
