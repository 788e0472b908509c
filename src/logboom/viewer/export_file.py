"""`logboom export`: a part of a journal as a file, read from the data directory or from a server."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

from logboom.clients.wire.http_api import HttpApi, NotReadableError
from logboom.formats.compressing import Compressor, compressor
from logboom.query.exporter import Export

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

WINDOW_SEQUENCES: Final = 100_000
"""Sequences per request: they show the progress, however many entries a filter leaves."""

SILENCE_S_MAX: Final = 120.0
"""A filter may leave nothing of gigabytes; a server that looks for longer is gone."""

Progress = Callable[[int, int, int], object]
"""Called with the first sequence, the one that was reached, and the end."""


class Exported(NamedTuple):
    """Counts of what was written."""

    rows: int
    bytes: int


def export_journal(export: Export, file: IO[bytes], progress: Progress) -> Exported:
    """Write an export. Raises OSError when it can't be written, BrokenPipeError when the reader has ended."""
    file.write(export.head)
    rows, size = 0, len(export.head)
    for piece in export.pieces():
        file.write(piece.data)
        rows, size = rows + piece.rows, size + len(piece.data)
        progress(export.first, piece.position, export.end)
    return Exported(rows, size)


async def export_server(
    api: HttpApi,
    form: str,
    parameters: Mapping[str, str],
    file: IO[bytes],
    *,
    progress: Progress,
) -> Exported:
    """Write what a server exports; the range is fixed by its first answer.

    Args:
        api: of the server.
        form: `csv` or `jsonl`.
        parameters: of `/api/export.csv`.
        file: gets the bytes.
        progress: see `Progress`.

    Raises:
        OSError: the server is away or busy, or the connection broke off.
        NotReadableError: it refuses.
    """
    path = f"/api/export.{form}"
    rows = size = 0
    async with api.session(SILENCE_S_MAX) as session:
        session.headers["Accept-Encoding"] = "identity"  # it would be compressed, and unpacked here
        first, end = await _range(api, session, path, parameters)
        start = first
        while True:
            stop = min(end, start + WINDOW_SEQUENCES)
            window = {**parameters, "after": str(start - 1), "before": str(stop)}
            async with api.ask(session, path, window) as response:
                found = await _copy(response, file, has_header=form == "csv", keeps_header=start == first)
            rows, size, start = rows + found.rows, size + found.bytes, stop
            progress(first, start, end)
            if start >= end:
                break
    return Exported(rows, size)


async def _range(
    api: HttpApi, session: "ClientSession", path: str, parameters: Mapping[str, str]
) -> tuple[int, int]:
    """The first sequence, and the one after the last."""
    async with api.ask(session, path, {**parameters, "before": "0"}):
        pass  # errors have a text, which HEAD would not bring
    async with api.ask(session, path, parameters, "HEAD") as response:
        try:
            return (
                int(response.headers["X-Logboom-First-Sequence"]),
                int(response.headers["X-Logboom-End-Sequence"]),
            )
        except (KeyError, ValueError):
            raise NotReadableError(
                f"{api.url}{path} does not name its range: it is no Logboom server"
            ) from None


async def _copy(
    response: "ClientResponse", file: IO[bytes], *, has_header: bool, keeps_header: bool
) -> Exported:
    """Copy an answer; the header line of each but the first window is dropped."""
    size = ends = quotes = 0
    header_left = has_header
    async for data in response.content.iter_any():
        body = data
        if header_left:
            end = body.find(b"\n") + 1
            header_left = not end
            head, body = (body[:end], body[end:]) if end else (body, b"")
            if keeps_header:
                file.write(head)
                size += len(head)
        file.write(body)
        size += len(body)
        found, quotes = _count_rows(body, quotes) if has_header else (body.count(b"\n"), 0)
        ends += found
    return Exported(ends, size)


def _count_rows(data: bytes, quotes: int) -> tuple[int, int]:
    """The rows that end in some bytes of CSV: those whose newline stands in no quotes; and the quotes so far."""
    if b'"' not in data:
        return (0 if quotes % 2 else data.count(b"\n")), quotes
    rows = 0
    for part in data.split(b"\n")[:-1]:
        quotes += part.count(b'"')
        rows += not quotes % 2
    return rows, quotes + data[data.rfind(b"\n") + 1 :].count(b'"')


class _Packing:
    """The writing side of a file whose content is compressed."""

    def __init__(self, file: IO[bytes], packer: Compressor) -> None:
        self._file = file
        self._packer = packer

    def write(self, data: bytes) -> int:
        self._file.write(self._packer.compress(data))
        return len(data)


@contextmanager
def compressed(file: IO[bytes], kind: str) -> Iterator[IO[bytes]]:
    """A file whose content is compressed into another one. After a failure its end is missing, so that it is noticed.

    Args:
        file: gets the compressed bytes, and stays open.
        kind: see `compressing.compressor`.
    """
    packer = compressor(kind)
    yield cast("IO[bytes]", _Packing(file, packer))
    file.write(packer.flush())


@contextmanager
def replaced_when_done(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when all of it is written; until then, and after a failure, that stays.

    Raises:
        OSError: it can't be written there.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode_of(path))
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _mode_of(path: Path) -> int:
    """The permissions of the file that is replaced, else those of a new one."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
