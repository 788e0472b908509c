"""Table of all routes of the site, and the application that serves them: the only place to register a route."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from aiohttp import web

import logboom.web.query as q
from logboom.pipeline.deduplicator import KEY_BYTES_MAX, KEY_HEADER
from logboom.receivers.http import HttpSettings
from logboom.receivers.http_push import HttpRoute
from logboom.receivers.loki import LokiSettings
from logboom.web import (
    access,
    entries,
    export,
    openapi,
    operations,
    page,
    series,
    sql,
    summaries,
    tail,
    volume,
)
from logboom.web.access import TOKEN_CHARS_MAX
from logboom.web.alert_routes import ALERT_ROUTES
from logboom.web.device_query import (
    DEVICE_PARAMETERS,
    NAME_BODY_BYTES_MAX,
    REFUSED_PARAMETERS,
    WHY_PARAMETERS,
)
from logboom.web.json_body import body_refusals
from logboom.web.loki.loki_routes import add_loki
from logboom.web.push import serve_push
from logboom.web.route import JSON, LINES, PLAIN, Access, Route
from logboom.web.security import add_headers, guard
from logboom.web.site import SITE, Site
from logboom.web.state_keys import DEVICES, HEALTH, NAMED, REFUSED, RETRIED, SOURCES, STATUS, STORAGE, WHY
from logboom.web.view_requests import VIEW_ROUTES

_KEY_HEADER: Final = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Entries that were stored under this key before, with the same content, are not stored again",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX, "pattern": "^[ -~]*$"},
}
_STORED: Final = {
    "stored": "How many are safe on disk",
    "duplicates": "How many were stored before under the same `Idempotency-Key`",
    "filtered": "How many were left out for their level",
    "refused": "How many were refused",
    "first_sequence": "Sequence of the first one stored, or null",
    "entries": "Index, status and reason of those that were not stored",
    "entries_omitted": "How many more of these there are",
}
_ENTRIES: Final = {
    "entries": "sequence, received_at, time, source, listener, level, message, entry, and `wrong_clock: true` where "
    "the sender's time can't be right, `copy: true` where it may be a line sent again; `time_from` is `sender`, "
    "`uptime` (of a device that counts its boots) or `received`; the last to "
    "arrive first, or with `after` the first to arrive",
    "before": "Give this as `before` for the page of older ones; null: there is none",
    "after": "Give this as `after` for what came later",
    "more": "Whether the search was ended before its end, by the limit or by time: there may be more matches, also "
    "where none was found; ask again with `before` or `after`",
    "first": "The first sequence of the time range that is searched",
    "reached_at": "Receive time of the entry that was looked at last, or null",
}
_VOLUME: Final = {
    "since": "Begin, seconds since the epoch",
    "until": "End",
    "bucket_s": "Length of a bucket",
    "times": "Begin of each bucket",
    "levels": "For each level, a count per bucket; the empty level is that of entries without one",
    "total": "Of all buckets",
    "complete": "False: there was no time to read everything; the newest buckets are right, and the next request goes "
    "on from there",
    "progress": "Share of the entries that were looked at, 0 to 1",
}
_SERIES: Final = {
    "since": "Begin, seconds since the epoch",
    "until": "End",
    "bucket_s": "Length of a bucket",
    "times": "Begin of each bucket",
    "values": "For each field: mean, min, max and last per bucket, or null",
    "boots": "Where a device's boot_seq changed: time, boot_seq",
    "gaps": "Silence longer than three usual intervals: from, to",
    "complete": "As of `/api/volume`",
    "progress": "As of `/api/volume`",
}
_REACH: Final = {
    "entries": "Number of matching entries that were read",
    "complete": "False: only the newest entries were read",
    "before": "Give this as `before` for the older ones; null: all were read",
    "reached_at": "Receive time of the oldest entry that was looked at, or null",
    "progress": "Share of the entries of the range that were looked at, 0 to 1",
}
_FACETS: Final = {
    "facets": "field, count (entries that have it), distinct, distinct_exact (false: estimated, 4 % off), values "
    "(value and count, the most frequent first), values_exact (false: rare values were dropped, counts may be too "
    "low), numbers (null, or count, min, max, mean, p50, p90, p99, and exact: false where percentiles are estimates), "
    "complete (counts all entries of the range, not only those that were read); level, source and listener first, "
    "then the fields of the most entries",
    "fields_left_out": "There are more fields than are counted: 100",
    **_REACH,
}
_PATTERNS: Final = {
    "messages": "template (with `<*>` for each variable part), query (finds them), count, first_seen, last_seen, "
    "levels, sources (the five most frequent, with counts), sources_total (50 at most), sequence and example of one "
    "entry; the most frequent first",
    "messages_total": "Number of templates",
    "exceptions": "fingerprint, type, template, frames (file and function without line numbers, the innermost last), "
    "and what messages have",
    "exceptions_total": "Number of different exceptions",
    "dropped": "Number of entries of rare groups that were dropped, since there were too many",
    **_REACH,
}
_WELL: Final = {"200": "All is well", "503": "It is not; the answer has the same shape"}
_BUSY: Final = {
    "503": "Too many at once, or too much waits for slow clients; `Retry-After` says when to try again"
}
_UPGRADED: Final = {"101": "A WebSocket, where the request asks for one"}
_LOGIN: Final = {
    "type": "object",
    "properties": {"token": {"type": "string", "maxLength": TOKEN_CHARS_MAX}},
    "required": ["token"],
    "additionalProperties": False,
}
_OBJECT: Final = {"type": "object", "description": "An entry: any JSON object"}
_TAKEN: Final = {
    LINES: {"type": "string", "description": "One JSON object per line"},
    JSON: {"anyOf": [_OBJECT, {"type": "array", "items": _OBJECT, "minItems": 1}]},
}

SERVER_ROUTES: Final = (
    Route("GET", "/api/health", operations.health, access=Access.OPEN, keys=HEALTH, statuses=_WELL),
    Route("GET", "/livez", operations.livez, answers=(PLAIN,), access=Access.OPEN),
    Route("GET", "/readyz", operations.readyz, ("verbose",), (PLAIN,), access=Access.OPEN, statuses=_WELL),
    Route("GET", "/healthz", operations.readyz, ("verbose",), (PLAIN,), access=Access.OPEN, statuses=_WELL),
    Route("GET", "/metrics", operations.metrics, answers=(PLAIN, "application/openmetrics-text")),
    Route("GET", "/api/openapi.json", openapi.openapi, access=Access.OPEN),
    Route(
        "POST",
        "/api/login",
        access.login,
        takes={JSON: _LOGIN},
        access=Access.OPEN,
        keys={"name": "The token's", "scopes": "What it may do"},
        statuses={"200": "A cookie holds it from now on"},
        refusals={
            "401": "A wrong token",
            "408": "The body did not come in time",
            "413": "Too long to be one: more than 1024 bytes",
        },
    ),
    Route("POST", "/api/logout", access.logout, answers=(), access=Access.OPEN, statuses={"204": "Done"}),
)
"""Routes about the server, without anything that was sent; also on a listener for health only."""

ENTRY_ROUTES: Final = (
    Route(
        "GET",
        "/",
        page.root,
        answers=("text/html",),
        access=Access.PAGE,
        statuses={"200": "The page", **_UPGRADED},
    ),
    Route(
        "GET",
        "/static/{name:.+}",
        page.static,
        answers=("*/*",),
        access=Access.PAGE,
        refusals={"404": "The page has no such file"},
    ),
    Route("GET", "/api/status", operations.status, keys=STATUS),
    Route("GET", "/api/storage", operations.storage, keys=STORAGE),
    Route("GET", "/api/sources", operations.sources, ("limit",), keys=SOURCES),
    Route(
        "DELETE",
        "/api/sources",
        operations.forget_source,
        q.SOURCE_PARAMETERS,
        keys={"forgotten": "1"},
        statuses={"200": "It is forgotten"},
        refusals={"404": "There is no such source"},
        required=q.SOURCE_PARAMETERS,
    ),
    Route("GET", "/api/devices", operations.devices, DEVICE_PARAMETERS, keys=DEVICES),
    Route(
        "PUT",
        "/api/devices/name",
        operations.name_device,
        takes={JSON: NAMED},
        access=Access.ADMIN,
        keys={"given_name": "The name that it has now"},
        statuses={"200": "It has the name"},
        refusals={
            "404": "There is no such device",
            **body_refusals(NAME_BODY_BYTES_MAX),
            "503": "The name can't be saved: the disk is full, or broken",
        },
    ),
    Route("GET", "/api/refused", operations.refused, REFUSED_PARAMETERS, keys=REFUSED),
    Route("POST", "/api/refused", operations.retry_refused, keys=RETRIED),
    Route("GET", "/api/why", operations.why, WHY_PARAMETERS, keys=WHY),
    *ALERT_ROUTES,
    *VIEW_ROUTES,
    Route(
        "GET",
        "/api/entries",
        entries.get,
        q.PAGE_PARAMETERS,
        (JSON, LINES, "text/csv"),
        keys=_ENTRIES,
        refusals=_BUSY,
    ),
    Route(
        "POST",
        "/api/entries",
        entries.post,
        q.IMPORT_PARAMETERS,
        takes=_TAKEN,
        keys=_STORED,
        headers=(_KEY_HEADER,),
        statuses={
            "200": "Everything is stored",
            "207": "A part is",
            "400": "Nothing is stored, or the rest of the body can't be read: `error` says why, where it is one thing",
            "408": "The rest of the body did not come in time",
            "413": "Too long",
            "415": "No JSON, or an encoding that is not known",
            "429": "Over the rate limit; `Retry-After` says when to send the rest",
            "503": "The journal can't store, or too much waits; `Retry-After` says when to send the rest",
        },
    ),
    Route(
        "GET",
        "/api/tail",
        tail.tail,
        q.TAIL_PARAMETERS,
        ("text/event-stream",),
        statuses={"200": "OK", **_UPGRADED},
        refusals=_BUSY,
        has_head=False,
    ),
    Route("GET", "/api/volume", volume.volume, ("buckets", *q.SPAN_PARAMETERS), keys=_VOLUME, refusals=_BUSY),
    Route(
        "GET",
        "/api/fields",
        series.fields,
        q.FIELDS_PARAMETERS,
        keys={
            "fields": "name, count, min, max, last; the most frequent first",
            "complete": "False: only the newest entries were looked at",
            "before": "Give this as `before` to look at older ones; null: there are none",
            "reached_at": "Receive time of the oldest entry that was looked at, or null",
        },
        refusals=_BUSY,
    ),
    Route("GET", "/api/facets", summaries.facets, q.FACETS_PARAMETERS, keys=_FACETS, refusals=_BUSY),
    Route("GET", "/api/patterns", summaries.patterns, q.PATTERNS_PARAMETERS, keys=_PATTERNS, refusals=_BUSY),
    Route(
        "POST",
        "/api/sql",
        sql.sql,
        answers=(JSON, "text/csv", sql.PARQUET),
        takes={JSON: sql.TAKEN},
        access=Access.READ,
        keys=sql.ANSWERED,
        refusals=sql.REFUSALS,
    ),
    Route(
        "GET",
        "/api/series",
        series.series,
        ("field", "points", *q.SPAN_PARAMETERS),
        keys=_SERIES,
        required=("field",),
        refusals=_BUSY,
    ),
    Route(
        "GET",
        "/api/export.{form:csv|jsonl}",
        export.export,
        q.EXPORT_PARAMETERS,
        ("text/csv", LINES, "application/gzip", "application/zstd"),
        refusals={"404": "There is no such form", **_BUSY},
    ),
)
"""Routes that take entries, return them, and describe their senders."""

ROUTES: Final = (*SERVER_ROUTES, *ENTRY_ROUTES)
"""Every route of the site."""

PROBES: Final = tuple(route for route in SERVER_ROUTES if route.path in ("/livez", "/readyz"))
"""Routes for orchestrators, on the port of a receiver."""

WRITING_ROUTES: Final = (
    *PROBES,
    *(
        route
        for route in ENTRY_ROUTES
        if (route.method, route.path) in {("GET", "/"), ("POST", "/api/entries")}
    ),
)
"""Routes of a port that takes entries only: `/` is the WebSocket, and there is no page."""


class HttpReceiver(NamedTuple):
    """A receiver whose routes a listener serves."""

    routes: Sequence[HttpRoute]
    settings: Callable[[], Any]
    """Returns its settings as they are now."""


def make_application(
    site: Site, answers: operations.Operations, receivers: Sequence[HttpReceiver] = ()
) -> web.Application:
    """Return the application of one listener: the whole site, only the server's health, or only its receiver.

    Args:
        site: state of the listener.
        answers: answers questions about the server.
        receivers: receivers whose routes it serves.
    """
    application = web.Application(middlewares=[guard])
    application[SITE] = site
    application[operations.OPERATIONS] = answers
    application.on_response_prepare.append(add_headers)
    application[access.PUSHED], application[access.QUERIES] = set(), set()
    application[access.ACCESS] = {}
    if site.only_writes:
        application[page.ASSETS] = {}
        _add_routes(application, WRITING_ROUTES)
        _add_receivers(application, receivers)
        return application
    if not isinstance(site.settings, HttpSettings):
        _add_routes(application, PROBES)
        if isinstance(site.settings, LokiSettings):
            add_loki(application)
        _add_receivers(application, receivers)
        return application
    routes: Sequence[Route] = SERVER_ROUTES
    if not site.settings.health_only:
        application[page.ASSETS] = page.load_assets()
        volume.add_counter(application)
        series.add_reader(application)
        export.add_exports(application)
        routes = ROUTES
        add_loki(application)
    _add_routes(application, routes)
    if not site.settings.health_only:
        _add_receivers(application, receivers)
    application[openapi.DOCUMENT] = openapi.openapi_document(
        routes, answers.version, asks_for_tokens=site.tokens is not None
    )
    return application


def _add_routes(application: web.Application, routes: Sequence[Route]) -> None:
    for route in routes:
        resource = application.router.add_resource(route.path)
        resource.add_route(route.method, route.handler)
        if route.method == "GET" and route.has_head:
            resource.add_route("HEAD", route.handler)
        application[access.ACCESS][resource] = route.access


def _add_receivers(application: web.Application, receivers: Sequence[HttpReceiver]) -> None:
    """Add the routes of receivers; what the site serves at the same path comes first."""
    for receiver in receivers:
        for route in receiver.routes:
            handler = partial(_push, route, receiver.settings)
            if route.path == "/" and page.ASSETS in application:
                application[page.FOR_PROGRAMS] = page.ForPrograms(handler)
                continue
            resource = application.router.add_route(route.method, route.path, handler).resource
            application[access.PUSHED].add(resource)


async def _push(route: HttpRoute, settings: Callable[[], Any], request: web.Request) -> web.Response:
    """Serve a route of a receiver."""
    return await serve_push(route, settings(), request)
