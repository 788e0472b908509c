"""The position in a followed file, kept between runs."""

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from logboom.clients.follow.position import FilePlace
from logboom.durable import replace_file
from logboom.errors import DeliveryError

VERSION: Final = 2
OLD_VERSION: Final = 1
"""Version of states whose lines went out without a spool: the first of them may be on their way (`State.window`)."""
SPOOL_KEY: Final = "follow"
"""Begins the names of the spool's files; their folder belongs to one state file."""


class SentWindow(msgspec.Struct, frozen=True):
    """Messages that an earlier version may have sent: enough to make them again, and to ask for them."""

    file: int
    """Index of its file in `State.files`; it begins at that file's place."""
    ends: list[int]
    """Offset of the end of each message."""
    moments_us: list[int]
    """Time of each message, microseconds since the epoch."""
    anchor: str = ""
    """The server's time before they were sent."""


class FollowState(msgspec.Struct):
    """The positions up to which a path was read."""

    path: str
    files: list[FilePlace]
    """Oldest first."""
    window: SentWindow | None = None
    """Only in states of earlier versions."""
    looked_ns: int = 0
    """Time of the last look at the path, nanoseconds since the epoch."""
    number: int = 0
    """Generations so far; the newest has this number."""
    version: int = VERSION


class StateInUseError(DeliveryError):
    """Another process follows the same file with the same state."""


def default_path(path: Path, url: str) -> Path:
    """`$XDG_STATE_HOME/logboom/…`: one file for each pair of a path and a server; the name of a link counts."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(home) / "logboom"
    state = folder / _name(path.parent.resolve() / path.name, url)
    earlier = folder / _name(path.resolve(), url, path.name)  # before, a link's target counted
    if earlier != state and earlier.exists() and not state.exists():
        earlier.rename(state)
    return state


def _name(path: Path, url: str, name: str = "") -> str:
    digest = hashlib.blake2b(f"{path}\n{url}".encode(errors="replace"), digest_size=8).hexdigest()
    return f"{name or path.name}-{digest}.json"


class StateFile:
    """A state on disk; replaced as a whole, so that a crash leaves the old or the new one.

    It is not synced: a crash of the machine may bring back an older one, whose lines are sent again. The positions in
    the spool are newer (`FilePlace` of each frame); the state is saved before those are deleted.

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

    @property
    def spool_folder(self) -> Path:
        """The folder of lines that were read and are not delivered."""
        return self.path.with_name(f"{self.path.name}.spool")

    def load(self) -> FollowState | None:
        """The state of the last run; None when there is none that can be read."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=FollowState)
        except (OSError, msgspec.DecodeError):
            return None
        return state if state.version in (OLD_VERSION, VERSION) else None

    def save(self, state: FollowState) -> None:
        """Replace the state. Raises OSError."""
        replace_file(self.path, [msgspec.json.encode(state)], mode=0o600, sync=None)

    def close(self) -> None:
        """Let others use it."""
        os.close(self._lock)
