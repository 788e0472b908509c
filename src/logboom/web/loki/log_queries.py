"""`query_range` and `query`: lines, and series of numbers."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from logboom.query.logql.evaluation import Evaluation, Moments
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_parser import parse_logql
from logboom.query.logql.logql_syntax import LineSelection, LogqlError, Metric
from logboom.query.search import Search
from logboom.web.loki.line_search import LineSearch
from logboom.web.loki.loki_answers import (
    CATEGORIZED,
    Streams,
    metric_data,
    streams_data,
    success,
)
from logboom.web.loki.loki_parameters import (
    exact_span_of,
    instant_of,
    limit_of,
    moments_of,
    reads_forward,
    span_of,
)
from logboom.web.loki.loki_reader import READER, LokiReader, deadline, parameters_of, site_of

FLAGS_HEADER: Final = "X-Loki-Response-Encoding-Flags"


async def query_range(request: web.Request) -> web.Response:
    """Lines, or series of numbers, in a range of time."""
    parameters = await parameters_of(request)
    tree = parse_logql(parameters.get("query", ""))
    if isinstance(tree, LineSelection):
        work: Callable[[], bytes] = partial(_lines, request, tree, parameters)
    else:
        work = partial(_numbers, request, tree, moments_of(parameters), is_instant=False)
    return json_answer(await site_of(request).search(request, work))


async def query(request: web.Request) -> web.Response:
    """Numbers at one moment."""
    parameters = await parameters_of(request)
    tree = parse_logql(parameters.get("query", ""))
    if isinstance(tree, LineSelection):
        raise LogqlError(
            "log queries are not supported as an instant query type, please change your query to a range query type"
        )
    work = partial(_numbers, request, tree, instant_of(parameters), is_instant=True)
    return json_answer(await site_of(request).search(request, work))


def json_answer(body: bytes) -> web.Response:
    """Return an answer with a body of JSON."""
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def is_categorized(request: web.Request) -> bool:
    """Return whether a client asks for labels by their origin."""
    return CATEGORIZED in request.headers.get(FLAGS_HEADER, "")


def _numbers(request: web.Request, tree: Metric, moments: Moments, *, is_instant: bool) -> bytes:
    """Count and render; on a thread."""
    reader: LokiReader = request.app[READER]
    give_up = deadline(site_of(request))
    evaluation = Evaluation(
        moments,
        lambda asked: reader.count(asked, give_up),
        lambda asked, metric: reader.sample(asked, metric, give_up),
    )
    value = evaluation.value(tree)
    if isinstance(value, dict):
        value = dict(sorted(value.items()))
    data: dict[str, Any] = metric_data(value, moments, is_instant=is_instant)
    return success(data, is_complete=evaluation.is_complete)


def _lines(request: web.Request, tree: LineSelection, parameters: Mapping[str, str]) -> bytes:
    """Search and render; on a thread."""
    site = site_of(request)
    compiled = compile_selection(tree)
    limit, forward = limit_of(parameters), reads_forward(parameters)
    search = LineSearch(
        Search(site.log, deadline(site)),
        compiled,
        span_of(parameters),
        exact_span_of(parameters),
        forward=forward,
    )
    found = search.take(limit)
    categorized = is_categorized(request)
    streams = Streams(compiled.pipeline, categorized=categorized)
    streams.add(found)
    return success(streams_data(streams, categorized=categorized), is_complete=search.is_complete)
