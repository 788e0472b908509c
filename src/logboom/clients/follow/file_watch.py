"""Waiting for a file to change: file events where they can be had, and a look now and then in any case."""

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_DEBOUNCE_MS: Final = 30
_STEP_MS: Final = 5
_RUST_TIMEOUT_MS: Final = 1000


class FileWatch:
    """Wakes when something happens to a file or in its folder, but at the latest after an interval.

    Events need the `watchfiles` package. They do not come from network file systems, hence the interval.

    Args:
        path: the file; need not exist. Where it is a link, the file that it links to is watched as well.
        interval_s: the longest wait.
    """

    def __init__(self, path: Path, interval_s: float) -> None:
        self._path = path
        self._interval_s = interval_s
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch_always())
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

    def _names(self) -> tuple[Path, Path]:
        return self._path.absolute(), Path(os.path.realpath(self._path))

    async def _watch_always(self) -> None:
        """Watch again whenever a folder has come, or a link points elsewhere."""
        while not self._stop.is_set():
            with contextlib.suppress(OSError):  # no more watches: the interval remains
                await self._watch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._stop.wait()

    async def _watch(self) -> None:
        try:
            from watchfiles import awatch  # noqa: PLC0415 - optional
        except ImportError:
            await self._stop.wait()
            return
        names = self._names()
        stems = tuple(name.stem for name in names)
        changes = awatch(
            *{name.parent for name in names if name.parent.is_dir()},
            watch_filter=lambda _, path: os.path.basename(path).startswith(stems),  # noqa: PTH119 - called often
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_RUST_TIMEOUT_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            recursive=False,
        )
        async for found in changes:
            if found:
                self._changed.set()
            if self._names() != names:
                return
