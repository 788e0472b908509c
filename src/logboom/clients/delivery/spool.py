"""Spool: texts that wait for a server, on disk, so that neither an outage nor the end of the process loses them.

A process writes files of its own, and holds a lock on each. A file without a lock belonged to a process that has
ended: the next process with the same server takes it over, and so does a living one, within a second.
"""

import contextlib
import errno
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakSet

from logboom.clients.delivery import spool_frames
from logboom.clients.delivery.oldspool import OldFilePart
from logboom.clients.delivery.spool_frames import Kind
from logboom.clients.delivery.spoolfile import FilePart, create, places_in, take_over
from logboom.clients.delivery.spoolparts import MemoryPart, Pending, SpoolPart
from logboom.clients.wire.native import new_rlock

FILE_BYTES_MAX: Final = 4 << 20
"""A file is ended at this size, so that the disk gets back what was delivered while more comes in."""
MEMORY_BYTES_MAX: Final = 16 << 20
"""Texts kept in memory where the disk can't be used."""
DISK_BYTES_MAX: Final = 1 << 30
"""Room of the commands by default: hours of most writers."""
APPEND_BYTES_MAX: Final = 4 << 20
"""Texts of one append; a reader appends what one read brought, which is less."""
ADOPTED_MAX: Final = 16
"""Files of ended processes that are open at once; the others follow when these are delivered."""
SIBLINGS: Final = 16
"""All files of a key may take this many times the room of one process: an application that ends and starts again and
again while its server is away must not fill the disk."""

NEWEST_FILES: Final = 2
"""The newest may be one whose process ended before it had written anything."""

_SUFFIX: Final = ".spool"
_numbers: Final = itertools.count()


class _FullError(OSError):
    """There is no room for another file."""


def no_checkpoint() -> None:
    """The checkpoint where no reader keeps a position: an append never waits for the disk."""


class Spool:
    """All texts of one process that are not delivered to one server, oldest first.

    `append` may be called by any thread, and in a forked child, which then has files of its own. All other methods
    are for the one thread that delivers.

    Args:
        folder: where the files are; made when it is missing. None: memory only.
        key: names the server; files of other keys are left alone.
        bytes_max: appends beyond this are refused.
        source: the name of the sender, kept with the texts.
        memory_bytes_max: the same for memory, where the disk can't be used.
        siblings: all files of the key together may take this many times `bytes_max`; 1 where each process goes on
            with what the one before has left.
        checkpoint: called before a file is begun and before one is deleted, for a reader that keeps its position in
            the frames. It must not call the spool.
    """

    def __init__(
        self,
        folder: Path | None,
        key: str,
        bytes_max: int,
        *,
        source: str = "",
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        siblings: int = SIBLINGS,
        checkpoint: Callable[[], object] = no_checkpoint,
    ) -> None:
        self.folder = folder
        self._key = key
        self._bytes_max = bytes_max
        self._source = source
        self._memory_bytes_max = memory_bytes_max
        self._siblings = siblings
        self.checkpoint = checkpoint
        self._reset()
        _spools.add(self)

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = new_rlock()
        self._aside: deque[tuple[bytes, int]] = deque()
        self._adopted: deque[FilePart | OldFilePart] = deque()
        self._own: deque[FilePart | MemoryPart] = deque()
        self._own_bytes = 0
        self._last_us = 0
        self.trouble: str | None = None
        """The reason why the disk can't be used; texts are kept in memory meanwhile, if that is allowed."""
        self.damaged_bytes = 0
        """Bytes of files that were taken over which no whole frame holds."""
        self.more_to_adopt = False
        """True when the last `adopt` has left files for the next one."""

    # --- any thread ---

    @property
    def size_bytes(self) -> int:
        """Bytes of all that is not delivered."""
        with self._lock:
            return self._own_bytes + sum(part.size_bytes for part in self._adopted)

    @property
    def count(self) -> int:
        """Texts that are not delivered."""
        with self._lock:
            return sum(part.count for part in (*self._adopted, *self._own))

    @property
    def durable(self) -> bool:
        """True when nothing is in memory only."""
        with self._lock:
            return not any(isinstance(part, MemoryPart) and part.count for part in self._own)

    def append(
        self,
        texts: Sequence[bytes],
        kind: Kind = Kind.OBJECT,
        *,
        fields: bytes = b"",
        place: bytes = b"",
        moment_us: int = 0,
    ) -> bool:
        """Keep texts, all or none. When this returns, the system has them: the end of the process loses none.

        Args:
            texts: any number, `APPEND_BYTES_MAX` together.
            kind: how they become messages.
            fields: further fields of each message, a JSON object of strings.
            place: the reader's position after them.
            moment_us: when they were read, microseconds since the epoch; 0: now. Each text gets a microsecond of
                its own, later than all before.

        Returns:
            False: there is no room.
        """
        if self._process != os.getpid():  # a fork that Python does not know of
            self.abandon()
        nested = self._lock._is_owned()  # noqa: SLF001 - `threading.Condition` asks as well
        with self._lock:
            moment_us = max(self._last_us + 1, moment_us or time.time_ns() // 1000)
            self._last_us = moment_us + len(texts) - 1
            frame = spool_frames.pack(kind, moment_us, texts, fields, place)
            return self._put_aside(frame, len(texts)) if nested else self._put(frame, len(texts))

    def _put_aside(self, frame: bytes, count: int) -> bool:
        """Keep texts of a signal handler or a `__del__` that runs within another call: in a file of their own.

        It is taken over like one of a process that has ended.
        """
        if self.folder is not None:
            with contextlib.suppress(OSError):
                part = self._create(self.folder)
                part.append(frame, count)
                part.abandon()
                self.more_to_adopt = True
                return True
        self._aside.append((frame, count))
        return True

    def _put(self, frame: bytes, count: int) -> bool:
        while self._aside:
            self._put_now(*self._aside.popleft())
        return self._put_now(frame, count)

    def _put_now(self, frame: bytes, count: int) -> bool:
        if self._own_bytes + len(frame) > self._bytes_max:
            return False
        try:
            self._tail(len(frame)).append(frame, count)
        except _FullError:
            return False
        except OSError as error:
            if (
                error.errno == errno.EBADF and self._own
            ):  # the application has closed all files, as daemons do
                self._own_bytes -= self._own.pop().size_bytes
                return self._put_now(frame, count)
            self.trouble = error.strerror or str(error)
            return self._put_in_memory(frame, count)
        self._own_bytes += len(frame)
        return True

    def _put_in_memory(self, frame: bytes, count: int) -> bool:
        memory = self._own[-1] if self._own else None
        if not isinstance(memory, MemoryPart):
            memory = MemoryPart(self._source)
        if memory.size_bytes + len(frame) > self._memory_bytes_max:
            return False
        if not self._own or self._own[-1] is not memory:
            self._own.append(memory)
        memory.append(frame, count)
        self._own_bytes += len(frame)
        return True

    def _tail(self, size: int) -> FilePart | MemoryPart:
        """The part that takes more. Raises OSError: the disk can't be used, or could not be used lately."""
        tail = self._own[-1] if self._own else None
        if self.folder is None:
            if tail is None:
                tail = MemoryPart(self._source)
                self._own.append(tail)
            return tail
        if isinstance(tail, MemoryPart) and tail.count:
            raise OSError(self.trouble)  # memory is delivered first, then the disk is tried again
        if isinstance(tail, FilePart) and tail.file_bytes + size <= FILE_BYTES_MAX:
            return tail
        if isinstance(tail, FilePart) and self.checkpoint is not no_checkpoint:
            tail.sync()  # what the checkpoint says is behind must be on the disk before it
        part = self._create(self.folder)
        self.trouble = None
        self._own.append(part)
        return part

    def _create(self, folder: Path) -> FilePart:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _bytes_in(folder, self._key) > self._siblings * self._bytes_max:
            raise _FullError
        self.checkpoint()
        while True:
            # by time, so that files of ended processes are taken over in their order
            name = f"{self._key}-{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}{_SUFFIX}"
            part = create(folder / name, self._source)
            if part is not None:
                return part

    def grow(self, size_bytes: int) -> None:
        """Raise the limit by `size_bytes`."""
        self._bytes_max += size_bytes

    def abandon(self) -> None:
        """Forget everything without touching it, in a forked child: it is the parent's."""
        for part in (*self._adopted, *self._own):
            if not isinstance(part, MemoryPart):
                part.abandon()
        self._reset()

    # --- the delivering thread ---

    def newest_places(self) -> list[bytes]:
        """The places in the newest files that earlier processes have left, in order.

        Older files hold older places: a checkpoint is made before a file is begun.
        """
        if self.folder is None:
            return []
        files = sorted(self.folder.glob(f"{self._key}-*{_SUFFIX}"))
        return [place for path in files[-NEWEST_FILES:] for place in places_in(path)]

    def adopt(self) -> list[FilePart | OldFilePart]:
        """Take over files of processes that have ended, oldest first; returns those that hold texts."""
        room = ADOPTED_MAX - len(self._adopted)
        if self.folder is None or room <= 0:
            return []
        self.more_to_adopt = False
        with self._lock:
            held = {part.path for part in (*self._adopted, *self._own) if not isinstance(part, MemoryPart)}
        found = []
        for path in sorted(self.folder.glob(f"{self._key}-*{_SUFFIX}")):
            part = None if path in held else take_over(path)
            if part is None:
                continue
            self.damaged_bytes += getattr(part, "damaged_bytes", 0)
            if part.count:
                found.append(part)
                if len(found) == room:
                    self.more_to_adopt = True
                    break
            else:
                part.close()
        with self._lock:
            self._adopted.extend(found)
        return found

    def peek(self, count_max: int, bytes_max: int) -> list[Pending]:
        """The oldest texts, of one source; none: nothing waits. Raises OSError."""
        part = self._head()
        return part.peek(count_max, bytes_max) if part is not None else []

    @property
    def head(self) -> SpoolPart | None:
        """The part that `peek` reads."""
        return self._head()

    def intend(self, count: int, anchor: str) -> None:
        """Note on disk that the first texts are about to be sent. Raises OSError."""
        part = self._head()
        if part is not None:
            part.intend(count, anchor)

    def drop(self, count: int) -> None:
        """Forget texts that `peek` gave: they are delivered. Raises OSError."""
        part = self._head()
        if part is not None:
            with self._lock:
                before = part.size_bytes
                part.drop(count)
                self._own_bytes -= before - part.size_bytes if part in self._own else 0
            self._tidy()

    def skip(self) -> None:
        """Put the oldest part aside, since it can't be read; its file stays."""
        with self._lock:
            for parts in (self._adopted, self._own):
                if parts:
                    part = parts.popleft()
                    self._own_bytes -= part.size_bytes if parts is self._own else 0
                    if not isinstance(part, MemoryPart):
                        part.abandon()
                    return

    def _head(self) -> SpoolPart | None:
        """The first part that holds texts."""
        with self._lock:
            while self._aside:
                self._put_now(*self._aside.popleft())
            return next((part for part in (*self._adopted, *self._own) if part.count), None)

    def _tidy(self) -> None:
        """Delete files whose texts are all delivered, and empty the one that takes more."""
        with self._lock:
            own = list(self._own)[:-1]
            done = [part for part in (*self._adopted, *own) if not part.count]
            tail = self._own[-1] if self._own else None
            resets = isinstance(tail, FilePart) and tail.resettable
        if not done and not resets:
            return
        self.checkpoint()
        with self._lock:
            if isinstance(tail, FilePart):
                tail.empty()
            self._adopted = deque(part for part in self._adopted if part not in done)
            self._own = deque(part for part in self._own if part not in done)
            for part in done:
                part.close()

    def sync(self) -> None:
        """Make what waits safe against a crash of the machine, as far as the disk does it."""
        with self._lock:
            tail = self._own[-1] if self._own else None
        if tail is not None:
            with contextlib.suppress(OSError):  # outside the lock: appends must not wait for the disk
                tail.sync()

    def close(self) -> None:
        """Release everything; what is on disk stays for the next process. Idempotent."""
        self.sync()
        with self._lock:
            for parts in (self._adopted, self._own):
                while parts:
                    parts.popleft().close()


def _bytes_in(folder: Path, key: str) -> int:
    """Bytes of all files of one key."""
    size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(f"{key}-") and entry.name.endswith(_SUFFIX):
                with contextlib.suppress(OSError):
                    size += entry.stat().st_size
    return size


def state_folder() -> Path:
    """The user's folder for spools: `$XDG_STATE_HOME/logboom/spool`. Raises RuntimeError: there is no home."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "logboom" / "spool"


_spools: Final[WeakSet[Spool]] = WeakSet()


def _after_fork_in_child() -> None:
    for spool in list(_spools):
        spool.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
