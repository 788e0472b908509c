"""`logboom why`: the fate of a line, as a running server knows it."""

from typing import Annotated

import typer

from logboom.cli import options
from logboom.cli.asking import ask_server
from logboom.cli.connection_options import ConnectionOptions
from logboom.cli.groups import grouped
from logboom.cli.speaking import answer, answer_json

_Url = Annotated[str, typer.Option(metavar="URL", help="The server: http://HOST:PORT.")]
_Text = Annotated[str, typer.Argument(metavar="[TEXT]", help="Text that the line has.")]
_Source = Annotated[str, typer.Option(metavar="NAME", help="Device or other source, by name or address.")]
_Boot = Annotated[int | None, typer.Option(min=0, help="`boot_seq` of the line.")]
_Seq = Annotated[int | None, typer.Option(min=0, help="`seq` of the line; with --source and --boot.")]
_Time = Annotated[str, typer.Option("--at", metavar="TIME", help="Time of the line, to the second.")]

MARKS = {"stored": "✅", "refused": "❌", "missing": "❌", "deleted": "🗑️", "not known": "💬"}


@grouped
def why(
    text: _Text = "",
    *,
    source: _Source = "",
    boot: _Boot = None,
    seq: _Seq = None,
    at: _Time = "",
    url: _Url = options.URL_DEFAULT,
    as_json: options.AsJson = False,
    connection: ConnectionOptions,
) -> None:
    """Explain the fate of a line: stored (where, how often sent, in which outputs), refused, missing, deleted.

    The line is given by the numbers of its device, by a text in it, or by its time. What can't be known is reported as
    not known.

    Examples:
      logboom why --source pump-1 --boot 3 --seq 118

      logboom why "valve stuck" --source pump-1

      logboom why --at "2026-11-30 14:00:05"

    Exit codes: 0 the line is stored, 1 it is not or that is not known, or the server refuses, 2 wrong usage,
    3 could not connect.
    """
    if not (text or at or (source and boot is not None and seq is not None)):
        raise typer.BadParameter("name a line: --source with --boot and --seq, or a text, or --at")
    numbers = {"boot": boot, "seq": seq}
    words = {name: str(number) for name, number in numbers.items() if number is not None}
    words |= {name: word for name, word in (("source", source), ("text", text), ("time", at)) if word}
    document = ask_server(url, connection, "/api/why", words, "verdict", "text")
    if as_json:
        answer_json(document, indent=2)
    else:
        answer(f"{MARKS.get(document['verdict'], '')} {document['verdict']}")
        for line in document["text"]:
            answer(f"  {line}")
        for one in [*document["stored"], *document["refused"]]:
            answer(f"  {one['text']}")
    raise typer.Exit(0 if document["verdict"] == "stored" else 1)
