"""The view `logs`: a journal's entries as rows, read from its plain and packed segments alike."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.columns.column_engine import identifier, text_literal
from logboom.journal.columns.footer import read_layout
from logboom.journal.columns.layout import ColumnsLayout
from logboom.journal.folder_log import FolderLog
from logboom.journal.segments import Segment, list_segments
from logboom.query.matching import Filter
from logboom.query.spans import bounds_of, span_of
from logboom.query.sql.column_rows import column_rows
from logboom.query.sql.entry_macros import SETUP, pointer
from logboom.query.sql.sampled_fields import SampledField, sample_fields

LINE_BYTES_MAX: Final = 16 << 20
"""Longest line that is read; each thread has a buffer of twice this size."""

OWN_COLUMNS: Final = (
    *("sequence", "time", "received_at", "source", "sender", "listener", "level", "severity", "message"),
    "entry",
)
"""Columns of the view that are no fields; a field of the same name is in `entry`."""


class SegmentSource(NamedTuple):
    """An open segment."""

    first: int
    descriptor: int
    """Descriptor of the file, which can be read even after it was deleted."""
    is_packed: bool
    lines: int | None
    """Number of its lines that are read; None: all."""
    layout: ColumnsLayout | None = None
    """Its layout, if it has columns."""

    @property
    def end(self) -> int | None:
        """No sequence from this one on is read; None: all are."""
        return None if self.lines is None else self.first + self.lines

    @property
    def path(self) -> str:
        """Path that the engine opens."""
        return f"/proc/self/fd/{self.descriptor}"


class LogView(NamedTuple):
    """The view over some segments."""

    sources: list[SegmentSource]
    fields: list[SampledField]
    since: str
    until: str

    @property
    def paths(self) -> list[str]:
        """Paths of all files that it reads."""
        return [source.path for source in self.sources]

    def statements(self) -> list[str]:
        """SQL statements that define it."""
        return [
            SETUP,
            f"CREATE VIEW levelled AS {LEVELLED % self._lines()}",
            f"CREATE VIEW logs AS {self._rows()}",
        ]

    def _lines(self) -> str:
        plain = [source for source in self.sources if source.layout is None]
        branches = [_branch(list(run)) for _, run in groupby(_numbered(plain), key=lambda one: one[0])]
        return " UNION ALL ".join(branches) or _EMPTY

    def _rows(self) -> str:
        fields = list(_distinct(self.fields))
        columns = ", ".join((*_COLUMNS, *map(_column, fields)))
        alike: dict[object, list[SegmentSource]] = {}
        for source in self.sources:
            if source.layout is not None:
                alike.setdefault((source.layout.same_columns, source.lines), []).append(source)
        rows = [
            column_rows([one.path for one in group], group[0].layout, fields, group[0].end)
            for group in alike.values()
            if group[0].layout is not None
        ]
        if not rows or any(source.layout is None for source in self.sources):
            rows.append(f"SELECT {columns} FROM levelled WHERE entry IS NOT NULL AND arrived IS NOT NULL")  # noqa: S608
        limits = [
            f"time {sign} TIMESTAMPTZ {text_literal(moment)}"
            for sign, moment in ((">=", self.since), ("<", self.until))
            if moment
        ]
        limited = f" WHERE {' AND '.join(limits)}" if limits else ""
        return f"FROM ({' UNION ALL '.join(rows)}){limited}"


def open_view(folder: Path, end: int | None, since: str, until: str) -> LogView:
    """Return the view of a journal's entries of a span of time; opens their segments.

    Args:
        folder: the journal's.
        end: no sequence from this one on; None: all whole lines.
        since: at or after this; ISO 8601, UTC. Empty: no limit.
        until: before this.

    Raises:
        OSError: a segment can't be read.
    """
    segments = list_segments(folder)
    if since or until:
        segments = _within(folder, segments, end, since, until)
    sources = list(_open(segments, end))
    opened = {source.first for source in sources}
    chosen = [segment for segment in segments if segment.first in opened]
    layouts = {source.first: source.layout for source in sources if source.layout is not None}
    return LogView(sources, sample_fields(chosen, layouts), since, until)


def _within(
    folder: Path, segments: Sequence[Segment], end: int | None, since: str, until: str
) -> list[Segment]:
    """Return the segments that may have entries of a span."""
    log, wanted = FolderLog(folder), Filter(since=since, until=until)
    span = span_of(wanted)
    first, last = bounds_of(log, wanted, 0, end)
    steps = log.steps_back(first, last, span)
    found = {step.segment for step in steps if step.times is None or span is None or step.times.meets(span)}
    return [segment for segment in segments if segment.first in found]


def _open(segments: Sequence[Segment], end: int | None) -> Iterator[SegmentSource]:
    """Open segments; those past their retention are left out."""
    segments = [segment for segment in segments if end is None or segment.first < end]
    for segment in segments:
        lines = end - segment.first if end is not None and segment is segments[-1] else None
        for path, is_packed in ((segment.path, False), (segment.packed_path, True)):
            with suppress(FileNotFoundError):
                source = SegmentSource(segment.first, os.open(path, os.O_RDONLY), is_packed, lines)
                if path == segment.columns_path:
                    source = source._replace(layout=read_layout(source.descriptor))
                yield source
                break


def _numbered(sources: Sequence[SegmentSource]) -> list[tuple[int, SegmentSource]]:
    """Return each source with the number of its run: files that one scan reads."""
    run, found = 0, list[tuple[int, SegmentSource]]()
    for place, source in enumerate(sources):
        before = sources[place - 1] if place else source
        if before.is_packed != source.is_packed or source.lines is not None:
            run += 1
        found.append((run, source))
    return found


def _branch(run: list[tuple[int, SegmentSource]]) -> str:
    """Return the query that reads the files of a run."""
    sources = [source for _, source in run]
    packing = ", compression='zstd'" if sources[0].is_packed else ""
    files = ", ".join(text_literal(source.path) for source in sources)
    limit = f" LIMIT {sources[0].lines}" if sources[0].lines is not None else ""
    firsts = ", ".join(f"{text_literal(source.path)}: {source.first}" for source in sources)
    sequence = (
        f"{sources[0].first} + row_number() OVER () - 1"
        if len(sources) == 1
        else f"MAP {{{firsts}}}[file] + row_number() OVER (PARTITION BY file) - 1"
    )
    return (
        f"SELECT {sequence} AS sequence, try_cast(received_at AS TIMESTAMPTZ) AS arrived, entry, "  # noqa: S608
        f"source, listener FROM (SELECT * FROM read_json([{files}], format='newline_delimited', ignore_errors=true, "
        f"maximum_object_size={LINE_BYTES_MAX}, filename='file', columns={{received_at: 'VARCHAR', entry: 'JSON', "
        f"source: 'VARCHAR', listener: 'VARCHAR'}}{packing}){limit})"
    )


_EMPTY: Final = (
    "SELECT 0 AS sequence, TIMESTAMPTZ '2000-01-01' AS arrived, JSON '{}' AS entry, '' AS source, '' AS listener "
    "WHERE false"
)

LEVELLED: Final = (
    "SELECT *, entry_level(entry, word, first, level_number(first)) AS level FROM "
    "(SELECT *, CASE WHEN word IS NULL THEN first_level(entry) END AS first FROM "
    "(SELECT *, word_level(json_extract_string(entry, '/level')) AS word FROM (%s)))"
)
"""Query that adds the column `level` to entries."""

_COLUMNS: Final = (
    "sequence",
    "entry_time(entry, arrived) AS time",
    "arrived AS received_at",
    "source",
    "entry_sender(entry, source) AS sender",
    "listener",
    "level",
    "level_severity(level) AS severity",
    "entry_message(entry) AS message",
    "entry",
)


def _distinct(fields: Iterable[SampledField]) -> Iterator[SampledField]:
    """Yield the fields whose names no other column has; SQL does not distinguish capitals."""
    names = set(OWN_COLUMNS)
    for field in fields:
        if field.name.lower() not in names:
            names.add(field.name.lower())
            yield field


def _column(field: SampledField) -> str:
    name = identifier(field.name)
    if field.type == "JSON":
        return f"json_extract(entry, {pointer(*field.keys)}) AS {name}"
    text = f"json_extract_string(entry, {pointer(*field.keys)})"
    return f"{text if field.type == 'VARCHAR' else f'try_cast({text} AS {field.type})'} AS {name}"
