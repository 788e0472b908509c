"""Running a command and shipping its output. The command never waits for the server."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from logboom.clients.ansi import strip_ansi
from logboom.clients.backlog import Backlog, Chunk
from logboom.clients.child import Child
from logboom.clients.delivery import ConnectFailedError
from logboom.clients.dialect import Say, now_us
from logboom.clients.shipping import Shipper, Text
from logboom.clients.sources import LINE_BYTES_MAX
from logboom.protocols.framing import LineFramer, TooLong

_FIELDS: Final = {1: {}, 2: {"stream": "stderr"}}
_MARKER: Final = {"type": "error"}


class OutputLines:
    """Cuts the two outputs into lines, and puts them into the backlog."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._framers = {1: LineFramer(LINE_BYTES_MAX), 2: LineFramer(LINE_BYTES_MAX)}

    def feed(self, stream: int, data: bytes) -> None:
        """Take what one output brought; one thread a stream."""
        framer = self._framers[stream]
        framer.feed(data)
        self._put(stream, framer)

    def end(self) -> None:
        """No more will come: an unfinished line counts."""
        for stream, framer in self._framers.items():
            framer.end()
            self._put(stream, framer)

    def _put(self, stream: int, framer: LineFramer) -> None:
        while (chunk := framer.take()) is not None:
            if isinstance(chunk, TooLong):
                self._backlog.count_dropped(1)
            else:
                self._backlog.put(stream, now_us(), chunk)


class Wrapper:
    """Ships the output of one command.

    Args:
        argv: the command.
        shipper: sends.
        backlog: holds what was not sent yet.
        flush_timeout_s: how long to go on sending after the command has ended.
        strips_ansi: leave escape sequences out of what is shipped.
        say: told what a user should know.

    Raises:
        OSError: the command can't be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        shipper: Shipper,
        backlog: Backlog,
        *,
        flush_timeout_s: float,
        strips_ansi: bool = False,
        say: Say,
    ) -> None:
        self._shipper = shipper
        self._backlog = backlog
        self._flush_timeout_s = flush_timeout_s
        self._strips_ansi = strips_ansi
        self._say = say
        self._lines = OutputLines(backlog)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        self._over = False
        self._code = 0
        self._child = Child(argv, self._take)

    def _take(self, stream: int, data: bytes) -> None:
        """Output of the child, on a pump's thread."""
        self._lines.feed(stream, data)
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and self._news is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    async def run(self) -> int:
        """Until the command has ended and its output is sent; returns its exit code."""
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        threading.Thread(target=self._await_end, args=(ended,), daemon=True).start()
        shipping = asyncio.create_task(self._ship())
        shipping_failed = asyncio.create_task(self._say_why_it_ended(shipping))
        await ended.wait()
        self._child.on_late_signal = partial(self._hurry, shipping)
        self._over = True
        self._news.set()
        await asyncio.wait([shipping], timeout=self._flush_timeout_s)
        shipping.cancel()
        await asyncio.gather(shipping, shipping_failed, return_exceptions=True)
        self._tell()
        return self._code

    def _await_end(self, ended: asyncio.Event) -> None:
        """On a thread: wait for the child, then for its output."""
        self._code = self._child.wait()
        if self._child.drain(self._flush_timeout_s):
            self._lines.end()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(ended.set)

    def _hurry(self, shipping: "asyncio.Task[None]", _signal: int) -> None:
        """A signal after the command's end: leave what is not sent yet."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(shipping.cancel)

    async def _ship(self) -> None:
        """Send what waits, until the command is over and it is empty."""
        news = self._news
        if news is None:
            return
        try:
            while True:
                news.clear()
                over = self._over
                if await self._ship_some():
                    continue
                if over:
                    return
                await news.wait()
        finally:
            with suppress(OSError):
                await self._shipper.close()

    async def _ship_some(self) -> bool:
        chunks = self._backlog.take()
        texts: list[Text] = []
        for chunk in chunks:
            texts += self._texts(chunk)
        if not chunks and (dropped := self._backlog.take_untold()):
            texts.append(self._marker(dropped, now_us()))
        for start in range(0, len(texts), self._shipper.window):
            window = texts[start : start + self._shipper.window]
            await self._shipper.ship(window)
            self._backlog.settle(sum(text.fields is not _MARKER for text in window))
        return bool(texts)

    def _texts(self, chunk: Chunk) -> list[Text]:
        stamp_us, fields = self._shipper.dialect.stamp_us, _FIELDS[chunk.stream]
        marker = [self._marker(chunk.dropped, chunk.moment_us)] if chunk.dropped else []
        data = strip_ansi(chunk.data) if self._strips_ansi else chunk.data
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
        return [*marker, *[Text(line, stamp_us(chunk.moment_us), fields) for line in lines]]

    def _marker(self, dropped: int, moment_us: int) -> Text:
        text = f"⚠️ logboom run: {dropped} lines are missing here, too many waited for the server"
        return Text(text.encode(), self._shipper.dialect.stamp_us(moment_us), _MARKER)

    async def _say_why_it_ended(self, shipping: "asyncio.Task[None]") -> None:
        """Sending can end before the command, when the server stays away: the command goes on."""
        try:
            await asyncio.wait([shipping])
            if not shipping.cancelled():
                shipping.result()
        except (ConnectFailedError, OSError) as error:
            self._say(f"❌ {error}; the command goes on, its output is not sent any more")

    def _tell(self) -> None:
        """What the user must know at the end; nothing when all is well."""
        if self._backlog.lines:
            self._say(f"❌ {self._backlog.lines} lines were not delivered")
        if self._backlog.dropped:
            self._say(f"⚠️ {self._backlog.dropped} lines were dropped: too many waited, or they were too long")
        self._backlog.close()
