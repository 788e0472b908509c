"""Labels, their values, series of labels, and sizes of streams."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from logboom.query.logql.evaluation import Asked, Moments
from logboom.query.logql.logql_syntax import LogqlError
from logboom.query.stream_counter import Counts, LabelGrouping, Labels
from logboom.web.loki.log_queries import json_answer
from logboom.web.loki.loki_answers import metric_data, success
from logboom.web.loki.loki_parameters import TimeRange, moments_of
from logboom.web.loki.loki_reader import (
    READER,
    deadline,
    labels_span,
    parameters_of,
    selection_of,
    site_of,
)

VALUES_MAX: Final = 10_000
"""Values, or series, of one answer; no list in Grafana shows more."""

VOLUME_LIMIT: Final = 100
"""Rows of an answer about volume, as in Loki."""

Work = Callable[[web.Request, Mapping[str, str]], bytes]


def _on_thread(work: Work) -> Callable[[web.Request], Any]:
    """Return a handler that reads its parameters, and does its work on a thread."""

    async def handle(request: web.Request) -> web.Response:
        parameters = await parameters_of(request)
        return json_answer(await site_of(request).search(request, partial(work, request, parameters)))

    handle.__doc__ = work.__doc__
    return handle


def _streams(
    request: web.Request,
    parameters: Mapping[str, str],
    name: str = "query",
    grouping: LabelGrouping | None = None,
) -> Counts:
    reader = request.app[READER]
    wanted, span = selection_of(parameters, name), labels_span(parameters)
    return reader.streams(wanted, span, deadline(site_of(request)), grouping)


def _names(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Names of labels."""
    found = {name for _, labels in _streams(request, parameters).entries for name, _ in labels}
    return success(sorted(found))


def _values(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Values of a label."""
    grouping = LabelGrouping((request.match_info["name"],))
    counts = _streams(request, parameters, grouping=grouping)
    return success(sorted({value for _, labels in counts.entries for _, value in labels})[:VALUES_MAX])


def _series(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Label sets of the streams that match one of the selectors."""
    texts = [text for name, text in parameters.items() if name in ("match[]", "match")] or [""]
    found: dict[Labels, None] = {}
    for text in texts:
        counts = _streams(request, {**parameters, "match": text}, "match")
        found.update(dict.fromkeys(labels for _, labels in counts.entries))
    return success([dict(labels) for labels in sorted(found)[:VALUES_MAX]])


def _stats(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Numbers of streams, entries and bytes."""
    counts = _streams(request, parameters)
    return msgspec.json.encode(
        {
            "streams": len({labels for _, labels in counts.entries}),
            "chunks": 0,
            "entries": counts.entries.total(),
            "bytes": counts.sizes.total(),
        }
    )


def _volume(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Bytes by label set."""
    span = labels_span(parameters)
    counts = _streams(request, parameters, grouping=_targets(parameters))
    sizes = _by_target(counts.sizes, parameters)
    rows = {labels: {0: float(size)} for labels, size in sizes.most_common(_limit(parameters))}
    return success(metric_data(rows, Moments(span.until, 1, 1), is_instant=True))


def _volume_range(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Bytes by label set and time."""
    moments = moments_of(parameters)
    reader, give_up = request.app[READER], deadline(site_of(request))
    totals: Counter[Labels] = Counter()
    rows: dict[Labels, dict[int, float]] = {}
    wanted = selection_of(parameters)
    span = TimeRange(moments.first, moments.at(moments.size))
    asked = Asked(wanted, span.since, span.until, moments.step, _targets(parameters), sized=True)
    for (cell, labels), size in reader.count(asked, give_up).sizes.items():
        totals[labels] += size
        rows.setdefault(labels, {})[cell - moments.first // moments.step] = float(size)
    kept = {
        labels: dict(sorted(rows[labels].items())) for labels, _ in totals.most_common(_limit(parameters))
    }
    return success(metric_data(kept, moments, is_instant=False))


def _targets(parameters: Mapping[str, str]) -> LabelGrouping:
    """Return the labels that volume is counted by: those that are named, else all of the stream."""
    names = [name for name in parameters.get("targetLabels", "").split(",") if name]
    return LabelGrouping(tuple(names) or None)


def _by_target(sizes: Counter[tuple[int, Labels]], parameters: Mapping[str, str]) -> Counter[Labels]:
    """Sizes by label set; `aggregateBy=labels` counts each label's name on its own."""
    found: Counter[Labels] = Counter()
    for (_, labels), size in sizes.items():
        if parameters.get("aggregateBy") == "labels":
            for name, _ in labels:
                found[((name, ""),)] += size
        else:
            found[labels] += size
    return found


def _limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", str(VOLUME_LIMIT))
    if not text.isdecimal() or len(text) > 9:
        raise LogqlError(f"limit: found {text[:40]!r}, expected a number")
    return min(int(text), VALUES_MAX)


def _detected_labels(request: web.Request, parameters: Mapping[str, str]) -> bytes:
    """Names of labels, each with its number of values."""
    values: dict[str, set[str]] = {}
    for _, labels in _streams(request, parameters).entries:
        for name, value in labels:
            values.setdefault(name, set()).add(value)
    rows = [{"label": name, "cardinality": len(found)} for name, found in sorted(values.items())]
    return msgspec.json.encode({"detectedLabels": rows})


async def detected_fields(request: web.Request) -> web.Response:
    """Fields of lines: not offered, so none."""
    await parameters_of(request)
    return json_answer(b'{"fields":[],"limit":1000}')


async def patterns(request: web.Request) -> web.Response:
    """Patterns of lines: not offered, so none."""
    await parameters_of(request)
    return json_answer(b'{"status":"success","data":[]}')


names: Final = _on_thread(_names)
values: Final = _on_thread(_values)
series: Final = _on_thread(_series)
stats: Final = _on_thread(_stats)
volume: Final = _on_thread(_volume)
volume_range: Final = _on_thread(_volume_range)
detected_labels: Final = _on_thread(_detected_labels)
