"""Patterns as a JSON document, for the API and the command line."""

from typing import Any, Final

import msgspec

from logboom.formats.envelope import entry_of
from logboom.query.exception_prints import ExceptionPrint
from logboom.query.facet_document import reach_document
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
