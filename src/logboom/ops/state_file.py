"""Small files of what the server has learned: replaced as a whole, so that a crash leaves the old or the new one."""

import os
from collections.abc import Iterable
from pathlib import Path


def replace_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file anew, durably. Raises OSError; the old one stays then.

    Args:
        path: of the file.
        pieces: its content; joined one by one, so that no large one holds the interpreter.
    """
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
