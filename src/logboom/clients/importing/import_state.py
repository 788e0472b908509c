"""Position up to which a file was imported into a server, kept between runs."""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from logboom.durable import replace_file

TAIL_BYTES: Final = 4 << 10
"""Bytes before the reached offset that must be the same as at the time: else it is another file that begins alike."""


class _State(msgspec.Struct):
    path: str
    """Path at the last run; only for people who look into the state file."""
    offset: int
    tail: str


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

    def reached(self) -> tuple[int, str]:
        """Return the reached offset and the digest of the bytes before it; 0 where there is no state."""
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError):
            return 0, ""
        return state.offset, state.tail

    def save(self, path: str, offset: int, tail: bytes) -> None:
        """Note the reached offset, and the bytes before it. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, [msgspec.json.encode(_State(path, offset, digest_of(tail)))])


def digest_of(data: bytes) -> str:
    """Return the digest of the last `TAIL_BYTES` bytes."""
    return hashlib.blake2b(data[-TAIL_BYTES:], digest_size=12).hexdigest()
