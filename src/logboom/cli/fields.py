"""`logboom fields`: the fields of entries, with their values."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from logboom.cli import options
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.documents import EntryOptions, document_of, say_reach
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer_json
from logboom.cli.time_options import Span

if TYPE_CHECKING:
    from logboom.journal.log import Log
    from logboom.query.matching import Filter

VALUES_DEFAULT: Final = 5
VALUES_MAX: Final = 100
SECONDS: Final = 30
"""Time for which a server counts before it answers with a part."""

_Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=VALUES_MAX, metavar="VALUES", help="Values of each field.")
]


@grouped
def fields(
    query: options.Query = None,
    *,
    entries: EntryOptions,
    span: Span,
    limit: _Limit = VALUES_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Show the fields of entries: how many entries have each, its most frequent values, and its range of numbers.

    Reads the data directory; where there is none, asks the server at http://127.0.0.1:8080, part by part where
    there is more than it reads in 30 seconds. DISTINCT is the number of different values, ~ marks an estimate; counts
    behind ≥ may be too low. Messages and times are not listed.

    Examples:
      logboom fields

      logboom fields 'level:>=error' --since "last 3 d"

      logboom fields --source web-1 --limit 20 --json

    Exit codes: 0 done, 1 there is nothing to read, or the server has trouble, 2 wrong usage,
    3 the server of --url can't be reached.
    """

    def make(log: "Log", wanted: "Filter", progress: Any) -> dict[str, Any]:
        from logboom.query.facet_document import facet_document
        from logboom.query.facets import find_facets

        return facet_document(find_facets(log, wanted, progress=progress), VALUES_MAX)

    def join(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
        from logboom.query.facet_document import joined_facets

        return joined_facets(newer, older)

    document = document_of(
        entries.place,
        connection,
        {**entries.words(query, span, VALUES_MAX), "seconds": str(SECONDS)},
        path="/api/facets",
        make=make,
        join=join,
    )
    facets = [{**facet, "values": facet["values"][:limit]} for facet in document["facets"]]
    if as_json:
        for facet in facets:
            answer_json(facet)
    else:
        _write(facets)
    say_reach(document, span.zone)


def _write(facets: list[dict[str, Any]]) -> None:
    from logboom.viewer.tables import write_table

    rows = [
        (
            facet["field"],
            f"{facet['count']:,}",
            f"{'' if facet['distinct_exact'] else '~'}{facet['distinct']:,}",
            ", ".join(f"{one['value']} {least}{one['count']:,}" for one in facet["values"]),
            *_numbers(facet["numbers"]),
        )
        for facet in facets
        for least in ("" if facet["values_exact"] else "≥",)
    ]
    headers = ("FIELD", "ENTRIES", "DISTINCT", "VALUES", "MIN", "P50", "P99", "MAX")
    write_table(sys.stdout, headers, rows, numbers=frozenset({1, 2, 4, 5, 6, 7}), wraps=frozenset({0, 3}))


def _numbers(numbers: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if numbers is None:
        return "", "", "", ""
    low, p50, p99, high = (f"{numbers[name]:.6g}" for name in ("min", "p50", "p99", "max"))
    return low, p50, p99, high
