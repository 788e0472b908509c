"""Reading lines from files and pipes in bounded memory, without blocking the event loop."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Final

from logboom.clients.delivery.encodings import Transcoder, as_utf8
from logboom.clients.delivery.report import Report
from logboom.framing.lines import LineFramer, TooLong

READ_BYTES: Final = 256 << 10
"""Bytes of one read: some thousand lines, so that a thread for each read costs nothing."""
LINE_BYTES_MAX: Final = 1 << 20
"""The longest line that is sent; no listener takes a longer one by default."""

Read = Callable[[int], bytes]
"""A blocking, unbuffered read of at most this number of bytes; no bytes: the end. Example: `partial(os.read, 0)`."""


async def read_lines(
    read: Read, report: Report, *, line_bytes_max: int = LINE_BYTES_MAX, raw: bool = False
) -> AsyncGenerator[list[bytes]]:
    """Yield what each read brings as a list of lines without line ends, so that `tail -f` flows at once.

    The lines are UTF-8: UTF-16 is decoded, a byte order mark left out, and what is invalid replaced.

    Args:
        read: brings the bytes.
        report: gets the bytes read, and the lines that are too long.
        line_bytes_max: the longest line, in bytes.
        raw: yield the bytes as they are.

    Raises:
        OSError: the file can't be read.
    """
    framer, transcoder = LineFramer(line_bytes_max), Transcoder()
    while data := await _in_thread(read, READ_BYTES):
        report.bytes_read += len(data)
        framer.feed(data if raw else transcoder.feed(data))
        for lines in _take(framer, report, line_bytes_max, raw=raw):
            yield lines
    framer.feed(b"" if raw else transcoder.feed(b"", last=True))
    framer.end()
    for lines in _take(framer, report, line_bytes_max, raw=raw):
        yield lines


def _take(framer: LineFramer, report: Report, line_bytes_max: int, *, raw: bool) -> list[list[bytes]]:
    chunks = []
    while (chunk := framer.take()) is not None:
        if isinstance(chunk, TooLong):
            report.refuse_unsent(f"line longer than {line_bytes_max} bytes")
        else:
            text = chunk if raw else as_utf8(chunk)
            chunks.append([line.removesuffix(b"\r") for line in text.split(b"\n")])
    return chunks


async def _in_thread(read: Read, size: int) -> bytes:
    """Run a read that may never return; as a daemon, so that Ctrl-C need not wait for a terminal's line."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(data: bytes, error: OSError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(data)
        else:
            future.set_exception(error)

    def work() -> None:
        data, failure = b"", None
        try:
            data = read(size)
        except OSError as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, data, failure)

    threading.Thread(target=work, name="read-lines", daemon=True).start()
    return await future
