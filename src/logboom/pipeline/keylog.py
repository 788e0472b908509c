"""Checkpoints of the deduplicator: what it remembers, on disk, and how far in the journal that reaches.

Files are `<data_dir>/keys/<start, seconds since the epoch>.keys`, one per generation, appended to in frames:
the journal position that the frame reaches, the number of digests, a checksum, the digests. A frame is not
synced. What a crash takes of the last ones is read again from the journal, whose lines hold their keys, from
the position of the last whole frame on.
"""

import os
import re
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import xxhash

from logboom.durable import FILE_MODE, make_folder, replace_file
from logboom.formats.envelope import KEY_AT, LISTENER_AT, entry_of
from logboom.journal.log import Log, LogCursor, start_of_last
from logboom.model import Report
from logboom.pipeline.deduplicator import DIGEST_BYTES, GENERATIONS, WINDOWS_MAX, Deduplicator

POSITION_INTERVAL_S: Final = 30.0
"""Interval of noting the position while no keys come; a start after a crash reads what came since."""

LOOK_BACK_BYTES_MAX: Final = 1 << 30
"""Bytes of the journal's end that are read where there is no checkpoint, as after an upgrade: about half a second."""

_FRAME: Final = struct.Struct("<8sQIQ")
_MAGIC: Final = b"lbkeys1\n"
_WINDOWS_MAGIC: Final = b"lbwinds\n"
_SUFFIX: Final = ".keys"
WINDOWS_NAME: Final = "windows"
"""File of the windows, each a digest. It needs no checksums: what the last files of keys have is added again."""
_KEY: Final = re.compile(
    rb',"source":"(?:[^"\\\n]++|\\.)*+"' + KEY_AT + rb'("(?:[^"\\\n]++|\\.)*+")' + LISTENER_AT
)


class KeyLog:
    """Keeps a deduplicator over restarts. Used on the thread of the deduplicator.

    Args:
        data_dir: of the server; the files are in its folder `keys`.
        deduplicator: is filled by `open`.
        window_s: how long files are kept, seconds.
        report: logs a disk that fails; entries are stored all the same.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        data_dir: Path,
        deduplicator: Deduplicator,
        window_s: float,
        report: Report,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = data_dir / "keys"
        self._deduplicator = deduplicator
        self._window_s = window_s
        self._report = report
        self._clock = clock
        self._bytes_max = deduplicator.pairs_max * DIGEST_BYTES
        self._path: Path | None = None
        self._started_s = 0.0
        self._position = -1
        self._noted_at = 0.0
        self._failing = False

    def open(self, log: Log) -> None:
        """Read the files, then the journal from where they end.

        Args:
            log: the journal.

        Raises:
            OSError: the journal can't be read.
        """
        self._read_windows()
        for path in self._files():
            self._read(path)
        start = self._position if self._position >= 0 else start_of_last(log, LOOK_BACK_BYTES_MAX)
        self._replay(log.cursor(start))
        self.note(log.end)

    def note(self, position: int) -> None:
        """Write down what was stored since the last call. A disk that fails is logged once.

        Args:
            position: the journal's sequence up to which every key is settled.
        """
        position, fresh, windows = self._deduplicator.take_fresh(position)
        now = self._clock()
        if not (fresh or windows) and (
            position == self._position or now - self._noted_at < POSITION_INTERVAL_S
        ):
            return
        try:
            file = self._file(now)
            if windows:  # first: without this frame, the position of the next one would be too far
                self._append(file, _WINDOWS_MAGIC, self._position, windows)
                self._append_windows(windows)
            self._append(file, _MAGIC, position, fresh)
            self._position, self._noted_at, self._failing = position, now, False
        except OSError as error:
            if not self._failing:
                self._report("error", f"keys of entries can't be noted in {self._folder}: {error}")
            self._failing = True

    def _append_windows(self, windows: Sequence[bytes]) -> None:
        """Add windows to the file that keeps them beyond the files of keys."""
        path = self._folder / WINDOWS_NAME
        if _size(path) >= 2 * WINDOWS_MAX * DIGEST_BYTES:
            replace_file(path, [b"".join(self._deduplicator.windows)])
        else:
            _append_whole(path, b"".join(windows))

    def _read_windows(self) -> None:
        """Remember the windows of the file; a power cut may have left a part of one."""
        try:
            data = (self._folder / WINDOWS_NAME).read_bytes()
        except FileNotFoundError:
            return
        whole = len(data) // DIGEST_BYTES * DIGEST_BYTES
        if whole < len(data):
            os.truncate(self._folder / WINDOWS_NAME, whole)
        self._deduplicator.restore_windows(
            [data[at : at + DIGEST_BYTES] for at in range(0, whole, DIGEST_BYTES)]
        )

    def _append(self, path: Path, magic: bytes, position: int, digests: list[bytes]) -> None:
        data = b"".join(digests)
        head = struct.pack("<QI", max(0, position), len(digests))
        _append_whole(
            path,
            _FRAME.pack(magic, max(0, position), len(digests), xxhash.xxh3_64_intdigest(head + data)) + data,
        )

    def _file(self, now: float) -> Path:
        """The newest file; another one when it is old or large enough. Those that are not needed are deleted."""
        path = self._path
        is_large = path is not None and _size(path) >= self._bytes_max // GENERATIONS
        if path is None or is_large or now - self._started_s >= self._window_s / GENERATIONS:
            make_folder(self._folder)
            path = self._path = self._folder / f"{int(now):012d}{_SUFFIX}"
            self._started_s = now
            self._delete_old(now)
        return path

    def _delete_old(self, now: float) -> None:
        """Delete files past the window, and those behind which enough for a full deduplicator was written."""
        horizon = now - self._window_s * (1 + 1 / GENERATIONS)
        newer_bytes = 0
        for path in reversed(self._files()):
            if path != self._path and (int(path.stem) < horizon or newer_bytes >= self._bytes_max):
                path.unlink(missing_ok=True)
            else:
                newer_bytes += _size(path)

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdigit())

    def _read(self, path: Path) -> None:
        """Remember what a file holds, up to its last whole frame; what follows is cut off."""
        good = 0
        data = path.read_bytes()
        while (frame := _frame_at(data, good)) is not None:
            magic, position, found, good = frame
            if magic == _WINDOWS_MAGIC:
                self._deduplicator.restore_windows(found)
                continue
            self._deduplicator.restore(found, float(path.stem))
            self._position = max(self._position, position)
        if good < len(data):
            os.truncate(path, good)
        self._path, self._started_s = path, float(path.stem)

    def _replay(self, reader: LogCursor) -> None:
        """Remember the keys of journal lines."""
        try:
            while (block := reader.read()) is not None:
                if KEY_AT not in block.data:
                    continue
                for line in block.data.split(b"\n"):
                    if KEY_AT in line and (found := _KEY.search(line, line.rfind(b',"source":'))):
                        self._deduplicator.restore_line(found[1], entry_of(line))
        finally:
            reader.close()


def encoded_key(kind: str, key: str) -> bytes:
    """A key as it stands in journal lines: a JSON string.

    Args:
        kind: what gave it, so that two protocols' keys never meet, for example `http`.
        key: as sent.
    """
    return msgspec.json.encode(f"{kind}:{key}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _append_whole(path: Path, data: bytes) -> None:
    """Append bytes, all or none. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    try:
        size = os.fstat(descriptor).st_size
        if os.write(descriptor, data) != len(data):
            os.ftruncate(descriptor, size)
            raise OSError(28, os.strerror(28))
    finally:
        os.close(descriptor)


def _frame_at(data: bytes, start: int) -> tuple[bytes, int, list[bytes], int] | None:
    """Kind, position, digests and end of the frame at `start`; None where there is no whole one."""
    body = start + _FRAME.size
    if body > len(data):
        return None
    magic, position, count, checksum = _FRAME.unpack_from(data, start)
    end = body + count * DIGEST_BYTES
    if magic not in (_MAGIC, _WINDOWS_MAGIC) or end > len(data):
        return None
    if xxhash.xxh3_64_intdigest(struct.pack("<QI", position, count) + data[body:end]) != checksum:
        return None
    return magic, position, [data[at : at + DIGEST_BYTES] for at in range(body, end, DIGEST_BYTES)], end
