"""`logboom patterns`: messages by template, and exceptions."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import options
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.documents import EntryOptions, document_of, say_reach
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer, answer_json
from logboom.cli.time_options import Span
from logboom.formats.asked_times import shown_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from logboom.journal.log import Log
    from logboom.query.matching import Filter

LIMIT_DEFAULT: Final = 30
LIMIT_MAX: Final = 500

_Limit = Annotated[
    int,
    typer.Option(
        "--limit", "-n", min=1, max=LIMIT_MAX, metavar="NUMBER", help="Messages, and exceptions, at most."
    ),
]


@grouped
def patterns(
    query: options.Query = None,
    *,
    entries: EntryOptions,
    span: Span,
    limit: _Limit = LIMIT_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Group entries that are alike: messages by template, where <*> is a variable part, and exceptions.

    An exception is identified by its type and frames without line numbers. Each group has a query that finds its
    entries: see --json. Reads the data directory; where there is none, asks the server at http://127.0.0.1:8080,
    part by part.

    Examples:
      logboom patterns

      logboom patterns 'level:>=warning' --since yesterday

      logboom patterns --source web-1 --json

    Exit codes: 0 done, 1 there is nothing to read, or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """

    def make(log: "Log", wanted: "Filter", progress: Any) -> dict[str, Any]:
        from logboom.query.pattern_document import pattern_document
        from logboom.query.pattern_groups import find_patterns

        return pattern_document(find_patterns(log, wanted, progress=progress), LIMIT_MAX)

    def join(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
        from logboom.query.pattern_document import joined_documents

        return joined_documents(newer, older, LIMIT_MAX)

    document = document_of(
        entries.place,
        connection,
        entries.words(query, span, LIMIT_MAX),
        path="/api/patterns",
        make=make,
        join=join,
    )
    messages, exceptions = document["messages"][:limit], document["exceptions"][:limit]
    if as_json:
        for group in (*messages, *exceptions):
            answer_json(group)
    else:
        _write(messages, "MESSAGE", span.zone)
        if exceptions:
            answer("")
            _write(exceptions, "EXCEPTION", span.zone)
    say_reach(document, span.zone)


def _write(groups: list[dict[str, Any]], name: str, zone: "tzinfo | None") -> None:
    from logboom.viewer.display import is_bad, is_dubious
    from logboom.viewer.tables import write_table

    rows = [
        (
            f"{group['count']:,}",
            shown_time(group["first_seen"], zone),
            shown_time(group["last_seen"], zone),
            ", ".join(group["levels"]),
            ", ".join(group["sources"]) + (", …" if group["sources_total"] > len(group["sources"]) else ""),
            group["template"] + (f"  in {group['frames'][-1]}" if group.get("frames") else ""),
        )
        for group in groups
    ]
    styles = [
        "red"
        if any(map(is_bad, group["levels"]))
        else "yellow"
        if any(map(is_dubious, group["levels"]))
        else ""
        for group in groups
    ]
    headers = ("ENTRIES", "FIRST SEEN", "LAST SEEN", "LEVELS", "SOURCES", name)
    write_table(sys.stdout, headers, rows, numbers=frozenset({0}), styles=styles, wraps=frozenset({3, 4, 5}))
