"""Running a command and delivering its output, by way of a spool on disk."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from logboom.clients.delivery.ansi import strip_ansi
from logboom.clients.delivery.dispatch import Dispatch
from logboom.clients.delivery.encodings import Transcoder, as_utf8
from logboom.clients.delivery.line_reader import LINE_BYTES_MAX
from logboom.clients.delivery.shipping import Shipper
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.run.child import PIPES_BYTES_MAX, Child
from logboom.clients.wire.dialect import ConnectFailedError, Say, now_us
from logboom.framing.lines import LineFramer, TooLong

_FIELDS: Final = {1: b"", 2: b'{"stream":"stderr"}'}
ROOM_S: Final = 0.1
"""Interval of looks for room in a full spool."""
RESERVE_BYTES: Final = 2 * PIPES_BYTES_MAX
"""Further room at the command's end, for what is in the pipes: frames are larger than their lines."""


class OutputLines:
    """Cuts the two outputs into lines, and appends them to the spool. When that is full, the output waits.

    Args:
        spool: takes the lines.
        strips_ansi: leave escape sequences out.
        on_full: called when the output has to wait; on a thread.
    """

    def __init__(self, spool: Spool, *, strips_ansi: bool, on_full: Callable[[], object]) -> None:
        self._spool = spool
        self._strips_ansi = strips_ansi
        self._on_full = on_full
        self._framers = {stream: LineFramer(LINE_BYTES_MAX) for stream in _FIELDS}
        self._transcoders = {stream: Transcoder() for stream in _FIELDS}
        self._locks = {stream: threading.Lock() for stream in _FIELDS}
        self._ended = False
        self._gives_up = threading.Event()
        self.dropped = 0
        """Lines without room after `give_up`."""
        self.too_long = 0
        """Lines longer than `sources.LINE_BYTES_MAX`."""

    def feed(self, stream: int, data: bytes) -> None:
        """Take what one output brought; one thread per stream."""
        with self._locks[stream]:
            if not self._ended:
                framer = self._framers[stream]
                framer.feed(self._transcoders[stream].feed(data))
                self._put(stream, framer)

    def give_up(self) -> None:
        """From now on, lines without room are dropped and counted."""
        self._gives_up.set()

    def end(self) -> None:
        """No more will be taken: an unfinished line counts."""
        for stream, framer in self._framers.items():
            with self._locks[stream]:
                framer.feed(self._transcoders[stream].feed(b"", last=True))
                framer.end()
                self._put(stream, framer)
        self._ended = True

    def _put(self, stream: int, framer: LineFramer) -> None:
        while (chunk := framer.take()) is not None:
            if isinstance(chunk, TooLong):
                self.too_long += 1
                continue
            data = as_utf8(strip_ansi(chunk) if self._strips_ansi else chunk)
            lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
            lines = [line for line in lines if line and not line.isspace()]
            if lines:
                self._append(stream, lines)

    def _append(self, stream: int, lines: list[bytes]) -> None:
        moment_us = now_us()
        while not self._spool.append(lines, Kind.TEXT, fields=_FIELDS[stream], moment_us=moment_us):
            if self._gives_up.is_set():
                self.dropped += len(lines)
                return
            self._on_full()
            self._gives_up.wait(ROOM_S)


class Wrapper:
    """Delivers the output of one command.

    Args:
        argv: the command.
        shipper: delivers.
        spool: holds what is not delivered.
        flush_timeout_s: time after the command's end for the output of what it has started, and for the delivery.
        strips_ansi: leave escape sequences out of what is delivered.
        say: reports to the user.

    Raises:
        OSError: the command can't be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        shipper: Shipper,
        spool: Spool,
        *,
        flush_timeout_s: float,
        strips_ansi: bool = False,
        say: Say,
    ) -> None:
        self._shipper = shipper
        self._spool = spool
        self._flush_timeout_s = flush_timeout_s
        self._say = say
        self._lines = OutputLines(spool, strips_ansi=strips_ansi, on_full=self._say_full)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatch: Dispatch | None = None
        self._ended_at = 0.0
        self._code = 0
        self._child = Child(argv, self._take)

    def _take(self, stream: int, data: bytes) -> None:
        """Output of the child, on a pump's thread."""
        self._lines.feed(stream, data)
        if self._dispatch is not None:
            self._in_loop(self._dispatch.wake)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call, *arguments)

    def _say_full(self) -> None:
        self._shipper.say_full(self._spool, "the command waits until there is room")

    async def run(self) -> int:
        """Until the command has ended and its output is delivered or spooled; returns its exit code."""
        self._loop = asyncio.get_running_loop()
        self._dispatch = Dispatch(self._spool, self._shipper, self._say)
        drained = asyncio.Event()
        self._spool.adopt()
        dispatching = asyncio.create_task(self._dispatch.run(_wait(drained)))
        failing = asyncio.create_task(self._say_why_it_ended(dispatching))
        threading.Thread(target=self._await_end, args=(drained,), daemon=True).start()
        await drained.wait()
        self._child.on_late_signal = partial(self._hurry, dispatching)
        left_s = self._ended_at + self._flush_timeout_s - time.monotonic()
        await asyncio.wait([dispatching], timeout=max(0.0, left_s) if math.isfinite(left_s) else None)
        dispatching.cancel()
        await asyncio.gather(dispatching, failing, return_exceptions=True)
        self._report()
        self._spool.close()
        return self._code

    def _await_end(self, drained: asyncio.Event) -> None:
        """On a thread: wait for the child, then for its output."""
        self._code = self._child.wait()
        self._ended_at = time.monotonic()
        self._spool.grow(RESERVE_BYTES)  # what the command has written is in the pipes, and must have room
        if not self._child.drain(self._flush_timeout_s):
            self._say(
                "⚠️ a process that the command has started still runs; what it writes is not sent any more"
            )
        self._lines.give_up()
        self._lines.end()
        self._in_loop(drained.set)

    def _hurry(self, dispatching: "asyncio.Task[None]", _signal: int) -> None:
        """Leave what is not delivered yet in the spool: a signal came after the command's end."""
        self._in_loop(dispatching.cancel)

    async def _say_why_it_ended(self, dispatching: "asyncio.Task[None]") -> None:
        """Delivering can end before the command, when the server stays away: the command goes on."""
        try:
            await asyncio.wait([dispatching])
            if not dispatching.cancelled():
                dispatching.result()
        except (ConnectFailedError, OSError) as error:
            self._say(
                f"❌ {error}; the command goes on, its output is kept for the next run while there is room"
            )
            self._lines.give_up()

    def _report(self) -> None:
        """Report what the user must know at the end; nothing when all is delivered."""
        if count := self._spool.count:
            where = self._spool.folder if self._spool.durable else None
            if where is None:
                self._say(
                    f"❌ {count} lines were not delivered and are lost: {self._spool.trouble or 'no spool'}"
                )
            else:
                self._say(
                    f"⚠️ {count} lines are not delivered yet. They are kept in {where}, and go out with the next "
                    f"`logboom run` or `logboom send` to {self._shipper.target}"
                )
        if self._lines.dropped:
            self._say(f"❌ {self._lines.dropped} lines were dropped, since there was no room for them")
        if self._lines.too_long:
            self._say(f"⚠️ {self._lines.too_long} lines were left out: longer than {LINE_BYTES_MAX} bytes")


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
