"""RefusedLine lines: reported in the operational log, and kept with their bytes, within a bound.

They are kept in two files in turn, so that half of the bound is always there. They are written at once, and not
synced: a kill of the server loses none, a power cut the last ones.
"""

import os
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec

from logboom.durable import FILE_MODE, make_folder
from logboom.formats.times import iso_from_ns
from logboom.model import INVALID, Batch, Report

PER_SECOND_MAX: Final = 200
"""Refused lines per second that are kept, so that a flood neither fills the log nor delays others; more are counted."""

RAW_BYTES_MAX: Final = 16 << 10
"""Bytes of a line that are kept."""

_NAMES: Final = ("refused-0.jsonl", "refused-1.jsonl")


class RefusedLine(msgspec.Struct, gc=False):
    """A refused line."""

    id: int
    at: str
    """Receive time, ISO 8601."""
    listener: str
    source: str
    address: str
    reason: str
    raw: bytes | None
    """The line without its newline; None: its receiver keeps none, or it was too long."""
    whole: bool = True
    """False: it was longer than `RAW_BYTES_MAX`."""

    def document(self) -> dict[str, object]:
        """Return it as `/api/refused` has it."""
        raw = self.raw
        return {
            "id": self.id,
            "at": self.at,
            "listener": self.listener,
            "source": self.source,
            "reason": self.reason,
            "text": None if raw is None else raw.decode(errors="replace"),
            "raw_base64": None if raw is None else b64encode(raw).decode(),
            "whole": self.whole,
        }


class RefusedLines:
    """The refused lines of a server that are kept. Used on the event loop.

    Args:
        data_dir: the files are in its folder `refused`.
        bytes_max: size of the files together; 0: nothing is kept.
        report: logs a disk that fails, once.
        clock: seconds, monotonic.
    """

    def __init__(
        self, data_dir: Path, bytes_max: int, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = data_dir / "refused"
        self._bytes_max = bytes_max
        self._report = report
        self._clock = clock
        self._files: tuple[deque[RefusedLine], deque[RefusedLine]] = (deque(), deque())
        self._current = 0
        self._size = 0
        self._newest = 0
        self._second = 0
        self._in_second = 0
        self._failing = False
        self.omitted = 0
        """RefusedLine lines that were not kept, since the start."""
        self._load()

    def __len__(self) -> int:
        """Number of lines that are kept."""
        return sum(map(len, self._files))

    def __iter__(self) -> Iterator[RefusedLine]:
        """Yield the lines, newest first."""
        yield from reversed(self._files[self._current])
        yield from reversed(self._files[1 - self._current])

    def note(self, batch: Batch) -> None:
        """Keep the refused lines of a batch."""
        if not self._bytes_max:
            return
        at, source = iso_from_ns(batch.received_ns), batch.source
        raws = batch.raws if len(batch.raws) == len(batch.reasons) else (None,) * len(batch.reasons)
        for reason, raw in zip(batch.reasons, raws, strict=True):
            if not self._has_time():
                self.omitted += 1
                continue
            self._newest += 1
            kept = None if raw is None else raw[:RAW_BYTES_MAX]
            self._append(
                RefusedLine(
                    self._newest, at, source.listener, source.peer, source.address, reason, kept, kept == raw
                )
            )

    def remove(self, ids: Collection[int]) -> None:
        """Forget lines."""
        for number, lines in enumerate(self._files):
            kept = [one for one in lines if one.id not in ids]
            if len(kept) < len(lines):
                lines.clear()
                lines.extend(kept)
                self._rewrite(number)

    def _has_time(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= PER_SECOND_MAX

    # --- the files ---

    def _append(self, line: RefusedLine) -> None:
        data = msgspec.json.encode(line) + b"\n"
        if self._size + len(data) > self._bytes_max // 2:
            self._current = 1 - self._current
            self._files[self._current].clear()
            self._rewrite(self._current)
        self._files[self._current].append(line)
        self._size += len(data)
        self._write(self._current, data, os.O_APPEND)

    def _rewrite(self, number: int) -> None:
        data = b"".join([msgspec.json.encode(one) + b"\n" for one in self._files[number]])
        self._write(number, data, os.O_TRUNC)
        if number == self._current:
            self._size = len(data)

    def _write(self, number: int, data: bytes, how: int) -> None:
        try:
            make_folder(self._folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how
            descriptor = os.open(self._folder / _NAMES[number], flags, FILE_MODE)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._report("warning", f"refused lines can't be kept in {self._folder}: {error.strerror}")
            self._failing = True

    def _load(self) -> None:
        """Read what an earlier run has kept; what can't be read is left out."""
        for number, name in enumerate(_NAMES):
            try:
                data = (self._folder / name).read_bytes()
            except OSError:
                continue
            self._files[number].extend(_read(data))
        newest = [lines[-1].id if lines else 0 for lines in self._files]
        self._newest = max(newest)
        self._current = newest.index(self._newest)
        self._size = sum(len(msgspec.json.encode(one)) + 1 for one in self._files[self._current])


class Refusals:
    """Reports the refused lines of a listener, and keeps them.

    Args:
        report: the operational log.
        kept: keeps them; None: nothing does.
    """

    def __init__(self, report: Report, kept: RefusedLines | None) -> None:
        self._report = report
        self._kept = kept

    def note(self, batch: Batch) -> None:
        """Report each refused line of a batch; a flood of them ends in a number."""
        source = batch.source
        for reason in batch.reasons:
            self._report("warning", f"{source.listener} {source.peer}: line refused: {reason}")
        more = sum(batch.verdicts.count(verdict) for verdict in INVALID) - len(batch.reasons)
        if more > 0:
            self._report("warning", f"{source.listener} {source.peer}: {more} more lines refused")
        if self._kept is not None:
            self._kept.omitted += max(0, more)
            self._kept.note(batch)


def _read(data: bytes) -> Iterator[RefusedLine]:
    for line in data.split(b"\n"):
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


_decoder: Final = msgspec.json.Decoder(RefusedLine)
