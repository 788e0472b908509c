"""Where a followed file's position is kept between runs."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from logboom.clients.position import Place
from logboom.durable import replace_file
from logboom.errors import DeliveryError

VERSION: Final = 1


class Window(msgspec.Struct, frozen=True):
    """What is on its way: enough to make the same messages again, and to ask for them."""

    file: int
    """Index of its file in `State.files`; it begins at that file's place."""
    ends: list[int]
    """Offset of the end of each message."""
    moments_us: list[int]
    """Time of each message, microseconds since the epoch."""
    anchor: str = ""
    """The server's time before they were sent."""


class State(msgspec.Struct):
    """How far a path was sent."""

    path: str
    files: list[Place]
    """Oldest first."""
    window: Window | None = None
    version: int = VERSION


class StateInUseError(DeliveryError):
    """Another process follows the same file with the same state."""


def default_path(path: Path, url: str) -> Path:
    """`$XDG_STATE_HOME/logboom/…`: one file for each pair of a path and a server."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    digest = hashlib.blake2b(f"{path.resolve()}\n{url}".encode(errors="replace"), digest_size=8).hexdigest()
    return Path(home) / "logboom" / f"{path.name}-{digest}.json"


class StateFile:
    """A state on disk; replaced as a whole, so that a crash leaves the old or the new one.

    It is not synced: a crash of the machine may bring back an older one, whose lines are sent again.

    Args:
        path: the file; its folder is made.

    Raises:
        StateInUseError: another process uses it.
        OSError: it can't be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StateInUseError(
                f"another process uses the state file {path}; give this one --state"
            ) from None

    def load(self) -> State | None:
        """The state of the last run; None when there is none that can be read."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return None
        return state if state.version == VERSION else None

    def save(self, state: State) -> None:
        """Replace the state. Raises OSError."""
        replace_file(self.path, [msgspec.json.encode(state)], mode=0o600, sync=None)

    def close(self) -> None:
        """Let others use it."""
        os.close(self._lock)
