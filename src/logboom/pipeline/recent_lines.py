"""The lines of a journal's end, from which the memory of resends is made again at a start."""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from logboom.formats.envelope import ENTRY_AT, LISTENER_AT, RECEIVED_AT, SOURCE_AT
from logboom.journal.log import Log, blocks, start_of_last
from logboom.pipeline.resends import WINDOW_S, Resends
from logboom.settings import JournalSettings, ReceiverSettings

LOOK_BACK_BYTES_MAX: Final = 64 << 20
"""Bytes of the journal's end that are read at most: about half a second."""


class _Tail(msgspec.Struct, gc=False):
    source: str


_decode: Final[msgspec.json.Decoder[_Tail]] = msgspec.json.Decoder(_Tail)


def restored(log: Log, journal: JournalSettings, listeners: Mapping[str, ReceiverSettings]) -> Resends:
    """Return a memory of resends that knows what a server has stored before its start."""
    names = {name for name, settings in listeners.items() if settings.duplicates != "keep"}
    resends = Resends(journal.deduplication_bytes_max)
    resends.restore(recent_lines(log, names))
    return resends


def recent_lines(
    log: Log, listeners: Collection[str], window_s: float = WINDOW_S
) -> Iterator[tuple[bytes, str, str]]:
    """Yield the entries of some listeners that came within the window, with listener and source of each.

    Args:
        log: the journal.
        listeners: names; of none, nothing is read.
        window_s: seconds before now.
    """
    since = datetime.fromtimestamp(time.time() - window_s, UTC).isoformat(timespec="microseconds").encode()
    ends = {LISTENER_AT + msgspec.json.encode(name) + b"}": name for name in listeners}
    tails: dict[bytes, str] = {}
    for block in blocks(log, start_of_last(log, LOOK_BACK_BYTES_MAX) if ends else log.end, log.end):
        last = block.data.rfind(b"\n", 0, -1) + 1
        if block.data[last:][RECEIVED_AT] < since:
            continue
        for line in block.data.split(b"\n"):
            if line[RECEIVED_AT] < since:
                continue
            place = line.rfind(SOURCE_AT)
            tail = line[place + 1 :]
            listener = ends.get(tail[tail.rfind(LISTENER_AT) :])
            if listener is not None:
                yield line[ENTRY_AT:place], listener, tails.get(tail) or _source_of(tail, tails)


def _source_of(tail: bytes, tails: dict[bytes, str]) -> str:
    """Return the source in the rest of a line behind its entry, and keep a few of them."""
    try:
        source = _decode.decode(b"{" + tail).source
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if len(tails) < 10_000:
        tails[tail] = source
    return source
