"""The schemas of the API's query parameters: the bounds that `web.query` holds them to, for programs to read."""

from typing import Any, Final

import logboom.web.query as q
from logboom.formats.csv_rows import COLUMNS_MAX
from logboom.formats.levels import SEVERITY
from logboom.query import facet_document, pattern_document
from logboom.query.device_question import ORDERS, STATES
from logboom.query.filter.parser import QUERY_CHARS_MAX

SEQUENCE_MAX: Final = 10**18 - 1
"""The largest number that `before` and `after` take: 18 digits."""

_DATE: Final = r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_CLOCK: Final = (
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?"
)
_AGO: Final = r"[0-9]{1,4}[smhdw]"
_EPOCH: Final = r"[0-9]{1,10}(?:\.[0-9]{1,6})?"
_NAME: Final = r"[^,\x00-\x20\x7f-\xa0](?:[^,\x00-\x1f\x7f-\x9f]{0,62}[^,\x00-\x20\x7f-\xa0])?"


def _in_any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


_TEXT: Final = {"type": "string"}
_LEVEL: Final = {
    "type": "string",
    "pattern": f"^(?:{'|'.join(map(_in_any_case, SEVERITY))}|[0-9]{{1,9}})?$",
    "examples": ["WARNING", "error", "40"],
}
_MOMENT: Final = {
    "type": "string",
    "pattern": f"^(?:{_DATE}(?:[T ]{_CLOCK})?|{_EPOCH}|{_AGO})?$",
    "examples": ["2025-10-02T17:58:37Z", "2025-10-02", "1759427917", "15m"],
}
_SEQUENCE: Final = {"type": "integer", "minimum": -SEQUENCE_MAX, "maximum": SEQUENCE_MAX}


def _count(most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


_NAMES: Final = {
    "type": "string",
    "pattern": f"^(?:{_NAME}(?:,{_NAME}){{0,{COLUMNS_MAX - 1}}})?$",
    "examples": ["time,level,message"],
}
_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "level": _LEVEL,
    "q": {"type": "string", "maxLength": QUERY_CHARS_MAX},
    **dict.fromkeys(("since", "until", "from", "to"), _MOMENT),
    **dict.fromkeys(("before", "after"), _SEQUENCE),
    "limit": _count(q.LIMIT_MAX, q.LIMIT_DEFAULT),
    "buckets": _count(q.BUCKETS_MAX, q.BUCKETS_DEFAULT),
    "points": _count(q.BUCKETS_MAX, q.POINTS_DEFAULT),
    "import": {"type": "string", "pattern": f"^[ -~]{{1,{q.SOURCE_CHARS_MAX}}}$", "examples": ["access.log"]},
    "window": {
        "type": "string",
        "pattern": f"^[!-~]{{1,{q.WINDOW_CHARS_MAX}}}$",
        "examples": ["9f86d081884c7d65"],
    },
    "format": {"type": "string", "enum": [*q.FORMATS], "default": q.FORMATS[0]},
    "by": {"type": "string", "enum": [*q.BYS], "default": q.BYS[0]},
    **dict.fromkeys(("fields", "columns"), _NAMES),
    "compress": {"type": "string", "enum": [*q.COMPRESSIONS], "default": q.COMPRESSIONS[0]},
    "field": {
        "type": "array",
        "minItems": 1,
        "maxItems": q.FIELDS_MAX,
        "items": {
            "type": "string",
            "minLength": 1,
            "maxLength": q.FIELD_CHARS_MAX,
            "pattern": r'^[^"\\\x00-\x1f]+$',
        },
    },
    "form": {"type": "string", "enum": ["csv", "jsonl"]},
}
_OF_PATHS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/api/sources": {"limit": _count(q.SOURCES_MAX, q.SOURCES_DEFAULT)},
    "/api/alerts/history": {"limit": _count(q.HISTORY_MAX, q.HISTORY_DEFAULT)},
    "/api/devices": {
        "limit": _count(q.SOURCES_MAX, q.SOURCES_MAX),
        "state": {"type": "string", "enum": ["", *STATES]},
        "order": {"type": "string", "enum": [*ORDERS], "default": ORDERS[0]},
        "offset": {"type": "integer", "minimum": 0, "maximum": SEQUENCE_MAX, "default": 0},
    },
    "/api/why": {name: {"type": "integer", "minimum": 0} for name in ("boot", "seq")},
    "/api/refused": {"limit": _count(q.SOURCES_MAX, q.SOURCES_DEFAULT)},
    "/api/patterns": {
        **_SCHEMAS,
        "limit": _count(pattern_document.PATTERNS_MAX, pattern_document.PATTERNS_DEFAULT),
    },
    "/api/facets": {
        **_SCHEMAS,
        "limit": _count(facet_document.VALUES_MAX, facet_document.VALUES_DEFAULT),
        "field": {
            "type": "array",
            "maxItems": q.FIELDS_MAX,
            "items": {**_TEXT, "maxLength": q.FIELD_CHARS_MAX},
        },
        "seconds": _count(q.FACETS_S_MAX, 1),
    },
}
"""Schemas of the paths whose parameters have other bounds."""


def schema_of(path: str, name: str) -> dict[str, Any]:
    """The schema of a parameter of a path."""
    return _OF_PATHS.get(path, _SCHEMAS).get(name, _TEXT)
