"""Position up to which a file was imported into a server, kept between runs."""

import hashlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import replace_file

TAIL_BYTES: Final = 4 << 10
"""Bytes before the reached offset that must be the same as at the time: else it is another file that begins alike."""


class _State(msgspec.Struct):
    path: str
    """Path at the last run; only for people who look into the state file."""
    offset: int
    tail: str
    window: int = -1
    """Start of the window at which the next run continues; -1: the offset, in files of older versions."""


class Reached(NamedTuple):
    """Progress of a file."""

    offset: int
    """Bytes that are imported."""
    tail: str
    """Digest of the bytes before the offset."""
    window: int
    """Start of the window in which the offset is. Windows begin at the same places in each run."""


class ImportState:
    """The progress of one file into one server.

    Args:
        url: of the server.
        identity: of the file, see `SourceFile.identity`.
        folder: of the state files; None: `$XDG_STATE_HOME/logboom/imports`.
    """

    def __init__(self, url: str, identity: str, folder: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
        self.path = (folder or home / "logboom" / "imports") / f"{identity}-{name}.json"

    def reached(self) -> Reached:
        """Return the progress; offset 0 where there is no state."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError):
            return Reached(0, "", 0)
        return Reached(state.offset, state.tail, state.offset if state.window < 0 else state.window)

    def save(self, path: str, offset: int, tail: bytes, window: int) -> None:
        """Note the progress, and the bytes before the offset. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, [msgspec.json.encode(_State(path, offset, digest_of(tail), window))])


def digest_of(data: bytes) -> str:
    """Return the digest of the last `TAIL_BYTES` bytes."""
    return hashlib.blake2b(data[-TAIL_BYTES:], digest_size=12).hexdigest()


def window_name(data: bytes, spelling: str) -> str:
    """Return a name of the entries of a window, from its bytes and the way in which they become entries."""
    state = hashlib.blake2b(data, digest_size=12)
    state.update(spelling.encode())
    return state.hexdigest()
