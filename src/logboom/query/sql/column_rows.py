"""Rows of the view `logs` from a column file: its columns, and for lines that were kept whole, their JSON."""

from collections.abc import Iterable

from logboom.journal.columns.column_engine import identifier, joined, text_literal
from logboom.journal.columns.layout import Column, ColumnsLayout
from logboom.query.sql.entry_macros import pointer
from logboom.query.sql.sampled_fields import SampledField

_ENTRY = "entry"


def column_rows(
    paths: Iterable[str], layout: ColumnsLayout, fields: Iterable[SampledField], end: int | None
) -> str:
    """Return the query of the rows of files with the same columns, with the columns of the view.

    Args:
        paths: paths of the files.
        layout: of one of them.
        fields: the fields that are columns of the view.
        end: no sequence from this one on; None: all.
    """
    source, listener = (_envelope(layout, key) for key in ("source", "listener"))
    columns = [
        "sequence",
        "time",
        f"{_arrival(layout)} AS received_at",
        f"{source} AS source",
        "sender",
        f"{listener} AS listener",
        "level",
        "level_severity(level) AS severity",
        f"{_message(layout)} AS message",
        "entry_json AS entry",
        *(f"{_value(layout, field)} AS {identifier(field.name)}" for field in fields),
    ]
    limit = "" if end is None else f" AND sequence < {end}"
    files = joined(map(text_literal, paths))
    rows = f"SELECT *, json_extract({layout.line()}, '/entry') AS entry_json FROM read_parquet([{files}])"  # noqa: S608
    return f"SELECT {joined(columns)} FROM ({rows}) WHERE time IS NOT NULL{limit}"  # noqa: S608


def _of(layout: ColumnsLayout, *keys: str) -> list[Column]:
    return [column for column in layout.columns if column.keys == keys]


def _text(column: Column) -> str:
    """Return the SQL of a value as text."""
    return f"json_inside({column.text})" if column.kind == "text" else column.text


def _envelope(layout: ColumnsLayout, key: str) -> str:
    """Return the SQL of a text of the line's own object."""
    return _first([*map(_text, _of(layout, key)), _kept(key)])


def _arrival(layout: ColumnsLayout) -> str:
    stored = [
        f"{column.sql} AT TIME ZONE 'UTC'"
        if column.type.name == "microseconds"
        else f"try_cast({column.text} AS TIMESTAMPTZ)"
        for column in _of(layout, "received_at")
    ]
    return _first([*stored, f"try_cast({_kept('received_at')} AS TIMESTAMPTZ)"])


def _message(layout: ColumnsLayout) -> str:
    """Return the SQL of the message: a column, where it is plain text; else as from the entry."""
    cases, seen = [], set[int]()
    for key in ("msg", "message"):
        for number, shape in enumerate(layout.shapes):
            if number not in seen and any(value.keys[:2] == (_ENTRY, key) for value in shape.values):
                seen.add(number)
                cases += [
                    f"WHEN shape = {number} AND {column.text}[1] NOT IN ('[', '\\') THEN {_text(column)}"
                    for column in _of(layout, _ENTRY, key)
                    if column.kind == "text" and column.name in {value.column for value in shape.values}
                ]
    return (
        f"CASE {' '.join(cases)} ELSE entry_message(entry_json) END" if cases else "entry_message(entry_json)"
    )


def _value(layout: ColumnsLayout, field: SampledField) -> str:
    """Return the SQL of a field."""
    keys, pointed = (_ENTRY, *field.keys), pointer(*field.keys)
    if field.type == "JSON":  # also objects, whose values are columns
        return f"json_extract(entry_json, {pointed})"
    found, kept = _of(layout, *keys), _kept(*keys)
    if field.type != "VARCHAR":
        casts = [f"try_cast({column.sql} AS {field.type})" for column in found]
        return _first([*casts, f"try_cast({kept} AS {field.type})"])
    if any(len(one.keys) > len(keys) and one.keys[: len(keys)] == keys for one in layout.columns):
        return f"json_extract_string(entry_json, {pointed})"  # in some entries it is an object
    return _first([*map(_text, found), kept])


def _kept(*keys: str) -> str:
    """Return the SQL of a value of a line that was kept whole, as text."""
    return f"CASE WHEN shape IS NULL THEN json_extract_string(line, {pointer(*keys)}) END"


def _first(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"coalesce({joined(values)})"
