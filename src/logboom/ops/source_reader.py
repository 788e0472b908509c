"""Thread that reads the journal for the source book.

In the time that it skips under load, the silence of sources is unknown.
"""

from typing import Final

from logboom.journal.log import Block, Log
from logboom.ops.journal_follower import Effort, JournalFollower
from logboom.ops.source_book import SourceBook
from logboom.ops.source_lines import senders_of

EFFORT: Final = Effort(rest_factor=9, flood_rest_factor=49, behind_max=50_000)
"""A tenth of a core, and of a lag about 10 MiB. While it skips, a few samples are enough, since they do not affect
silence."""


class SourceReader(JournalFollower):
    """Service that reads the journal for the source book.

    Args:
        journal: journal to read.
        book: source book to update.
    """

    def __init__(self, journal: Log, book: SourceBook) -> None:
        super().__init__("sources", journal, EFFORT)
        self._book = book

    @property
    def position(self) -> int:
        """See `JournalFollower`."""
        return self._book.position

    def take(self, block: Block) -> None:
        """See `JournalFollower`."""
        self._book.take(senders_of(block), block.next_sequence)

    def skip_to(self, position: int) -> None:
        """See `JournalFollower`."""
        self._book.skip_to(position)

    def save(self) -> None:
        """See `JournalFollower`."""
        self._book.save()
