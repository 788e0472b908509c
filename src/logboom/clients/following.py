"""Following a file faithfully: every line once, whatever happens to the file, the server, or this process."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from logboom.clients.ansi import strip_ansi
from logboom.clients.dialect import Say
from logboom.clients.followed import FollowedPath
from logboom.clients.multiline import Grouping, Line
from logboom.clients.shipping import Shipper, Text
from logboom.clients.statefile import State, StateFile, Window
from logboom.clients.tailed import TailedFile
from logboom.clients.wakeup import FileWatch

OLD_FILE_QUIET_S: Final = 5.0
"""How long a file that was moved away must be quiet before it is done with: writers reopen theirs late."""


class FollowOptions(NamedTuple):
    """How to follow."""

    interval_s: float = 2.0
    """Seconds between two looks at the file, when no event came."""
    grouping: Grouping = Grouping()
    strips_ansi: bool = False
    from_end: bool = False
    """Without a state from before: begin with what is written from now on."""
    old_file_quiet_s: float = OLD_FILE_QUIET_S


class Follower:
    """Sends the lines of a path. The position advances only when they are settled at the server.

    Args:
        path: the file; need not exist yet.
        state_file: keeps the position.
        shipper: sends.
        options: how.
        say: told what a user should know.
    """

    def __init__(
        self, path: Path, state_file: StateFile, shipper: Shipper, options: FollowOptions, say: Say
    ) -> None:
        self._path = path
        self._state_file = state_file
        self._shipper = shipper
        self._options = options
        self._say = say
        self._followed = FollowedPath(path, say)

    async def run(self) -> None:
        """Until cancelled. Raises `ConnectFailedError`, and OSError when the state can't be kept."""
        try:
            await self._resume()
            async with FileWatch(self._path, self._options.interval_s) as watch:
                while True:
                    await self.send_all()
                    await watch.wait()
        finally:
            with suppress(OSError):
                await self._shipper.close()
            self._followed.close()

    async def send_all(self) -> None:
        """Send everything that is there now."""
        self._followed.refresh()
        for file in self._followed.files:
            while await self._send_some(file):
                pass
        for file in list(self._followed.old):
            if file.quiet_s() >= self._options.old_file_quiet_s:
                await self._send_some(file, last=True)
                self._followed.drop(file)
                self._save()

    async def _resume(self) -> None:
        state = self._state_file.load()
        if state is None or state.path != str(self._path.absolute()):
            if self._options.from_end:
                self._followed.start_at_end()
            self._save()
            return
        files = self._followed.resume(state.files)
        if state.window is not None:
            await self._resend(files[state.window.file], state.window)

    async def _resend(self, file: TailedFile | None, window: Window) -> None:
        """Make the messages again that were on their way, and send those that the server does not have."""
        dialect = self._shipper.dialect
        if file is None or file.size < window.ends[-1] or not dialect.asks:
            return
        lines = file.read_to(window.ends)
        dialect.anchor = window.anchor
        pairs = zip(lines, window.moments_us, strict=True)
        payloads = [
            dialect.encode_text(self._clean(line), moment) for line, moment in pairs if line.data.strip()
        ]
        dialect.doubt(payloads)
        await self._shipper.ship_payloads(payloads)
        self._done(file, lines)

    async def _send_some(self, file: TailedFile, *, last: bool = False) -> bool:
        """Send what one read brings; returns whether that was anything."""
        quiet = file.quiet_s() >= self._options.interval_s
        lines = file.read(self._options.grouping, quiet=quiet, last=last)
        self._report_skipped(file)
        if not file.is_intact:  # truncated since `refresh`: what was read may be no lines
            return False
        for start in range(0, len(lines), self._shipper.window):
            window = lines[start : start + self._shipper.window]
            texts = self._texts(window)
            self._intend(file, window, texts)
            await self._shipper.ship(texts)
            self._done(file, window)
        return bool(lines)

    def _texts(self, lines: Sequence[Line]) -> list[Text]:
        return [Text(self._clean(line), self._shipper.dialect.stamp_us()) for line in lines]

    def _clean(self, line: Line) -> bytes:
        return strip_ansi(line.data) if self._options.strips_ansi else line.data

    def _intend(self, file: TailedFile, lines: Sequence[Line], texts: Sequence[Text]) -> None:
        """Before sending: write down what, so that after a crash it can be asked for."""
        dialect = self._shipper.dialect
        if dialect.asks:
            ends, moments_us = [line.end for line in lines], [text.moment_us for text in texts]
            number = self._followed.files.index(file)
            self._save(Window(number, ends, moments_us, dialect.anchor))

    def _done(self, file: TailedFile, lines: Sequence[Line]) -> None:
        self._shipper.report.bytes_read += lines[-1].end - file.offset
        file.move(lines[-1].end)
        self._save()

    def _save(self, window: Window | None = None) -> None:
        self._state_file.save(State(str(self._path.absolute()), self._followed.places(), window))

    def _report_skipped(self, file: TailedFile) -> None:
        for _ in range(file.skipped):
            self._shipper.report.refuse_unsent("line too long")
        file.skipped = 0
