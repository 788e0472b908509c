"""Times of entries by the uptime of their device (`journal.device_clock`), for the view `logs`.

The starts of boots are a table, which the lines of segments that have any are joined with. Each row has all starts of
a boot in a segment, by uptime.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from logboom.journal.device_clock import BootStart

if TYPE_CHECKING:
    import duckdb

STARTS_MAX: Final = 200_000
"""Most starts of a query, some 25 MB: those of the newest segments count; entries of older ones have their receive
time."""

_PORTION: Final = 2000
"""Boots that are loaded at once: their JSON takes memory of the query."""

_CREATE: Final = (
    "CREATE TABLE boot_starts (file VARCHAR, listener VARCHAR, sender VARCHAR, boot BIGINT, "
    "parts STRUCT(from_ms BIGINT, start_us BIGINT, by_arrival BOOLEAN)[])"
)
_INSERT: Final = (
    "INSERT INTO boot_starts SELECT r->>'$[0]', r->>'$[1]', r->>'$[2]', (r->>'$[3]')::BIGINT, "
    'from_json(r->\'$[4]\', \'[{"from_ms":"BIGINT","start_us":"BIGINT","by_arrival":"BOOLEAN"}]\') '
    "FROM (SELECT unnest(from_json(?, '[\"JSON\"]')) AS r)"
)


def load_starts(engine: "duckdb.DuckDBPyConnection", segments: Iterable[tuple[str, list[BootStart]]]) -> None:
    """Make the table `boot_starts`.

    Args:
        engine: gets the table.
        segments: path and starts of each segment.
    """
    engine.execute(_CREATE)
    rows = ((path, *key, _parts(some)) for path, starts in segments for key, some in _by_boot(starts))
    while portion := list(islice(rows, _PORTION)):
        engine.execute(_INSERT, [msgspec.json.encode(portion).decode()])


def _by_boot(starts: Iterable[BootStart]) -> Iterator[tuple[tuple[str, str, int], list[BootStart]]]:
    found = defaultdict[tuple[str, str, int], list[BootStart]](list)
    for one in sorted(starts, key=lambda one: one.from_ms):
        found[one.key[:3]].append(one)
    yield from found.items()


def _parts(starts: list[BootStart]) -> list[dict[str, object]]:
    """Return the starts of a boot; the first one also applies to smaller uptimes."""
    return [
        {"from_ms": one.from_ms if place else 0, "start_us": one.start_us, "by_arrival": one.by_arrival}
        for place, one in enumerate(starts)
    ]


def joined_with_starts(
    rows: str, *, file: str, listener: str, sender: str, boot: str, starts: str = "starts"
) -> str:
    """Return the query that adds a column with the starts of an entry's boot; NULL: there are none.

    Args:
        rows: query of the rows, which the expressions call `r`.
        file: path of the segment, an SQL expression, as are the next ones.
        listener: name of the listener.
        sender: name of the sender.
        boot: the entry's `boot_seq`, if that is a whole number; else NULL.
        starts: name of the new column, an identifier.
    """
    return (
        f"SELECT r.*, s.parts AS {starts} FROM ({rows}) r LEFT JOIN boot_starts s "  # noqa: S608
        f"ON s.file = {file} AND s.listener = {listener} AND s.sender = {sender} AND s.boot = {boot}"
    )
