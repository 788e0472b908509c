"""Patterns: the messages of the entries that match, grouped by template, and their exceptions by fingerprint.

Entries are read from the newest back until the time is up. Memory is bounded: there is one row per template, and rare
templates are dropped when there are too many.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.envelope import entry_of
from logboom.formats.levelled import LevelledLines
from logboom.formats.records import SENDER_KEYS, message_of, records_of, sender
from logboom.journal.log import Log
from logboom.query.entry_facts import level_names
from logboom.query.exception_prints import TRACE_KEYS, ExceptionPrint, exception_print, trace_of
from logboom.query.filter.field_selectors import MESSAGE_FIELDS
from logboom.query.line_times import time_of_line
from logboom.query.look_back import Reach, look_back
from logboom.query.matching import Filter
from logboom.query.places import PlaceLookup
from logboom.query.templates import (
    VARIABLE,
    joined_query,
    masked,
    merged_templates,
    query_of_template,
    quoted,
)

ROWS_MAX: Final = 4000
"""Groups that are counted at once; the rare half of more is dropped. Each takes up to 5 KB."""

WORDS_MAX: Final = 50
"""Levels, and sources, of a group that are counted by name."""

EXAMPLE_BYTES_MAX: Final = 4096
"""Longest line that is kept as an example; of a group of longer ones, only the sequence."""

KEYS_SHOWN_MAX: Final = 12
"""Keys that stand for an entry without a message."""

QUERY_FRAMES: Final = 3
"""Frames of an exception, the innermost ones, that its query looks for."""

_TRACE_MARKS: Final = (
    b"\\n  File ",
    b"\\n\\tat ",
    b"\\n    at ",
    b"\\n   at ",
    b"\\n\\t/",
    b":in ",
    b"\\n#0 ",
)
"""Parts of all lines with a trace, as JSON has them."""

_PARTS: Final = re.compile(r"[()\s]+")
"""Separates the names in a frame."""

_reader: Final = LevelledLines(
    dict.fromkeys((*MESSAGE_FIELDS, *TRACE_KEYS, *SENDER_KEYS, "id", "temp", "rh", "lux", *TIME_KEYS)),
    "received_at",
    "source",
    "listener",
)


class EntryGroup:
    """Entries of one kind."""

    __slots__ = ("count", "example", "first", "last", "levels", "sequence", "sources", "what")

    def __init__(self, what: "ExceptionPrint | str", sequence: int, example: bytes) -> None:
        self.what = what
        """The exception; of messages, a query for entries without one."""
        self.count = 0
        self.first = "A"  # sorts behind every time
        self.last = ""
        self.levels: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.sequence = sequence
        self.example = example if len(example) <= EXAMPLE_BYTES_MAX else b""
        """A journal line; empty where it is too long."""

    def add(self, time: str, level: str, source: str) -> None:
        """Add an entry."""
        self.count += 1
        self.first = min(time, self.first)
        self.last = max(time, self.last)
        _count(self.levels, level, 1)
        _count(self.sources, source, 1)

    def join(self, other: "EntryGroup") -> None:
        """Add the entries of another group."""
        self.count += other.count
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        for words, more in ((self.levels, other.levels), (self.sources, other.sources)):
            for word, count in more.items():
                _count(words, word, count)


def _count(words: Counter[str], word: str, count: int) -> None:
    if word and (word in words or len(words) < WORDS_MAX):
        words[word] += count


class Patterns(NamedTuple):
    """Result of grouping."""

    messages: dict[str, EntryGroup]
    """By template, the most frequent first."""
    exceptions: list[EntryGroup]
    dropped: int
    """Number of entries of groups that were dropped."""
    reach: Reach


class _Seen(NamedTuple):
    """An entry that is grouped."""

    sequence: int
    line: bytes
    entry: Any
    time: str
    level: str
    source: str


class PatternCounter:
    """Groups entries."""

    def __init__(self) -> None:
        self.messages: dict[str, EntryGroup] = {}
        self.exceptions: dict[str, EntryGroup] = {}
        self.dropped = 0
        self._places = PlaceLookup()

    def add(self, sequences: Sequence[int], data: bytes) -> None:
        """Group entries.

        Args:
            sequences: one per line.
            data: journal lines.
        """
        raw, count = data.split(b"\n"), len(sequences)
        lines = _reader.read(data, count)
        if lines is None:
            self._add_records(sequences, data)
            return
        places = self._places.of_lines(lines, len(data))
        if places is None:
            senders = [sender(line.entry, line.source) for line in lines]
            places = list(zip(level_names(lines), senders, repeat(""), strict=False))
        times = map(time_of_line, lines)
        for line, time, (level, source, _), sequence, text in zip(
            lines, times, places, sequences, raw, strict=False
        ):
            self._add(_Seen(sequence, text, line.entry, time, level, source))
        self._drop_rare()

    def _add_records(self, sequences: Sequence[int], data: bytes) -> None:
        places = {sequence: number for number, sequence in enumerate(sequences)}
        raw = data.split(b"\n")
        for one in records_of(sequences, data):
            source, line = sender(one.entry, one.source), raw[places[one.sequence]]
            self._add(_Seen(one.sequence, line, one.entry, one.time, one.level, source))
        self._drop_rare()

    def _add(self, seen: "_Seen") -> None:
        entry, line = seen.entry, seen.line
        message, found = message_of(entry), None
        if b"\\n" in line and any(mark in line for mark in _TRACE_MARKS):
            found = exception_print(trace_of(entry) or message or "")
        if message is None:
            mask, query = _shape_of(line)
        else:
            mask, query = masked(_headline(message, found)), ""
        self._add_to(self.messages, mask, query, seen)
        if found is not None:
            self._add_to(self.exceptions, found.fingerprint, found, seen)

    @staticmethod
    def _add_to(groups: dict[str, EntryGroup], key: str, what: ExceptionPrint | str, seen: "_Seen") -> None:
        group = groups.get(key)
        if group is None:
            group = groups[key] = EntryGroup(what, seen.sequence, seen.line)
        group.add(seen.time, seen.level, seen.source)

    def merge(self) -> None:
        """Make one group of those whose templates differ in a variable word."""
        merged: dict[str, EntryGroup] = {}
        plain = [mask for mask, group in self.messages.items() if not group.what]
        templates = merged_templates(plain)
        for mask, group in self.messages.items():
            known = merged.setdefault(templates.get(mask, mask), group)
            if known is not group:
                known.join(group)
        self.messages = merged

    def _drop_rare(self) -> None:
        if len(self.messages) > ROWS_MAX:
            self.merge()
            self.messages = self._most_frequent(self.messages)
        if len(self.exceptions) > ROWS_MAX:
            self.exceptions = self._most_frequent(self.exceptions)

    def _most_frequent(self, groups: dict[str, EntryGroup]) -> dict[str, EntryGroup]:
        ordered = sorted(groups.items(), key=lambda pair: -pair[1].count)
        self.dropped += sum(group.count for _, group in ordered[ROWS_MAX // 2 :])
        return dict(ordered[: ROWS_MAX // 2])


def _headline(message: str, found: ExceptionPrint | None) -> str:
    """The line of a message that stands for it: of one that is a trace, the exception."""
    if found is None or not message.startswith("Traceback"):
        return message
    return f"{found.kind}: {found.text}"


def _shape_of(line: bytes) -> tuple[str, str]:
    """The template of an entry without a message, which is its type and keys, and the query for it."""
    try:
        entry = msgspec.json.decode(entry_of(line), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "(unreadable)", "-message:*"
    keys = list(entry)[:KEYS_SHOWN_MAX]
    kind = entry.get("type")
    conditions = [f"{quoted(key)}:*" for key in keys if key not in TIME_KEYS]
    if isinstance(kind, str) and len(kind) < WORDS_MAX:
        conditions[:0] = [f"type:={quoted(kind)}"]
    shown = f"{kind} " if isinstance(kind, str) else ""
    return f"{shown}{{{', '.join(keys)}}}", joined_query(["-message:*", *conditions])


def find_patterns(
    log: Log,
    wanted: Filter,
    give_up: Callable[[], bool] = lambda: False,
    *,
    end: int | None = None,
    progress: Callable[[int, int, int], object] = lambda _first, _reached, _end: None,
) -> Patterns:
    """Group the entries that match; see `look_back` for the arguments."""
    counter = PatternCounter()
    reach = look_back(log, wanted, counter.add, give_up, end=end, progress=progress)
    counter.merge()
    messages = dict(sorted(counter.messages.items(), key=lambda pair: (-pair[1].count, pair[0])))
    return Patterns(messages, _by_count(counter.exceptions.values()), counter.dropped, reach)


def _by_count(groups: Iterable[EntryGroup]) -> list[EntryGroup]:
    newest_first = sorted(groups, key=lambda group: group.last, reverse=True)
    return sorted(newest_first, key=lambda group: -group.count)


def query_of_message(template: str, group: EntryGroup) -> str:
    """Return a query that finds the entries of a template."""
    if isinstance(group.what, str) and group.what:
        return group.what
    return query_of_template(template, lambda text: f"message:{quoted(text)}") or "message:*"


def query_of_exception(found: ExceptionPrint) -> str:
    """Return a query that finds the entries of an exception."""
    places = [
        place for frame in found.frames[-QUERY_FRAMES:] for place in _PARTS.split(frame) if len(place) > 2
    ]
    texts = dict.fromkeys([found.kind, *places])
    return joined_query([quoted(text) for text in texts if any(map(str.isalnum, text))])


def template_of(found: ExceptionPrint) -> str:
    """Return type and message of an exception, with marks."""
    return f"{found.kind}: {masked(found.text)}" if found.text else found.kind or VARIABLE
