"""Addresses of Loki's API for queries, and the form of its errors."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from logboom.query.logql.logql_syntax import LogqlError
from logboom.receivers.http import HttpSettings
from logboom.web import volume
from logboom.web.access import QUERIES
from logboom.web.loki import label_queries, log_queries, loki_tail
from logboom.web.loki.loki_reader import READER, LokiReader
from logboom.web.site import SITE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PREFIX: Final = "/loki/api/v1/"

_BY_BOTH: Final[dict[str, Handler]] = {
    "query_range": log_queries.query_range,
    "query": log_queries.query,
    "labels": label_queries.names,
    "label": label_queries.names,
    "label/{name}/values": label_queries.values,
    "series": label_queries.series,
    "index/stats": label_queries.stats,
    "index/volume": label_queries.volume,
    "index/volume_range": label_queries.volume_range,
    "detected_labels": label_queries.detected_labels,
    "detected_fields": label_queries.detected_fields,
    "patterns": label_queries.patterns,
}
"""Queries; clients send long ones by POST."""


def add_loki(application: web.Application) -> None:
    """Add Loki's queries to an application."""
    site = application[SITE]
    if volume.COUNTER not in application:
        volume.add_counter(application)
    application[READER] = LokiReader(site, application[volume.COUNTER])
    router, resources = application.router, application[QUERIES]
    for path, handler in _BY_BOTH.items():
        resource = router.add_resource(_PREFIX + path)
        resource.add_route("GET", _checked(handler))
        resource.add_route("POST", _checked(handler))
        resources.add(resource)
    resources.add(router.add_get(_PREFIX + "tail", _checked(loki_tail.tail), allow_head=False).resource)


def _checked(handler: Handler) -> Handler:
    """Return a handler that refuses what must not be read, and answers errors as Loki does: as plain text."""

    async def handle(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        if (
            not isinstance(site.settings, HttpSettings)
            and site.tokens is None
            and not site.settings.on_loopback
        ):
            raise web.HTTPForbidden(
                text='a query over the network needs a token: set auth = "token" here, or use the listener http'
            )
        try:
            return await handler(request)
        except LogqlError as error:
            return web.Response(text=f"{error}\n", status=400)

    return handle
