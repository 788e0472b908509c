"""Question for one line, by its numbers, its text or its time."""

from typing import Final, NamedTuple

from logboom.formats.buckets import microseconds
from logboom.formats.times import iso_from_ns
from logboom.query.filter.text_words import is_joining
from logboom.query.matching import Filter
from logboom.query.templates import quoted

AROUND_US: Final = 1_000_000
"""Distance from a time within which entries are shown, microseconds."""

TEXT_CHARS_MAX: Final = 900
"""Characters of a text that are searched for, at most: a query has 2,000, and quotes are escaped in it."""

_LATEST_US: Final = microseconds("9999-12-31T23:59:59.999999+00:00")


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

    @property
    def begin(self) -> str:
        """Return the text, or the whole words at the begin of a long one; nothing if its first word is too long."""
        if len(self.text) <= TEXT_CHARS_MAX:
            return self.text
        end = next((at for at in range(TEXT_CHARS_MAX, 0, -1) if not is_joining(self.text[at - 1])), 0)
        return self.text[:end].rstrip()

    def filter(self) -> Filter:
        """Return the filter of the entries that it may mean."""
        words = [f"boot_seq:{self.boot}"] if self.boot is not None else []
        words += [f"seq:{self.seq}"] if self.seq is not None else []
        words += [quoted(self.begin)] if self.text else []
        wanted = Filter(source=self.source, text=" ".join(words))
        if not self.time:
            return wanted
        moment = microseconds(self.time)
        since, until = (
            iso_from_ns(min(max(0, moment + apart), _LATEST_US) * 1000)
            for apart in (-AROUND_US, AROUND_US + 1)
        )
        return wanted._replace(since=since, until=until)
