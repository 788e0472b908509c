"""`python -m logboom …` in no time: a process that has imported the program forks for each command that a test starts.

Starting Python and importing the program takes most of the time of most tests with a process of its own. The forked
process has the arguments, variables, folder and standard streams that were asked for, and is a child of the test's
process as any other: what tests do with it stays as it is. A command with any other wish, such as variables that
Python reads at its start, gets a new interpreter.
"""

import ctypes
import inspect
import marshal
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

_MODULES: Final = ("logboom", "logboom.cli")
_AT_START: Final = (
    *("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_", "GRPC_"),
    *("FORCE_COLOR", "PY_COLORS", "TERMINAL_WIDTH"),
)
"""Beginnings of variables that are read before the command is: only with the same values it can be forked."""
_USUAL: Final = {
    "shell": False,
    "executable": None,
    "preexec_fn": None,
    "close_fds": True,
    "pass_fds": (),
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}
"""Arguments of `Popen._execute_child` with which a command can be forked."""
_LIMITS: Final = (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
_PR_SET_CHILD_SUBREAPER: Final = 36
_REQUEST_BYTES_MAX: Final = 128 << 10
_ZYGOTE: Final = Path(__file__).with_name("zygote.py")

_execute_child: Final = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_signature: Final = inspect.signature(_execute_child)


class ForkedCommands:
    """Replacement for the part of `subprocess.Popen` that makes the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._read_at_start = _read_at_start(dict(os.environ))
        self._inherited = _inherited()

    def install(self) -> None:
        """Make every `Popen` of this process use it, until `remove`."""
        commands = self

        def execute_child(popen: "subprocess.Popen[Any]", *arguments: Any, **named: Any) -> None:
            asked = _signature.bind(popen, *arguments, **named).arguments
            request = commands.request_of(asked)
            if request is None:
                _execute_child(popen, *arguments, **named)
            else:
                commands.execute(popen, asked, request)

        subprocess.Popen._execute_child = execute_child  # type: ignore[attr-defined]

    def remove(self) -> None:
        """Undo `install`, and end the process that forks."""
        subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]
        if self._process is not None:
            self._socket.close()
            self._process.wait()
            self._process = None

    def request_of(self, asked: dict[str, Any]) -> bytes | None:
        """The request for a command; None if it needs a new interpreter.

        Args:
            asked: arguments of `Popen._execute_child`.
        """
        words, environment, folder = asked["args"], asked["env"] or os.environ, Path(asked["cwd"] or "")
        if any(asked[name] != value for name, value in _USUAL.items()) or not _is_ours(words):
            return None
        variables = {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}
        if not folder.is_dir() or _read_at_start(variables) != self._read_at_start:
            return None
        if _inherited() != self._inherited:
            return None
        texts = [os.fsdecode(word) for word in words]
        request = marshal.dumps((texts, variables, str(folder.absolute()), asked["start_new_session"]))
        return request if len(request) <= _REQUEST_BYTES_MAX else None

    def execute(self, popen: "subprocess.Popen[Any]", asked: dict[str, Any], request: bytes) -> None:
        """Fork the command; what `Popen._execute_child` promises."""
        ends = (asked["p2cread"], asked["c2pwrite"], asked["errwrite"])
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        with self._lock:
            self._start()
            _set_subreaper(on=True)  # so that the process becomes a child of this one
            try:
                socket.send_fds(self._socket, [request], streams)
                popen.pid = int(self._socket.recv(64))
            finally:
                _set_subreaper(on=False)
        popen._child_created = True  # type: ignore[attr-defined]
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        popen._close_pipe_fds(*(asked[name] for name in pipes))  # type: ignore[attr-defined]

    def _start(self) -> None:
        if self._process is not None:
            return
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_ZYGOTE), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )


def _is_ours(words: Any) -> bool:
    """Return whether this is `python -m logboom …`, without options of the interpreter."""
    if not isinstance(words, list | tuple) or len(words) < 3:
        return False
    return tuple(words[:2]) == (sys.executable, "-m") and words[2] in _MODULES


def _read_at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


def _inherited() -> tuple[object, ...]:
    """Properties that a process has from its parent and that a test may have changed."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    umask = next(line for line in status.splitlines() if line.startswith("Umask:"))
    network = Path("/proc/thread-self/ns/net").readlink()
    return umask, network, *(resource.getrlimit(kind) for kind in _LIMITS)


def _set_subreaper(*, on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
