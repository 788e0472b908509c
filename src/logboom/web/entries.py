"""`/api/entries`: POST stores, GET reads pages."""

import time
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.model import IMPORTED, Source
from logboom.query.search import Page, Search
from logboom.receivers.http_push import HttpRoute
from logboom.web.push import serve_push
from logboom.web.query import PageQuery, QueryError, import_source, page_query
from logboom.web.rendering import csv_of, json_lines, json_of
from logboom.web.site import SITE, Site
from logboom.web.uploads import EntriesCodec

SEARCH_S_MAX: Final = 0.8
"""A page that is not full by then is sent as it is, with the place where to go on: first answers, and the progress of a
search that reads everything, come within a second."""


async def post(request: web.Request) -> web.Response:
    """Store what the body holds; one verdict per entry."""
    site = request.app[SITE]
    return await serve_push(_POST, site.settings, request, _source_of(request, site))


def _source_of(request: web.Request, site: Site) -> Source:
    """Return the source of the body's entries. Raises `web.HTTPBadRequest`."""
    source = site.source(request.remote)
    try:
        name = import_source(request.query)
    except QueryError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    return source if name is None else Source(IMPORTED, name, source.peer)


_POST: Final = HttpRoute("POST", "/api/entries", EntriesCodec)


async def get(request: web.Request) -> web.Response:
    """A page of entries: backward from the newest, or forward."""
    site = request.app[SITE]
    query = page_query(request.query)
    return await site.search(request, partial(_page, request, site, query))


def _page(request: web.Request, site: Site, query: PageQuery) -> web.Response:
    """Search and render; on a thread."""
    ends_at = time.monotonic() + SEARCH_S_MAX
    search = Search(site.log, lambda: site.closing or time.monotonic() > ends_at)
    start = 0 if query.after is None else query.after + 1
    reads_forward = query.after is not None and query.before is None
    read = search.forward if reads_forward else search.backward
    page = read(query.wanted, query.limit, start=start, end=query.before)
    goes_on = page.more
    before = page.first if (goes_on or reads_forward) and page.first > 0 else None
    cursors: dict[str, Any] = {
        "before": before,
        "after": page.next - 1,
        "more": goes_on,
        "first": page.start,
        "reached_at": page.reached_at or None,
    }
    onward = {"after": page.next - 1} if reads_forward else {"before": page.first}
    headers = {"Cache-Control": "no-store"}
    if goes_on:
        headers["Link"] = f'<{request.rel_url.update_query(onward)}>; rel="next"'
    body, content_type = _render(page, query.format, cursors)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)


def _render(page: Page, form: str, cursors: dict[str, Any]) -> tuple[bytes, str]:
    if form == "csv":
        return csv_of(page.found), "text/csv"
    if form == "jsonl":
        return json_lines(page.found), "application/x-ndjson"
    entries = b",\n".join(map(json_of, page.found))
    return b'{"entries":[%b],%b\n' % (entries, msgspec.json.encode(cursors)[1:]), "application/json"
