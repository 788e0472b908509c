"""Threads, locks and sockets of the system, also in a process in which gevent or eventlet has replaced them.

A background thread must not become a greenlet: its event loop would stop all others as soon as it waits in C code, as
grpcio does, and `asyncio.get_running_loop()` of the application would find it. Nor may it use the library's sockets and
selectors: each thread would get an event loop of the library, and now and then one of these misses an event.
"""

import _socket
import asyncio
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

_POLL_S: Final = 0.005
"""Interval at which a waiting greenlet checks its condition, seconds; other greenlets run meanwhile."""


def patched_by() -> str:
    """The name of the library that has replaced this process's threads; empty: none has."""
    if (gevent := sys.modules.get("gevent.monkey")) is not None and gevent.is_module_patched("threading"):
        return "gevent"
    if (eventlet := sys.modules.get("eventlet.patcher")) is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return ""


def original(module: str, name: str) -> Any:
    """An attribute of a module of the standard library, as it was before it was replaced."""
    library = patched_by()
    if library == "gevent":
        return sys.modules["gevent.monkey"].get_original(module, name)
    if library == "eventlet":
        return getattr(sys.modules["eventlet.patcher"].original(module), name)
    __import__(module)
    return getattr(sys.modules[module], name)


def new_lock() -> Any:
    """A lock. Under gevent and eventlet: nothing that lets another greenlet run may be done while it is held."""
    return original("_thread", "allocate_lock")()


def new_rlock() -> Any:
    """A lock that the thread which holds it may take again; otherwise as `new_lock`."""
    return original("_thread", "RLock")()


class NativeThread:
    """A thread of the system where `threading.Thread` is a greenlet. Does not keep the process from ending.

    Takes what `threading.Thread` takes, as far as it is needed.
    """

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        name: str = "",
        *,
        daemon: bool = True,
    ) -> None:
        del daemon  # it is one in any case
        self._target = target
        self._args = args
        self.name = name
        self.ident: int | None = None
        self._ended = new_lock()

    def start(self) -> None:
        """See `threading.Thread`."""
        self._ended.acquire()
        try:
            self.ident = original("_thread", "start_new_thread")(self._run, ())
        except BaseException:
            self._ended.release()
            raise

    def _run(self) -> None:
        self.ident = original("_thread", "get_ident")()
        # a signal that another thread takes may be missed by the library's loop, which would never see a child's end
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._target(*self._args)
        finally:
            self._ended.release()

    def is_alive(self) -> bool:
        """See `threading.Thread`."""
        return bool(self._ended.locked())

    def join(self, timeout: float | None = None) -> None:
        """See `threading.Thread`. Other greenlets run meanwhile."""
        wait_for(lambda: not self.is_alive(), timeout)


def new_thread(target: Callable[..., object], args: tuple[Any, ...] = (), name: str = "") -> Any:
    """A daemon thread of the system, not started yet: a `threading.Thread` where that is one."""
    kind: Any = NativeThread if patched_by() else threading.Thread
    return kind(target=target, args=args, name=name, daemon=True)


def threading_module() -> ModuleType:
    """A stand-in for `threading` whose threads are those of the system, for a library that needs them."""
    return _with(threading, Thread=NativeThread)


def socket_module() -> ModuleType:
    """A stand-in for `socket` whose sockets are those of the system."""
    return _with(socket, socket=original("socket", "socket"), socketpair=_socket_pair)


def _with(module: ModuleType, **attributes: object) -> ModuleType:
    found = ModuleType(module.__name__)
    found.__dict__.update(vars(module), **attributes)
    return found


class _NativeLoop(asyncio.SelectorEventLoop):
    """An event loop on the system's selector and sockets."""

    def __init__(self) -> None:
        super().__init__(_new_selector())

    def _make_self_pipe(self) -> None:  # as asyncio does, with another pair of sockets
        loop: Any = self
        loop._ssock, loop._csock = _socket_pair()  # noqa: SLF001
        loop._ssock.settimeout(0.0)  # noqa: SLF001
        loop._csock.settimeout(0.0)  # noqa: SLF001
        loop._internal_fds += 1  # noqa: SLF001
        loop._add_reader(loop._ssock.fileno(), loop._read_from_self)  # noqa: SLF001


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop for a thread of the system. asyncio's own: an application may have ideas about uvloop and forks."""
    return _NativeLoop() if patched_by() else asyncio.SelectorEventLoop()


async def connection_to(host: str, port: int) -> dict[str, Any]:
    """The place that `asyncio.open_connection` is to use: the address, or a socket of the system that is connected.

    Args:
        host: where sockets are replaced, an IP address.
        port: of the server.

    Raises:
        OSError: the server can't be reached.
    """
    if not patched_by():
        return {"host": host, "port": port}
    found = new_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        await asyncio.get_running_loop().sock_connect(found, (host, port))
    except BaseException:
        found.close()
        raise
    return {"sock": found}


def new_socket(family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    """A socket of the system that does not block."""
    found: socket.socket = original("socket", "socket")(family, kind, protocol)
    found.settimeout(0.0)
    return found


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets of the system; the original `socket.socketpair` would wrap them in the library's class."""
    kind = original("socket", "socket")
    one, other = _socket.socketpair()
    return kind(fileno=one.detach()), kind(fileno=other.detach())


def _new_selector() -> selectors.BaseSelector:
    if patched_by() == "gevent":
        found: selectors.BaseSelector = original("selectors", "EpollSelector")()
        return found
    kind: Any = type(
        "_Selector", (selectors.SelectSelector,), {"_select": staticmethod(original("select", "select"))}
    )
    made: selectors.BaseSelector = kind()
    return made


class NativeCondition:
    """A condition variable of threads, for which greenlets wait without stopping each other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def notify_all(self) -> None:
        """Let all that wait look again."""
        if not patched_by():
            with self._changed:
                self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition is met; returns it."""
        if patched_by():
            return wait_for(condition, timeout_s)
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)


def wait_for(condition: Callable[[], bool], timeout_s: float | None) -> bool:
    """Wait until a condition is met, in steps, while other greenlets run; returns the condition."""
    ends_at = None if timeout_s is None else time.monotonic() + timeout_s
    while not condition():
        if ends_at is not None and time.monotonic() >= ends_at:
            return condition()
        time.sleep(_POLL_S)  # the library's own, which lets the others run
    return True
