"""A command whose output is looked at on its way; else it runs as if started directly."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

READ_BYTES: Final = 64 << 10
"""Capacity of a Linux pipe."""

PIPES_BYTES_MAX: Final = 2 << 20
"""The most that two pipes hold on Linux, unless root made them larger: what comes later is of another process."""

LOOK_S: Final = 0.02
"""Between two looks whether the last output is passed on."""

FORWARDED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
"""Exit codes of a command that could not be started: those of shells."""

_FROM_KERNEL: Final = 0x80
"""`SI_KERNEL`: the terminal's keys, resize and hang-up. These go to the whole process group, the child included."""

_OUTPUTS: Final = (1, 2)
_RESTORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and no other program expects to."""

OnData = Callable[[int, bytes], None]
"""Takes what the child wrote: its descriptor, and the bytes. Called on a thread of each of the two streams."""


class Child:
    """A running command.

    Its outputs are pipes, whose bytes go to ours at once. It keeps our standard input, process group and
    terminal. Signals that come to us are sent on to it, but those that it has already from the terminal.

    To be made on the main thread, before there are others: those would take signals away.

    Args:
        argv: the command.
        on_data: sees its output.
        environment: its environment.

    Raises:
        OSError: it can't be started.
    """

    def __init__(
        self, argv: Sequence[str], on_data: OnData, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._on_data = on_data
        self._ended = False
        self._hurried = threading.Event()
        self.on_late_signal: Callable[[int], None] = lambda _: self._hurried.set()
        """Called, on a thread, with signals that come when the command has ended."""
        self._busy = dict.fromkeys(_OUTPUTS, False)
        self._passed_bytes = dict.fromkeys(_OUTPUTS, 0)
        self._lock = threading.Lock()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        try:
            self.pid, ends = _spawn(argv, environment, before)
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        self._ends = dict(zip(_OUTPUTS, ends, strict=True))
        self._pumps = [
            threading.Thread(target=self._pump, args=pair, daemon=True) for pair in self._ends.items()
        ]
        for thread in (*self._pumps, threading.Thread(target=self._forward, daemon=True)):
            thread.start()

    def wait(self) -> int:
        """Until it ends; returns its exit code, 128 + n for signal n."""
        os.waitid(
            os.P_PID, self.pid, os.WEXITED | os.WNOWAIT
        )  # it keeps its id until no more signals are sent to it
        with self._lock:
            self._ended = True
            _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def drain(self, timeout_s: float) -> bool:
        """Wait until all output was seen; False when a process that it has started holds the pipes open for longer.

        What the command has written is passed on however long that takes, unless a signal comes: a pager reads slowly.

        Args:
            timeout_s: for both outputs together; may be infinite.
        """
        enough = sum(self._passed_bytes.values()) + PIPES_BYTES_MAX
        deadline_s = time.monotonic() + timeout_s
        while any(thread.is_alive() for thread in self._pumps) and time.monotonic() < deadline_s:
            for thread in self._pumps:
                thread.join(LOOK_S)
            if self._hurried.is_set():
                break
        while not self._has_passed_on() and sum(self._passed_bytes.values()) < enough:
            if self._hurried.wait(LOOK_S):
                break
        return not any(thread.is_alive() for thread in self._pumps)

    def _has_passed_on(self) -> bool:
        """True when nothing is on its way, neither in a pipe nor in a pump's hands: in this order."""
        pumps = zip(self._pumps, self._ends.values(), strict=True)
        empty = not any(thread.is_alive() and _holds(end) for thread, end in pumps)
        return empty and not any(self._busy.values())

    def _pump(self, output: int, source: int) -> None:
        try:
            poller = select.poll()
            poller.register(source, select.POLLIN)
            while True:
                poller.poll()  # busy from before the pipe is empty until it is written: see `_has_passed_on`
                self._busy[output] = True
                data = os.read(source, READ_BYTES)
                if not data:
                    return
                self._on_data(output, data)
                _write_all(output, data)
                self._passed_bytes[output] += len(data)
                self._busy[output] = False
        except OSError:  # our output has no reader: the child must notice, as if the pipe were its own
            pass
        finally:
            self._busy[output] = False
            os.close(source)

    def _forward(self) -> None:
        while True:
            info = signal.sigwaitinfo(FORWARDED)
            with self._lock:
                if not self._ended:
                    if info.si_code != _FROM_KERNEL:
                        os.kill(self.pid, info.si_signo)
                    continue
            self.on_late_signal(info.si_signo)


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], mask: "set[signal.Signals | int]"
) -> tuple[int, list[int]]:
    """Start it; returns its id, and our ends of the pipes."""
    pipes = [os.pipe() for _ in _OUTPUTS]
    places = [
        (os.POSIX_SPAWN_DUP2, write, output) for (_, write), output in zip(pipes, _OUTPUTS, strict=True)
    ]
    try:
        pid = os.posix_spawnp(
            argv[0], list(argv), environment, file_actions=places, setsigmask=mask, setsigdef=_RESTORED
        )
    except OSError:
        for read, _ in pipes:
            os.close(read)
        raise
    finally:
        for _, write in pipes:
            os.close(write)
    return pid, [read for read, _ in pipes]


def _holds(pipe: int) -> bool:
    """True when there is something to be read from a pipe."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    return any(found & select.POLLIN for _, found in poller.poll(0))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # another process made our output non-blocking
            select.select([], [descriptor], [])
