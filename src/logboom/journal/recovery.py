"""What happens to a journal at start: it is made whole again, whatever the last stop left behind."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from logboom.formats.envelope import Envelope
from logboom.journal.index import rebuild_index
from logboom.journal.segments import (
    INDEX_STEP_BYTES,
    IndexPoint,
    Segment,
    list_segments,
    read_index,
    sync_folder,
)

_decoder: Final = msgspec.json.Decoder(Envelope)


@dataclass
class Recovered:
    """The state to go on from."""

    next_sequence: int = 0
    segment: Segment | None = None
    """The segment to append to; None: start a new one."""
    size: int = 0
    indexed_to: int = 0
    """The offset from which the next index point is due."""
    set_aside_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    """What was found and done, in words; empty after a clean stop."""


def recover(folder: Path, set_aside: Path) -> Recovered:
    """Make the newest segment whole: cut a torn or damaged end (kept in `set_aside`), count its lines.

    Older segments were sealed after a sync, and are left alone: `logboom verify` looks at them.
    """
    recovered = Recovered()
    segments = list_segments(folder)
    while segments:
        segment = segments.pop()
        if segment.path.stat().st_size:
            _recover_segment(segment, set_aside, recovered)
            return recovered
        if not segments:  # an empty journal still remembers where its sequence stands
            recovered.next_sequence = segment.first
        recovered.next_sequence = max(recovered.next_sequence, segment.first)
        segment.path.unlink()
        segment.index_path.unlink(missing_ok=True)
    return recovered


def _recover_segment(segment: Segment, set_aside: Path, recovered: Recovered) -> None:
    points = read_index(segment)
    if not points:
        rebuild_index(segment)
        points = read_index(segment)
        recovered.notes.append(f"{segment.path.name}: index rebuilt")
    start = points[-1] if points else IndexPoint(segment.first, 0, 0)
    with segment.path.open("rb") as file:
        file.seek(start.offset)
        tail = file.read()
    good, count = good_lines(tail)
    if good < len(tail):
        _cut(segment, start.offset + good, tail[good:], set_aside, recovered)
    recovered.size = start.offset + good
    recovered.next_sequence = max(recovered.next_sequence, start.sequence + count)
    recovered.indexed_to = start.offset + INDEX_STEP_BYTES if points else 0
    # An empty newer segment may have claimed a later sequence; then this one is closed.
    if recovered.next_sequence == start.sequence + count:
        recovered.segment = segment


def good_lines(tail: bytes) -> tuple[int, int]:
    """How many bytes and lines of `tail` are whole journal lines, up to the first that is not."""
    whole = tail.rfind(b"\n") + 1
    count = tail.count(b"\n")
    try:
        if len(_decoder.decode_lines(tail[:whole])) == count:
            return whole, count
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    good = count = 0
    while (end := tail.find(b"\n", good)) >= 0 and is_good_line(tail[good:end]):
        good, count = end + 1, count + 1
    return good, count


def is_good_line(line: bytes) -> bool:
    """Whether `line` is one whole journal line."""
    try:
        _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _cut(segment: Segment, offset: int, rest: bytes, set_aside: Path, recovered: Recovered) -> None:
    """Keep the damaged end aside, then cut it off, each step durable before the next."""
    set_aside.mkdir(exist_ok=True)
    aside = set_aside / f"{segment.path.stem}.{offset}.torn"
    with aside.open("wb") as file:
        file.write(rest)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(set_aside)
    with segment.path.open("r+b") as file:
        file.truncate(offset)
        os.fsync(file.fileno())
    recovered.set_aside_bytes += len(rest)
    recovered.notes.append(f"{segment.path.name}: cut {len(rest)} torn bytes at {offset}, kept in {aside}")
