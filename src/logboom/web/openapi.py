"""The HTTP API as an OpenAPI document, made of the routes and their handlers' docstrings."""

import inspect
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

import logboom.web.query as q

VERSION: Final = "3.1.0"

DESCRIPTIONS: Final = {
    "level": "The lowest level: DEBUG, INFO, WARNING, ERROR, CRITICAL and their synonyms.",
    "source": "What the sender calls itself, or its address.",
    "listener": "The name of the listener that entries came by.",
    "q": "Part of the entry's JSON, in any case.",
    "since": "Received at or after: ISO 8601, seconds since the epoch, or 15m, 2h, 7d ago.",
    "until": "Received before; as `since`.",
    "from": "As `since`.",
    "to": "As `until`; a date alone includes that day.",
    "before": "Only sequences below this one.",
    "after": "Only sequences above this one; without `before` the page reads forward.",
    "limit": "Entries at most.",
    "format": "json, jsonl or csv.",
    "columns": "Columns of the CSV: sequence, received_at, time, source, listener, level, message, entry, "
    "or any field of the entries.",
    "buckets": "Into how many equal spans the time is divided.",
    "points": "Into how many equal spans the time is divided.",
    "field": "A numeric field; may be given several times.",
    "verbose": "List the checks.",
    "form": "csv or jsonl.",
    "name": "The file's path.",
}
_NUMBERS: Final = frozenset({"before", "after", "limit", "buckets", "points"})


class _Route(NamedTuple):
    """What a handler's docstring does not tell."""

    query: Sequence[str] = ()
    answers: str = "application/json"
    takes: str = ""
    token: bool = True


_ROUTES: Final[dict[tuple[str, str], _Route]] = {
    ("get", "/"): _Route(answers="text/html", token=False),
    ("get", "/static/{name}"): _Route(answers="application/octet-stream", token=False),
    ("get", "/livez"): _Route(answers="text/plain", token=False),
    ("get", "/readyz"): _Route(("verbose",), "text/plain", token=False),
    ("get", "/healthz"): _Route(("verbose",), "text/plain", token=False),
    ("get", "/metrics"): _Route(answers="text/plain"),
    ("get", "/api/health"): _Route(token=False),
    ("get", "/api/openapi.json"): _Route(token=False),
    ("post", "/api/login"): _Route(takes="application/json", token=False),
    ("post", "/api/logout"): _Route(answers="", token=False),
    ("get", "/api/status"): _Route(),
    ("get", "/api/sources"): _Route(("limit",)),
    ("get", "/api/alerts"): _Route(),
    ("get", "/api/entries"): _Route(q.PAGE_PARAMETERS),
    ("post", "/api/entries"): _Route(takes="application/x-ndjson"),
    ("get", "/api/tail"): _Route(q.TAIL_PARAMETERS, "text/event-stream"),
    ("get", "/api/volume"): _Route(("buckets", *q.SPAN_PARAMETERS)),
    ("get", "/api/fields"): _Route(q.SPAN_PARAMETERS),
    ("get", "/api/series"): _Route(("field", "points", *q.SPAN_PARAMETERS)),
    ("get", "/api/export.{form}"): _Route(q.EXPORT_PARAMETERS, "text/csv"),
}

DOCUMENT: Final = web.AppKey("openapi", dict[str, Any])


def openapi_document(application: web.Application, version: str) -> dict[str, Any]:
    """The document of everything that an application serves. Raises `KeyError` for a route nobody has described."""
    paths: dict[str, dict[str, Any]] = {}
    for route in application.router.routes():
        method = route.method.lower()
        if method != "head" and route.resource is not None:
            path = route.resource.canonical
            paths.setdefault(path, {})[method] = _operation(method, path, inspect.getdoc(route.handler) or "")
    return {
        "openapi": VERSION,
        "info": {
            "title": "Logboom",
            "version": version,
            "description": "Entries go in and come out. Errors are `{\"error\": text}` under /api, else plain text. "
            "On `/`, an upgrade to WebSocket is the live protocol of document 004.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(method: str, path: str, text: str) -> dict[str, Any]:
    described = _ROUTES[method, path]
    summary, _, more = text.partition("\n\n")
    operation: dict[str, Any] = {
        "summary": " ".join(summary.split()),
        "operationId": f"{method}{path.replace('/api/', '/').title()}".translate(_NO_SIGNS) or method,
        "parameters": [
            *[_parameter(name, "path") for name in ("name", "form") if f"{{{name}}}" in path],
            *[_parameter(name, "query") for name in described.query],
        ],
        "responses": {"200": {"description": "OK", **_content(described.answers)}, **_refusals(described)},
    }
    if more:
        operation["description"] = more
    if described.takes:
        operation["requestBody"] = {"required": True, **_content(described.takes)}
    if described.token:
        operation["security"] = [{"token": []}]
    return operation


_NO_SIGNS: Final = str.maketrans("", "", "/{}._")


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": DESCRIPTIONS[name],
        "schema": {"type": "integer"} if name in _NUMBERS else {"type": "string"},
    }


def _content(kind: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": {}}}} if kind else {}


def _refusals(described: _Route) -> dict[str, Any]:
    found = {}
    if described.query or described.takes:
        found["400"] = {"description": "Something asked for, or sent, is wrong; the text names it"}
    if described.token:
        found["401"] = {"description": "A token is needed, where the listener asks for one"}
        found["403"] = {"description": "The token has not the scope, or the request comes from a foreign page"}
    return found


async def openapi(request: web.Request) -> web.Response:
    """This API's own description."""
    return web.json_response(request.app[DOCUMENT])
