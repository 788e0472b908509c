"""The benchmark's side of a load generator process."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
EVENT_S_MAX: Final = 180.0


class GeneratorError(Exception):
    """The load generator gave up; the text says why."""


class Generator:
    """A running load generator. Use it as a context manager: at the end it is gone."""

    def __init__(self, scenario: str, **arguments: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load_process", scenario, json.dumps(arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._watchdog = threading.Timer(EVENT_S_MAX, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> Self:
        try:
            self.expect("ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def go(self) -> None:
        """Let the load loose."""
        if self._process.stdin is None:
            raise AssertionError
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def expect(self, event: str) -> dict[str, Any]:
        """The next event, which must be this one."""
        if self._process.stdout is None:
            raise AssertionError
        text = self._process.stdout.readline()
        if not text:
            raise GeneratorError(f"the load generator ended while {event!r} was awaited")
        found: dict[str, Any] = json.loads(text)
        if found["event"] == "error":
            raise GeneratorError(f"load generator: {found['reason']}")
        if found["event"] != event:
            raise GeneratorError(f"the load generator said {found['event']!r}, expected {event!r}")
        return found

    def _end(self) -> None:
        self._watchdog.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
