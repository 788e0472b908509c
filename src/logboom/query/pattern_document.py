"""Patterns as a JSON document, for the API and the command line."""

from collections import Counter
from typing import Any, Final

import msgspec

from logboom.formats.envelope import entry_of
from logboom.query.exception_prints import ExceptionPrint
from logboom.query.facet_document import joined_reach, reach_document
from logboom.query.pattern_groups import (
    EntryGroup,
    Patterns,
    query_of_exception,
    query_of_message,
    template_of,
)

PATTERNS_DEFAULT: Final = 50
PATTERNS_MAX: Final = 500
"""Groups of each list in an answer: some 2 MB with their examples."""

SOURCES_SHOWN_MAX: Final = 5
"""Sources of a group in an answer, the most frequent ones."""


def pattern_document(found: Patterns, limit: int = PATTERNS_DEFAULT) -> dict[str, Any]:
    """Return the document.

    Args:
        found: the patterns.
        limit: messages, and exceptions, at most.
    """
    messages = [
        {"template": template, "query": query_of_message(template, group), **_row(group)}
        for template, group in list(found.messages.items())[:limit]
    ]
    exceptions = [
        {
            "fingerprint": group.what.fingerprint,
            "type": group.what.kind,
            "template": template_of(group.what),
            "frames": group.what.frames,
            "query": query_of_exception(group.what),
            **_row(group),
        }
        for group in found.exceptions[:limit]
        if isinstance(group.what, ExceptionPrint)
    ]
    return {
        "messages": messages,
        "messages_total": len(found.messages),
        "exceptions": exceptions,
        "exceptions_total": len(found.exceptions),
        "dropped": found.dropped,
        **reach_document(found.reach),
    }


def _row(group: EntryGroup) -> dict[str, Any]:
    example = entry_of(group.example) if group.example else b"null"
    return {
        "count": group.count,
        "first_seen": group.first,
        "last_seen": group.last,
        "levels": dict(group.levels.most_common()),
        "sources": dict(group.sources.most_common(SOURCES_SHOWN_MAX)),
        "sources_total": len(group.sources),
        "sequence": group.sequence,
        "example": msgspec.Raw(example),
    }


def joined_documents(newer: dict[str, Any], older: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return the document for two parts of a range. Groups that are in neither list are not counted.

    Args:
        newer: document of the newer part.
        older: document of the entries before its `before`.
        limit: messages, and exceptions, at most.
    """
    messages = _joined_rows([*newer["messages"], *older["messages"]], "template")
    exceptions = _joined_rows([*newer["exceptions"], *older["exceptions"]], "fingerprint")
    return {
        **older,
        "messages": messages[:limit],
        "messages_total": max(newer["messages_total"], older["messages_total"], len(messages)),
        "exceptions": exceptions[:limit],
        "exceptions_total": max(newer["exceptions_total"], older["exceptions_total"], len(exceptions)),
        "dropped": newer["dropped"] + older["dropped"],
        **joined_reach(newer, older),
    }


def _joined_rows(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = found.get(row[key])
        found[row[key]] = row if before is None else _joined_row(before, row)
    return sorted(found.values(), key=lambda row: -row["count"])


def _joined_row(row: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "count": row["count"] + more["count"],
        "first_seen": min(row["first_seen"], more["first_seen"]),
        "last_seen": max(row["last_seen"], more["last_seen"]),
        "levels": dict((Counter(row["levels"]) + Counter(more["levels"])).most_common()),
        "sources": dict((Counter(row["sources"]) + Counter(more["sources"])).most_common(SOURCES_SHOWN_MAX)),
        "sources_total": max(row["sources_total"], more["sources_total"]),
    }
