"""Spool files of the first format, which earlier versions of the logging handler have left."""

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import Final

from logboom.clients.delivery.spool_frames import Frame, Kind
from logboom.clients.delivery.spoolparts import Pending, Queue

MAGIC: Final = b"logboom-spool 1 "
HEADER_BYTES: Final = len(MAGIC) + 16


class OldFilePart:
    """Lines in a locked file of the first format: JSON objects, of the logging handler. Not appended to.

    Args:
        path: of the file.
        descriptor: open for reading and writing, locked; belongs to the part.

    Raises:
        OSError: it can't be read, or is no spool file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.source = self.anchor = ""
        self.in_doubt = 0
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        number = data[len(MAGIC) : HEADER_BYTES].strip()
        if not data.startswith(MAGIC) or not number.isdigit():
            raise OSError(f"not a spool file: begins with {data[:16]!r}")
        self._start = max(int(number), HEADER_BYTES)
        self._lines = deque(data[self._start : data.rfind(b"\n") + 1].split(b"\n")[:-1])
        self.size_bytes = sum(map(len, self._lines)) + len(self._lines)
        self.count = len(self._lines)

    @property
    def key(self) -> str:
        """See `SpoolPart`."""
        return f"{self.path.stem}-{self._start:x}"

    def append(self, frame: bytes, count: int) -> None:  # noqa: ARG002 - of `SpoolPart`
        """See `SpoolPart`."""
        raise OSError(f"{self.path} has the first format and takes no more")

    def peek(self, count_max: int, bytes_max: int) -> list[Pending]:
        """See `SpoolPart`."""
        queue = Queue()
        count = min(count_max, len(self._lines))
        texts = [self._lines[index] for index in range(count)]
        queue.add(Frame(Kind.OBJECT, 0, texts), 0)
        return queue.pending(count_max, bytes_max)

    def intend(self, count: int, anchor: str) -> None:
        """See `SpoolPart`; not kept over the end of the process."""
        self.in_doubt, self.anchor = count, anchor

    def drop(self, count: int) -> None:
        """See `SpoolPart`."""
        size = sum(len(self._lines.popleft()) + 1 for _ in range(count))
        self._start += size
        self.size_bytes -= size
        self.count -= count
        self.in_doubt = max(0, self.in_doubt - count)
        os.pwrite(self._descriptor, MAGIC + b"%015d\n" % self._start, 0)

    def sync(self) -> None:
        """See `SpoolPart`."""

    def close(self) -> None:
        """See `SpoolPart`; a file whose lines are all delivered is deleted."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if not self.count:
                self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the file and leave it as it is."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
