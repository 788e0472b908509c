"""Thread that reads the journal for the book of devices.

It skips nothing: a gap that is reported must be one. When more entries come than it can read, it is behind for a while.
"""

from typing import Final

from logboom.journal.log import Block, Log
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.journal_follower import Effort, JournalFollower

EFFORT: Final = Effort(rest_factor=9, flood_rest_factor=49, behind_max=1 << 62)
"""A tenth of a core, and less while entries flood in: it reads them all, later."""


class DeviceReader(JournalFollower):
    """Service that reads the journal for the book of devices.

    Args:
        journal: journal to read.
        book: book to update.
    """

    def __init__(self, journal: Log, book: DeviceBook) -> None:
        super().__init__("devices", journal, EFFORT)
        self._book = book

    @property
    def position(self) -> int:
        """See `JournalFollower`."""
        return self._book.position

    def take(self, block: Block) -> None:
        """See `JournalFollower`."""
        self._book.take(block)

    def skip_to(self, position: int) -> None:
        """See `JournalFollower`."""
        self._book.skip_to(position)

    def save(self) -> None:
        """See `JournalFollower`."""
        self._book.save()
