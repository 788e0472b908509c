"""`/api/fields` and `/api/series`: which numbers the entries hold, and how they went."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.formats.buckets import MICROSECONDS
from logboom.query.field_discovery import find_fields
from logboom.query.matching import Filter
from logboom.query.series_reader import Point, SeriesReader
from logboom.web.query import SpanQuery, fields_query, series_query
from logboom.web.site import SITE, Site

READ_S_MAX: Final = 2.0
"""A series that is not read by then is sent as it is: newest first, so the newest buckets are right. What was
read is kept, and the next request goes on from there."""

FIELDS_S_MAX: Final = 1.0
"""Looking for fields ends here; the newest entries have the fields of the rest, too."""

READER: Final = web.AppKey("series", SeriesReader)


def add_reader(application: web.Application) -> None:
    """Give an application what `series` needs."""
    application[READER] = SeriesReader(application[SITE].log)


async def fields(request: web.Request) -> web.Response:
    """The numeric fields of the entries that match."""
    site = request.app[SITE]
    wanted, before = fields_query(request.query)
    return _answer(await site.search(request, partial(_find, site, wanted, before)))


async def series(request: web.Request) -> web.Response:
    """Numbers over time."""
    site = request.app[SITE]
    query = series_query(request.query, request.query.getall("field", []))
    return _answer(await site.search(request, partial(_read, site, request.app[READER], query)))


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _deadline(site: Site, seconds: float) -> Callable[[], bool]:
    ends_at = time.monotonic() + seconds
    return lambda: site.closing or time.monotonic() > ends_at


def _find(site: Site, wanted: Filter, before: int | None) -> bytes:
    """Look and render; on a thread."""
    found = find_fields(site.log, wanted, _deadline(site, FIELDS_S_MAX), before)
    rows = [
        {"name": field.name, "count": field.count, "min": field.low, "max": field.high, "last": field.last}
        for field in found.fields
    ]
    return msgspec.json.encode(
        {
            "fields": rows,
            "complete": found.before is None,
            "before": found.before,
            "reached_at": found.reached_at or None,
        }
    )


def _read(site: Site, reader: SeriesReader, query: SpanQuery) -> bytes:
    """Read and render; on a thread."""
    buckets = query.buckets
    found = reader.read(query.wanted, query.fields, buckets, _deadline(site, READ_S_MAX))
    return msgspec.json.encode(
        {
            "since": buckets.since / MICROSECONDS,
            "until": buckets.until / MICROSECONDS,
            "bucket_s": buckets.width / MICROSECONDS,
            "times": buckets.starts_s,
            "values": {name: _columns(points, buckets.size) for name, points in found.values.items()},
            "boots": [{"time": boot.time / MICROSECONDS, "boot_seq": boot.boot_seq} for boot in found.boots],
            "gaps": [{"from": start / MICROSECONDS, "to": end / MICROSECONDS} for start, end in found.gaps],
            "complete": found.complete,
            "progress": found.progress,
        }
    )


def _columns(points: dict[int, Point], size: int) -> dict[str, list[Any]]:
    """One list a statistic, one value a bucket; null where there is none."""
    row = [points.get(place) for place in range(size)]
    return {
        "mean": [None if point is None else point.total / point.count for point in row],
        "min": [None if point is None else point.low for point in row],
        "max": [None if point is None else point.high for point in row],
        "last": [None if point is None else point.last for point in row],
    }
