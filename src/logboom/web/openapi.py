"""The HTTP API as an OpenAPI document, made of the routes and their handlers' docstrings."""

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import web

import logboom.web.query as q
from logboom.pipeline.deduplicator import KEY_BYTES_MAX, KEY_HEADER
from logboom.web.access import COOKIE, PUSHED, QUERIES, TOKEN_CHARS_MAX
from logboom.web.parameters import schema_of

VERSION: Final = "3.1.0"

DESCRIPTIONS: Final = {
    "level": "The lowest level: DEBUG, INFO, WARNING, ERROR, CRITICAL and their synonyms.",
    "source": "What the sender calls itself, or its address.",
    "listener": "The name of the listener that entries came by.",
    "q": "Part of the entry's JSON, in any case: as it is written there, or as what an escape stands for. A text of "
    "nothing but name=value words also finds the entries that have these fields: temp=19.75, detail.bar=3.5, "
    'msg="pump 2".',
    "since": "Entries at or after: ISO 8601, seconds since the epoch, 15m, 2 hours ago, yesterday, 2026-11-30 or "
    "2026-11-30 14:00. Times without a zone are UTC.",
    "until": "Entries before; as `since`.",
    "by": "The times that count: `time`, which is the sender's where it gave one that can be right, else that of "
    "arrival; or `received`, that of arrival. The order of entries is always that of their arrival.",
    "from": "As `since`.",
    "to": "As `until`; a date alone includes that day.",
    "before": "Only sequences below this one.",
    "after": "Only sequences above this one; without `before` the page reads forward.",
    "limit": "Entries at most.",
    "import": "The entries are history, and this is their source, such as a file's name. They get the listener "
    "`import`, raise no alert, and live views leave them out.",
    "format": "json, jsonl or csv.",
    "fields": "Fields of each row: sequence, received_at, time, source (the address), sender (the name that `source` "
    "of a query takes), listener, level, message, entry, or any field of the entries. Without it, CSV has those nine, "
    "and JSON lines are the journal's own.",
    "columns": "The same as `fields`, of older clients.",
    "compress": "Compression of the file; else the answer is compressed if the client accepts it (`Accept-Encoding`).",
    "buckets": "Into how many equal spans the time is divided.",
    "points": "Into how many equal spans the time is divided.",
    "field": "A numeric field; may be given several times.",
    "verbose": "List the checks.",
    "name": "What the sender calls itself, or its address.",
}
PATH_DESCRIPTIONS: Final = {"form": "csv or jsonl.", "name": "The file's path."}
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain"
_LINES: Final = "application/x-ndjson"


class _Route(NamedTuple):
    """What a handler's docstring does not tell."""

    query: Sequence[str] = ()
    answers: Sequence[str] = (_JSON,)
    """Content types of the answer; none: it has no body."""
    takes: Mapping[str, Any] = MappingProxyType({})
    """Content types of the request's body, and the schema of each; none: there is no body."""
    token: bool = True
    """Whether a token is needed, where the listener asks for tokens."""
    keys: Mapping[str, str] = MappingProxyType({})
    """Of the JSON object that it answers: what each key holds."""
    statuses: Mapping[str, str] = MappingProxyType({"200": "OK"})
    """What it answers to a request that is in order; those that are no refusals have the same shape."""
    refusals: Mapping[str, str] = MappingProxyType({})
    """What it answers to others, besides what all do."""
    required: Sequence[str] = ()
    """Query parameters that can't be left out."""
    headers: Sequence[Mapping[str, Any]] = ()
    """Header parameters, each as the document has it."""


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
_HEALTH: Final = {
    "status": "ok, warning or error",
    "tcp_server": "started, thread_alive, last_activity, seconds_since_activity and more",
    "database": "connected, total_readings, date_range: of the first database output, else of the journal",
    "memory_readings_count": "Number of the newest readings, 1000 at most",
    "index": "Number of complete segments, and of those that are indexed; missing when all are",
    "warnings": "What is odd; missing when nothing is",
    "errors": "What is broken; missing when nothing is",
    "start_time": "When the server started",
    "uptime_seconds": "Since then",
    "timestamp": "Now; all times of this document are UTC without an offset",
}
_STATUS: Final = {
    "version": "The server's",
    "started_at": "When it started",
    "uptime_s": "Since then",
    "status": "ok, warning or error",
    "problems": "What is wrong, as texts",
    "alerts": "firing: how many alerts do; worst: warning, critical, or null",
    "journal": "entries, oldest_sequence, bytes, free_bytes, writable, trouble, last_commit_s, index: number of "
    "complete segments, and of those that are indexed",
    "totals": "received, stored, refused, filtered, failed, bytes: since the start",
    "rates": "lines_per_s, bytes_per_s",
    "listeners": "Name, protocol, ports, state, connections and counts of each",
    "outputs": "Name, type, state, lag and position of each; skipped: entries that its settings exclude",
}
_ENTRIES: Final = {
    "entries": "sequence, received_at, time, source, listener, level, message, entry, and `wrong_clock: true` where "
    "the sender's time can't be right, `copy: true` where it may be a line sent again; the last to "
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
    "levels": "For each level, a count a bucket; the empty level is that of entries without one",
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
    "values": "For each field: mean, min, max and last a bucket, or null",
    "boots": "Where a device's boot_seq changed: time, boot_seq",
    "gaps": "Silence longer than three usual intervals: from, to",
    "complete": "As of `/api/volume`",
    "progress": "As of `/api/volume`",
}
_SOURCES: Final = {
    "sources": "name, listener, peer, first_seen, last_seen, silent_s, entries, interval_s, state, level, message; "
    "those first who sent last",
    "total": "How many there are",
    "skipped": "Entries that came too fast to be looked at",
}
_ALERTS: Final = {
    "enabled": "Whether the server looks for alerts at all: `alerts.enabled`",
    "alerts": "rule, subject, severity, state, since, resolved_at, text; those that fire first",
    "rules": "name, query, threshold, window_s, fewer, and matches within the window, of each rule with a query",
    "notify": "name, trouble, waiting of each target: without secrets, why it did not take the last message, and of "
    "how many alerts it has still to be told something",
}
_DEVICES: Final = {
    "devices": "name, listener, peer, first_seen, last_seen, lines, boot_seq, boots, reboots, uptime_ms, "
    "reset_reason, crash_loop, firmware, signal, heap (the last values), missing, waiting (missing, and may still "
    "come), late, clock_s (time of the last line less its arrival); with `name` also gaps, boot_list, reboot_list",
    "total": "How many there are",
    "missing": "Missing lines of all of them",
    "events": "The last reboots: kind, listener, name, at, boot, before, uptime_ms, reason",
    "behind": "Entries that were not looked at yet",
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
    _LINES: {"type": "string", "description": "One JSON object per line"},
    _JSON: {"anyOf": [_OBJECT, {"type": "array", "items": _OBJECT, "minItems": 1}]},
}

_ROUTES: Final[dict[tuple[str, str], _Route]] = {
    ("get", "/"): _Route(answers=("text/html",), token=False, statuses={"200": "The page", **_UPGRADED}),
    ("get", "/static/{name}"): _Route(
        answers=("*/*",), token=False, refusals={"404": "The page has no such file"}
    ),
    ("get", "/livez"): _Route(answers=(_PLAIN,), token=False),
    ("get", "/readyz"): _Route(("verbose",), (_PLAIN,), token=False, statuses=_WELL),
    ("get", "/healthz"): _Route(("verbose",), (_PLAIN,), token=False, statuses=_WELL),
    ("get", "/metrics"): _Route(answers=(_PLAIN, "application/openmetrics-text")),
    ("get", "/api/health"): _Route(token=False, keys=_HEALTH, statuses=_WELL),
    ("get", "/api/openapi.json"): _Route(token=False),
    ("post", "/api/login"): _Route(
        takes={_JSON: _LOGIN},
        token=False,
        keys={"name": "The token's", "scopes": "What it may do"},
        statuses={"200": "A cookie holds it from now on"},
        refusals={
            "401": "A wrong token",
            "408": "The body did not come in time",
            "413": "Too long to be one: more than 1024 bytes",
        },
    ),
    ("post", "/api/logout"): _Route(answers=(), token=False, statuses={"204": "Done"}),
    ("get", "/api/status"): _Route(keys=_STATUS),
    ("get", "/api/sources"): _Route(("limit",), keys=_SOURCES),
    ("delete", "/api/sources"): _Route(
        q.SOURCE_PARAMETERS,
        keys={"forgotten": "1"},
        statuses={"200": "It is forgotten"},
        refusals={"404": "There is no such source"},
        required=q.SOURCE_PARAMETERS,
    ),
    ("get", "/api/devices"): _Route(q.DEVICE_PARAMETERS, keys=_DEVICES),
    ("get", "/api/alerts"): _Route(keys=_ALERTS),
    ("get", "/api/entries"): _Route(
        q.PAGE_PARAMETERS, (_JSON, _LINES, "text/csv"), keys=_ENTRIES, refusals=_BUSY
    ),
    ("post", "/api/entries"): _Route(
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
    ("get", "/api/tail"): _Route(
        q.TAIL_PARAMETERS, ("text/event-stream",), statuses={"200": "OK", **_UPGRADED}, refusals=_BUSY
    ),
    ("get", "/api/volume"): _Route(("buckets", *q.SPAN_PARAMETERS), keys=_VOLUME, refusals=_BUSY),
    ("get", "/api/fields"): _Route(
        q.FIELDS_PARAMETERS,
        keys={
            "fields": "name, count, min, max, last; the most frequent first",
            "complete": "False: only the newest entries were looked at",
            "before": "Give this as `before` to look at older ones; null: there are none",
            "reached_at": "Receive time of the oldest entry that was looked at, or null",
        },
        refusals=_BUSY,
    ),
    ("get", "/api/series"): _Route(
        ("field", "points", *q.SPAN_PARAMETERS), keys=_SERIES, required=("field",), refusals=_BUSY
    ),
    ("get", "/api/export.{form}"): _Route(
        q.EXPORT_PARAMETERS, ("text/csv", _LINES), refusals={"404": "There is no such form", **_BUSY}
    ),
}

_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "The reason"},
        "parameter": {"type": "string", "description": "The wrong parameter"},
        "position": {"type": "integer", "description": "In a query that can't be read: the place, from 0"},
    },
    "required": ["error"],
}
_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer"},
    "password": {"type": "http", "scheme": "basic", "description": "The token is the password, of any user"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by `/api/login`"},
}
_SECURITY: Final[list[dict[str, list[str]]]] = [{name: []} for name in _SCHEMES]

DOCUMENT: Final = web.AppKey("openapi", dict[str, Any])


def openapi_document(
    application: web.Application, version: str, *, asks_for_tokens: bool | None = None
) -> dict[str, Any]:
    """The document of everything that an application serves.

    Args:
        application: with its routes.
        version: Logboom's.
        asks_for_tokens: whether it does; None: that depends on the listener.

    Raises:
        KeyError: for a route that is not described here.
    """
    paths: dict[str, dict[str, Any]] = {}
    foreign = {
        *application.get(PUSHED, ()),
        *application.get(QUERIES, ()),
    }  # other products' interfaces: see docs/contracts
    for route in application.router.routes():
        method = route.method.lower()
        if method != "head" and route.resource is not None and route.resource not in foreign:
            path = route.resource.canonical
            described = _ROUTES[method, path]
            operation = _operation(described, method, path, inspect.getdoc(route.handler) or "")
            if described.token and asks_for_tokens is not False:
                operation["security"] = [*_SECURITY, *([] if asks_for_tokens else [{}])]
            paths.setdefault(path, {})[method] = operation
    return {
        "openapi": VERSION,
        "info": {
            "title": "Logboom",
            "version": version,
            "description": 'Entries go in and come out. Errors are `{"error": text}` under /api, else plain text. '
            "On `/`, an upgrade to WebSocket is the protocol of `docs/contracts/websocket.md`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {"securitySchemes": _SCHEMES},
    }


def _operation(described: _Route, method: str, path: str, text: str) -> dict[str, Any]:
    summary, _, more = text.partition("\n\n")
    operation: dict[str, Any] = {"summary": _plain(summary), "operationId": _id_of(method, path)}
    if more:
        operation["description"] = _plain(more)
    operation["parameters"] = [
        *[_parameter(path, name, "path") for name in PATH_DESCRIPTIONS if f"{{{name}}}" in path],
        *[_parameter(path, name, "query", required=name in described.required) for name in described.query],
        *described.headers,
    ]
    if described.takes:
        content = {kind: {"schema": schema} for kind, schema in described.takes.items()}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = _responses(described, path)
    return operation


def _responses(described: _Route, path: str) -> dict[str, Any]:
    """What may come back, by status."""
    refused = {"content": {_JSON: {"schema": _ERROR}} if path.startswith("/api/") else {_PLAIN: {}}}
    found = {status: {"description": text, **refused} for status, text in _all_refuse(described).items()}
    content = _content(described.answers, described.keys)
    for status, text in described.statuses.items():
        has_body = content and status != "101"
        found[status] = {"description": text, "content": content} if has_body else {"description": text}
    return dict(sorted(found.items()))


def _id_of(method: str, path: str) -> str:
    """Such as `getEntries`: what generated clients call it."""
    words = path.removeprefix("/api").replace("{", "").replace("}", "").replace(".", "/").split("/")
    return method + ("".join(word.capitalize() for word in words) or "Page")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _parameter(path: str, name: str, place: str, *, required: bool = True) -> dict[str, Any]:
    text = (PATH_DESCRIPTIONS if place == "path" else DESCRIPTIONS)[name]
    schema = schema_of(path, name)
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _content(kinds: Sequence[str], keys: Mapping[str, str]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if keys:
        schema = {"type": "object", "properties": {key: {"description": text} for key, text in keys.items()}}
    return {kind: {"schema": schema} if kind == _JSON else {} for kind in kinds}


def _all_refuse(described: _Route) -> dict[str, str]:
    """The statuses of refusals."""
    found = {
        "400": "Something asked for, or sent, is wrong; the text names it",
        "403": "The request comes from a foreign page",
        "500": "A fault of the server; its operational log holds more",
        **described.refusals,
    }
    if described.token:
        found["401"] = "A token is needed, where the listener asks for one"
        found["403"] = "The token has not the scope, or the request comes from a foreign page"
    return found


async def openapi(request: web.Request) -> web.Response:
    """This API's own description, in OpenAPI 3.1."""
    q.check_names(request.query, ())
    return web.json_response(request.app[DOCUMENT])
