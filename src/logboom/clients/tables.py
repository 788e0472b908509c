"""Tables: drawn on a terminal, plain aligned text elsewhere."""

from collections.abc import Sequence
from typing import IO, Final

from logboom.formats.harmless import visible

_GAP: Final = "  "


def write_table(
    stream: IO[str],
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: frozenset[int] = frozenset(),
    styles: Sequence[str] = (),
) -> None:
    """Write a table.

    Args:
        stream: where to; what it is decides how it looks.
        headers: one a column.
        rows: cells of any text; see `harmless.visible`.
        numbers: the columns that are aligned to the right.
        styles: one a row, for terminals: `red`, `yellow`, or nothing.
    """
    rows = [[visible(cell).replace("\t", " ") for cell in row] for row in rows]
    if stream.isatty():
        _draw(stream, headers, rows, numbers, styles)
        return
    stream.writelines(f"{line}\n" for line in aligned(headers, rows, numbers))


def aligned(
    headers: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()
) -> list[str]:
    """The lines of a plain table."""
    every = [headers, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(headers))]
    return [_GAP.join(_cells(row, widths, numbers)).rstrip() for row in every]


def _cells(row: Sequence[str], widths: list[int], numbers: frozenset[int]) -> list[str]:
    cells = enumerate(zip(row, widths, strict=True))
    return [cell.rjust(width) if column in numbers else cell.ljust(width) for column, (cell, width) in cells]


def _draw(
    stream: IO[str],
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: frozenset[int],
    styles: Sequence[str],
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only terminals need it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    last = len(headers) - 1
    for column, header in enumerate(headers):
        table.add_column(
            header, justify="right" if column in numbers else "left", no_wrap=column != last, overflow="fold"
        )
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style=styles[number] if styles else "")
    Console(file=stream).print(table)
