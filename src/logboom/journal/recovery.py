"""What happens to a journal at start: it is made whole again, whatever the last stop left behind."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from logboom.formats.envelope import Envelope
from logboom.formats.ndjson import is_utf8
from logboom.journal.index import rebuild_index
from logboom.journal.segments import (
    INDEX_STEP_BYTES,
    POINT_BYTES,
    IndexPoint,
    Segment,
    list_segments,
    read_index,
    sync_folder,
)

_decoder: Final = msgspec.json.Decoder(Envelope)
_BLOCK_BYTES: Final = 4 << 20
"""Read at once; longer than any line."""
_LINE_START: Final = b'{"received_at":"'


@dataclass
class Recovered:
    """The state to go on from."""

    next_sequence: int = 0
    segment: Segment | None = None
    """The segment to append to; None: start a new one."""
    size: int = 0
    indexed_to: int = 0
    """The offset from which the next index point is due."""
    started_ns: int = 0
    """Receive time of the segment's first entry, nanoseconds since the epoch; 0: unknown."""
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
        sync_folder(folder)  # it must not come back and bound the segment that goes on in its place
    return recovered


def _recover_segment(segment: Segment, set_aside: Path, recovered: Recovered) -> None:
    points = read_index(segment)
    # A point was written after what it points at was synced: damage can only stand behind the last one.
    start = points[-1] if points else IndexPoint(segment.first, 0, 0)
    recovered.size, count = _good_end(segment.path, start.offset)
    rest = segment.path.stat().st_size - recovered.size
    if rest:
        _cut(segment, recovered.size, rest, set_aside, recovered)
    _sync(segment.path)  # what is read from now on must not vanish in the next power cut
    if not _index_is_whole(segment, points):
        rebuild_index(segment)
        points = read_index(segment)
        recovered.notes.append(f"{segment.path.name}: index rebuilt")
    end = start.sequence + count
    recovered.next_sequence = max(recovered.next_sequence, end)
    recovered.indexed_to = points[-1].offset + INDEX_STEP_BYTES if points else 0
    # An empty newer segment may have claimed a later sequence; then this one is closed.
    if recovered.next_sequence == end:
        recovered.segment = segment
        recovered.started_ns = points[0].received_ns if points else 0


def _index_is_whole(segment: Segment, points: list[IndexPoint]) -> bool:
    """Points that are appended behind a torn one would never be found again."""
    path = segment.index_path
    return bool(points) and path.stat().st_size == len(points) * POINT_BYTES


def _good_end(path: Path, offset: int) -> tuple[int, int]:
    """Where the good lines from `offset` on end, and how many there are; reads in blocks."""
    count, rest = 0, b""
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_BLOCK_BYTES):
            data = rest + block
            good, lines = good_lines(data)
            offset, count = offset + good, count + lines
            rest = data[good:]
            if b"\n" in rest or len(rest) > _BLOCK_BYTES:  # a bad line, or what is no line at all
                break
    return offset, count


def good_lines(tail: bytes) -> tuple[int, int]:
    """How many bytes and lines of `tail` are whole journal lines, up to the first that is not."""
    whole = tail.rfind(b"\n") + 1
    count = tail.count(b"\n", 0, whole)
    if _all_good(tail[:whole], count):
        return whole, count
    good = count = 0
    while (end := tail.find(b"\n", good)) >= 0 and is_good_line(tail[good:end]):
        good, count = end + 1, count + 1
    return good, count


def _all_good(lines: bytes, count: int) -> bool:
    """Whether all lines are good, in a few calls. The decoder takes any white space for a newline: hence the count."""
    starts = lines.startswith(_LINE_START) + lines.count(b"\n" + _LINE_START)
    try:
        return starts == count == len(_decoder.decode_lines(lines)) and is_utf8(lines)
    except (msgspec.DecodeError, RecursionError):
        return False


def is_good_line(line: bytes) -> bool:
    """Whether `line` is one whole journal line."""
    try:
        _decoder.decode(line)
    except msgspec.DecodeError:
        return False
    except RecursionError:
        # How deep the decoder can go depends on who calls it: an entry that was acknowledged must not look damaged.
        return line.startswith(_LINE_START) and line.endswith(b'"}') and is_utf8(line)
    return is_utf8(line)  # the decoder skips the entry without a look at its characters


def _cut(segment: Segment, offset: int, size: int, set_aside: Path, recovered: Recovered) -> None:
    """Keep the damaged end aside, then cut it off, each step durable before the next."""
    set_aside.mkdir(exist_ok=True)
    aside = set_aside / f"{segment.path.stem}.{offset}.torn"
    with segment.path.open("rb") as source, aside.open("wb") as file:
        source.seek(offset)
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(set_aside)
    os.truncate(segment.path, offset)
    recovered.set_aside_bytes += size
    recovered.notes.append(f"{segment.path.name}: cut {size} torn bytes at {offset}, kept in {aside}")


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
