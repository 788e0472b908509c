"""The contract of an output, and the settings that all outputs share."""

import os
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from logboom.journal.log import Block
from logboom.outputs.selection import Selection


class OutputSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Settings of every output."""

    type: Annotated[str, Meta(description="Type of the output.")]
    enabled: Annotated[bool, Meta(description="False: the output is checked, but not started.")] = True
    listeners: Annotated[
        list[str], Meta(description="Listeners whose entries are written. Empty: all listeners.")
    ] = []
    filter: Annotated[
        str,
        Meta(
            description='Query that selects the entries that are written, such as `level:>=warning -"health check"`. '
            "Empty: all entries."
        ),
    ] = ""

    def selection(self) -> Selection:
        """Return the selection of entries. Raises `FilterError`."""
        return Selection(self.listeners, self.filter)


class PathSettings(OutputSettings, kw_only=True, forbid_unknown_fields=True):
    """Settings of every output to a file, which no other output may use."""

    path: Annotated[
        str, Meta(min_length=1, description="Path of the file, absolute or relative to `folder`.")
    ]
    folder: Annotated[str, Meta(description="Folder of the file; created when it is missing.")] = "."

    def file_path(self) -> Path:
        """Absolute path of the file."""
        return Path(os.path.abspath(Path(self.folder, self.path)))  # noqa: PTH100 - resolve() would follow links


class DatabaseState(NamedTuple):
    """State of a database for health; outputs may offer it as `database_state()`, callable from any thread."""

    connected: bool
    total_readings: int | None
    """Number of stored sensor readings; None: unknown."""
    date_range: tuple[str, str] | None
    """Times of the first and the last reading, ISO 8601; None: there is none, or it is unknown."""


class OutputPace(NamedTuple):
    """Sizes and intervals of an output's work; outputs may have others as the attribute `pace`."""

    block_bytes: int = 112 << 10
    """Block size. The call that renders a block holds the interpreter, and so delays answers to clients. From 128 KiB
    on, malloc maps each block again and the kernel zeroes it; far below, the cost per call dominates."""
    flush_interval_s: float = 0.05
    """Hardly noticeable for a reader of a file; twenty syncs per second leave most of the disk to the journal."""
    retry_s_max: float = 30.0
    """Longest delay between retries: an acceptable wait after a repair."""


class Output(Protocol):
    """View of the journal. It has its own thread, so calls may block.

    Any call may raise `OutputError` or `OSError`: the runner logs it, waits, opens the output again and
    continues at `position()`; after a `TakenAwayError` without waiting.

    An entry that can't be represented gets a substitute; only damaged journal lines are skipped, and
    counted. `logboom.testing.output_kit.check_output` verifies this contract.

    An output with a database may have one more method, `database_state() -> DatabaseState`, for health. It
    never waits for the database.
    """

    damaged: int
    """Number of unreadable journal lines that were skipped since the start."""

    @property
    def skipped(self) -> int:
        """Number of entries since the start that the settings `listeners` and `filter` exclude."""

    def open(self) -> None:
        """Connect or open files, and undo writes past the durable position. May be called again."""

    def write(self, block: Block) -> None:
        """Write journal lines, in order. Idempotent by sequence; they need not be durable yet."""

    def flush(self) -> None:
        """Make everything written durable, and the position with it. Called once per second when idle."""

    def position(self) -> int:
        """The next sequence to be written, as of the last durable state; 0 at first."""

    def rewind(self, sequence: int) -> None:
        """Set the position to `sequence`, durably. Used when the journal ends before the position."""

    def close(self) -> None:
        """Close files and connections, without a flush. Idempotent."""


def position_path(data_dir: Path, name: str) -> Path:
    """Path of the position file of the output `name`."""
    return data_dir / "outputs" / f"{name}.json"
