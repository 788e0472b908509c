"""Answers of Loki's API: streams of lines, series of numbers."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logboom.formats.buckets import MICROSECONDS, microseconds
from logboom.query.logql.evaluation import Moments, Series
from logboom.query.logql.pipeline import Passed, Pipeline
from logboom.query.matching import Found

if TYPE_CHECKING:
    from logboom.query.stream_counter import Labels

INCOMPLETE: Final = "the query took too long: entries before some time were not looked at; ask for less time"

CATEGORIZED: Final = "categorize-labels"
"""Value of the header with which Grafana asks for labels by their origin."""

_encode: Final = msgspec.json.encode


def success(data: Any, *, is_complete: bool = True, **more: Any) -> bytes:
    """Return a body of success."""
    warnings = {} if is_complete else {"warnings": [INCOMPLETE]}
    return _encode({"status": "success", "data": data, **warnings, **more})


def time_ns(found: Found) -> int:
    """Return the time of an entry, nanoseconds since the epoch, with the digits that its sender gave."""
    moment = microseconds(found.record.time)
    sent = found.record.entry.get("time")
    if type(sent) is int and sent // 1000 == moment:
        return sent
    return moment * 1000


class Streams:
    """Lines by stream.

    Args:
        pipeline: the query's stages that change lines and labels; None: there are none.
        categorized: labels are returned by their origin, as Grafana wants it; else those of parsers are labels of the
            stream, and metadata is left out.
    """

    def __init__(self, pipeline: Pipeline | None, *, categorized: bool) -> None:
        self._pipeline = pipeline
        self._categorized = categorized
        self._streams: dict[Labels, list[list[Any]]] = {}

    def add(self, found: Iterable[Found]) -> None:
        """Add entries that pass the pipeline, in the order of the answer."""
        for one in found:
            passed = (
                Passed(one.record, one.entry)
                if self._pipeline is None
                else self._pipeline.run(one.record, one.entry)
            )
            if passed is not None:
                self._add(one, passed)

    def _add(self, found: Found, passed: Passed) -> None:
        labels = passed.stream
        value: list[Any] = [str(time_ns(found)), passed.line]
        if self._categorized:
            kinds = (("structuredMetadata", passed.metadata), ("parsed", passed.parsed))
            value.append({kind: fields for kind, fields in kinds if fields})
        else:
            labels = {**passed.parsed, **labels}
        self._streams.setdefault(tuple(sorted(labels.items())), []).append(value)

    def take(self) -> list[dict[str, Any]]:
        """Return the streams so far, and forget them."""
        streams, self._streams = self._streams, {}
        return [{"stream": dict(labels), "values": values} for labels, values in streams.items()]


def streams_data(streams: Streams, *, categorized: bool) -> dict[str, Any]:
    """Return the data of an answer with lines."""
    flags = {"encodingFlags": [CATEGORIZED]} if categorized else {}
    return {"resultType": "streams", "result": streams.take(), **flags, "stats": {}}


def metric_data(value: float | Series, moments: Moments, *, is_instant: bool) -> dict[str, Any]:
    """Return the data of an answer with numbers."""
    if not isinstance(value, dict):
        if is_instant:
            return {"resultType": "scalar", "result": [_seconds(moments, 0), number_text(value)], "stats": {}}
        value = {(): dict.fromkeys(range(moments.size), value)}
    rows: list[dict[str, Any]] = [
        {
            "metric": dict(labels),
            "values": [[_seconds(moments, at), number_text(points[at])] for at in points],
        }
        for labels, points in value.items()
        if points
    ]
    if not is_instant:
        return {"resultType": "matrix", "result": rows, "stats": {}}
    result = [{"metric": row["metric"], "value": row["values"][0]} for row in rows]
    return {"resultType": "vector", "result": result, "stats": {}}


def _seconds(moments: Moments, number: int) -> float | int:
    moment = moments.at(number)
    return moment / MICROSECONDS if moment % MICROSECONDS else moment // MICROSECONDS


def number_text(value: float) -> str:
    """Return a number as Go writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
