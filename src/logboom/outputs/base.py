"""What every output has in common: its contract, and the settings that all of them take."""

import os
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from logboom.journal.log import Block


class OutputSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of every output."""

    type: Annotated[str, Meta(description="Which output this is.")]
    enabled: Annotated[bool, Meta(description="Off: configured, but not started.")] = True
    listeners: Annotated[list[str], Meta(description="Only entries of these listeners. Empty: of all.")] = []


class PathSettings(OutputSettings, kw_only=True, forbid_unknown_fields=True):
    """Settings of every output to a file: no other output may have the same one."""

    path: Annotated[str, Meta(min_length=1, description="The file, absolute or inside `folder`.")]
    folder: Annotated[str, Meta(description="Folder of the file; made when it is missing.")] = "."

    def file_path(self) -> Path:
        """The file's absolute path."""
        return Path(os.path.abspath(Path(self.folder, self.path)))  # noqa: PTH100 - resolve() would follow links


class DatabaseState(NamedTuple):
    """What health tells of a database; outputs may offer it as `database_state()`, callable from any thread."""

    connected: bool
    total_readings: int | None
    """Sensor readings that are stored; None: not known."""
    date_range: tuple[str, str] | None
    """Time of the first and of the last reading, ISO 8601; None: there is none, or it is not known."""


class Output(Protocol):
    """A view of the journal. Runs on a thread of its own, so blocking calls are fine.

    Any call may raise `OutputError` or `OSError`: the runner reports it, waits, opens the output anew and
    goes on from `position()`; after a `TakenAwayError` it does so at once.

    A line that can't be shown as it is gets a substitute; only a journal line that is damaged is left out, and
    counted. `logboom.testing.output_kit.check_output` holds every output to this contract.

    An output with a database may have one more method, `database_state() -> DatabaseState`, for health. It
    never waits for the database.
    """

    damaged: int
    """Journal lines that could not be read and were left out, since the start."""

    def open(self) -> None:
        """Connect or open files, and undo what was written past the durable position. May be called again."""

    def write(self, block: Block) -> None:
        """Take journal lines, in order. Idempotent by sequence; need not be durable yet."""

    def flush(self) -> None:
        """Make everything written durable, and the position with it. Called once per second while nothing comes."""

    def position(self) -> int:
        """The next sequence to be written, as of the last durable state; 0 before anything was."""

    def rewind(self, sequence: int) -> None:
        """Go on from `sequence`, durably. For a journal that ends before the position: a new one."""

    def close(self) -> None:
        """Let go of files and connections. Idempotent; flushes nothing."""


def position_path(data_dir: Path, name: str) -> Path:
    """Where the output `name` keeps its position."""
    return data_dir / "outputs" / f"{name}.json"
