"""Last-lines mode of `send`: when a file changes, its last lines are sent as one message."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from logboom.clients.delivery.ansi import strip_ansi
from logboom.clients.delivery.encodings import GUESS_BYTES, UTF_8, Encoding, as_utf8, detect
from logboom.clients.delivery.shipping import Shipper, Text
from logboom.clients.follow.file_watch import FileWatch

READ_BYTES: Final = 256 << 10
"""Bytes at the end in which lines are looked for; five lines of a log take less than one of it in a hundred."""
TRIM_TRIES: Final = 3
_HOLE: Final = b"\0"
"""A writer that does not append goes on at its old place after a truncation: before it, the file has zeros."""


class LastLines:
    """Watches a file, and sends its last non-empty lines whenever they are others.

    Args:
        path: the file; need not exist yet.
        count: how many lines.
        shipper: sends.
        interval_s: a look at the file, without an event.
        trims: after sending, rewrite the file to those lines. What is written in that very moment is lost.
        strips_ansi: leave escape sequences out.
        follows: go on with what comes later; False: send the lines that are there, once.
    """

    def __init__(
        self,
        path: Path,
        count: int,
        shipper: Shipper,
        *,
        interval_s: float = 2.0,
        trims: bool = False,
        strips_ansi: bool = False,
        follows: bool = True,
    ) -> None:
        self._follows = follows
        self._path = path
        self._count = count
        self._shipper = shipper
        self._interval_s = interval_s
        self._trims = trims
        self._strips_ansi = strips_ansi
        self._sent: list[bytes] = []

    async def run(self) -> None:
        """Until cancelled, or until the lines are sent, if that is all. Raises `ConnectFailedError`."""
        try:
            await self._shipper.open()
            if not self._follows:
                await self.send_changes()
                return
            async with FileWatch(self._path, self._interval_s) as watch:
                while True:
                    await self.send_changes()
                    await watch.wait()
        finally:
            with suppress(OSError):
                await self._shipper.close()

    async def send_changes(self) -> None:
        """Send the last lines, if they are not those that were sent last."""
        lines = last_lines(self._path, self._count)
        if not lines or lines == self._sent:
            return
        texts = [strip_ansi(line) for line in lines] if self._strips_ansi else lines
        await self._shipper.ship_list(Text(b"\n".join(texts), self._shipper.dialect.stamp_us()))
        self._sent = lines
        if self._trims:
            trim(self._path, self._count)


def last_lines(path: Path, count: int) -> list[bytes]:
    """The last `count` lines that are not empty, as UTF-8; none when the file is not there."""
    encoding, data = _end_of(path)
    lines = as_utf8(data, encoding).split(b"\n")
    clean = [line.rstrip(b"\r").lstrip(_HOLE) for line in lines]
    return [line for line in clean if line.strip()][-count:]


def _end_of(path: Path) -> tuple[Encoding, bytes]:
    """The encoding of a file, and the whole lines at its end, `READ_BYTES` at most."""
    try:
        with path.open("rb") as file:
            encoding = detect(file.read(GUESS_BYTES))
            size = file.seek(0, os.SEEK_END)
            # a multiple of the code unit
            start = file.seek(max(len(encoding.mark), size - READ_BYTES & -4))
            data = file.read(READ_BYTES + 4)
    except OSError:
        return UTF_8, b""
    if start > len(encoding.mark):
        data = data[data.find(encoding.newline) + encoding.unit :]
    return encoding, data


def trim(path: Path, count: int) -> None:
    """Rewrite a file, in place, to its last lines. It stays the same file: its writer, appending, goes on.

    Files of UTF-16 and UTF-32 are left alone.
    """
    with suppress(OSError), path.open("r+b") as file:
        for _ in range(TRIM_TRIES):
            size = file.seek(0, os.SEEK_END)
            encoding, tail = _end_of(path)
            lines = [line.lstrip(_HOLE) for line in tail.split(b"\n") if line.strip(_HOLE + b" \t\r")]
            data = encoding.mark + b"".join(line.rstrip(b"\r") + b"\n" for line in lines[-count:])
            if len(data) >= size or encoding.unit > 1:
                return
            if file.seek(0, os.SEEK_END) == size:
                file.seek(0)
                file.write(data)
                file.truncate()
                return
