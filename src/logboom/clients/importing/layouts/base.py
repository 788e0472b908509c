"""Base class of the layouts of log files."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, NamedTuple

import msgspec

from logboom.formats.levels import name as level_name
from logboom.formats.levels import severity

_encode_lines = msgspec.json.Encoder().encode_lines


class Converted(NamedTuple):
    """A piece of a file as entries."""

    entries: bytes
    """JSON objects, one per line, each line ended."""
    total: int
    """Number of entries."""
    unreadable: int = 0
    """Number of records that could not be read; they are left out."""


class Layout(ABC):
    """A layout of log files. One instance reads one file.

    Args:
        zone: of times that name none; None: this machine's.
    """

    name: ClassVar[str]
    """Value of `--format`."""
    about: ClassVar[str]
    """One line for the documentation."""
    has_zone: ClassVar[bool] = True
    """Entries depend on the zone; False: times always name theirs."""

    @property
    def spelling(self) -> str:
        """Name of the way in which records become entries."""
        return f"{self.name} {self._zone}" if self.has_zone else self.name

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        self._zone = zone

    @classmethod
    @abstractmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """Return the share of these lines, 0 to 1, that have this layout. The lines are a file's first ones."""

    @abstractmethod
    def convert(self, data: bytes) -> Converted:
        """Turn whole records, in the file's order, into entries."""

    def cut(self, data: bytes) -> int:
        """Return the length of the whole records at the start of data; 0 when not even one is whole."""
        return data.rfind(b"\n") + 1

    def skip(self, data: bytes) -> None:  # noqa: B027 - most records stand alone
        """Take note of records that an earlier run has imported: the next ones may continue them."""

    def end(self) -> Converted:
        """Turn what is left at the end of the file into entries."""
        return Converted(b"", 0)

    def resume(self, first_line: bytes) -> None:  # noqa: B027 - most layouts need nothing
        """Prepare for records from the middle of a file that begins with this line."""


def encoded(entries: Sequence[Any], unreadable: int = 0) -> Converted:
    """Encode entries."""
    return Converted(_encode_lines(entries) if entries else b"", len(entries), unreadable)


def share(sample: Sequence[bytes], fitting: Iterable[object]) -> float:
    """Return the share of the lines of a sample for which `fitting` has something true."""
    return sum(map(bool, fitting)) / len(sample) if sample else 0.0


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """Give a time that has no zone this one; None: this machine's."""
    if moment.tzinfo:
        return moment
    return moment.replace(tzinfo=zone) if zone else moment.astimezone()


def in_utc(moment: datetime, zone: tzinfo | None) -> str:
    """Format a time as RFC 3339 in UTC; one without a zone is taken to be in `zone`."""
    return in_zone(moment, zone).astimezone(UTC).isoformat()


def known_level(word: str) -> str:
    """Return the canonical name of a level, or an empty text when the word is none."""
    return level_name(word) if word and severity(word) is not None else ""
