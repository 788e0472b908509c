"""`/api/facets` and `/api/patterns`: the fields of the entries that match, and their messages by template."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.query.facet_document import facet_document
from logboom.query.facets import find_facets
from logboom.query.pattern_document import pattern_document
from logboom.query.pattern_groups import find_patterns
from logboom.web.query import FacetsQuery, PatternsQuery, facets_query, patterns_query
from logboom.web.site import SITE, Site

PATTERNS_S_MAX: Final = 2.0
"""Time limit of grouping; the answer then has the newest entries, and is marked as a part."""


async def facets(request: web.Request) -> web.Response:
    """Fields of the entries that match: the most frequent values, and statistics of numbers."""
    query = facets_query(request.query, request.query.getall("field", []))
    return await _answer(request, partial(_facets, request.app[SITE], query))


async def patterns(request: web.Request) -> web.Response:
    """Messages of the entries that match, grouped by template, and exceptions by type and frames."""
    return await _answer(request, partial(_patterns, request.app[SITE], patterns_query(request.query)))


async def _answer(request: web.Request, make: Callable[[], dict[str, Any]]) -> web.Response:
    """Make a document on a thread."""
    body = await request.app[SITE].search(request, lambda: msgspec.json.encode(make()))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _facets(site: Site, query: FacetsQuery) -> dict[str, Any]:
    found = find_facets(site.log, query.wanted, _deadline(site, query.seconds), end=query.before)
    return facet_document(found, query.limit, query.fields)


def _patterns(site: Site, query: PatternsQuery) -> dict[str, Any]:
    found = find_patterns(site.log, query.wanted, _deadline(site, PATTERNS_S_MAX), end=query.before)
    return pattern_document(found, query.limit)


def _deadline(site: Site, seconds: float) -> Callable[[], bool]:
    ends_at = time.monotonic() + seconds
    return lambda: site.closing or time.monotonic() > ends_at
