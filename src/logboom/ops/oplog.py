"""The operational log: events of the server on stderr, without received messages.

Each line starts with an emoji for its kind. A separate thread with a bounded queue writes the lines: a terminal that
blocks must not block the server.
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
"""Most lines that wait for a blocked stderr, about 2 MB; further lines are dropped and counted."""


LINES_PER_S_MAX: Final = 100
LINES_BURST: Final = 3000
"""Rate limit for lines of one kind, so that clients that send invalid data can't fill the disk of the log. The limit is
per kind, so that their lines do not displace others."""

LOG_DROPPED_S: Final = 1.0
"""Interval of the line with the number of dropped lines."""


class OperationalLog:
    """Log of text lines, or of JSON objects for programs.

    Args:
        name: name of the server, put before each text, for several servers with one log.
        json_lines: write one JSON object per line instead of text.
        stream: stream to write to; stderr by default.
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
        self._log_dropped_at = 0.0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="operational-log", daemon=True)
        self._thread.start()

    def event(self, kind: str, text: str) -> None:
        """Write one line of a kind in `EMOJI`; callable from any thread, never blocks."""
        if len(self._queue) >= QUEUE_LINES_MAX or not self._allows(kind):
            self._dropped += 1
            return
        self._queue.append((kind, text, time.time_ns()))
        self._wake.set()

    def _allows(self, kind: str) -> bool:
        """Return whether the rate limit of a kind allows a line; a race between threads may allow one more."""
        now = time.monotonic()
        earliest = now - LINES_BURST / LINES_PER_S_MAX
        paid_until = max(self._paid_until.get(kind, earliest), earliest) + 1 / LINES_PER_S_MAX
        if paid_until > now:
            return False
        self._paid_until[kind] = paid_until
        return True

    def warning(self, text: str) -> None:
        """Log an unusual condition without a loss of acknowledged entries."""
        self.event("warning", text)

    def error(self, text: str) -> None:
        """Log a failure after which the server continues."""
        self.event("error", text)

    def close(self) -> None:
        """Write the queued lines, waiting for a blocked stream at most a second. Idempotent."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not (self._closing and not self._queue):
            self._wake.wait()
            self._wake.clear()
            lines = [self._format(*self._queue.popleft()) for _ in range(len(self._queue))]
            now = time.monotonic()
            if self._dropped and (self._closing or now >= self._log_dropped_at):
                self._log_dropped_at = now + LOG_DROPPED_S
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
            pass  # stderr is closed: the line can't be reported anywhere

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
