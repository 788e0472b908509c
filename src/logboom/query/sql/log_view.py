"""The view `logs`: a journal's entries as rows, read from its plain and packed segments alike."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from logboom.journal.columns.column_engine import identifier, joined, text_literal
from logboom.journal.columns.footer import read_layout
from logboom.journal.columns.layout import ColumnsLayout
from logboom.journal.device_clock import BootStart, read_clock
from logboom.journal.folder_log import FolderLog
from logboom.journal.manifest import read_manifest
from logboom.journal.segments import Segment, list_segments
from logboom.query.matching import Filter
from logboom.query.spans import bounds_of, span_of
from logboom.query.sql.column_rows import column_rows
from logboom.query.sql.device_times import STARTS_MAX, joined_with_starts, load_starts
from logboom.query.sql.entry_macros import SETUP, pointer
from logboom.query.sql.sampled_fields import SampledField, sample_fields

if TYPE_CHECKING:
    import duckdb

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
    entries: int | None = None
    """Number of its lines by the manifest; None: not known."""
    starts: Sequence[BootStart] = ()
    """Starts of boots that apply to its lines."""

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

    def create(self, engine: "duckdb.DuckDBPyConnection") -> None:
        """Define it, with all that it needs."""
        load_starts(engine, ((source.path, list(source.starts)) for source in self.sources if source.starts))
        engine.execute(SETUP)
        engine.execute(f"CREATE VIEW levelled AS {LEVELLED % self._lines()}")
        engine.execute(f"CREATE VIEW logs AS {self._rows()}")

    def _lines(self) -> str:
        plain = [source for source in self.sources if source.layout is None]
        branches = [_branch(list(run)) for _, run in groupby(_numbered(plain), key=lambda one: one[0])]
        return " UNION ALL ".join(branches) or _EMPTY

    def _rows(self) -> str:
        fields = list(_distinct(self.fields))
        alike: dict[object, list[SegmentSource]] = {}
        for source in self.sources:
            if source.layout is not None:
                key = source.layout.same_columns, source.lines, bool(source.starts)
                alike.setdefault(key, []).append(source)
        rows = [
            column_rows(
                [one.path for one in group],
                group[0].layout,
                fields,
                group[0].end,
                has_starts=bool(group[0].starts),
            )
            for group in alike.values()
            if group[0].layout is not None
        ]
        plain = [source for source in self.sources if source.layout is None]
        if plain or not rows:
            lines, time = "FROM levelled", _TIME
            if any(source.starts for source in plain):
                time = _TIME_BY_UPTIME
                lines = joined_with_starts(
                    "FROM levelled",
                    file="r.file",
                    listener="r.listener",
                    sender="entry_sender(r.entry, r.source)",
                    boot=f"whole_number(r.entry, {pointer('boot_seq')})",
                )
            columns = joined([one.format(time=time) for one in _COLUMNS] + [*map(_column, fields)])
            rows.append(f"SELECT {columns} FROM ({lines}) WHERE entry IS NOT NULL AND arrived IS NOT NULL")  # noqa: S608
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
    sources = _with_starts(list(_open(folder, segments, end)), folder)
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


def _open(folder: Path, segments: Sequence[Segment], end: int | None) -> Iterator[SegmentSource]:
    """Open segments; those past their retention are left out."""
    sealed = {first: event.entries for first, (_, event) in read_manifest(folder).hashes().items()}
    segments = [segment for segment in segments if end is None or segment.first < end]
    for segment in segments:
        lines = end - segment.first if end is not None and segment is segments[-1] else None
        for path, is_packed in ((segment.path, False), (segment.packed_path, True)):
            with suppress(FileNotFoundError):
                descriptor, entries = os.open(path, os.O_RDONLY), sealed.get(segment.first)
                source = SegmentSource(segment.first, descriptor, is_packed, lines, entries=entries)
                if path == segment.columns_path:
                    source = source._replace(layout=read_layout(source.descriptor))
                yield source
                break


def _with_starts(sources: Sequence[SegmentSource], folder: Path) -> list[SegmentSource]:
    """Return the sources with the starts of boots that apply to their lines; see `STARTS_MAX`."""
    left, found = STARTS_MAX, list[SegmentSource]()
    for source in reversed(sources):
        clock = read_clock(Segment.at(folder, source.first))
        starts = clock.rows if clock is not None and len(clock.rows) <= left else []
        left -= len(starts)
        found.append(source._replace(starts=starts))
    return found[::-1]


def _numbered(sources: Sequence[SegmentSource]) -> list[tuple[int, SegmentSource]]:
    """Return each source with the number of its run: files that one scan reads, without a gap between their lines."""
    run, found = 0, list[tuple[int, SegmentSource]]()
    for place, source in enumerate(sources):
        before = sources[place - 1] if place else source
        follows = before.entries is not None and before.first + before.entries == source.first
        if before.is_packed != source.is_packed or source.lines is not None or not follows:
            run += 1
        found.append((run, source))
    return found


def _branch(run: list[tuple[int, SegmentSource]]) -> str:
    """Return the query that reads the files of a run."""
    sources = [source for _, source in run]
    packing = ", compression='zstd'" if sources[0].is_packed else ""
    files = ", ".join(text_literal(source.path) for source in sources)
    limit = f" LIMIT {sources[0].lines}" if sources[0].lines is not None else ""
    return (
        f"SELECT {sources[0].first} + row_number() OVER () - 1 AS sequence, "  # noqa: S608
        "try_cast(received_at AS TIMESTAMPTZ) AS arrived, entry, "
        f"source, listener, file, time FROM (SELECT * FROM read_json([{files}], format='newline_delimited', "
        f"ignore_errors=true, maximum_object_size={LINE_BYTES_MAX}, filename='file', "
        "columns={received_at: 'VARCHAR', entry: 'JSON', source: 'VARCHAR', listener: 'VARCHAR', time: 'VARCHAR'}"
        f"{packing}){limit})"
    )


_EMPTY: Final = (
    "SELECT 0 AS sequence, TIMESTAMPTZ '2000-01-01' AS arrived, JSON '{}' AS entry, '' AS source, '' AS listener, "
    "'' AS file, '' AS time WHERE false"
)

_TIME: Final = "coalesce(try_cast(time AS TIMESTAMPTZ), entry_time(entry, arrived))"
"""Time of an entry; lines that were read before have one (`formats.envelope.timed`)."""

_TIME_BY_UPTIME: Final = (
    f"coalesce(sent_time(entry, arrived), "
    f"uptime_time(starts, whole_number(entry, {pointer('uptime_ms')}), arrived), arrived)"
)

LEVELLED: Final = (
    "SELECT *, entry_level(entry, word, first, level_number(first)) AS level FROM "
    "(SELECT *, CASE WHEN word IS NULL THEN first_level(entry) END AS first FROM "
    "(SELECT *, word_level(json_extract_string(entry, '/level')) AS word FROM (%s)))"
)
"""Query that adds the column `level` to entries."""

_COLUMNS: Final = (
    "sequence",
    "{time} AS time",
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
