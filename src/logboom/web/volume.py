"""`/api/volume`: how many entries of which level came when."""

import time
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from logboom.formats.buckets import MICROSECONDS
from logboom.query.volume_counter import VolumeCounter
from logboom.web.query import SpanQuery, volume_query
from logboom.web.site import SITE, Site

COUNT_S_MAX: Final = 2.0
"""A count that is not done by then is answered as it is: newest first, so the newest buckets are right. What
was counted is kept, and the next request goes on from there."""

COUNTER: Final = web.AppKey("volume", VolumeCounter)


def add_counter(application: web.Application) -> None:
    """Give an application what `volume` needs."""
    application[COUNTER] = VolumeCounter(application[SITE].log)


async def volume(request: web.Request) -> web.Response:
    """Counts by time and level."""
    site = request.app[SITE]
    query = volume_query(request.query)
    counter = request.app[COUNTER]
    body = await site.search(request, partial(_count, site, counter, query))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _count(site: Site, counter: VolumeCounter, query: SpanQuery) -> bytes:
    """Count and render; on a thread."""
    ends_at = time.monotonic() + COUNT_S_MAX
    buckets = query.buckets
    found = counter.count(query.wanted, buckets, lambda: site.closing or time.monotonic() > ends_at)
    return msgspec.json.encode(
        {
            "since": buckets.since / MICROSECONDS,
            "until": buckets.until / MICROSECONDS,
            "bucket_s": buckets.width / MICROSECONDS,
            "times": buckets.starts_s,
            "levels": found.levels,
            "total": found.total,
            "complete": found.complete,
            "progress": found.progress,
        }
    )
