"""Tables: drawn on a terminal, plain aligned text elsewhere."""

from collections.abc import Sequence
from typing import IO, Final

from logboom.formats.harmless import visible

WRAPPED_WIDTH_MIN: Final = 10
"""Columns that wrap are no narrower than this, and no wider than they need."""

_GAP: Final = "  "


def write_table(
    stream: IO[str],
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: frozenset[int] = frozenset(),
    styles: Sequence[str] = (),
    wraps: frozenset[int] | None = None,
    pages: bool = False,
) -> None:
    """Write a table. Nothing of it is cut, however narrow the terminal is.

    Args:
        stream: where to; what it is decides how it looks.
        headers: one per column.
        rows: cells of any text; see `harmless.visible`.
        numbers: the columns that are aligned to the right.
        styles: one per row, for terminals: `red`, `yellow`, or nothing.
        wraps: the columns that may take several lines where the terminal is narrow; None: the last one.
        pages: on a terminal, show more than a screen with the program in `PAGER`, or `less`.
    """
    rows = [[visible(cell).replace("\t", " ") for cell in row] for row in rows]
    if stream.isatty():
        wraps = frozenset({len(headers) - 1}) if wraps is None else wraps
        _draw(stream, headers, rows, numbers=numbers, styles=styles, wraps=wraps, pages=pages)
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
    *,
    numbers: frozenset[int],
    styles: Sequence[str],
    wraps: frozenset[int],
    pages: bool,
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only terminals need it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, header in enumerate(headers):
        table.add_column(
            header,
            justify="right" if column in numbers else "left",
            no_wrap=column not in wraps,
            overflow="fold",
            min_width=_width_min([header, *(row[column] for row in rows)], can_wrap=column in wraps),
        )
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style=styles[number] if styles else "")
    least = sum(column.min_width or 0 for column in table.columns) + 2 * len(headers)
    console = Console(file=stream, width=max(Console(file=stream).width, least))
    if not pages or len(rows) < console.height:
        console.print(table)
        return
    import click  # noqa: PLC0415 - see above

    with console.capture() as text:
        console.print(table)
    click.echo_via_pager(text.get(), color=True)


def _width_min(cells: Sequence[str], *, can_wrap: bool) -> int:
    """The least width of a column in characters of a terminal."""
    from rich.cells import cell_len  # noqa: PLC0415 - only terminals need it

    width = max(map(cell_len, cells))
    return min(width, WRAPPED_WIDTH_MIN) if can_wrap else width
