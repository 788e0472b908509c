"""Files of zstd frames with a table of the frames: any range can be read by unpacking only the frames that it meets.

The format is the "zstd seekable format" of the zstd project: frames, then a skippable frame with the sizes of all
frames. `zstd -d`, `zstdcat` and `zstdgrep` read it as any zstd file. A second skippable frame before the table has the
number of lines per frame: a damaged frame is read as that many damaged lines, so that all others keep their sequence.
"""

import os
import struct
import sys
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from logboom.journal.packed_file import PackedFile, PackedPart

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_SKIPPABLE: Final = struct.Struct("<II")
_TABLE_MAGIC: Final = 0x184D2A5E
_LINES_MAGIC: Final = 0x184D2A50
_ENTRY: Final = struct.Struct("<II")
_LINES: Final = struct.Struct("<I")
_FOOTER: Final = struct.Struct("<IBI")
_FOOTER_MAGIC: Final = 0x8F92EAB1

FRAMES_MAX: Final = 1 << 20
"""Most frames of a file, a terabyte of lines; a table that claims more is damaged."""


class PackedFrame(NamedTuple):
    """A frame, and the lines in it."""

    offset: int
    """Start in the file, bytes."""
    size: int
    """Size in the file, bytes."""
    start: int
    """Offset of its first unpacked byte."""
    unpacked: int
    """Bytes after unpacking."""
    lines: int


def write_frames(file: BinaryIO, parts: Iterable[bytes], level: int) -> None:
    """Write one frame per part, and the tables. The caller syncs the file.

    Args:
        file: open for writing, at its start.
        parts: whole lines each.
        level: zstd's compression level, 1 to 22.

    Raises:
        OSError: the disk is full, or broken.
    """
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.checksum_flag: 1,  # so that every damaged byte is detected
    }
    sizes: list[bytes] = []
    lines: list[bytes] = []
    for part in parts:
        frame = zstd.compress(part, options=options)
        file.write(frame)
        sizes.append(_ENTRY.pack(len(frame), len(part)))
        lines.append(_LINES.pack(part.count(b"\n")))
    counts = b"".join(lines)
    table = b"".join(sizes) + _FOOTER.pack(len(sizes), 0, _FOOTER_MAGIC)
    file.write(_SKIPPABLE.pack(_LINES_MAGIC, len(counts)) + counts)
    file.write(_SKIPPABLE.pack(_TABLE_MAGIC, len(table)) + table)


class SeekableFile(PackedFile):
    """Reader of such a file. Raises as `PackedFile` does."""

    frames: list[PackedFrame]

    def _read_parts(self, path: Path) -> list[PackedPart]:
        self.frames = _read_table(self._descriptor, path)
        return [PackedPart(frame.unpacked, frame.lines) for frame in self.frames]

    def _unpack(self, number: int) -> bytes | None:
        frame = self.frames[number]
        packed = os.pread(self._descriptor, frame.size, frame.offset)
        try:
            return zstd.decompress(packed)
        except zstd.ZstdError:
            return None


def _read_table(descriptor: int, path: Path) -> list[PackedFrame]:
    """Read the frames from the end of a file. Raises `OSError`."""
    end = os.fstat(descriptor).st_size
    footer = os.pread(descriptor, _FOOTER.size, max(0, end - _FOOTER.size))
    damaged = OSError(f"{path.name} has no valid table of its frames at its end")
    if len(footer) < _FOOTER.size:
        raise damaged
    count, flags, magic = _FOOTER.unpack(footer)
    if magic != _FOOTER_MAGIC or flags or count > FRAMES_MAX:
        raise damaged
    sizes_at = end - _FOOTER.size - count * _ENTRY.size
    lines_at = sizes_at - _SKIPPABLE.size - count * _LINES.size
    if lines_at < _SKIPPABLE.size:
        raise damaged
    sizes = list(_ENTRY.iter_unpack(os.pread(descriptor, count * _ENTRY.size, sizes_at)))
    lines = [one for (one,) in _LINES.iter_unpack(os.pread(descriptor, count * _LINES.size, lines_at))]
    packed = list(accumulate((size for size, _ in sizes), initial=0))
    unpacked = list(accumulate((size for _, size in sizes), initial=0))
    if packed[-1] + _SKIPPABLE.size != lines_at or any(
        size < found for (_, size), found in zip(sizes, lines, strict=True)
    ):
        raise damaged
    return [
        PackedFrame(packed[number], size, unpacked[number], bytes_, lines[number])
        for number, (size, bytes_) in enumerate(sizes)
    ]
