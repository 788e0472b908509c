"""`logboom patterns`: messages by template, and exceptions."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import options, reading
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.documents import document_of, say_reach
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
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
    url: reading.Url = None,
    source: options.Source = None,
    level: options.Level = None,
    span: Span,
    grep: options.Grep = None,
    limit: _Limit = LIMIT_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Group entries that are alike: messages by template, where <*> is a variable part, and exceptions.

    An exception is identified by its type and frames without line numbers. Each group has a query that finds its
    entries: see --json. Reads the data directory; where there is none, asks the server at http://127.0.0.1:8080,
    which reads for two seconds.

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

        return pattern_document(find_patterns(log, wanted, progress=progress), limit)

    words = {"level": level, "source": source, "q": options.query_of(query, grep), **span.words()}
    document = document_of(
        reading.Wanted(data_dir, config, url),
        connection,
        {**words, "limit": str(limit)},
        path="/api/patterns",
        make=make,
    )
    groups = [*document["messages"], *document["exceptions"]]
    if as_json:
        for group in groups:
            answer_json(group)
    else:
        _write(document["messages"], "MESSAGE", span.zone)
        if document["exceptions"]:
            answer("")
            _write(document["exceptions"], "EXCEPTION", span.zone)
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
