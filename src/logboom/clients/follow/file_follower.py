"""Following a file faithfully: every line once, whatever happens to the file, the server, or this process.

Reading never waits for the server: what the file has is appended to the spool at once, each time together with the
position behind it, in one write. From there it is delivered.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.clients.delivery.ansi import strip_ansi
from logboom.clients.delivery.dispatch import Dispatch
from logboom.clients.delivery.shipping import Shipper
from logboom.clients.delivery.spool import DISK_BYTES_MAX, Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.follow.file_watch import FileWatch
from logboom.clients.follow.followed_path import FollowedPath
from logboom.clients.follow.multiline import Grouping
from logboom.clients.follow.position import FilePlace
from logboom.clients.follow.statefile import OLD_VERSION, SPOOL_KEY, FollowState, SentWindow, StateFile
from logboom.clients.follow.tailed_file import TailedFile, printable
from logboom.clients.wire.dialect import Say

OLD_FILE_QUIET_S: Final = 5.0
"""Time for which a file that was moved away must be quiet before it is done with: writers reopen theirs late."""
LATE_LINES_S: Final = 10.0
"""Interval of the search for lines in files that were done with."""


class FollowOptions(NamedTuple):
    """Options of following."""

    interval_s: float = 2.0
    """Seconds between two looks at the file, when no event came."""
    grouping: Grouping = Grouping()
    strips_ansi: bool = False
    from_end: bool = False
    """Without a state from before: begin with what is written from now on."""
    old_file_quiet_s: float = OLD_FILE_QUIET_S
    spool_bytes_max: int = DISK_BYTES_MAX
    """Room for lines that are read and not delivered; when it is full, reading pauses."""


class FileFollower:
    """Reads the lines of a path into a spool, and delivers them.

    Args:
        path: the file; need not exist yet.
        state_file: keeps the position.
        shipper: delivers.
        options: how to follow.
        say: reports to the user.
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
        self.spool = Spool(
            state_file.spool_folder,
            SPOOL_KEY,
            options.spool_bytes_max,
            source=shipper.source,
            memory_bytes_max=0,
            siblings=1,
            checkpoint=self._save,
        )
        self._dispatch = Dispatch(self.spool, shipper, say)
        self._blocked = False
        self._late_lines_at = 0.0

    async def run(self) -> None:
        """Until cancelled. Raises `ConnectFailedError`, and OSError when the state can't be kept."""
        try:
            self.resume()
            async with FileWatch(self._path, self._options.interval_s) as watch:
                await self._dispatch.run(self._read_always(watch))
        finally:
            self.close()

    def close(self) -> None:
        """Save the position, and release all files."""
        self._shipper.say_kept(self.spool)
        with suppress(OSError):
            self._save()
        self.spool.close()
        self._followed.close()

    async def _read_always(self, watch: FileWatch) -> None:
        while True:
            await self.read_all()
            if self._blocked:
                self._dispatch.room.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._options.interval_s):
                        await self._dispatch.room.wait()
            else:
                await watch.wait()

    def resume(self) -> None:
        """Go on where an earlier run was. Raises OSError."""
        state = self._state_file.load()
        if state is None or state.path != self._name:
            self._followed.start(at_end=self._options.from_end)
            files: list[TailedFile | None] = []
        else:
            files = self._followed.resume(_newest(state, self.spool), state.looked_ns, state.number)
        self._save()
        self.spool.adopt()
        self._say_damage()
        if state is not None and state.window is not None and state.window.file < len(files):
            self._take_over(files[state.window.file], state.window)

    def _say_damage(self) -> None:
        if self.spool.damaged_bytes:
            self._say(
                f"⚠️ {self.spool.folder}: {self.spool.damaged_bytes} bytes of lines not yet delivered are damaged"
            )

    def _take_over(self, file: TailedFile | None, window: SentWindow) -> None:
        """Spool the lines that an earlier version may have sent, so that they are asked for."""
        dialect = self._shipper.dialect
        if file is None or file.size < window.ends[-1] or not dialect.asks:
            return
        count = 0
        for line, moment_us in zip(file.read_to(window.ends), window.moments_us, strict=True):
            text = strip_ansi(line.data) if self._options.strips_ansi else line.data
            if text.strip():
                place = msgspec.json.encode(file.place_at(line.end))
                count += self.spool.append([text], Kind.TEXT, place=place, moment_us=moment_us)
        file.move(window.ends[-1])
        part = self.spool.head
        if part is not None:
            part.in_doubt, part.anchor = count, window.anchor
            self.spool.intend(count, window.anchor)

    async def read_all(self) -> None:
        """Read everything that is there now into the spool."""
        self._blocked = False
        self._followed.refresh()
        self._look_for_late_lines()
        for file in self._followed.files:
            await self._read(file)
        for file in list(self._followed.old):
            self._finish(file)
        if self._followed.changed:
            self._save()
            self._followed.changed = False

    async def _read(self, file: TailedFile) -> None:
        """Spool all that a file has, with turns for the deliveries."""
        if not self._blocked:
            while self._read_some(file):  # noqa: ASYNC110 - it waits for nothing
                await asyncio.sleep(0)

    def _look_for_late_lines(self) -> None:
        now = time.monotonic()
        if now >= self._late_lines_at:
            self._late_lines_at = now + LATE_LINES_S
            self._followed.look_for_late_lines()

    def _finish(self, file: TailedFile) -> None:
        """Be done with a file that was moved away, once it is quiet."""
        if not file.is_intact:
            self._followed.rewritten(file)
        elif file.quiet_s() >= self._options.old_file_quiet_s and not self._blocked:
            self._read_some(file, last=True)
            if not self._blocked:
                self._followed.finish(file)

    def _read_some(self, file: TailedFile, *, last: bool = False) -> bool:
        """Spool what one read brings; returns whether that was anything."""
        quiet = file.quiet_s() >= self._options.interval_s
        lines = file.read(self._options.grouping, quiet=quiet, last=last)
        self._report_skipped(file)
        if not lines or not file.is_intact:  # truncated since `refresh`: what was read may be no lines
            return False
        end = lines[-1].end
        texts = [line.data for line in lines if line.data and not line.data.isspace()]
        if self._options.strips_ansi:
            texts = [text for text in map(strip_ansi, texts) if text and not text.isspace()]
        place = msgspec.json.encode(file.place_at(end))
        if texts and not self.spool.append(texts, Kind.TEXT, place=place):
            self._blocked = True
            self._shipper.say_full(self.spool)
            return False
        self._shipper.report.bytes_read += end - file.offset
        file.move(end)
        self._dispatch.wake()
        return True

    @property
    def _name(self) -> str:
        return printable(self._path.absolute())

    def _save(self) -> None:
        followed = self._followed
        state = FollowState(
            self._name, followed.places(), looked_ns=followed.looked_ns, number=followed.number
        )
        self._state_file.save(state)

    def _report_skipped(self, file: TailedFile) -> None:
        for _ in range(file.skipped):
            self._shipper.report.refuse_unsent("line too long")
        file.skipped = 0


def _newest(state: FollowState, spool: Spool) -> list[FilePlace]:
    """The places of a state, or later ones from the spool."""
    if state.version == OLD_VERSION:
        return [msgspec.structs.replace(place, number=number) for number, place in enumerate(state.files, 1)]
    places = {place.number: place for place in state.files}
    for data in spool.newest_places():
        place = msgspec.json.decode(data, type=FilePlace)
        known = places.get(place.number)
        # a number that the state has given out and does not hold is done with
        if place.number > state.number if known is None else place.offset > known.offset:
            places[place.number] = place
    return [places[number] for number in sorted(places)]
