"""Facets as a JSON document, for the API and the command line."""

from typing import Any, Final

from logboom.query.facets import Facets
from logboom.query.field_facet import FieldFacet
from logboom.query.look_back import Reach

VALUES_DEFAULT: Final = 10
VALUES_MAX: Final = 100
"""Values of one field in an answer; a field has `COUNTS_MAX` at most."""


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
