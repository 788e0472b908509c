"""Facets as a JSON document, for the API and the command line."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import ceil
from typing import Any, Final

from logboom.formats.records import number_of
from logboom.query.facets import FIELDS_MAX, PLACES, Facets
from logboom.query.field_facet import FieldFacet
from logboom.query.look_back import Reach

VALUES_DEFAULT: Final = 10
VALUES_MAX: Final = 100
"""Values of one field in an answer; a field has `COUNTS_MAX` at most."""

HALVINGS: Final = 64
"""Steps that find a joined percentile: as many as a number has bits."""

_SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def facet_document(found: Facets, limit: int = VALUES_DEFAULT, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the document.

    Args:
        found: the facets.
        limit: values of each field at most.
        names: only these fields; all for none.
    """
    rows = [
        {"field": name, **_row(facet, limit), "complete": name in found.complete}
        for name, facet in found.facets.items()
        if facet.count and (not names or name in names)
    ]
    return {"facets": rows, "fields_left_out": found.fields_left_out, **reach_document(found.reach)}


def reach_document(reach: Reach) -> dict[str, Any]:
    """Return the part of a document that has what was read."""
    return {
        "entries": reach.entries,
        "complete": reach.before is None,
        "before": reach.before,
        "reached_at": reach.reached_at or None,
        "progress": reach.progress,
    }


def joined_reach(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
    """Return what was read for two parts of a range, of which the older one is before the `before` of the newer."""
    return {
        "entries": newer["entries"] + older["entries"],
        "complete": older["complete"],
        "before": older["before"],
        "reached_at": older["reached_at"] or newer["reached_at"],
        "progress": newer["progress"] + (1 - newer["progress"]) * older["progress"],
    }


def joined_facets(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
    """Return the document for two parts of a range. What the two do not say for sure is marked as an estimate.

    Args:
        newer: document of the newer part.
        older: document of the entries before its `before`.
    """
    rows = {row["field"]: row for row in newer["facets"]}
    left_out = newer["fields_left_out"] or older["fields_left_out"]
    for row in older["facets"]:
        before = rows.get(row["field"])
        if before is None:
            rows[row["field"]] = {**row, "complete": row["complete"] and not newer["fields_left_out"]}
        elif not before["complete"]:
            rows[row["field"]] = _joined_row(before, row)
    in_older = {row["field"] for row in older["facets"]}
    for name, row in rows.items():
        if name not in in_older and older["complete"] and not older["fields_left_out"]:
            rows[name] = {**row, "complete": True}
    places = [row for name in PLACES if (row := rows.pop(name, None))]
    fields = sorted(rows.values(), key=lambda row: (-row["count"], row["field"]))
    return {
        "facets": [*places, *fields[:FIELDS_MAX]],
        "fields_left_out": left_out or len(fields) > FIELDS_MAX,
        **joined_reach(newer, older),
    }


def _joined_row(row: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    counts = Counter[Any]()
    for one in (*row["values"], *more["values"]):
        counts[one["value"]] += one["count"]
    is_whole = _has_all_values(row) and _has_all_values(more)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {
        "field": row["field"],
        "count": row["count"] + more["count"],
        "distinct": len(counts) if is_whole else max(row["distinct"], more["distinct"], len(counts)),
        "distinct_exact": is_whole,
        "values": [{"value": value, "count": count} for value, count in ordered[:VALUES_MAX]],
        "values_exact": is_whole,
        "numbers": _joined_numbers(row["numbers"], more["numbers"], counts if is_whole else {}),
        "complete": more["complete"],
    }


def _has_all_values(row: dict[str, Any]) -> bool:
    return bool(row["values_exact"] and row["distinct_exact"] and len(row["values"]) == row["distinct"])


def _joined_numbers(
    one: dict[str, Any] | None, other: dict[str, Any] | None, counts: Mapping[Any, int]
) -> dict[str, Any] | None:
    """Return the statistics of the numbers of both parts.

    Args:
        one: statistics of a part.
        other: statistics of the other part.
        counts: all values; empty: they are not known, and percentiles are estimated from those of the parts.
    """
    if one is None or other is None:
        return one or other
    count = one["count"] + other["count"]
    low, high = min(one["min"], other["min"]), max(one["max"], other["max"])
    numbers = sorted(
        (number, times) for value, times in counts.items() if (number := number_of(value)) is not None
    )
    reached = list(accumulate(times for _, times in numbers))
    return {
        "count": count,
        "min": low,
        "max": high,
        "mean": (one["mean"] * one["count"] + other["mean"] * other["count"]) / count,
        **{
            name: numbers[bisect_left(reached, ceil(share * count))][0]
            if reached and reached[-1] == count
            else _percentile((one, other), share, low, high)
            for name, share in _SHARES.items()
        },
        "exact": bool(reached) and reached[-1] == count,
    }


def _percentile(parts: Sequence[dict[str, Any]], share: float, low: float, high: float) -> float:
    """Return the smallest number that this share of the numbers of all parts does not exceed."""
    wanted = share * sum(part["count"] for part in parts)
    if sum(part["count"] * _share_up_to(part, low) for part in parts) >= wanted:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if sum(part["count"] * _share_up_to(part, middle) for part in parts) >= wanted:
            high = middle
        else:
            low = middle
    return high


def _share_up_to(numbers: dict[str, Any], limit: float) -> float:
    """Return the share of numbers up to a limit, on straight lines between the known percentiles."""
    if limit >= numbers["max"]:
        return 1.0
    known = [(numbers["min"], 0.0), *((numbers[name], share) for name, share in _SHARES.items())]
    for (low, below), (high, above) in pairwise([*known, (numbers["max"], 1.0)]):
        if low <= limit < high:
            return below + (above - below) * float((limit - low) / (high - low))
    return 0.0


def _row(facet: FieldFacet, limit: int) -> dict[str, Any]:
    summary = facet.numbers.summary()
    numbers = None
    if summary is not None:
        numbers = {
            "count": summary.count,
            "min": summary.low,
            "max": summary.high,
            "mean": summary.mean,
            "p50": summary.p50,
            "p90": summary.p90,
            "p99": summary.p99,
            "exact": summary.is_exact,
        }
    return {
        "count": facet.count,
        "distinct": facet.distinct.number,
        "distinct_exact": facet.distinct.is_exact,
        "values": [{"value": value, "count": count} for value, count in facet.top(limit)],
        "values_exact": facet.is_exact,
        "numbers": numbers,
    }
