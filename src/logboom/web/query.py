"""Queries of URLs: what readers ask for."""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from logboom.formats.asked_times import asked_time
from logboom.formats.buckets import MICROSECONDS, Buckets, buckets_of, microseconds
from logboom.formats.levels import severity
from logboom.formats.partial import can_be_read
from logboom.formats.times import iso_from_ns
from logboom.query.exporter import fields_of
from logboom.query.facet_document import VALUES_DEFAULT, VALUES_MAX
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.parser import parse
from logboom.query.matching import Filter
from logboom.query.pattern_document import PATTERNS_DEFAULT, PATTERNS_MAX

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""Entries on a page; its bytes are bounded besides (`search.PAGE_BYTES_MAX`)."""

FORMATS: Final = ("json", "jsonl", "csv")
BYS: Final = ("time", "received")
"""The times that `since`, `until` and pictures go by: those of the entries, or of their arrival."""

FILTER_PARAMETERS: Final = ("level", "source", "listener", "q")
PAGE_PARAMETERS: Final = (*FILTER_PARAMETERS, "since", "until", "by", "before", "after", "limit", "format")
TAIL_PARAMETERS: Final = (*FILTER_PARAMETERS, "since", "after")
SPAN_PARAMETERS: Final = (*FILTER_PARAMETERS, "since", "until", "by")
FIELDS_PARAMETERS: Final = (*SPAN_PARAMETERS, "before")
FACETS_PARAMETERS: Final = (*SPAN_PARAMETERS, "before", "limit", "field", "seconds")
FACETS_S_MAX: Final = 30
"""Longest time for counting facets, seconds: some ten million entries. It takes the place of one search."""
PATTERNS_PARAMETERS: Final = (*SPAN_PARAMETERS, "before", "limit")
PLAIN: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]"
"""Pattern of a character of a name: none that ends a line or controls a terminal."""
REPEATED: Final = frozenset({"field"})
"""Parameters that may be given several times; of others, one would be left out without a word."""
SOURCE_PARAMETERS: Final = ("listener", "name")
EXPORT_PARAMETERS: Final = (
    *SPAN_PARAMETERS,
    "from",
    "to",
    "before",
    "after",
    "fields",
    "columns",
    "compress",
)
COMPRESSIONS: Final = ("none", "gzip", "zstd")

SOURCES_DEFAULT: Final = 200
SOURCES_MAX: Final = 1000
"""Most entries of one answer: about 400 KB."""

HISTORY_DEFAULT: Final = 50
HISTORY_MAX: Final = 500
"""Most ended alerts of one answer: as many as are kept."""

BUCKETS_DEFAULT: Final = 60
BUCKETS_MAX: Final = 2000
"""More than a screen has dots for."""
POINTS_DEFAULT: Final = 600
FIELDS_MAX: Final = 8
"""Most fields of one picture; more lines can't be distinguished, and each costs time."""
FIELD_CHARS_MAX: Final = 128
SPAN_DEFAULT_S: Final = 3600
"""A picture without a beginning shows the last hour."""


class QueryError(ValueError):
    """A parameter is wrong. `security.guard` answers with it; the command line calls the parameter by its own name.

    Args:
        name: of the parameter.
        text: what was found and what is expected.
        place: of a query that can't be read.
    """

    def __init__(self, name: str, text: str, place: FilterError | None = None) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text
        self.place = place


class PageQuery(NamedTuple):
    """A page of entries."""

    wanted: Filter
    before: int | None
    """Only sequences below this one."""
    after: int | None
    """Only sequences above this one; without `before`, the page reads forward from there."""
    limit: int
    format: str


def page_query(parameters: Mapping[str, str]) -> PageQuery:
    """Read the query of `GET /api/entries`. Raises `QueryError`."""
    check_names(parameters, PAGE_PARAMETERS)
    limit = within(parameters, "limit", LIMIT_DEFAULT, LIMIT_MAX)
    chosen = _chosen(parameters, "format", FORMATS)
    before, after = integer(parameters, "before"), integer(parameters, "after")
    return PageQuery(filter_of(parameters), before, after, limit, chosen)


class SpanQuery(NamedTuple):
    """Query of a chart."""

    wanted: Filter
    """With `since`, and with `until` where one was asked for."""
    buckets: Buckets
    fields: tuple[str, ...] = ()


class FacetsQuery(NamedTuple):
    """Query of facets."""

    wanted: Filter
    before: int | None
    limit: int
    """Values of each field at most."""
    fields: tuple[str, ...]
    """Only these; all for none."""
    seconds: int
    """Time for counting."""


class PatternsQuery(NamedTuple):
    """Query of patterns."""

    wanted: Filter
    before: int | None
    limit: int
    """Messages, and exceptions, at most."""


class ExportQuery(NamedTuple):
    """Query of an export."""

    wanted: Filter
    before: int | None
    after: int | None
    fields: tuple[str, ...]
    """Empty: the usual ones."""
    compress: str = ""
    """The file's compression: `gzip`, `zstd` or none."""


def volume_query(parameters: Mapping[str, str]) -> SpanQuery:
    """Read the query of `/api/volume`. Raises `QueryError`."""
    check_names(parameters, (*SPAN_PARAMETERS, "buckets"))
    return _span(parameters, within(parameters, "buckets", BUCKETS_DEFAULT, BUCKETS_MAX))


def fields_query(parameters: Mapping[str, str]) -> tuple[Filter, int | None]:
    """Read the query of `/api/fields`: the filter, and the sequence to look before. Raises `QueryError`."""
    check_names(parameters, FIELDS_PARAMETERS)
    return _span(parameters, 1).wanted, integer(parameters, "before")


def facets_query(parameters: Mapping[str, str], fields: Sequence[str]) -> FacetsQuery:
    """Read the query of `/api/facets`. Raises `QueryError`.

    Args:
        parameters: of the URL.
        fields: all values of `field`.
    """
    check_names(parameters, FACETS_PARAMETERS)
    names = tuple(dict.fromkeys(fields))
    if len(names) > FIELDS_MAX:
        raise QueryError("field", f"found {len(names)}, expected {FIELDS_MAX} at most")
    if any(len(name) > FIELD_CHARS_MAX for name in names):
        raise QueryError("field", f"expected names of {FIELD_CHARS_MAX} characters at most")
    limit = within(parameters, "limit", VALUES_DEFAULT, VALUES_MAX)
    seconds = within(parameters, "seconds", 1, FACETS_S_MAX)
    return FacetsQuery(filter_of(parameters), integer(parameters, "before"), limit, names, seconds)


def patterns_query(parameters: Mapping[str, str]) -> PatternsQuery:
    """Read the query of `/api/patterns`. Raises `QueryError`."""
    check_names(parameters, PATTERNS_PARAMETERS)
    limit = within(parameters, "limit", PATTERNS_DEFAULT, PATTERNS_MAX)
    return PatternsQuery(filter_of(parameters), integer(parameters, "before"), limit)


def series_query(parameters: Mapping[str, str], fields: Sequence[str]) -> SpanQuery:
    """Read the query of `/api/series`. Raises `QueryError`.

    Args:
        parameters: of the URL.
        fields: all values of `field`.
    """
    check_names(parameters, (*SPAN_PARAMETERS, "field", "points"))
    names = tuple(dict.fromkeys(fields))
    if not 1 <= len(names) <= FIELDS_MAX:
        raise QueryError("field", f"found {len(names)}, expected 1 to {FIELDS_MAX}")
    if any(not 0 < len(name) <= FIELD_CHARS_MAX for name in names):
        raise QueryError("field", f"expected names of 1 to {FIELD_CHARS_MAX} characters")
    if not all(map(can_be_read, names)):
        raise QueryError("field", "a name with quotes, backslashes or control characters can't be drawn")
    span = _span(parameters, within(parameters, "points", POINTS_DEFAULT, BUCKETS_MAX))
    return span._replace(fields=names)


def sources_query(parameters: Mapping[str, str]) -> int:
    """Read the query of `GET /api/sources`: how many are wanted. Raises `QueryError`."""
    check_names(parameters, ("limit",))
    return within(parameters, "limit", SOURCES_DEFAULT, SOURCES_MAX)


def history_query(parameters: Mapping[str, str]) -> int:
    """Read the query of `GET /api/alerts/history`: how many are wanted. Raises `QueryError`."""
    check_names(parameters, ("limit",))
    return within(parameters, "limit", HISTORY_DEFAULT, HISTORY_MAX)


def source_query(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Read the query of `DELETE /api/sources`: a listener, and the name of a source. Raises `QueryError`."""
    check_names(parameters, SOURCE_PARAMETERS)
    for name in SOURCE_PARAMETERS:
        if name not in parameters:
            raise QueryError(name, "missing, expected the name in /api/sources")
    return parameters["listener"], parameters["name"]


def export_query(parameters: Mapping[str, str]) -> ExportQuery:
    """Read the query of `/api/export.…`; `from` and `to` are `since` and `until`. Raises `QueryError`."""
    check_names(parameters, EXPORT_PARAMETERS)
    name = "fields" if "fields" in parameters else "columns"  # its former name
    try:
        fields = fields_of(parameters.get(name, ""))
    except ValueError as error:
        raise QueryError(name, str(error)) from None
    compress = _chosen(parameters, "compress", COMPRESSIONS)
    wanted = filter_of(parameters)
    wanted = wanted._replace(
        since=moment_of(parameters, "from") or wanted.since,
        until=moment_of(parameters, "to", is_end=True) or wanted.until,
    )
    return ExportQuery(
        wanted,
        integer(parameters, "before"),
        integer(parameters, "after"),
        fields,
        "" if compress == COMPRESSIONS[0] else compress,
    )


def _span(parameters: Mapping[str, str], buckets: int) -> SpanQuery:
    """The filter with its time, and that time in buckets."""
    now = time.time_ns() // 1000  # before an age is taken off a later now: an hour is 60 minutes then, not 61
    wanted = filter_of(parameters)
    until = microseconds(wanted.until) if wanted.until else now
    if not wanted.since:
        wanted = wanted._replace(since=iso_from_ns(max(0, until - SPAN_DEFAULT_S * MICROSECONDS) * 1000))
    return SpanQuery(wanted, buckets_of(microseconds(wanted.since), until, buckets))


IMPORT_PARAMETERS: Final = ("import", "window")
WINDOW_CHARS_MAX: Final = 64
SOURCE_CHARS_MAX: Final = 200


def import_source(parameters: Mapping[str, str]) -> str | None:
    """Return the source of entries that are imported; None: they are not. Raises `QueryError`."""
    check_names(parameters, IMPORT_PARAMETERS)
    source = parameters.get("import")
    if source is not None and not (0 < len(source) <= SOURCE_CHARS_MAX and source.isprintable()):
        raise QueryError(
            "import", f"expected 1 to {SOURCE_CHARS_MAX} printable characters, the entries' source"
        )
    window = parameters.get("window")
    if window is not None and not re.fullmatch(f"[!-~]{{1,{WINDOW_CHARS_MAX}}}", window):
        raise QueryError("window", f"expected 1 to {WINDOW_CHARS_MAX} characters of ASCII without blanks")
    return source


def tail_query(parameters: Mapping[str, str], last_event_id: str | None) -> tuple[Filter, int | None]:
    """Read the query of `/api/tail`: the filter, by arrival, and the sequence to continue after. Raises `QueryError`.

    Args:
        parameters: of the URL.
        last_event_id: the header that a reconnecting EventSource sends; it is newer than the URL.
    """
    check_names(parameters, TAIL_PARAMETERS)
    wanted = filter_of(parameters)._replace(by_arrival=True)
    if last_event_id:
        return wanted, integer({"Last-Event-ID": last_event_id}, "Last-Event-ID")
    after = integer(parameters, "after")
    if after is None and parameters.get("since"):
        after = -1
    return wanted, after


def filter_of(parameters: Mapping[str, str]) -> Filter:
    """The filter of a query. Raises `QueryError`."""
    text = _query_text(parameters)
    level = parameters.get("level", "")
    level_min = severity(level) if level else None
    if level and level_min is None:
        raise QueryError("level", f"found {level!r}, expected a level such as DEBUG, INFO, WARNING or ERROR")
    return Filter(
        level_min,
        parameters.get("source", ""),
        parameters.get("listener", ""),
        text,
        moment_of(parameters, "since"),
        moment_of(parameters, "until"),
        _chosen(parameters, "by", BYS) == "received",
    )


def _query_text(parameters: Mapping[str, str]) -> str:
    """The query in `q`, checked. Raises `QueryError`."""
    text = parameters.get("q", "")
    try:
        parse(text)
    except FilterError as error:
        raise QueryError("q", str(error), error) from None
    return text.strip()


def moment_of(parameters: Mapping[str, str], name: str, *, is_end: bool = False) -> str:
    """A time as the journal writes it, or nothing; see `asked_times.asked_time`. Without a zone it is UTC.

    Raises `QueryError`.
    """
    text = parameters.get(name, "").strip()
    if not text:
        return ""
    try:
        moment = asked_time(text, datetime.now(UTC), UTC, is_end=is_end)
    except ValueError as error:
        raise QueryError(name, str(error)) from None
    return moment.isoformat(timespec="microseconds")


def _chosen(parameters: Mapping[str, str], name: str, words: Sequence[str]) -> str:
    """Return the word that was chosen; the first one where none was."""
    chosen = parameters.get(name, words[0])
    if chosen not in words:
        raise QueryError(name, f"found {chosen!r}, expected one of {', '.join(words)}")
    return chosen


def within(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a number from 1 to `most`. Raises `QueryError`."""
    asked = integer(parameters, name)
    number = default if asked is None else asked
    if not 1 <= number <= most:
        raise QueryError(name, f"found {number}, expected 1 to {most}")
    return number


def check_names(parameters: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Refuse parameters that are not known, or given twice: a misspelt filter would show everything.

    Raises `QueryError`.
    """
    unknown = next((name for name in parameters if name not in allowed), None)
    if unknown is not None:
        raise QueryError(unknown, f"unknown parameter, expected {', '.join(allowed) or 'none'}")
    names = [name for name, _ in parameters.items()]
    repeated = next((name for name in names if names.count(name) > 1 and name not in REPEATED), None)
    if repeated is not None:
        raise QueryError(repeated, f"found {names.count(repeated)} times, expected once")


def integer(parameters: Mapping[str, str], name: str) -> int | None:
    """Return a whole number; None: there is none. Raises `QueryError`."""
    if name not in parameters:
        return None
    text = parameters[name].strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise QueryError(name, f"found {text[:40]!r}, expected a whole number")
    return int(text)
