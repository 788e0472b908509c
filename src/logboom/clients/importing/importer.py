"""Import of files into a server: window by window, each under a key of its own, from where the last run has ended.

A window whose answer is lost is sent again under the same key, and the server stores nothing twice. The reached
offset is saved after each answer, while the next window is sent, so that a run after a crash, or months later, begins
where the last one ended, or one window before.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from logboom.clients.importing.import_state import TAIL_BYTES, ImportState, digest_of, window_name
from logboom.clients.importing.layouts.base import Converted, Layout
from logboom.clients.importing.layouts.registry import LAYOUTS, recognise
from logboom.clients.importing.log_file import UNPACK_ERRORS, WINDOW_BYTES, LogFile, Window
from logboom.clients.wire.http_api import HttpApi, NotReadableError, connection_errors
from logboom.errors import DeliveryError

if TYPE_CHECKING:
    from aiohttp import ClientSession

PATH: Final = "/api/entries"
BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request is sent again."""
SOURCE_CHARS_MAX: Final = 200
"""The server's limit for a source's name."""
DELAYS_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Pauses before further tries; the last one is repeated."""


Piece = tuple[Window, Converted]


class ImportFailedError(DeliveryError):
    """A file could not be imported to its end. What was imported stays, and a further run goes on there."""


@dataclass
class ImportProgress:
    """Progress and outcome of the import of one file."""

    path: Path
    layout: str = ""
    size: int | None = None
    """Size of the file, bytes; None when its unpacked size is not known."""
    skipped_bytes: int = 0
    """Bytes that an earlier run has imported."""
    offset: int = 0
    """Bytes that were read and answered, unpacked."""
    stored: int = 0
    duplicates: int = 0
    """Entries that were stored before."""
    refused: int = 0
    unreadable: int = 0
    """Records that do not have the file's layout, or are too long."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Number of refused entries per reason."""


class _Detail(msgspec.Struct):
    status: str
    reason: str = ""


class _Account(msgspec.Struct):
    stored: int = 0
    duplicates: int = 0
    filtered: int = 0
    refused: int = 0
    entries: list[_Detail] = []
    error: str = ""


class Importer:
    """Imports files into one server.

    Args:
        api: the server.
        session: connections to it.
        source: name that imported entries get as their source; empty: the file's name.
        zone: of times that name none.
        layout: name of the layout of all files; empty: each file's own is recognised.
        wait_s_max: how long an absent or busy server is waited for, seconds.
        from_start: read files from their start, also where an earlier run has ended elsewhere.
        state_folder: see `ImportState`.
        on_progress: is called after each answer.
        on_wait: is called with the reason when the server is waited for, once per window.
    """

    def __init__(
        self,
        api: HttpApi,
        session: "ClientSession",
        *,
        source: str,
        zone: tzinfo | None,
        layout: str = "",
        wait_s_max: float = 120.0,
        from_start: bool = False,
        state_folder: Path | None = None,
        on_progress: Callable[[ImportProgress], object] = lambda _progress: None,
        on_wait: Callable[[str], object] = lambda _reason: None,
    ) -> None:
        self._api = api
        self._session = session
        self._source = source
        self._zone = zone
        self._layout = layout
        self._wait_s_max = wait_s_max
        self._from_start = from_start
        self._state_folder = state_folder
        self._on_progress = on_progress
        self._on_wait = on_wait

    async def import_file(self, path: Path, progress: ImportProgress) -> None:
        """Import one file; `progress` is kept up to date.

        Raises:
            ImportFailedError: no layout fits, the file is damaged, or the server refuses or is away for too long.
        """
        try:
            file = LogFile(path)
        except OSError as error:
            raise ImportFailedError(f"it can't be read: {error.strerror or error}") from None
        layout = self._layout_of(file)
        progress.layout, progress.size = layout.name, file.size
        state = ImportState(self._api.url, file.identity, self._state_folder)
        start, offset = (0, 0) if self._from_start else self._reached(file, state)
        progress.offset = progress.skipped_bytes = offset
        if offset and file.sample:
            layout.resume(file.sample[0])
        tail = file.before(start, TAIL_BYTES)
        saver = _Saver(state, str(path))
        try:
            async for window, converted in _ahead(_converted(file, layout, start, offset), progress):
                tail = (tail + window.data)[-TAIL_BYTES:]
                name = "" if window.is_last else window_name(window.data, layout.spelling)
                await self._store(file, window, name, converted, progress)
                progress.offset = window.end
                await saver.note(window.end, tail, window.offset if window.is_last else window.end)
                self._on_progress(progress)
        finally:
            await saver.end()

    @staticmethod
    def _reached(file: LogFile, state: ImportState) -> tuple[int, int]:
        """Return the start of the window, and the offset in it, from which to go on.

        Both are 0 where the last run has read another file with the same first line.
        """
        offset, digest, window = state.reached()
        try:
            if digest_of(file.before(offset, TAIL_BYTES)) != digest:
                return 0, 0
            last_line = file.before(offset, WINDOW_BYTES).rpartition(b"\n")[2]
        except UNPACK_ERRORS:
            return 0, 0
        has_grown = file.size is not None and file.size > offset
        # A line that was being written is read again.
        return window, max(window, offset - len(last_line)) if has_grown else offset

    def _layout_of(self, file: LogFile) -> Layout:
        sample = file.sample
        found = LAYOUTS[self._layout] if self._layout else recognise(sample)
        if found is None and not any(sample):
            found = LAYOUTS["text"]  # an empty file has nothing to import
        if found is None:
            known = ", ".join(LAYOUTS)
            raise ImportFailedError(
                f"its first lines have no known format; choose one with --format: {known}"
            )
        return found(self._zone)

    async def _store(
        self, file: LogFile, window: Window, name: str, converted: Converted, progress: ImportProgress
    ) -> None:
        """Send a window until it is answered; `name` is the same in each run, and empty for one that may grow."""
        progress.unreadable += converted.unreadable
        if not converted.total:
            return
        key = f"import-{file.identity}-{window.offset}"
        waited_s, delays = 0.0, iter(DELAYS_S)
        delay_s = 0.0
        while True:
            try:
                account = await self._post(converted.entries, key, file.path.name, name)
                break
            except NotReadableError as error:
                raise ImportFailedError(str(error)) from None
            except OSError as error:
                trouble = str(error)
            if not waited_s:
                self._on_wait(trouble)
            delay_s = next(delays, delay_s)
            waited_s += delay_s
            if waited_s > self._wait_s_max:
                raise ImportFailedError(f"the server could not store for {self._wait_s_max:g} s: {trouble}")
            await asyncio.sleep(delay_s)
        progress.stored += account.stored
        progress.duplicates += account.duplicates
        progress.refused += account.refused
        progress.reasons.update(
            one.reason or one.status for one in account.entries if one.status != "filtered"
        )

    async def _post(self, body: bytes, key: str, name: str, window: str) -> _Account:
        """Send a window once. Raises OSError: it may be stored later. Raises NotReadableError: never."""
        url = f"{self._api.url}{PATH}"
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        parameters = {"import": self._source or name[:SOURCE_CHARS_MAX]}
        if window:
            parameters["window"] = window
        with connection_errors(url):
            async with self._session.post(url, data=body, headers=headers, params=parameters) as response:
                text = await response.read()
                if response.status in BUSY:
                    raise ConnectionError(f"it answers {response.status}{_reason(text)}")
                account = _account_of(text)
                if account is None or (account.error and not account.stored + account.refused):
                    raise NotReadableError(f"{url} answers {response.status}{_reason(text)}")
                return account


class _Saver:
    """Saves the progress of a file while the next window is sent: each save waits for the disk.

    After a crash, one or two windows are sent again under the same keys, and the server stores nothing twice.

    Args:
        state: where it is saved.
        path: of the file.
    """

    def __init__(self, state: ImportState, path: str) -> None:
        self._state = state
        self._path = path
        self._saving: asyncio.Task[None] | None = None

    async def note(self, offset: int, tail: bytes, window: int) -> None:
        """Begin to save the progress, once the last save has ended. Raises `ImportFailedError` if that one failed."""
        await self.end()
        save = asyncio.to_thread(self._state.save, self._path, offset, tail, window)
        self._saving = asyncio.create_task(save)

    async def end(self) -> None:
        """Wait until what was noted is saved. Raises `ImportFailedError`."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        try:
            await saving
        except OSError as error:
            raise ImportFailedError(f"{self._state.path} can't be written: {error.strerror}") from None


async def _ahead(pieces: Iterator[Piece], progress: ImportProgress) -> AsyncIterator[Piece]:
    """Read and convert on a thread, one window ahead of the sender. Raises `ImportFailedError` for a damaged file."""
    ahead = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
    try:
        while (piece := await ahead) is not None:
            ahead = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
            yield piece
    except UNPACK_ERRORS as error:
        raise ImportFailedError(f"it is damaged behind byte {progress.offset:,}: {error}") from None
    finally:
        await asyncio.gather(ahead, return_exceptions=True)


def _converted(file: LogFile, layout: Layout, start: int, offset: int) -> Iterator[Piece]:
    """Windows of a file and their entries from an offset on, in order. Raises one of `UNPACK_ERRORS`.

    Args:
        file: the file.
        layout: of its records.
        start: of the window in which the offset is.
        offset: entries before it are left out: they are stored.
    """
    for window in file.windows(layout, start):
        known = max(0, offset - window.offset)
        fresh = window.data[known:]
        if not window.is_record:
            yield window, Converted(b"", 0, unreadable=1)
        elif fresh:
            layout.skip(window.data[:known])
            found = layout.convert(fresh)
            last = layout.end() if window.is_last else Converted(b"", 0)
            yield window, Converted(found.entries + last.entries, found.total + last.total, found.unreadable)


def _account_of(text: bytes) -> _Account | None:
    try:
        return msgspec.json.decode(text, type=_Account)
    except msgspec.DecodeError:
        return None


def _reason(text: bytes) -> str:
    account = _account_of(text)
    return f": {account.error}" if account and account.error else ""
