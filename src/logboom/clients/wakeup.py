"""Waiting for a file to change: file events where they can be had, and a look now and then in any case."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_DEBOUNCE_MS: Final = 50
_STEP_MS: Final = 20
_RUST_TIMEOUT_MS: Final = 1000


class FileWatch:
    """Wakes when something happens to a file, but at the latest after an interval.

    Events need the `watchfiles` package. They do not come from network file systems, hence the interval.

    Args:
        path: the file; need not exist.
        interval_s: the longest wait.
    """

    def __init__(self, path: Path, interval_s: float) -> None:
        self._path = path
        self._interval_s = interval_s
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self) -> None:
        """Until the file changes, or the interval is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval_s):
                await self._changed.wait()
        self._changed.clear()

    async def _watch(self) -> None:
        try:
            from watchfiles import awatch  # noqa: PLC0415 - optional
        except ImportError:
            return
        folder, name = self._path.parent, self._path.name
        changes = awatch(
            folder,
            watch_filter=lambda _, path: Path(path).name.startswith(name),
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_RUST_TIMEOUT_MS,
            stop_event=self._stop,
            recursive=False,
        )
        with contextlib.suppress(OSError):  # no such folder yet, or no more watches: the interval remains
            async for _ in changes:
                self._changed.set()
