"""`/api/sql`: one SQL query over the entries, run in a process of its own."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from logboom.pipeline.intake import Limit
from logboom.query.sql.sql_engine import SqlAnswer, SqlFailedError, SqlRefusedError, SqlUnavailableError
from logboom.query.sql.sql_messages import QUERY_CHARS_MAX, Format
from logboom.query.sql.sql_service import SqlBusyError
from logboom.web.access import IDENTITY
from logboom.web.json_body import read_json
from logboom.web.operations import NO_STORE, OPERATIONS
from logboom.web.parameters import schema_of
from logboom.web.query import QueryError, moment_of
from logboom.web.route import JSON
from logboom.web.site import SITE

ROWS_DEFAULT: Final = 1000
ROWS_MAX: Final = 100_000
"""Rows of an answer; its bytes have a limit, too."""

BODY_BYTES_MAX: Final = 128 << 10
"""A query of the longest length, each character an escape."""
_EXPECTED: Final = '{"query": "select …"}, and as you like "since", "until", "limit" (1 to 100000), "format"'

PARQUET: Final = "application/vnd.apache.parquet"
_TYPES: Final = {"json": JSON, "csv": "text/csv", "parquet": PARQUET}


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a request."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=QUERY_CHARS_MAX)]
    since: Annotated[str, msgspec.Meta(max_length=64)] = ""
    until: Annotated[str, msgspec.Meta(max_length=64)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT
    format: Format = "json"


TAKEN: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "maxLength": QUERY_CHARS_MAX,
            "description": "One SELECT over `logs`, in DuckDB's SQL",
            "examples": ["select level, count(*) from logs group by 1"],
        },
        "since": {**schema_of("", "since"), "description": "As the query parameter `since` elsewhere"},
        "until": {**schema_of("", "until"), "description": "As the query parameter `until` elsewhere"},
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": ROWS_MAX,
            "default": ROWS_DEFAULT,
            "description": "Rows at most",
        },
        "format": {"type": "string", "enum": [*_TYPES], "default": "json"},
    },
    "required": ["query"],
    "additionalProperties": False,
}
"""Schema of the body."""

ANSWERED: Final = {
    "columns": "name and type (DuckDB's) of each",
    "rows": "The values of each row, in the order of the columns",
    "truncated": "Whether the limit was reached: there may be more rows",
}
REFUSALS: Final = {
    "408": "The body did not come in time",
    "413": "The body is too long to be a query",
    "422": "The query met a limit of time, memory or size",
    "501": "There is no SQL on this server; the text has the reason",
    "503": "Another query of the same token runs, or too many of others; `Retry-After` says when to try again",
}


async def sql(request: web.Request) -> web.Response:
    """Run one SELECT over the table `logs`, in a process that can only read the journal.

    `since` and `until` choose the files that are read. The header `X-Logboom-Truncated` repeats `truncated`.
    """
    site, service = request.app[SITE], request.app[OPERATIONS].sql
    question = await read_json(request, _Question, BODY_BYTES_MAX, _EXPECTED)
    times = {"since": question.since, "until": question.until}
    identity = request[IDENTITY]
    who = f"{site.name} {request.remote or 'unknown'}{f' {identity.name}' if identity.name else ''}"
    try:
        with service.turn(identity.key):
            answer = await asyncio.to_thread(
                service.run,
                question.query,
                since=moment_of(times, "since"),
                until=moment_of(times, "until", is_end=True),
                limit=question.limit,
                form=question.format,
                asker=who,
                is_wanted=lambda: site.is_waiting(request),
            )
    except SqlBusyError as error:
        raise site.busy(Limit.SEARCHES, str(error)) from None
    except SqlRefusedError as error:
        raise QueryError("query", str(error)) from None
    except SqlFailedError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from None
    except SqlUnavailableError as error:
        raise web.HTTPNotImplemented(text=str(error)) from None
    return _response(answer, question.format)


def _response(answer: SqlAnswer, form: Format) -> web.Response:
    headers = {**NO_STORE, "X-Logboom-Truncated": "true" if answer.is_cut else "false"}
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="logboom.{form}"'
    charset = None if form == "parquet" else "utf-8"
    return web.Response(body=answer.data, content_type=_TYPES[form], charset=charset, headers=headers)
