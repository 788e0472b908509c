"""The HTTP API as an OpenAPI document, made of the routes and their handlers' docstrings."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

import logboom.web.query as q
from logboom.web.access import COOKIE
from logboom.web.parameters import schema_of
from logboom.web.route import JSON, PLAIN, Route

VERSION: Final = "3.1.0"

DESCRIPTIONS: Final = {
    "level": "The lowest level: DEBUG, INFO, WARNING, ERROR, CRITICAL and their synonyms.",
    "source": "What the sender calls itself, or its address.",
    "listener": "The name of the listener that entries came by.",
    "q": 'A query: words, "phrases", *parts*, field:value, field:>number, ~"regular expressions", joined by AND, OR, '
    "NOT and brackets. docs/how-to/query-language.md has all forms.",
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
    "window": "With `import` and an `Idempotency-Key`: a name of all entries together, such as a digest of the part of "
    "a file that they are from. Once all are stored, the server remembers the window without a limit of time, instead "
    "of each entry for `journal.deduplication_window_s`, and answers a repeat with `duplicates`.",
    "format": "json, jsonl or csv.",
    "fields": "Fields of each row: sequence, received_at, time, source (the address), sender (the name that `source` "
    "of a query takes), listener, level, message, entry, or any field of the entries. Without it, CSV has those nine, "
    "and JSON lines are the journal's own.",
    "boot": "The line's `boot_seq`.",
    "seq": "The line's `seq`; with `source` and `boot`.",
    "text": "A text that the line has.",
    "time": "The line's time, to the second; written as `since`.",
    "columns": "The same as `fields`, of older clients.",
    "compress": "Compression of the file; else the answer is compressed if the client accepts it (`Accept-Encoding`).",
    "buckets": "Into how many equal spans the time is divided.",
    "points": "Into how many equal spans the time is divided.",
    "field": "A numeric field; may be given several times.",
    "seconds": "Time for counting, seconds; then the answer has the newest entries only, and `complete` is false.",
    "verbose": "List the checks.",
    "rule": "Name of the rule.",
    "subject": "The alert's; missing: all alerts of the rule.",
    "view": "Name of the view.",
    "name": "What the sender calls itself, or its address; of a device also the name that it was given.",
    "find": "Part of the name, the given name, the address, the listener or the firmware, in any case.",
    "state": "`ok`, `gaps` (lines are missing) or `crash_loop`. Empty: all.",
    "order": "`seen`: those seen last first; `name`: by the given name, else its own; `missing`: those with the most "
    "missing lines first.",
    "offset": "Number of devices, in that order, to leave out before the first one.",
}
PATH_DESCRIPTIONS: Final = {
    "form": "csv or jsonl.",
    "name": "The file's path.",
    "rule": "Name of the rule.",
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
    routes: Iterable[Route], version: str, *, asks_for_tokens: bool | None = None
) -> dict[str, Any]:
    """Return the document of the routes.

    Args:
        routes: routes to describe.
        version: version of Logboom.
        asks_for_tokens: true or false as the listener does; None: depending on the listener.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, inspect.getdoc(route.handler) or "")
        if route.access.needs_token and asks_for_tokens is not False:
            operation["security"] = [*_SECURITY, *([] if asks_for_tokens else [{}])]
        paths.setdefault(route.canonical, {})[route.method.lower()] = operation
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


def _operation(described: Route, text: str) -> dict[str, Any]:
    path = described.canonical
    summary, _, more = text.partition("\n\n")
    operation: dict[str, Any] = {
        "summary": _plain(summary),
        "operationId": _id_of(described.method.lower(), path),
    }
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


def _responses(described: Route, path: str) -> dict[str, Any]:
    """Responses by status."""
    refused = {"content": {JSON: {"schema": _ERROR}} if path.startswith("/api/") else {PLAIN: {}}}
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
    return {kind: {"schema": schema} if kind == JSON else {} for kind in kinds}


def _all_refuse(described: Route) -> dict[str, str]:
    """The statuses of refusals."""
    found = {
        "400": "Something asked for, or sent, is wrong; the text names it",
        "403": "The request comes from a foreign page",
        "500": "A fault of the server; its operational log holds more",
        **described.refusals,
    }
    if described.access.needs_token:
        found["401"] = "A token is needed, where the listener asks for one"
        found["403"] = "The token has not the scope, or the request comes from a foreign page"
    return found


async def openapi(request: web.Request) -> web.Response:
    """This API's own description, in OpenAPI 3.1."""
    q.check_names(request.query, ())
    return web.json_response(request.app[DOCUMENT])
