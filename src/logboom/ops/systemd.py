"""Notifications to systemd as in `sd_notify(3)`: ready, reloading, stopping, a status line, watchdog keep-alives.

Existing packages block the event loop while the service manager is busy, and ignore every error, so that a start
that never becomes ready can't be explained. Hence this module uses the socket directly.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from logboom.model import Report

FIRST_PASSED: Final = 3
"""Descriptor of the first passed socket (`sd_listen_fds(3)`)."""

SEND_S_MAX: Final = 0.5
"""Longest time that a message may block the event loop when the service manager does not read. It usually reads within
microseconds; a busy manager may miss a message, and a keep-alive is sent twice per interval."""

STATUS_CHARACTERS_MAX: Final = 500
"""Longest status. systemd discards messages over 4096 bytes, and a character has four at most."""


class ServiceNotifier:
    """Sends notifications to the service manager; does nothing without one.

    Args:
        environment: has `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; `os.environ` by default.
        report: logs once when the service manager can't be reached, and when keep-alives stop.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        report: Report = lambda _kind, _text: None,
    ) -> None:
        variables = os.environ if environment is None else environment
        self._report = report
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        self._is_ready = False
        self._failing = False
        self.watchdog_s = _watchdog_s(variables) if self._address else None
        """Longest interval between keep-alives, seconds; None: none are expected."""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(SEND_S_MAX)

    def ready(self) -> None:
        """Notify that the start is complete."""
        self._is_ready = True
        self._send("READY=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Context of a reload of the configuration; sends nothing before the first `ready`."""
        if not self._is_ready:
            yield
            return
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._send("READY=1")

    def stopping(self) -> None:
        """Notify that the server is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the status line of `systemctl status`; a longer text is cut."""
        line = " ".join(text.split())  # a newline would start another variable
        self._send(f"STATUS={line[:STATUS_CHARACTERS_MAX]}")

    async def watch(self, is_alive: Callable[[], bool]) -> None:
        """Send keep-alives until cancelled, while `is_alive` is true; returns at once if none are expected.

        They are sent by the event loop: if it is blocked, the service manager restarts the server.

        Args:
            is_alive: whether the parts work that a restart would repair, which excludes a full disk.
        """
        if self.watchdog_s is None:
            return
        was_alive = True
        while True:
            alive = is_alive()
            if alive:
                self._send("WATCHDOG=1")
            elif was_alive:
                self._report(
                    "error",
                    f"watchdog keep-alive stopped; systemd will restart the server within {self.watchdog_s:g} s",
                )
            was_alive = alive
            await asyncio.sleep(self.watchdog_s / 2)

    def close(self) -> None:
        """Close the socket; later notifications are dropped. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str) -> None:
        """Send one message. Each is sent to the path, where a restarted manager has a new socket."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(errors="replace"), socket.MSG_NOSIGNAL, self._address)
        except OSError as error:
            if not self._failing:
                name, reason = state.partition("\n")[0], error.strerror or error
                self._report("warning", f"the service manager can't be notified of {name}: {reason}")
            self._failing = True
        else:
            self._failing = False


def _address(text: str) -> str:
    """Address of the socket; `@` stands for the zero byte of an abstract one. Empty: none that can be used."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_s(variables: Mapping[str, str]) -> float | None:
    """Interval of the watchdog in seconds, if it is for this process and not for its parent."""
    interval_us = variables.get("WATCHDOG_USEC", "")
    process_id = variables.get("WATCHDOG_PID", "") or str(os.getpid())
    if not interval_us.isdecimal() or int(interval_us) == 0 or process_id != str(os.getpid()):
        return None
    return int(interval_us) / 1_000_000


@cache
def passed_sockets() -> tuple[socket.socket, ...]:
    """Return the IP sockets that the service manager has bound for this process, as in `sd_listen_fds(3)`."""
    count = os.environ.get("LISTEN_FDS", "")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return ()
    found = []
    for descriptor in range(FIRST_PASSED, FIRST_PASSED + int(count)):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only place
        with suppress(OSError):
            found.append(socket.socket(fileno=descriptor))
    return tuple(one for one in found if one.family in {socket.AF_INET, socket.AF_INET6})
