"""What systemd is told, as `sd_notify(3)` has it: ready, reloading, stopping, a line of status, and signs of life.

A socket of our own rather than a package: what there is blocks the event loop while the service manager is busy,
and swallows every error, so that a start that "never gets ready" leaves no trace.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from logboom.model import Report

SEND_S_MAX: Final = 0.5
"""How long a message may hold up the event loop when the service manager doesn't read. It reads within
microseconds; a manager that is so busy may miss a message, and a sign of life is sent twice an interval."""

STATUS_CHARACTERS_MAX: Final = 500
"""Longest status. systemd throws away whole messages over 4096 bytes, and a character has four at most."""


class ServiceNotifier:
    """Talks to the service manager that started us; does nothing where there is none.

    Args:
        environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; `os.environ` by default.
        report: told once when the service manager can't be reached, and when signs of life stop.
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
        """How often a sign of life is expected at least, seconds; None: not at all."""
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(SEND_S_MAX)

    def ready(self) -> None:
        """Started: clients are served."""
        self._is_ready = True
        self._send("READY=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """While the configuration is read again, however that ends. Before the first `ready` nobody is told."""
        if not self._is_ready:
            yield
            return
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._send("READY=1")

    def stopping(self) -> None:
        """Finishing what is in flight."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; a longer text is cut."""
        line = " ".join(text.split())  # a newline would start another variable
        self._send(f"STATUS={line[:STATUS_CHARACTERS_MAX]}")

    async def watch(self, is_alive: Callable[[], bool]) -> None:
        """Give signs of life until cancelled, as long as `is_alive` says so; returns at once when nobody asks.

        They come from the event loop: a loop that is stuck gives none, and the service manager starts us anew.

        Args:
            is_alive: whether the rest works that a new start would bring back. A full disk is none of it.
        """
        if self.watchdog_s is None:
            return
        was_alive = True
        while True:
            alive = is_alive()
            if alive:
                self._send("WATCHDOG=1")
            elif was_alive:
                self._report("error", f"no sign of life: a new start is due within {self.watchdog_s:g} s")
            was_alive = alive
            await asyncio.sleep(self.watchdog_s / 2)

    def close(self) -> None:
        """Close the socket; what comes later is not sent. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str) -> None:
        """Send one message. Each names the address: a manager that is started anew has a new socket there."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(errors="replace"), socket.MSG_NOSIGNAL, self._address)
        except OSError as error:
            if not self._failing:
                name, reason = state.partition("\n")[0], error.strerror or error
                self._report("warning", f"the service manager can't be told {name}: {reason}")
            self._failing = True
        else:
            self._failing = False


def _address(text: str) -> str:
    """The socket's address; `@` stands for the zero byte of an abstract one. Empty: there is none we can use."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_s(variables: Mapping[str, str]) -> float | None:
    """The watchdog's interval in seconds, if it is meant for this process and not for the one that started it."""
    interval_us = variables.get("WATCHDOG_USEC", "")
    process_id = variables.get("WATCHDOG_PID", "") or str(os.getpid())
    if not interval_us.isdecimal() or int(interval_us) == 0 or process_id != str(os.getpid()):
        return None
    return int(interval_us) / 1_000_000
