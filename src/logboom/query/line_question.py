"""Question for one line, by its numbers, its text or its time."""

from typing import Final, NamedTuple

from logboom.formats.buckets import microseconds
from logboom.formats.times import iso_from_ns
from logboom.query.matching import Filter
from logboom.query.templates import quoted

AROUND_US: Final = 1_000_000
"""Distance from a time within which entries are shown, microseconds."""


class LineQuestion(NamedTuple):
    """The line that is asked for: by its numbers, a text that it has, or its time."""

    source: str = ""
    boot: int | None = None
    seq: int | None = None
    text: str = ""
    time: str = ""
    """ISO 8601 as in the journal."""

    @property
    def names_a_line(self) -> bool:
        """Return whether it is more than a source, or a part of the numbers."""
        has_numbers = bool(self.source) and self.boot is not None and self.seq is not None
        return has_numbers or bool(self.text or self.time)

    def filter(self) -> Filter:
        """Return the filter of the entries that it may mean."""
        words = [f"boot_seq:{self.boot}"] if self.boot is not None else []
        words += [f"seq:{self.seq}"] if self.seq is not None else []
        words += [quoted(self.text)] if self.text else []
        wanted = Filter(source=self.source, text=" ".join(words))
        if not self.time:
            return wanted
        moment = microseconds(self.time)
        since, until = (iso_from_ns(max(0, moment + apart) * 1000) for apart in (-AROUND_US, AROUND_US + 1))
        return wanted._replace(since=since, until=until)
