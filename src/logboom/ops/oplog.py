"""The operational log: what the server itself has to say, on stderr; silent about received messages.

Each line starts with an emoji of its kind. Writing happens on a thread of its own behind a bounded queue:
a terminal that blocks must not block the server.
"""

import json
import sys
import threading
import time
from collections import deque
from typing import Final, TextIO

from logboom.formats.harmless import visible, visible_json
from logboom.formats.times import iso_from_ns
from logboom.ops import journald

EMOJI: Final = {
    "start": "🚀",
    "listening": "✅",
    "connected": "🔌",
    "disconnected": "📴",
    "warning": "⚠️",
    "error": "❌",
    "fatal": "💥",
    "restarting": "🔄",
    "info": "💬",
}
_LEVELS: Final = {"warning": "WARNING", "error": "ERROR", "fatal": "CRITICAL", "restarting": "WARNING"}

QUEUE_LINES_MAX: Final = 10_000
"""Lines waiting for a blocked stderr, about 2 MB; what comes on top is dropped and counted."""


LINES_PER_S_MAX: Final = 100
LINES_BURST: Final = 3000
"""Lines of one kind: strangers who send nonsense must not fill the disk that the log is on. Each kind has its own
allowance, so that theirs does not hide ours."""

TELL_DROPPED_S: Final = 1.0
"""How often it is told how many lines were dropped: that is a line, too."""


class OperationalLog:
    """Lines for a person, or JSON objects for a program.

    Args:
        name: the server's, where several write to one place; stands before each text.
        json_lines: one JSON object a line instead of text.
        stream: where to; stderr by default.
    """

    def __init__(
        self,
        *,
        name: str = "",
        json_lines: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self._name = name
        self._json_lines = json_lines
        self._stream = stream or sys.stderr
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._ascii_only = not encoding.lower().startswith("utf")
        self._has_severities = journald.reads(self._stream)
        self._queue: deque[tuple[str, str, int]] = deque()
        self._dropped = 0
        self._paid_until: dict[str, float] = {}
        self._tell_dropped_at = 0.0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="operational-log", daemon=True)
        self._thread.start()

    def event(self, kind: str, text: str) -> None:
        """Write one line of a kind of `EMOJI`; callable from any thread, never blocks."""
        if len(self._queue) >= QUEUE_LINES_MAX or not self._allows(kind):
            self._dropped += 1
            return
        self._queue.append((kind, text, time.time_ns()))
        self._wake.set()

    def _allows(self, kind: str) -> bool:
        """Whether a kind has not had too many lines lately. Threads may race here: a line more does no harm."""
        now = time.monotonic()
        earliest = now - LINES_BURST / LINES_PER_S_MAX
        paid_until = max(self._paid_until.get(kind, earliest), earliest) + 1 / LINES_PER_S_MAX
        if paid_until > now:
            return False
        self._paid_until[kind] = paid_until
        return True

    def warning(self, text: str) -> None:
        """Something is odd, nothing is lost that was acknowledged."""
        self.event("warning", text)

    def error(self, text: str) -> None:
        """Something failed that the server goes on from."""
        self.event("error", text)

    def close(self) -> None:
        """Write what is queued, waiting for a blocked stream a second at most. Idempotent."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not (self._closing and not self._queue):
            self._wake.wait()
            self._wake.clear()
            lines = [self._format(*self._queue.popleft()) for _ in range(len(self._queue))]
            now = time.monotonic()
            if self._dropped and (self._closing or now >= self._tell_dropped_at):
                self._tell_dropped_at = now + TELL_DROPPED_S
                dropped, self._dropped = self._dropped, 0
                lines.append(
                    self._format("warning", f"{dropped} lines of this log were dropped", time.time_ns())
                )
            self._write("".join(lines))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # stderr is gone: there is nobody left to tell

    def _format(self, kind: str, text: str, moment_ns: int) -> str:
        moment = iso_from_ns(moment_ns)
        severity = journald.prefix(EMOJI[kind]) if self._has_severities else ""
        if self._json_lines:
            named = {"name": self._name} if self._name else {}
            line = {
                "time": moment,
                "level": _LEVELS.get(kind, "INFO"),
                "event": kind,
                "message": text,
            } | named
            text = visible_json(json.dumps(line, ensure_ascii=False), ascii_only=self._ascii_only)
            return f"{severity}{text}\n"
        named_text = f"{self._name} : {text}" if self._name else text
        return f"{severity}{moment[:19]}Z {EMOJI[kind]} {visible(named_text)}\n"
