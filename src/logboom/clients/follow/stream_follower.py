"""Following a pipe or a terminal: lines go to the spool as they come, until the other side closes it."""

import asyncio
from contextlib import aclosing, suppress
from typing import Final

from logboom.clients.delivery.ansi import strip_ansi
from logboom.clients.delivery.dispatch import Dispatch
from logboom.clients.delivery.line_reader import Read, read_lines
from logboom.clients.delivery.shipping import Shipper
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.follow.statefile import SPOOL_KEY, StateFile
from logboom.clients.wire.dialect import Say

ROOM_S: Final = 1.0
"""Interval of looks for room in the spool, when nothing is delivered."""


def spool_for(state_file: StateFile, source: str, bytes_max: int) -> Spool:
    """The spool of a stream: that of its state file."""
    return Spool(state_file.spool_folder, SPOOL_KEY, bytes_max, source=source, memory_bytes_max=0, siblings=1)


class StreamFollower:
    """Reads lines into a spool, and delivers them. A position can't be kept: what was read comes from nowhere else.

    Args:
        read: brings the bytes; none: the end.
        spool: holds the lines.
        shipper: delivers.
        strips_ansi: leave escape sequences out.
        say: reports to the user.
    """

    def __init__(self, read: Read, spool: Spool, shipper: Shipper, *, strips_ansi: bool, say: Say) -> None:
        self._read = read
        self._spool = spool
        self._shipper = shipper
        self._strips_ansi = strips_ansi
        self._dispatch = Dispatch(spool, shipper, say)

    async def run(self) -> None:
        """Until the end of the stream, and until everything is delivered. Raises `ConnectFailedError`, OSError."""
        try:
            self._spool.adopt()
            await self._dispatch.run(self._read_all())
        finally:
            self._shipper.say_kept(self._spool)
            self._spool.close()

    async def _read_all(self) -> None:
        async with aclosing(read_lines(self._read, self._shipper.report)) as batches:
            async for lines in batches:
                clean = [strip_ansi(line) for line in lines] if self._strips_ansi else lines
                await self._keep([line for line in clean if line and not line.isspace()])

    async def _keep(self, lines: list[bytes]) -> None:
        """Append lines; wait while there is no room, so that the pipe fills up and its writer waits."""
        while lines and not self._spool.append(lines, Kind.TEXT):
            self._shipper.say_full(self._spool)
            self._dispatch.room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(ROOM_S):
                    await self._dispatch.room.wait()
        self._dispatch.wake()
