"""Messages between a server, its fork server and the process of one SQL query, or of one segment to pack."""

from typing import Final, Literal

import msgspec

from logboom.journal.manifest import SegmentEvent

Format = Literal["json", "csv", "parquet"]

QUERY_CHARS_MAX: Final = 16_384
"""Longest query: a request has to fit into one packet."""

PACKET_BYTES_MAX: Final = 128 << 10
"""Longest request, with folder and times; the kernel's default is a little more."""


class SqlRequest(msgspec.Struct, kw_only=True, tag="query"):
    """A query with all that the process needs to run it."""

    query: str
    folder: str
    """The journal's."""
    end: int | None = None
    """No sequence from this one on; None: all whole lines."""
    since: str = ""
    """At or after this; ISO 8601, UTC. Empty: no limit."""
    until: str = ""
    """Before this."""
    format: Format = "json"
    limit: int
    """Rows of the answer."""
    time_s: float
    memory_bytes: int
    """Memory of the engine."""
    answer_bytes: int


class PackRequest(msgspec.Struct, kw_only=True, tag="pack"):
    """A segment that becomes columns (`column_writer`)."""

    segment: str
    """Path of the plain segment."""
    first: int
    sealed: SegmentEvent
    """The line of its hash."""
    part: str
    """Path of the file to write."""
    level: int
    time_s: float


class SqlReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Result of a query; the answer itself is in the file that came with the request."""

    error: str = ""
    is_refused: bool = False
    """The query is wrong or not allowed; else it met a limit, or the machine failed."""
    is_cut: bool = False
    """The answer has `limit` rows, and there may be more."""
    rows: int = 0
