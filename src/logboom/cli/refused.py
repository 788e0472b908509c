"""`logboom refused`: the lines that a running server has refused."""

from typing import Annotated, Any

import typer

from logboom.cli import options
from logboom.cli.asking import ask_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer, answer_json, say
from logboom.formats.asked_times import shown_time

_Retry = Annotated[
    bool,
    typer.Option("--retry", help="Judge the lines again with the settings of now, and store the good ones."),
]
_Source = Annotated[str, typer.Option(metavar="NAME", help="Only lines of this source, by name or address.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Lines at most, the last ones.")]


@grouped
def refused(
    *,
    url: options.Url = options.URL_DEFAULT,
    source: _Source = "",
    limit: _Limit = 20,
    retry: _Retry = False,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Show the lines that the server has refused, with the reason and as they were sent, the last ones last.

    With --retry, each line is judged again, for example after a change of its listener's `protocol`: good ones are
    stored, and no longer listed.

    Examples:
      logboom refused

      logboom refused --source 192.168.1.17 --json

      logboom refused --retry

    Exit codes: 0 done, 1 the server refuses or is no Logboom server, 2 wrong usage, 3 could not connect.
    """
    if retry:
        done = ask_server(url, connection, "/api/refused", {}, "stored", "refused", method="POST")
        answer(f"✅ {done['stored']:,} lines stored, {done['refused']:,} still refused")
        return
    words = {"limit": str(limit), **({"source": source} if source else {})}
    document = ask_server(url, connection, "/api/refused", words, "refused", "total")
    if as_json:
        answer_json(document, indent=2)
        return
    for one in reversed(document["refused"]):
        _write(one)
    if not document["refused"]:
        say("✅ no line was refused")
    if document["omitted"]:
        say(f"⚠️ {document['omitted']:,} more lines were refused, and not kept")


def _write(one: dict[str, Any]) -> None:
    answer(f"{shown_time(one['at'], None)} {one['listener']} {one['source']}: {one['reason']}")
    answer(f"  {'(not kept)' if one['text'] is None else one['text']}{'' if one['whole'] else '…'}")
