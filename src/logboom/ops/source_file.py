"""File in the data directory with the state of all sources, so that it survives a restart."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import replace_file
from logboom.ops.rhythm import Rhythm

VERSION: Final = 1
FILE_NAME: Final = "sources.json"


class SourceRecord(msgspec.Struct, gc=False):
    """Stored state of one source."""

    listener: str
    name: str
    peer: str
    first_seen: str
    """ISO 8601, as in the journal."""
    last_seen: str
    entries: int
    rhythm: Rhythm
    level: str = ""
    message: str = ""
    clock_s: float | None = None
    """Time that its last entry gives itself, less the arrival, seconds; None: it gives none."""
    silent: bool = False
    """True if it is unusually silent; stays set until its next entry, also over restarts."""
    errors_per_s: float = 0.0
    """Usual rate of errors."""


class SavedBook(NamedTuple):
    """Content of the file."""

    position: int
    """The next sequence to read."""
    sources: list[SourceRecord]
    errors_per_s: float
    """Usual rate of errors of all sources."""


class _File(msgspec.Struct):
    version: int
    position: int
    sources: list[SourceRecord]
    errors_per_s: float = 0.0


def load_book(data_dir: Path) -> SavedBook | None:
    """Load the saved book; None when there is none yet.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is damaged, or has another version.
    """
    try:
        data = (data_dir / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as error:
        raise ValueError(f"the file is damaged: {error}") from None
    if file.version != VERSION:
        raise ValueError(f"the file has version {file.version}, expected {VERSION}")
    return SavedBook(file.position, file.sources, file.errors_per_s)


def save_book(data_dir: Path, position: int, errors_per_s: float, sources: Iterable[SourceRecord]) -> None:
    """Replace the saved book. Raises `OSError`."""
    replace_file(data_dir / FILE_NAME, _pieces(position, errors_per_s, sources))


def _pieces(position: int, errors_per_s: float, sources: Iterable[SourceRecord]) -> Iterator[bytes]:
    """Yield the file, one source per line; encoded one by one, so that other threads do not wait for long."""
    head = b'{"version":%d,"position":%d,"errors_per_s":%b,"sources":['
    yield head % (VERSION, position, msgspec.json.encode(errors_per_s))
    separator = b"\n"
    for kept in sources:
        yield separator + msgspec.json.encode(kept)
        separator = b",\n"
    yield b"\n]}\n"
