"""Brings messages to one target, on a thread of its own: one that is away delays nobody but itself."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from logboom.model import Report
from logboom.ops.alerts.messages import Message

RETRY_S: Final = (5.0, 30.0, 120.0)
"""Pauses before further tries. A service that restarts is back by then; a message that is older helps nobody."""

WAITING_MAX: Final = 50
"""Messages that wait for a target; the oldest goes first, since the newest tell how things are."""

Send = Callable[[str, Message], str | None]
"""Sends to a URL; returns why that failed, None when it did not."""


def send_now(url: str, message: Message) -> str | None:
    """Send with Apprise, which is loaded only now."""
    from logboom.ops.alerts.targets import send  # noqa: PLC0415 - half a second, for those who have something to send

    return send(url, message)


class Courier:
    """Sends what it is given, in order, each message a few times if need be.

    Args:
        name: of the target, without secrets.
        url: of the target.
        report: told about messages that did not arrive, on the courier's thread.
        send: see `Send`.
        pause: waits that many seconds, or until the courier is closed; tests put their own here.
    """

    def __init__(
        self,
        name: str,
        url: str,
        report: Report,
        *,
        send: Send = send_now,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.name = name
        self._url = url
        self._report = report
        self._send = send
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._waiting: deque[Message] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, message: Message) -> None:
        """Send a message, some time soon. Never blocks."""
        with self._wake:
            if len(self._waiting) >= WAITING_MAX:
                dropped = self._waiting.popleft()
                self._report("warning", f"alerts: {self.name} is too slow, not sent: {dropped.title}")
            self._waiting.append(message)
            self._wake.notify()
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name=f"alerts-{self.name}", daemon=True)
                self._thread.start()

    def close(self, deadline_s: float) -> None:
        """Give what waits one more try, for `deadline_s` at most. Idempotent."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(deadline_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting:
                    if self._closing.is_set():
                        return
                    self._wake.wait()
                message = self._waiting.popleft()
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        reason = self._send(self._url, message)
        for pause_s in RETRY_S:
            if reason is None or self._closing.is_set():
                break
            self._pause(pause_s)
            reason = self._send(self._url, message)
        if reason is not None:
            self._report("warning", f"alerts: {self.name} did not take “{message.title}”: {reason}")
