"""Takes lines from any thread without ever blocking it, and hands them over from a thread of its own.

Lines go through a bounded queue into the spool, and from there to the server; they leave the spool once they are
acknowledged. There is no other way, so their order is kept, and an outage changes nothing but the spool's size.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from logboom.clients.bearer import TokenRefusedError
from logboom.clients.delivery import Delivery, windows
from logboom.clients.dialect import Dialect, UnfitLineError, is_object
from logboom.clients.report import Report
from logboom.clients.shipping import patient_policy
from logboom.clients.spool import Spool
from logboom.clients.target import Target
from logboom.clients.watched import WatchedConnecting

WINDOW: Final = 256
"""Lines of one exchange. Those of an exchange that a lost connection cut short come twice at most."""
READ_BYTES: Final = 256 << 10
"""Bytes that are read from the spool for one exchange."""
QUEUE_BYTES_MAX: Final = 16 << 20
"""Bytes in the queue; its thread empties it every few milliseconds."""
PARTING_S: Final = 0.25
"""How long the exchange that is on its way may take to its end when the thread is to stop."""
STOP_S: Final = 2.0
"""How long to wait for the thread itself."""
ADOPT_INTERVAL_S: Final = 30.0
"""How often to look for lines that other processes have left."""
RETRY_S: Final = 1.0
"""Pause after trouble that is not the network's."""
TOKEN_RETRY_S: Final = 30.0
"""The same after a refused token: somebody may give it its scope, but each try is a failure that the server counts."""

_FULL: Final = "the spool is full"

Warn = Callable[[str], object]
"""Tells the user, once each time that trouble begins."""


class Courier:
    """Delivers lines to one server.

    Args:
        dialect: the protocol.
        target: the server.
        make_spool: makes the spool; called again in a forked child.
        queue_max: lines that may wait for the thread; further ones are dropped.
        warn: told when lines are dropped or refused; any thread may call it.
    """

    def __init__(
        self, dialect: Dialect, target: Target, make_spool: Callable[[], Spool], queue_max: int, warn: Warn
    ) -> None:
        self._dialect = dialect
        self._target = target
        self._make_spool = make_spool
        self._queue_max = queue_max
        self._warn = warn
        self.report = Report()
        self.dropped = 0
        """Lines lost because the queue or the spool was full."""
        self._closed = False
        dialect.say = warn
        self._reset()
        _couriers.add(self)

    def _reset(self) -> None:
        """Start with nothing: at first, and in a forked child, where all of it is the parent's."""
        self._lock = threading.RLock()  # held over a fork, in which hooks of others may log
        self._changed = threading.Condition(threading.Lock())
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._woken = self._collecting = self._paused = self._stop_wanted = False
        self.away = False
        """Whether the last try to connect has failed."""
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spool = self._make_spool()

    # --- any thread ---

    @property
    def in_own_thread(self) -> bool:
        """Whether the caller runs on the courier's thread."""
        return self._thread is not None and self._thread.ident == threading.get_ident()

    def put(self, line: bytes) -> None:
        """Take a JSON object without newlines, or drop it when there is no room. Waits for nothing, raises nothing."""
        with self._lock:
            room = len(self._queue) < self._queue_max and self._queue_bytes + len(line) <= QUEUE_BYTES_MAX
            if self._closed or not room:
                self._drop(1, "the queue is full")
                return
            self._queue.append(line)
            self._queue_bytes += len(line)
            wake, self._woken = not self._woken, True
            crowded = len(self._queue) > self._queue_max // 2
        if wake:
            self._wake()
        if crowded:
            time.sleep(0)  # a turn for the courier's thread: the interpreter has one at a time

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was put is acknowledged, or at least on disk while the server is away.

        Returns:
            False: not all of it within `timeout_s`.
        """
        if self._thread is None and not self._queue:
            return True
        self._wake()
        with self._changed:
            return self._changed.wait_for(self._settled, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Flush, then stop. What is not delivered stays in the spool. Idempotent."""
        if self._closed:
            return
        self.flush(timeout_s)
        with self._lock:
            self._closed = True
        self._stop_thread()
        if self._thread is None:  # else it still holds on to the spool, and lets go at its own end
            self._let_go()
        _couriers.discard(self)

    def _let_go(self) -> None:
        with self._lock:
            self._collect()
            self._spool.close()

    def _settled(self) -> bool:
        if self._queue or self._collecting:
            return False
        return not self._spool.size_bytes or (self.away and self._spool.durable)

    def _wake(self) -> None:
        """Let the thread look at the queue; start it when there is none."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if not (running or self._closed or self._paused):
                self._start_thread()
            loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is ending; what is in the queue is seen to then
                loop.call_soon_threadsafe(self._arrived.set)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="logboom-courier", daemon=True)
        self._thread, self._stop_wanted = thread, False
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending; close() will put the queue into the spool
            self._thread = None

    def _stop_thread(self) -> None:
        with self._lock:
            self._stop_wanted = True
            thread, loop = self._thread, self._loop
        if thread is None:
            return
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stopping.set)
        thread.join(STOP_S)
        if not thread.is_alive():
            self._thread = None

    def _drop(self, count: int, why: str) -> None:
        """Count lines that are lost; `_lock` is held, or the thread is the only one."""
        self.dropped += count
        if not self._closed:
            self._tell_user(why, f"{why}: log entries are dropped until there is room")

    def _tell_user(self, kind: str, text: str) -> None:
        """Warn, unless the same kind of trouble goes on."""
        if kind not in self._told:
            self._told.add(kind)
            self._warn(text)

    # --- around a fork ---

    def pause(self) -> None:
        """Before a fork: end the thread, for connections and locks do not survive in the child."""
        with self._lock:
            self._paused = True
        self._stop_thread()
        self._lock.acquire()

    def resume(self) -> None:
        """After a fork, in the parent."""
        self._paused = False
        waiting = bool(self._queue) or self._spool.size_bytes > 0
        self._lock.release()
        if waiting:
            self._wake()

    def begin_anew(self) -> None:
        """After a fork, in the child."""
        self._spool.abandon()
        self.report = Report()
        self.dropped = 0
        self._reset()

    # --- the courier's thread ---

    def _run(self) -> None:
        # asyncio's own loop: this is somebody else's process, which may have ideas about uvloop and forks
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            try:
                runner.run(self._main())
            finally:
                self._loop = None
                if self._closed:
                    self._let_go()

    async def _main(self) -> None:
        self._arrived, self._stored, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._arrived.set()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._stop_wanted:
                self._stopping.set()
        collecting = asyncio.create_task(self._collect_always())
        delivering = asyncio.create_task(self._deliver_always())
        await self._stopping.wait()
        self._stored.set()
        if not self.away:
            await asyncio.wait([delivering], timeout=PARTING_S)
        for task in (collecting, delivering):
            task.cancel()
        await asyncio.gather(collecting, delivering, return_exceptions=True)
        self._collect()

    async def _collect_always(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._collect()
            self._stored.set()

    def _collect(self) -> None:
        """Move what is in the queue to the spool."""
        with self._lock:
            lines = list(self._queue)
            self._queue.clear()
            self._queue_bytes = 0
            self._woken = False
            self._collecting = True
        kept = self._spool.append(lines)
        if kept < len(lines):
            self._drop(len(lines) - kept, _FULL)
        if self._spool.trouble:
            self._tell_user(
                "spool", f"can't write the spool, log entries wait in memory: {self._spool.trouble}"
            )
        if self.away:
            self._spool.sync()
        self._collecting = False
        self._tell()

    def _tell(self) -> None:
        """Let those who flush look again."""
        with self._changed:
            self._changed.notify_all()

    async def _deliver_always(self) -> None:
        connecting = WatchedConnecting(self._dialect, self._note)
        policy = patient_policy(reconnects_max=0, window=WINDOW)
        delivery = Delivery(self._dialect, self._target, policy, self.report, connect=connecting.connect)
        try:
            self._spool.adopt()
            while not self._stopping.is_set():
                try:
                    await self._deliver_next(delivery)
                except TokenRefusedError as error:
                    self._tell_user("token", f"{error}; log entries wait until it is settled")
                    await delivery.close()
                    self._note(away=True)
                    await asyncio.sleep(TOKEN_RETRY_S)
                except Exception as error:  # noqa: BLE001 - nothing may end this task; the lines are still there
                    self._tell_user(
                        "trouble", f"can't deliver to {self._target}: {type(error).__name__}: {error}"
                    )
                    await delivery.close()
                    await asyncio.sleep(RETRY_S)
        finally:
            await delivery.close()

    async def _deliver_next(self, delivery: Delivery) -> None:
        """Deliver one window; wait for lines when there are none."""
        self._stored.clear()
        try:
            lines, size = self._spool.peek(WINDOW, READ_BYTES)
        except OSError as error:
            self._tell_user("unreadable", f"can't read the spool, a part of it is put aside: {error}")
            self._spool.skip()
            return
        if not lines:
            self._told.discard(_FULL)
            await self._wait_for_lines()
            return
        for window in windows(self._encode(lines), WINDOW):
            await delivery.deliver(window)
        if self.report.refused:
            reason = self.report.refused.most_common(1)[0][0]
            self._tell_user("refused", f"{self._target} refuses log entries, and they are lost: {reason}")
        self._told -= {"token", "trouble", "unreadable"}
        self._spool.drop(size)
        self._tell()

    def _note(self, *, away: bool) -> None:
        """The server was found away, or there."""
        self.away = away
        if away:
            self._spool.sync()
            self._tell()

    async def _wait_for_lines(self) -> None:
        self._tell()
        try:
            async with asyncio.timeout(ADOPT_INTERVAL_S):
                await self._stored.wait()
        except TimeoutError:
            self._spool.adopt()

    def _encode(self, lines: list[bytes]) -> list[bytes]:
        payloads = []
        for line in lines:
            if not is_object(line):  # what a crash of the machine has left
                self.report.refuse_unsent("damaged in the spool")
                continue
            try:
                payloads.append(self._dialect.encode(line))
            except UnfitLineError as error:
                self.report.refuse_unsent(str(error))
        return payloads


_couriers: Final[WeakSet[Courier]] = WeakSet()
_paused: list[Courier] = []


def _before_fork() -> None:
    _paused[:] = _couriers
    for courier in _paused:
        courier.pause()


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().resume()


def _after_fork_in_child() -> None:
    while _paused:
        _paused.pop().begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
