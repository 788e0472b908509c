"""Takes records from any thread straight into the spool, and delivers them from a thread of its own.

Records leave the spool once they are acknowledged. There is no other way, so their order is kept, and an outage
changes nothing but the spool's size. What was taken is with the system: the end of the process does not lose it.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

from logboom.clients.delivery.delivery import Delivery
from logboom.clients.delivery.outgoing import Outgoing
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.shipping import patient_policy
from logboom.clients.delivery.spool import Spool
from logboom.clients.delivery.watched_connecting import WatchedConnecting
from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.native import NativeCondition, new_event_loop, new_rlock, new_thread, original
from logboom.clients.wire.target import Target

WINDOW: Final = 256
"""Records of one exchange. Those of an exchange that a lost connection cut short come twice at most."""
GATHER_S: Final = 0.005
"""Pause of the thread while the application logs: each write gives the interpreter away, and must get it back soon."""
PARTING_S: Final = 0.25
"""Time for the exchange that is on its way when the thread is to stop."""
STOP_S: Final = 2.0
"""Time to wait for the thread itself."""
ADOPT_INTERVAL_S: Final = 1.0
"""Interval of the search for records of processes that have ended: a child's are delivered soon after its end."""
CHILD_DELAY_S: Final = 0.5
"""Delay before a forked child delivers, seconds: its parent delivers for one that ends sooner."""
RETRY_S: Final = 1.0
"""Pause after trouble that is not the network's."""
TOKEN_RETRY_S: Final = 30.0
"""The same after a refused token: it may get its scope later, but each try is a failure that the server counts."""

_FULL: Final = "the spool is full"

Warn = Callable[[str], object]
"""Notifies the user, once each time that trouble begins."""


class Courier:
    """Delivers records to one server.

    Args:
        dialect: the protocol.
        target: the server.
        spool: holds the records.
        warn: called when records are dropped or refused; any thread may call it.
    """

    def __init__(self, dialect: Dialect, target: Target, spool: Spool, warn: Warn) -> None:
        self._dialect = dialect
        self._target = target
        self._spool = spool
        self._warn = warn
        self.report = Report()
        self.dropped = 0
        """Records lost because the spool was full."""
        self._closed = self._forked = False
        dialect.say = warn
        self._reset()
        _couriers.add(self)

    def _reset(self) -> None:
        """Start without a thread: at first, and in a forked child, where it is the parent's."""
        self._lock = new_rlock()  # held over a fork, in which hooks of others may log
        self._changed = NativeCondition()
        self._woken = self._delivering = self._paused = self._stop_wanted = False
        self._starting = self._hurried = False
        self.away = False
        """True when the last try to connect has failed."""
        self._told: set[str] = set()
        self._thread: Any = None
        self._thread_id: Callable[[], int] = original("_thread", "get_ident")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._adopt_at = 0.0

    # --- any thread ---

    @property
    def in_own_thread(self) -> bool:
        """True when the caller runs on the delivering thread."""
        return self._thread is not None and self._thread.ident == self._thread_id()

    def put(self, line: bytes) -> None:
        """Take a JSON object without newlines, or drop it when there is no room. Raises nothing.

        After `close`, it stays in the spool for the next process.
        """
        lost = self._closed and self._spool.folder is None
        if lost or not self._spool.append((line,)):
            with self._lock:
                self._drop(1, _FULL)
            return
        if self._spool.trouble is None:
            self._told.discard("spool")
        else:
            self._tell_user(
                "spool", f"can't write the spool, log entries wait in memory: {self._spool.trouble}"
            )
        if not self._woken:
            self._woken = True
            self._wake()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was put is acknowledged, or at least on disk while the server is away.

        Returns:
            False: not all of it within `timeout_s`.
        """
        if self._thread is None and self._is_empty():
            return True
        self._hurried = True
        self._wake()
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
            self._spool.close()
        _couriers.discard(self)

    def _settled(self) -> bool:
        if self.away and self._spool.durable:
            return True
        return self._is_empty() and not self._delivering

    def _is_empty(self) -> bool:
        return not (self._spool.count or self._spool.more_to_adopt)

    def _wake(self) -> None:
        """Let the thread look at the spool; start it when there is none."""
        with self._lock:
            running = self._starting or (self._thread is not None and self._thread.is_alive())
            if not (running or self._closed or self._paused):
                self._start_thread()
            loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is ending; the records are in the spool
                loop.call_soon_threadsafe(self._arrived.set)

    def _start_thread(self) -> None:
        self._starting = True  # a signal handler may log meanwhile
        thread = new_thread(self._run, name="logboom-courier")
        self._thread, self._stop_wanted = thread, False
        self._thread_id = original("_thread", "get_ident")
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending; the records are in the spool
            self._thread = None
        finally:
            self._starting = False

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
        """Count records that are lost; `_lock` is held."""
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
        """After a fork, in the parent. It goes on looking for what the child may leave."""
        self._paused = self._woken = False
        used = self._thread is not None or self._spool.folder is not None
        self._lock.release()
        if used:
            self._wake()

    def begin_anew(self) -> None:
        """After a fork, in the child; the spool does the same of its own."""
        self.report = Report()
        self.dropped = 0
        self._forked = True
        self._reset()

    # --- the delivering thread ---

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            try:
                runner.run(self._main())
            finally:
                self._loop, self._woken = None, False
                if self._closed:
                    self._spool.close()

    async def _main(self) -> None:
        self._arrived, self._stopping = asyncio.Event(), asyncio.Event()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._stop_wanted:
                self._stopping.set()
        delivering = asyncio.create_task(self._deliver_always())
        await self._stopping.wait()
        self._arrived.set()
        if not self.away:
            await asyncio.wait([delivering], timeout=PARTING_S)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)

    def _notify(self) -> None:
        """Let those who flush look again."""
        self._changed.notify_all()

    async def _deliver_always(self) -> None:
        connecting = WatchedConnecting(self._dialect, self._note)
        policy = patient_policy(reconnects_max=0, window=WINDOW)
        delivery = Delivery(self._dialect, self._target, policy, self.report, connect=connecting.connect)
        outgoing = Outgoing(self._spool, self._dialect, delivery, WINDOW)
        try:
            await self._give_the_parent_time()
            while not self._stopping.is_set():
                try:
                    await self._deliver_next(outgoing)
                except TokenRefusedError as error:
                    self._tell_user("token", f"{error}; log entries wait until it is settled")
                    await delivery.close()
                    self._note(away=True)
                    await asyncio.sleep(TOKEN_RETRY_S)
                except Exception as error:  # noqa: BLE001 - nothing may end this task; the records are still there
                    self._tell_user(
                        "trouble", f"can't deliver to {self._target}: {type(error).__name__}: {error}"
                    )
                    await delivery.close()
                    self._note(away=True)
                    await asyncio.sleep(RETRY_S)
        finally:
            await delivery.close()

    async def _give_the_parent_time(self) -> None:
        """Wait in a forked child, unless it flushes or ends."""
        ends_at = time.monotonic() + (CHILD_DELAY_S if self._forked else 0.0)
        while not (self._hurried or self._stopping.is_set()) and (left_s := ends_at - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._arrived.wait()
            self._arrived.clear()

    async def _deliver_next(self, outgoing: Outgoing) -> None:
        """Deliver one window; wait for records when there are none."""
        self._adopt_now_and_then()
        self._delivering, self._woken = True, False
        self._arrived.clear()
        try:
            count = await outgoing.deliver_some()
            if not self._spool.count:
                self._told.discard(_FULL)
        except OSError as error:
            self._tell_user("unreadable", f"can't read the spool, a part of it is put aside: {error}")
            self._spool.skip()
            return
        finally:
            self._delivering = False
        if not count:
            await self._wait_for_records()
            return
        if self.report.refused:
            reason = self.report.refused.most_common(1)[0][0]
            self._tell_user("refused", f"{self._target} refuses log entries, and they are lost: {reason}")
        self._told -= {"token", "trouble", "unreadable"}
        self._notify()
        if self._woken:
            await asyncio.sleep(GATHER_S)

    def _note(self, *, away: bool) -> None:
        """The server was found away, or there."""
        self.away = away
        if away:
            self._spool.sync()
            self._notify()

    def _adopt_now_and_then(self) -> None:
        now = time.monotonic()
        if now >= self._adopt_at or self._spool.more_to_adopt:
            self._adopt_at = now + ADOPT_INTERVAL_S
            self._spool.adopt()
        if self._spool.damaged_bytes:
            self._tell_user(
                "damaged", f"{self._spool.damaged_bytes} bytes of the spool are damaged and left out"
            )

    async def _wait_for_records(self) -> None:
        self._notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ADOPT_INTERVAL_S):
                await self._arrived.wait()
        if self._arrived.is_set():
            await asyncio.sleep(GATHER_S)


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
