"""The copy of a follower as a `Log`."""

from logboom.journal.folder_log import FolderLog
from logboom.journal.journal import Journal


class CopyLog(FolderLog):
    """A journal whose lines are not in the order of their arrival: servers that were cut off forward late."""

    @classmethod
    def of(cls, copy: Journal) -> "CopyLog":
        """Return the read side of a copy."""
        return cls(copy.folder, lambda: copy.committed, copy.grown)

    def bounds(self, since: str, until: str, start: int = 0, end: int | None = None) -> tuple[int, int]:  # noqa: ARG002
        """See `log.Log`: all entries, as an entry of any time may be anywhere; steps know their times."""
        last = self.end
        return min(max(start, self.oldest()), last), last if end is None else min(end, last)
