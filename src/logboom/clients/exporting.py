"""`logboom export`: a part of a journal as a file, read from the data directory or from a server."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from logboom.clients.bearer import http_headers, http_refusal
from logboom.clients.live import NotReadableError, base_url
from logboom.clients.tls import SYSTEM, Trust, explain_connecting, trust_for
from logboom.journal.exporting import Export

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

WINDOW_SEQUENCES: Final = 100_000
"""Sequences that are asked for at once: what is done can be told by them, whatever a filter leaves of it."""

READ_BYTES: Final = 1 << 20
CONNECT_S_MAX: Final = 10.0
SILENCE_S_MAX: Final = 120.0
"""A filter may leave nothing of gigabytes; a server that looks for longer is gone."""

Progress = Callable[[int, int, int], object]
"""Told the first sequence, the one that was reached, and the end."""


class Exported(NamedTuple):
    """What was written."""

    rows: int
    bytes: int


def export_journal(export: Export, file: IO[bytes], progress: Progress) -> Exported:
    """Write an export. Raises OSError when it can't be written, BrokenPipeError when nobody reads on."""
    file.write(export.head)
    rows, size = 0, len(export.head)
    for piece in export.pieces():
        file.write(piece.data)
        rows, size = rows + piece.rows, size + len(piece.data)
        progress(export.first, piece.position, export.end)
    return Exported(rows, size)


async def export_server(
    url: str,
    form: str,
    parameters: Mapping[str, str],
    file: IO[bytes],
    *,
    progress: Progress,
    trust: Trust = SYSTEM,
) -> Exported:
    """Write what a server exports; the range is fixed by its first answer.

    Args:
        url: of the server.
        form: `csv` or `jsonl`.
        parameters: of `/api/export.csv`.
        file: gets the bytes.
        progress: see `Progress`.
        trust: for `https://`, and the token.

    Raises:
        ConfigError: the URL is none, or a certificate can't be used.
        OSError: the server is away, or the connection broke off.
        NotReadableError: it refuses.
    """
    import aiohttp  # noqa: PLC0415 - costs a command that needs no server 0.2 s

    base = base_url(url)
    address = f"{base}/api/export.{form}"
    secure = base.startswith("https:")
    connector = aiohttp.TCPConnector(ssl=trust_for(trust, base).context()) if secure else None
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S_MAX, sock_read=SILENCE_S_MAX)
    rows = size = 0
    try:
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=http_headers(trust), read_bufsize=READ_BYTES
        ) as session:
            first, end = await _range(session, address, parameters, trust)
            start = first
            while True:
                stop = min(end, start + WINDOW_SEQUENCES)
                window = {**parameters, "after": str(start - 1), "before": str(stop)}
                async with session.get(address, params=window) as response:
                    await _check(address, response, trust)
                    found = await _copy(response, file, has_header=form == "csv", keeps_header=start == first)
                rows, size, start = rows + found.rows, size + found.bytes, stop
                progress(first, start, end)
                if start >= end:
                    break
    except aiohttp.ClientConnectorError as error:
        raise ConnectionError(explain_connecting(error)) from error
    except aiohttp.InvalidURL as error:
        raise NotReadableError(f"{url} is not a URL: {error}") from error
    except aiohttp.ClientError as error:
        raise ConnectionError(f"the connection broke off: {error}") from error
    return Exported(rows, size)


async def _range(
    session: "ClientSession", address: str, parameters: Mapping[str, str], trust: Trust
) -> tuple[int, int]:
    """The first sequence, and the one after the last."""
    async with session.get(address, params={**parameters, "before": "0"}) as response:
        await _check(address, response, trust)  # errors have a text, which HEAD would not bring
    async with session.head(address, params=parameters) as response:
        await _check(address, response, trust)
        try:
            return (
                int(response.headers["X-Logboom-First-Sequence"]),
                int(response.headers["X-Logboom-End-Sequence"]),
            )
        except (KeyError, ValueError):
            raise NotReadableError(f"{address} does not tell its range: it is no Logboom server") from None


async def _check(address: str, response: "ClientResponse", trust: Trust) -> None:
    if response.status in {401, 403}:
        raise NotReadableError(f"{address}: {http_refusal(response.status, trust)}")
    if response.status in (429, 503):
        raise ConnectionError(
            f"it answers {response.status}: {(await response.text(errors='replace'))[:200]}"
        )
    if response.status != 200:
        raise NotReadableError(
            f"{address} answers {response.status}: {(await response.text(errors='replace'))[:200]}"
        )


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
