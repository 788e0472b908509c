"""Counts of entries and of their bytes by time and labels (`formats.stream_labels`), newest first."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

import msgspec

from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.envelope import entry_of
from logboom.formats.levelled import LevelledLines
from logboom.formats.records import SENDER_KEYS, records_of, sender
from logboom.formats.stream_labels import HOST_KEY, LABELS_KEY, line_of, parsed_of, stream_of
from logboom.journal.log import Block, Log, Step
from logboom.journal.step_times import ALWAYS
from logboom.query.entry_facts import FACT_KEYS, level_names
from logboom.query.filter.stream_selectors import stream_of_record
from logboom.query.line_times import time_of_line
from logboom.query.matching import Filter, Matcher
from logboom.query.step_cache import StepCache
from logboom.query.time_cells import ends_of, moment_of, runs_of

CELLS_MAX: Final = 100_000
"""Kept counts, of one cell and set of labels each: some 40 MB at most."""

GROUPS_MAX: Final = 10_000
"""Sets of labels of one answer: senders may invent any number of them."""

ANSWER_CELLS_MAX: Final = 1_000_000
"""Counts of one answer: 500 series of 2,000 points."""

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

_TYPES: Final = {LABELS_KEY: msgspec.Raw}
_lines: Final = LevelledLines(
    (*FACT_KEYS, *TIME_KEYS, LABELS_KEY), "received_at", "source", "listener", types=_TYPES
)
_place: Final = attrgetter("listener", "source", *(f"entry.{key}" for key in SENDER_KEYS))
_PLAIN: Final = {str, type(None)}
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class LabelGrouping(NamedTuple):
    """The labels that are counted by."""

    names: tuple[str, ...] | None = None
    """None: all of the stream."""
    without: bool = False
    """All but these."""
    parsers: frozenset[str] = frozenset()
    """Names of the parsers whose fields may be among the names, too."""

    def of(self, labels: Mapping[str, str]) -> Labels:
        """Return the labels that count."""
        if self.names is None or self.without:
            left_out = self.names or ()
            return tuple(sorted((name, value) for name, value in labels.items() if name not in left_out))
        found = {name: labels[name] for name in self.names if name in labels}
        if "detected_level" in self.names and "level" not in self.names and "level" in labels:
            found["detected_level"] = labels["level"]
        return tuple(sorted(found.items()))


class Counts(NamedTuple):
    """Entries and bytes by cell and labels."""

    entries: Counter[tuple[int, Labels]]
    sizes: Counter[tuple[int, Labels]]
    progress: float
    """Share of the entries that were looked at; below 1 older ones were not."""

    @classmethod
    def empty(cls, progress: float = 1.0) -> Self:
        """Return counts that others are added to."""
        return cls(Counter(), Counter(), progress)


class TooManyGroupsError(ValueError):
    """The entries have more sets of labels than an answer may have."""


class _Counted:
    """The counts of some entries in a row."""

    __slots__ = ("entries", "since", "sizes", "until")

    def __init__(self, since: int = ALWAYS, until: int = 0) -> None:
        self.entries: Counter[tuple[int, Labels]] = Counter()
        self.sizes: Counter[tuple[int, Labels]] = Counter()
        self.since = since
        self.until = until

    def __len__(self) -> int:
        return len(self.entries)

    def with_older(self, older: "list[_Counted]") -> "_Counted":
        """The counts of all of them."""
        whole = _Counted()
        for one in (self, *older):
            whole.add(one)
        return whole

    def add(self, other: "_Counted") -> None:
        """Add the counts of other entries."""
        self.entries.update(other.entries)
        self.sizes.update(other.sizes)
        self.since, self.until = min(self.since, other.since), max(self.until, other.until)


_NOTHING: Final = _Counted()


class StreamCounter:
    """Counts a journal's entries by labels. Any number of threads may ask.

    Args:
        log: the journal.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: StepCache[_Counted] = StepCache(log, CELLS_MAX)

    def count(
        self, wanted: Filter, width: int, grouping: LabelGrouping, give_up: Callable[[], bool] = lambda: False
    ) -> Counts:
        """Count what matches.

        Args:
            wanted: which entries.
            width: of the cells, microseconds; they are numbered from the epoch.
            grouping: the labels to count by.
            give_up: asked after each step of about a megabyte; True ends the count.

        Raises:
            TooManyGroupsError: see `GROUPS_MAX` and `ANSWER_CELLS_MAX`.
        """
        whole, progress = _Counted(), 1.0
        groups: set[Labels] = set()
        read = partial(self._read, width, grouping)
        for taken in self._kept.back(wanted, (width, grouping), read, give_up):
            whole.add(taken.part)
            progress = taken.progress
            groups.update([labels for _, labels in taken.part.entries])
            if len(groups) > GROUPS_MAX or len(whole) > ANSWER_CELLS_MAX:
                raise TooManyGroupsError(f"more than {GROUPS_MAX} sets of labels")
        return Counts(whole.entries, whole.sizes, progress)

    def _read(self, width: int, grouping: LabelGrouping, step: Step, matcher: Matcher) -> _Counted:
        whole = _Counted()
        for block in self._log.blocks_of(step):
            found = matcher.matching(block)
            if isinstance(found, Block):
                data, count = found.data, found.count
            else:
                data, count = b"".join([line + b"\n" for _, line in found]), len(found)
            if count:
                whole.add(_count(data, count, width, grouping))
        return whole if len(whole) else _NOTHING


def _count(data: bytes, count: int, width: int, grouping: LabelGrouping) -> _Counted:
    """Count some lines."""
    read = None if grouping.parsers else _groups_of(data, count, grouping)
    groups, moments, sizes = read or _groups_of_records(data, count, grouping)
    if not moments:
        return _NOTHING
    ends = ends_of(moments)
    if ends is None:
        known = [moment for text in set(moments) if (moment := moment_of(text)) is not None]
        ends = min(known, default=ALWAYS), max(known, default=-1)
    found = _Counted(ends[0], ends[1] + 1)
    for cell, start, end in runs_of(moments, width):
        for group, size in zip(groups[start:end], sizes[start:end], strict=True):
            found.entries[cell, group] += 1
            found.sizes[cell, group] += size
    return found


_Read = tuple[list[Labels], list[bytes], list[int]]
"""Labels, time and size of each line."""


def _groups_of(data: bytes, count: int, grouping: LabelGrouping) -> _Read | None:
    """Read the labels by the few fields that they are made of; None: some line needs more."""
    lines = _lines.read(data, count)
    if lines is None:
        return None
    places = list(map(_place, lines))
    own = [line.entry.labels for line in lines]
    raws = [None if labels is None else bytes(labels) for labels in own]
    kinds: list[Hashable] = list(zip(level_names(lines), places, raws, strict=True))
    try:
        known = dict(zip(kinds, range(count), strict=True))
    except TypeError:  # a name that is a list or an object
        return None
    if any(type(part) not in _PLAIN for number in known.values() for part in places[number]):
        return None
    if any(line.entry.id is not None for line in lines):  # a sensor's number is a name
        return None
    groups = {kind: _labels_of(lines[number], raws[number], grouping) for kind, number in known.items()}
    moments = [time_of_line(line).encode(errors="replace") for line in lines]
    return [groups[kind] for kind in kinds], moments, [len(line) for line in data.split(b"\n")[:count]]


def _labels_of(line: Any, raw: bytes | None, grouping: LabelGrouping) -> Labels:
    entry = line.entry
    own = _decode(raw) if raw is not None and raw.startswith(b"{") else None
    labels = stream_of(
        {LABELS_KEY: own, HOST_KEY: entry.host},
        listener=line.listener,
        source=sender(entry, line.source),
        level=level_names([line])[0],
    )
    return grouping.of(labels)


def _groups_of_records(data: bytes, count: int, grouping: LabelGrouping) -> _Read:
    """Read the labels of whole records; damaged ones are left out."""
    raws = data.split(b"\n")
    groups, moments, sizes = list[Labels](), list[bytes](), list[int]()
    for record in records_of(range(count), data):
        raw = raws[record.sequence]
        labels = stream_of_record(record)
        if grouping.parsers:
            line = line_of(record.entry, entry_of(raw))
            labels = {**parsed_of(line, record.entry, grouping.parsers), **labels}
        groups.append(grouping.of(labels))
        moments.append(record.time.encode(errors="replace"))
        sizes.append(len(raw))
    return groups, moments, sizes
