"""The content of spool files, for tests."""

from pathlib import Path

from logboom.clients.delivery import spool_frames
from logboom.clients.delivery.spoolfile import HEADER_BYTES


def texts_in(folder: Path) -> list[bytes]:
    """All texts of a folder's spool files, delivered or not, oldest first."""
    found: list[bytes] = []
    for path in sorted(folder.glob("*.spool")):
        data, position = path.read_bytes(), HEADER_BYTES
        while one := spool_frames.read(data, position):
            found += one.frame.texts
            position = one.end
    return found
