"""Reading the journal by position: blocks of raw lines from any sequence on."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from logboom.journal.device_clock import Clocks
from logboom.journal.index import rebuild_index
from logboom.journal.log import BLOCK_BYTES, Block, nth_line_end
from logboom.journal.segment_file import SegmentFile, open_file
from logboom.journal.segments import Segment, find_segment, list_segments, seek
from logboom.journal.writer import Committed


class JournalReader:
    """Cursor over a journal that may be growing.

    Args:
        folder: the journal's folder.
        position: the first sequence to read. Deleted entries are skipped; see `first_sequence` of the block.
        committed: returns the end of the durable entries; None without a writer in this process: every whole
            line is read.
        clocks: times that lines do not give themselves; None: blocks have none.
    """

    def __init__(
        self,
        folder: Path,
        position: int = 0,
        committed: Callable[[], Committed] | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self._folder = folder
        self._clocks = clocks
        self._committed = committed
        self.position = position
        self._segment: Segment | None = None
        self._end: int | None = None  # first sequence of the following segment, once there is one
        self._file: SegmentFile | None = None
        self._offset = 0

    def read(self, bytes_max: int = BLOCK_BYTES) -> Block | None:
        """Read the next block of at most about `bytes_max` bytes, but at least one line; None at the end."""
        committed = self._committed() if self._committed else None
        if committed is not None and self.position >= committed.next_sequence:
            return None
        while self._segment is not None or self._open():
            block = self._read_segment(bytes_max, committed)
            if block is not None:
                return block
            if not self._advance():
                return None
        return None

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._file.close()
        self._file = self._segment = None

    def _open(self) -> bool:
        """Open the segment that holds the position, and skip to it."""
        segments = list_segments(self._folder)
        if not segments:
            return False
        number = find_segment(segments, self.position)
        segment = segments[number]
        self._end = segments[number + 1].first if number + 1 < len(segments) else None
        self.position = max(self.position, segment.first)
        if not segment.index_path.exists():
            with suppress(PermissionError):  # a folder that may only be read
                rebuild_index(segment)
        self._file = open_file(segment)
        self._segment = segment
        self._skip_to(segment, self.position)
        return True

    def _skip_to(self, segment: Segment, sequence: int) -> None:
        point = seek(segment, sequence)
        self._offset, wanted = point.offset, sequence - point.sequence
        while wanted > 0:
            data = self._whole_lines(BLOCK_BYTES, None)
            found = data.count(b"\n")
            if not found:  # the segment ends before the position: damage, or a gap
                return
            self._offset += len(data) if found <= wanted else nth_line_end(data, wanted)
            wanted -= found

    def _read_segment(self, bytes_max: int, committed: Committed | None) -> Block | None:
        """Read the next block of the open segment; None at its end."""
        data = self._whole_lines(bytes_max, self._limit(committed))
        count = data.count(b"\n")
        ends = [end for end in (self._end, committed and committed.next_sequence) if end is not None]
        if ends and self.position + count > min(ends):
            count = max(0, min(ends) - self.position)
            data = data[: nth_line_end(data, count)]
        if not count:
            return None
        clocks, segment = self._clocks, self._segment
        clock = clocks.of(segment) if clocks is not None and segment is not None else None
        block = Block(self.position, count, data, clock)
        self._offset += len(data)
        self.position += count
        return block

    def _limit(self, committed: Committed | None) -> int | None:
        """The offset up to which the open segment may be read; None: all of it."""
        segment = self._segment
        if committed is None or segment is None:
            return None
        if committed.segment_first == segment.first:
            return committed.offset
        if self._end is None:
            self._end = self._following(segment)
        return None

    def _following(self, segment: Segment) -> int | None:
        """First sequence of the segment after `segment`; None for the newest."""
        return min(
            (other.first for other in list_segments(self._folder) if other.first > segment.first),
            default=None,
        )

    def _whole_lines(self, bytes_max: int, limit: int | None) -> bytes:
        """Read whole lines at the offset: about `bytes_max` bytes, at least one line if there is one."""
        file = self._file
        while file is not None:
            size = bytes_max if limit is None else min(bytes_max, limit - self._offset)
            data = file.read_at(self._offset, max(0, size))
            end = data.rfind(b"\n") + 1
            if end or len(data) < bytes_max:
                return data[:end]
            bytes_max *= 2
        return b""

    def _advance(self) -> bool:
        """Move to the next segment, whose name gives the next sequence; False when there is none."""
        segment = self._segment
        if segment is None:
            return False
        following = self._following(segment)
        if following is None:
            return False
        if self._end is None:  # it was the newest one until now: read what was added before it was sealed
            self._end = following
            return True
        self.close()
        self.position = max(self.position, following)
        return True
