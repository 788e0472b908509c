"""Which lines belong together: stack traces, and whatever a pattern says."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

GROUP_LINES_MAX: Final = 500
"""Lines that may belong together; a file whose every line is indented must not become one message."""

_TRACEBACK: Final = re.compile(rb"Traceback \(most recent call|\s*[+|] Exception Group Traceback")
_CONTINUED: Final = re.compile(
    rb"\s|Traceback \(most recent call|During handling of the above|The above exception was|Caused by:"
    rb"|Suppressed:|\.\.\. \d+ (more|common frames)"
)
"""How lines begin that belong to the one before, in the stack traces of Python, Java and their like."""


class Grouping(NamedTuple):
    """How lines are told to belong together. With nothing set, none do."""

    joins_traces: bool = False
    """Lines that begin with white space, and those of stack traces, belong to the line before."""
    start: "re.Pattern[bytes] | None" = None
    """Begins a group: all lines in which it is not found belong to the line before."""

    @property
    def active(self) -> bool:
        """Whether any lines belong together."""
        return self.joins_traces or self.start is not None


class FileLine(NamedTuple):
    """A line, or lines that belong together; and where it ends in its file."""

    data: bytes
    end: int


class _Trace:
    """Follows a stack trace: the first line of a Python traceback that is not indented is its last."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._open = False

    def continues(self, line: bytes) -> bool:
        """Whether the line belongs to the one before."""
        if self._grouping.start is not None:
            return not self._grouping.start.search(line)
        if _TRACEBACK.match(line):
            self._open = True
            return True
        if not line or _CONTINUED.match(line):
            return True
        was_open, self._open = self._open, False
        return was_open


def joined(lines: Iterable[bytes]) -> bytes:
    """Lines as one text, without the blank ones at its end."""
    return b"\n".join(lines).rstrip(b"\n")


def group(lines: list[FileLine], grouping: Grouping) -> tuple[list[FileLine], bool]:
    """Lines in groups, and whether the last group is full: else its next line may not be there yet."""
    trace = _Trace(grouping)
    groups: list[FileLine] = []
    members: list[bytes] = []
    for line in lines:
        continues = trace.continues(line.data)
        if members and continues and len(members) < GROUP_LINES_MAX:
            members.append(line.data)
            groups[-1] = FileLine(b"", line.end)
            continue
        _close(groups, members)
        members = [line.data]
        groups.append(line)
    _close(groups, members)
    return groups, len(members) >= GROUP_LINES_MAX


def _close(groups: list[FileLine], members: list[bytes]) -> None:
    if len(members) > 1:
        groups[-1] = FileLine(joined(members), groups[-1].end)
