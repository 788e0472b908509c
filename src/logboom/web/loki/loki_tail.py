"""`tail`: new lines as they arrive, over a WebSocket."""

from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from logboom.pipeline.intake import Limit
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_parser import parse_selection
from logboom.query.logql.logql_syntax import LogqlError
from logboom.query.logql.pipeline import Pipeline
from logboom.query.matching import Filter, Found
from logboom.query.search import Page, Search
from logboom.web.loki.log_queries import is_categorized
from logboom.web.loki.loki_answers import Streams
from logboom.web.loki.loki_parameters import limit_of, span_of
from logboom.web.loki.loki_reader import deadline, parameters_of, site_of
from logboom.web.site import TAILS_MAX
from logboom.web.tail import Follower, Portion, serve_stream


async def tail(request: web.Request) -> web.StreamResponse:
    """New lines over a WebSocket; with `start`, before them the last ones since then."""
    site = site_of(request)
    parameters = await parameters_of(request)
    compiled = compile_selection(parse_selection(parameters.get("query", "")))
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise LogqlError("expected an upgrade to WebSocket")
    if site.tails >= TAILS_MAX:
        raise site.busy(Limit.TAILS, "too many tails")
    wanted = compiled.wanted._replace(by_arrival=True)
    site.tails += 1
    try:
        position, first = site.log.end, list[Found]()
        if parameters.get("start"):
            since = span_of({"start": parameters["start"]}).limit(wanted)._replace(until="")
            page = await site.search(request, partial(_last, request, since, limit_of(parameters)))
            position, first = page.next, page.found[::-1]
        return await _follow(request, Follower(site, wanted, position, _same), compiled.pipeline, first)
    finally:
        site.tails -= 1


def _last(request: web.Request, wanted: Filter, limit: int) -> Page:
    site = site_of(request)
    return Search(site.log, deadline(site)).backward(wanted, limit)


def _same(found: Found) -> Found:
    return found


async def _follow(
    request: web.Request, follower: Follower[Found], pipeline: Pipeline | None, first: list[Found]
) -> web.StreamResponse:
    streams = Streams(pipeline, categorized=is_categorized(request))

    async def send(stream: web.WebSocketResponse, portion: Portion[Found]) -> None:
        nonlocal first
        streams.add([*first, *(found for _, found in portion.events)])
        first = []
        if found := streams.take():
            await stream.send_str(_frame(found))

    try:
        return await serve_stream(request, follower, send, has_more=bool(first))
    finally:
        follower.close()


def _frame(streams: list[dict[str, Any]]) -> str:
    return msgspec.json.encode({"streams": streams, "dropped_entries": []}).decode()
