"""`beats`: the Lumberjack protocol of Beats and Logstash clients, acknowledged per window once it is stored.

Contract: docs/contracts/beats.md.
"""

from base64 import b64encode
from typing import Any, Final, NamedTuple, cast

from logboom.formats import ndjson
from logboom.formats.json_columns import Fields
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.formats.messagepack import MalformedError
from logboom.model import REASONS_MAX, Acker, Batch, Receipt, Verdict
from logboom.receivers.beats.beats_events import EventMapping
from logboom.receivers.beats.lumberjack import SLICE_BYTES, Event, LumberjackFrames

SLICE_EVENTS: Final = 1000
"""Events per batch."""

KEEP_ALIVE: Final = b"2A\0\0\0\0"
KEEP_ALIVE_S: Final = 5
"""Seconds between the signs of life that a client gets while its events are being stored."""

_NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})
_decoder: Final = ndjson.EntryDecoder(Fields | None)


class WindowAnswer:
    """The acker of a batch.

    Args:
        protocol: of the connection.
        window: the window that it is a part of.
        acknowledgement: of the whole window; empty if there is more of it.
    """

    __slots__ = ("_acknowledgement", "_protocol", "_window")

    def __init__(self, protocol: "BeatsProtocol", window: "_Window", acknowledgement: bytes) -> None:
        self._protocol = protocol
        self._window = window
        self._acknowledgement = acknowledgement

    def __call__(self, receipt: Receipt) -> bytes:
        """See `model.Acker`."""
        window = self._window
        self._protocol.waiting -= 1
        if not _NOT_STORED.isdisjoint(receipt.verdicts):
            window.failed = True
        return b"" if window.failed else self._acknowledgement


class _Window:
    """Answers of one window so far."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        self.failed = False
        """Some of it could not be stored: its sender must send all of it again."""


class _Judged(NamedTuple):
    """An event that was decoded, or refused."""

    entry: MappedEntry | None
    key: bytes
    verdict: Verdict
    size_bytes: int
    acknowledgement: bytes
    reason: str = ""


class BeatsProtocol:
    """One connection.

    Args:
        event_bytes_max: longest event; a longer one is refused.
        frame_bytes_max: longest frame.
    """

    __slots__ = ("_broken", "_event_bytes_max", "_frames", "_next", "_seconds", "_window", "fatal", "waiting")
    name = "beats"
    identity: str | None = None

    def __init__(self, *, event_bytes_max: int = 1 << 20, frame_bytes_max: int = 16 << 20) -> None:
        self._event_bytes_max = event_bytes_max
        self._frames = LumberjackFrames(frame_bytes_max)
        self._next: list[_Judged] = []
        self._window = _Window()
        self._seconds = 0
        self._broken = ""
        self.waiting = 0
        """Batches without an answer."""
        self.fatal: str | None = None

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._frames.feed(data)

    def receive_eof(self) -> None:
        """A window that is not complete has no acknowledgement: its sender sends it again."""

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        events = [] if self._next else self._take()
        batch = self._usual(events) if events else None
        if batch is not None:
            return batch, self._answer(events[-1].acknowledgement)
        judged = self._gather(events)
        if not judged:
            self.fatal = self._broken or None
            return None
        return _batch(judged), self._answer(judged[-1].acknowledgement)

    def _answer(self, acknowledgement: bytes) -> WindowAnswer:
        window = self._window
        self.waiting += 1
        if acknowledgement:
            self._window = _Window()
        return WindowAnswer(self, window, acknowledgement)

    def data_to_send(self) -> bytes:
        """Return a sign of life while the client waits, if it is time; called once per second."""
        if not self.waiting and not self._frames:
            self._seconds = 0
            return b""
        self._seconds = (self._seconds + 1) % KEEP_ALIVE_S
        return b"" if self._seconds else KEEP_ALIVE

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._frames) + sum([one.size_bytes for one in self._next])

    def _gather(self, events: list[Event]) -> list[_Judged]:
        """Return the events of the next batch: all with keys or none, up to the end of their window."""
        mapping = EventMapping()
        judged, self._next = self._next or [self._judge(event, mapping) for event in events], []
        keyed = [bool(one.key) for one in judged if one.entry is not None]
        if len(set(keyed)) > 1:
            end = _end_of_kind(judged)
            judged, self._next = judged[:end], judged[end:]
        return judged

    def _take(self) -> list[Event]:
        """Return events that belong to one window, as many as make a batch."""
        events: list[Event] = []
        size = 0
        take = self._frames.take
        try:
            while size < SLICE_BYTES and len(events) < SLICE_EVENTS and not self._broken:
                event = take()
                if event is None:
                    break
                run = [event]
                if not event.acknowledgement:
                    run += self._frames.take_run(SLICE_EVENTS - len(events) - 1, SLICE_BYTES - size)
                events += run
                size += sum([one.size_bytes for one in run])
                if event.acknowledgement:
                    break
        except MalformedError as error:
            self._broken = f"not the Lumberjack protocol: {error}"
        return events

    def _usual(self, events: list[Event]) -> Batch | None:
        """Return the batch of events that are plain, all with keys or none; None: there are others."""
        data = [event.data for event in events]
        chunk = b"\n".join(data)
        if chunk.count(b"\n") >= len(events) or b"\r" in chunk or (b"\\" in chunk and b"\\u" in chunk):
            return None  # to look for one byte first takes a tenth of the time
        if len(max(data, key=len)) > self._event_bytes_max:
            return None
        found = ndjson.decode_all(chunk, _decoder)
        if found is None:
            return None
        entries, keys = EventMapping().entries(chunk, cast("list[Fields]", found))
        if b"" in keys and any(keys):
            return None
        levels: list[object] = [entry.level for entry in entries]
        batch = batch_of(entries, sum([event.size_bytes for event in events]), levels=levels)
        batch.keys = keys if keys[0] else None
        return batch

    def _judge(self, event: Event, mapping: EventMapping) -> _Judged:
        data, size_bytes, acknowledgement = event
        if len(data) > self._event_bytes_max:
            reason = f"event of {len(data)} bytes, the limit is {self._event_bytes_max}"
            return _Judged(None, b"", Verdict.TOO_LONG, size_bytes, acknowledgement, reason)
        verdict, found, raw = _decode(data)
        if verdict is not Verdict.ACCEPTED:
            return _Judged(None, b"", verdict, size_bytes, acknowledgement, str(found))
        entry, key = mapping.entry(found)
        if raw:
            entry.raw = b64encode(raw).decode()
        return _Judged(entry, key, verdict, size_bytes, acknowledgement)


def _end_of_kind(judged: list[_Judged]) -> int:
    """Return the number of events in front that have keys, or have none, as the first one; refused ones have none."""
    kinds = [None if one.entry is None else bool(one.key) for one in judged]
    first = next(kind for kind in kinds if kind is not None)
    return kinds.index(not first)


def _decode(data: bytes) -> tuple[Verdict, Any, bytes]:
    """Return an event's verdict; its fields, or the reason why it is refused; and its bytes if they are no text."""
    line = data.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in data or b"\r" in data else data
    raw = b""
    if not line.isascii() and not ndjson.is_utf8(line):
        line, raw = line.decode(errors="replace").encode(), data
    if b"\\u" in line:
        line = ndjson.repaired(line)
    verdict, found = ndjson.judge_line(line, _decoder)
    if verdict is Verdict.NOT_JSON and (fixed := ndjson.repaired(line)) is not line:
        verdict, found = ndjson.judge_line(fixed, _decoder)
    return verdict, found, raw


def _batch(judged: list[_Judged]) -> Batch:
    entries = [one.entry for one in judged if one.entry is not None]
    levels: list[object] = [entry.level for entry in entries]
    batch = batch_of(
        entries,
        sum([one.size_bytes for one in judged]),
        verdicts=bytes([one.verdict for one in judged]),
        levels=levels,
        reasons=tuple([one.reason for one in judged if one.reason][:REASONS_MAX]),
    )
    keys = [one.key for one in judged if one.entry is not None]
    if keys and all(keys):
        batch.keys = keys
    return batch
