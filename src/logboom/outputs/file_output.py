"""Common part of all outputs to files: positions, crash recovery, rotation. A format adds `render`."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from logboom.durable import FILE_MODE, shared
from logboom.errors import OutputError, TakenAwayError
from logboom.journal.disk import Disk
from logboom.journal.log import Block
from logboom.outputs.backups import Backups
from logboom.outputs.base import PathSettings, position_path
from logboom.outputs.positions import Position, PositionFile
from logboom.outputs.rotating_file import FileState, Modes, RotatingFile
from logboom.outputs.selection import Lines


class FileSettings(PathSettings, kw_only=True, forbid_unknown_fields=True):
    """Settings of every output to a file of lines."""

    max_file_bytes: Annotated[
        int, Meta(ge=0, description="Size limit at which the file is rotated, bytes. 0: no limit.")
    ] = 0
    rotate_interval_s: Annotated[
        float,
        Meta(
            ge=0,
            description="The file is rotated at the first line after the clock (UTC) passes a multiple of this, "
            "seconds; 86400 is daily. 0: never.",
        ),
    ] = 0.0
    backup_count: Annotated[
        int,
        Meta(ge=0, le=9999, description="Number of rotated files to keep. 0: a full file is deleted."),
    ] = 5
    compress: Annotated[bool, Meta(description="Gzip rotated files.")] = False
    file_mode: Annotated[
        str,
        Meta(
            pattern="^(0?[0-7]{3})?$",
            description="Permissions of the file, octal, such as `0640`; a new folder gets the same, plus search "
            "permission for its readers. Empty: 0666 minus the umask, inside `data_dir` 0640 minus the umask.",
        ),
    ] = ""


_TAKEN_AWAY: Final = {
    FileState.MOVED: "was moved away with all its lines; continuing with a file of that name",
    FileState.DELETED: "was deleted; continuing with a new file and every line since the last check",
    FileState.CUT: "was truncated; continuing at its end",
}


class FileOutput(ABC):
    """Output that writes lines to a rotating file, each exactly once, despite crashes.

    The position file has the size of the file when a sequence was reached. Lines past that size were written
    by this output but not recorded: they are cut off at the next start, and written again from the journal.
    Before a file is rotated, everything in it is made durable and recorded.

    Other programs may move, delete or truncate the file at any time. It is checked before each write, and after each
    sync before its lines count as written: lines in a deleted file are written again to the new one, and a file that
    was moved keeps its lines.

    Args:
        settings: validated settings.
        name: name of the output in the configuration.
        data_dir: folder of the position file.
        disk: replaced by a faulty one in tests.
        clock: seconds since the epoch, for rotation by time.
    """

    first_backup: ClassVar[int] = 1
    """Number of the newest backup."""

    def __init__(
        self,
        settings: FileSettings,
        name: str,
        data_dir: Path,
        *,
        disk: Disk | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        disk = disk or Disk()
        path = settings.file_path()
        self.damaged = 0
        self._selection = settings.selection()
        self._positions = PositionFile(position_path(data_dir, name), disk)
        self._file = RotatingFile(
            path,
            Backups(path, settings.backup_count, first=self.first_backup, compress=settings.compress),
            file_bytes_max=settings.max_file_bytes,
            rotate_interval_s=settings.rotate_interval_s,
            disk=disk,
            clock=clock,
            modes=_modes(settings.file_mode, path, data_dir),
        )
        self._saved: Position | None = None
        self._next = 0
        self._unsaved = 0  # bytes written since the last save
        self._is_open = False

    @abstractmethod
    def render(self, lines: Lines) -> Lines:
        """Turn journal lines into lines of the file; damaged ones are skipped. Raises no error."""

    def open(self) -> None:
        """See `Output.open`. Raises `OSError`, `OutputError`."""
        self.close()
        saved = self._positions.load()
        self._file.open()
        if saved is not None and not saved.clean and self._is_ours(saved):
            self._file.truncate(saved.size)
        self._file.end_line()
        self._next = 0 if saved is None else saved.next_sequence
        self._save()
        self._is_open = True

    def write(self, block: Block) -> None:
        """See `Output.write`. Raises `OSError`, `OutputError`."""
        lines = self._selection.of(block, self._next)
        if lines.data:
            rendered = self.render(lines)
            self.damaged += len(lines.sequences) - len(rendered.sequences)
            self._append(rendered)
        self._next = max(self._next, block.next_sequence)

    def flush(self) -> None:
        """See `Output.flush`. Raises `OSError`, `OutputError`."""
        if self._unsaved:
            self._file.sync()
        self._stay_in_place()
        if self._unsaved or self._next != self.position():
            self._save()

    @property
    def skipped(self) -> int:
        """See `Output.skipped`."""
        return self._selection.skipped

    def position(self) -> int:
        """See `Output.position`."""
        return 0 if self._saved is None else self._saved.next_sequence

    def rewind(self, sequence: int) -> None:
        """See `Output.rewind`. Raises `OSError`."""
        self._next = sequence
        self._save()

    def close(self) -> None:
        """See `Output.close`."""
        if self._is_open and not self._unsaved:
            with suppress(OSError, OutputError):  # then the next start treats it like a crash
                self._save(clean=True)
        self._is_open = False
        self._file.close()
        self._positions.close()

    def _is_ours(self, saved: Position) -> bool:
        """Return whether the opened file is the one described by `saved`, and has not become shorter."""
        file = self._file
        same = saved.path == _name_of(file.path) and saved.inode == file.inode and saved.size <= file.size
        return same and saved.tail == file.tail_check(saved.size)

    def _append(self, lines: Lines) -> None:
        self._stay_in_place()
        if self._file.is_due():
            self._rotate()
        data, start, done = lines.data, 0, 0
        while start < len(data):
            end = self._file.room_end(data, start)
            if end == start:
                self._next = lines.sequences[done]
                self._rotate()
                continue
            self._unsaved += end - start
            self._file.write(data[start:end])
            if end < len(data):
                done += data.count(b"\n", start, end)
            start = end

    def _stay_in_place(self) -> None:
        """Record the lines that still exist if another program took the file away. Raises `TakenAwayError`."""
        place = self._file.look()
        if place is FileState.HERE:
            return
        if place is FileState.MOVED or (place is FileState.CUT and self._file.still_has(self._unsaved)):
            self._file.sync()
            self._save()
        raise TakenAwayError(f"{self._file.path} {_TAKEN_AWAY[place]}")

    def _rotate(self) -> None:
        self.flush()
        self._file.rotate()
        self._save()  # no line may be in the new file before its inode is recorded
        self._file.compress_backups()

    def _save(self, *, clean: bool = False) -> None:
        """Save the current state of the file as the position. Everything in it must be durable."""
        size = self._file.size
        position = Position(
            _name_of(self._file.path), self._next, self._file.inode, size, self._file.tail_check(size), clean
        )
        if position != self._saved:
            self._positions.save(position)
        self._saved, self._unsaved = position, 0


def _name_of(path: Path) -> str:
    """A path for JSON: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _modes(file_mode: str, path: Path, data_dir: Path) -> Modes:
    """Permissions of new files: the configured ones, else readable for others outside the data directory."""
    if file_mode:
        mode = int(file_mode, 8)
        return Modes(mode, _searchable(mode), strict=True)
    private = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(data_dir))
    mode = shared(FILE_MODE if private else 0o666)
    return Modes(mode, _searchable(mode))


def _searchable(mode: int) -> int:
    """Permissions of a folder whose files have `mode`."""
    return mode | (mode & 0o444) >> 2
