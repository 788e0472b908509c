"""Hands every stored message to all other peers of the WebSocket, without ever delaying a sender.

There is one ring of frames for all readers, and one place in it a reader: memory is bounded by the ring,
however many readers there are. Serving them takes a tenth of the loop's time at most: with many readers
and many messages, each write carries more. A reader whose place was overwritten gets the number of missed messages.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from logboom.formats.times import iso_from_ns
from logboom.web.frames import text_frame

RING_BYTES_MAX: Final = 8 << 20
"""Frames kept for readers that are behind: half a second of 60,000 messages/s."""

_ITEM_BYTES: Final = 200
"""Bytes of an item of the ring in addition to its frames; otherwise tiny messages would take many times the limit."""

UNSENT_BYTES_MAX: Final = 256 << 10
"""Bytes that a reader may leave in our socket buffer; beyond, nothing is written to it."""

WRITE_BYTES: Final = 256 << 10
"""About how much is written to a reader at once."""

_SLICE_S: Final = 0.002
"""Work on readers in one turn of the loop."""
_REST_FACTOR: Final = 9
"""Ratio of rest to work: for this much longer, the loop belongs to others."""
_BLOCKED_RETRY_S: Final = 0.05
"""Interval of examining a reader that did not drain, seconds."""

# What serving costs, on a 2 GHz core over loopback. Estimated, not measured: most of it happens in the kernel, when
# the event loop flushes, after the hub's own turn.
_WRITE_COST_S: Final = 10e-6
_BYTE_COST_S: Final = 0.5e-9
_LOOK_COST_S: Final = 0.3e-6


class _Item(NamedTuple):
    sender: object
    frames: bytes
    first_message: int
    """Number of the item's first message, since the start."""


class Reader:
    """One peer, as the hub sees it.

    Args:
        transport: where its frames go.
    """

    __slots__ = ("message", "position", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.position = 0
        """Number of the next item."""
        self.message = 0
        """Number of the next message."""

    def write(self, *frames: bytes) -> None:
        """Write frames, unless the peer is gone."""
        if not self.transport.is_closing():
            self.transport.writelines(frames)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()


class Hub:
    """All peers of one listener's WebSocket.

    Args:
        call_later: the loop's.
    """

    def __init__(self, call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        self._call_later = call_later
        self._readers: dict[Reader, None] = {}  # ordered, so that each has its turn
        self._ring: deque[_Item] = deque()
        self._ring_bytes = 0
        self._end = 0  # number of the next item
        self._messages = 0
        self._round: deque[Reader] = deque()
        self._round_end = 0
        self._timer: asyncio.TimerHandle | None = None
        self._only_retrying = False  # the timer is for readers that do not drain
        self._writes = 0
        self.dropped = 0
        """Messages that readers were too slow for, each counted once per reader."""

    def __len__(self) -> int:
        """Number of peers."""
        return len(self._readers)

    def join(self, reader: Reader) -> None:
        """From now on the reader gets what others publish."""
        reader.position, reader.message = self._end, self._messages
        self._readers[reader] = None

    def leave(self, reader: Reader) -> None:
        """The reader is gone. Idempotent."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._ring.clear()
            self._ring_bytes = 0

    def is_heard(self, sender: Reader) -> bool:
        """Return whether there are other readers."""
        return len(self._readers) > (sender in self._readers)

    def publish(self, sender: Reader, frames: bytes, count: int) -> None:
        """Schedule `count` messages, as frames, for all readers except their sender."""
        self._ring.append(_Item(sender, frames, self._messages))
        self._ring_bytes += len(frames) + _ITEM_BYTES
        self._end += 1
        self._messages += count
        while self._ring_bytes > RING_BYTES_MAX:
            self._ring_bytes -= len(self._ring.popleft().frames) + _ITEM_BYTES
        if self._only_retrying and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._only_retrying = False
            self._timer = self._call_later(0, self._serve_some)

    def close(self) -> None:
        """Stop serving readers. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def _serve_some(self) -> None:
        """Serve readers in turn for one slice, then rest: also when nothing is left to do, for what comes next."""
        self._timer = None
        if not self._round and not self._start_round():
            return
        cost_s, writes = 0.0, self._writes
        while self._round and cost_s < _SLICE_S:
            reader = self._round.popleft()
            if reader in self._readers:
                cost_s += self._serve(reader)
        # A reader that is behind after a round without a write does not drain. No other waits for its next turn.
        self._only_retrying = not self._round and self._writes == writes
        rest_s = _BLOCKED_RETRY_S if self._only_retrying else cost_s * _REST_FACTOR
        self._timer = self._call_later(rest_s, self._serve_some)

    def _start_round(self) -> bool:
        """Schedule the next round, if there is anything to write."""
        if self._end == self._round_end and not any(map(self._is_behind, self._readers)):
            return False
        self._round.extend(self._readers)
        self._round_end = self._end
        return True

    def _is_behind(self, reader: Reader) -> bool:
        return reader.position < self._end

    def _serve(self, reader: Reader) -> float:
        """Write to one reader what it can take; returns what that cost, seconds."""
        if reader.position == self._end:
            return _LOOK_COST_S
        if reader.unsent_bytes > UNSENT_BYTES_MAX or reader.transport.is_closing():
            return _LOOK_COST_S
        frames = self._next_frames(reader)
        if not frames:
            return _LOOK_COST_S
        reader.write(*frames)
        self._writes += 1
        return _WRITE_COST_S + _BYTE_COST_S * sum(map(len, frames))

    def _next_frames(self, reader: Reader) -> list[bytes]:
        """The next frames for a reader, and its new place."""
        frames: list[bytes] = []
        start = self._end - len(self._ring)
        if reader.position < start:
            reader.position = start
            frames.append(self._drop_marker(reader))
        size = 0
        while reader.position < self._end and size < WRITE_BYTES:
            item = self._ring[reader.position - start]
            reader.position += 1
            if item.sender is not reader:
                frames.append(item.frames)
                size += len(item.frames)
        behind = reader.position < self._end
        reader.message = self._ring[reader.position - start].first_message if behind else self._messages
        return frames

    def _drop_marker(self, reader: Reader) -> bytes:
        """Return the frame in place of messages that a reader was too slow for."""
        first = self._ring[0].first_message if self._ring else self._messages
        missed = first - reader.message
        self.dropped += missed
        text = f"{missed} messages dropped: this reader is too slow; /api/tail?after=… reads them from the journal"
        marker = {
            "timestamp": iso_from_ns(time.time_ns())[:26],
            "message": text,
            "source": "logboom",
            "type": "status",
            "line_count": 1,
            "dropped": missed,
        }
        return text_frame(json.dumps(marker, ensure_ascii=False).encode())
