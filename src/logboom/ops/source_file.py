"""What is kept of each source over a restart: one file in the data directory, replaced now and then."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import replace_file
from logboom.ops.rhythm import Rhythm

VERSION: Final = 1
FILE_NAME: Final = "sources.json"


class Kept(msgspec.Struct, gc=False):
    """One source."""

    listener: str
    name: str
    peer: str
    first_seen: str
    """ISO 8601 as in the journal."""
    last_seen: str
    entries: int
    rhythm: Rhythm
    level: str = ""
    message: str = ""
    silent: bool = False
    """It is silent for longer than ever; stays so until it speaks, over restarts too."""
    errors_per_s: float = 0.0
    """Usually."""


class Book(NamedTuple):
    """What stands in the file."""

    position: int
    """The next sequence to be read."""
    sources: list[Kept]
    errors_per_s: float
    """Of all together, usually."""


class _File(msgspec.Struct):
    version: int
    position: int
    sources: list[Kept]
    errors_per_s: float = 0.0


def load_book(data_dir: Path) -> Book | None:
    """The book as it was saved last; None when there is none yet.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged, or of another version.
    """
    try:
        data = (data_dir / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is damaged: {error}") from None
    if file.version != VERSION:
        raise ValueError(f"it is of version {file.version}, expected {VERSION}")
    return Book(file.position, file.sources, file.errors_per_s)


def save_book(data_dir: Path, position: int, errors_per_s: float, sources: Iterable[Kept]) -> None:
    """Replace the book. Raises OSError."""
    replace_file(data_dir / FILE_NAME, _pieces(position, errors_per_s, sources))


def _pieces(position: int, errors_per_s: float, sources: Iterable[Kept]) -> Iterator[bytes]:
    """One source a line, for people who look; encoded one by one, so that no other thread has to wait for all."""
    head = b'{"version":%d,"position":%d,"errors_per_s":%b,"sources":['
    yield head % (VERSION, position, msgspec.json.encode(errors_per_s))
    separator = b"\n"
    for kept in sources:
        yield separator + msgspec.json.encode(kept)
        separator = b",\n"
    yield b"\n]}\n"
