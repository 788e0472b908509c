"""Parts of a spool: queues of frames, and the one in memory."""

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple, Protocol

from logboom.clients.delivery import spool_frames
from logboom.clients.delivery.spool_frames import Frame, Kind


class Pending(NamedTuple):
    """A text that is not delivered yet, with all that its message is made of."""

    kind: Kind
    text: bytes
    moment_us: int
    fields: Mapping[str, str]


class SpoolPart(Protocol):
    """A queue of frames. `append` is called by any thread under the spool's lock, all else by the delivering thread."""

    @property
    def size_bytes(self) -> int:
        """Bytes of frames that are not delivered."""

    count: int
    """Texts that are not delivered."""
    source: str
    """The name of the sender of its texts; empty: texts bear their own."""
    in_doubt: int
    """Texts at the start that may have been sent, by this process or an earlier one; see `Cursor`."""
    anchor: str

    @property
    def key(self) -> str:
        """Idempotency key of the texts from the first one on: no other texts have had it, in any process."""

    def append(self, frame: bytes, count: int) -> None:
        """Add a frame of `count` texts. Raises OSError: then nothing was added."""

    def peek(self, count_max: int, bytes_max: int) -> list[Pending]:
        """The oldest texts, at least one of those that there are. Raises OSError."""

    def intend(self, count: int, anchor: str) -> None:
        """Note that the first `count` texts are about to be sent, in `in_doubt` as well. Raises OSError."""

    def drop(self, count: int) -> None:
        """Forget the first `count` texts: they are delivered. Raises OSError."""

    def sync(self) -> None:
        """Make it safe against a crash of the machine. Raises OSError."""

    def close(self) -> None:
        """Release it; what is not delivered stays."""


class Ahead(NamedTuple):
    """A frame that was read, and its bytes in the file."""

    frame: Frame
    size: int


class Queue:
    """Frames that were read ahead, and how much of the first is delivered."""

    def __init__(self) -> None:
        self.frames: deque[Ahead] = deque()
        self.skip = 0
        self._texts = 0

    def add(self, frame: Frame, size: int) -> None:
        """Add a frame that takes `size` bytes."""
        self.frames.append(Ahead(frame, size))
        self._texts += len(frame.texts)

    def pending(self, count_max: int, bytes_max: int) -> list[Pending]:
        """The first texts, at least one of those that there are."""
        found: list[Pending] = []
        skip = self.skip
        for (kind, moment_us, texts, fields, _), _ in self.frames:
            chosen = texts[skip : skip + count_max - len(found)] if skip or len(texts) > count_max else texts
            found += [
                Pending(kind, text, moment, fields) for moment, text in enumerate(chosen, moment_us + skip)
            ]
            skip = 0
            if len(found) >= count_max:
                break
        return _up_to(found[:count_max], bytes_max)

    def advance(self, count: int) -> int:
        """Forget texts; returns the bytes of the frames that are done with."""
        self.skip += count
        size = 0
        while self.frames and self.skip >= len(self.frames[0].frame.texts):
            done = self.frames.popleft()
            self.skip -= len(done.frame.texts)
            self._texts -= len(done.frame.texts)
            size += done.size
        return size

    @property
    def count(self) -> int:
        """Number of texts."""
        return self._texts - self.skip


def _up_to(found: list[Pending], bytes_max: int) -> list[Pending]:
    """Return the first texts that fit into `bytes_max` with their newlines, at least one."""
    sizes = list(accumulate(len(one.text) + 1 for one in found))
    return found if not sizes or sizes[-1] <= bytes_max else found[: max(1, bisect_right(sizes, bytes_max))]


def new_identity() -> str:
    """Return the name of a new part among all parts of all machines, for its keys: 64 random bits."""
    return os.urandom(8).hex()


class MemoryPart:
    """Frames in memory, where the disk can't be used."""

    def __init__(self, source: str = "") -> None:
        self.size_bytes = self.count = self.in_doubt = 0
        self.source, self.anchor = source, ""
        self._queue = Queue()
        self._identity = new_identity()
        self._dropped = 0

    @property
    def key(self) -> str:
        """See `SpoolPart`."""
        return f"{self._identity}-{self._dropped:x}"

    def append(self, frame: bytes, count: int) -> None:
        """See `SpoolPart`."""
        found = spool_frames.read(frame, 0)
        if found is not None:
            self._queue.add(found.frame, len(frame))
            self.size_bytes += len(frame)
            self.count += count

    def peek(self, count_max: int, bytes_max: int) -> list[Pending]:
        """See `SpoolPart`."""
        return self._queue.pending(count_max, bytes_max)

    def intend(self, count: int, anchor: str) -> None:
        """See `SpoolPart`."""
        self.in_doubt, self.anchor = count, anchor

    def drop(self, count: int) -> None:
        """See `SpoolPart`."""
        self.size_bytes -= self._queue.advance(count)
        self.count -= count
        self._dropped += count
        self.in_doubt = max(0, self.in_doubt - count)

    def sync(self) -> None:
        """See `SpoolPart`."""

    def close(self) -> None:
        """See `SpoolPart`."""
