"""Rows of the view `logs` from a column file: its columns, and for lines that were kept whole, their JSON."""

from collections.abc import Iterable

from logboom.formats.entry_time import TIME_KEYS
from logboom.journal.columns.column_engine import identifier, joined, text_literal
from logboom.journal.columns.layout import Column, ColumnsLayout
from logboom.query.sql.device_times import joined_with_starts
from logboom.query.sql.entry_macros import pointer
from logboom.query.sql.sampled_fields import SampledField

_ENTRY = "entry"


def column_rows(
    paths: Iterable[str],
    layout: ColumnsLayout,
    fields: Iterable[SampledField],
    end: int | None,
    *,
    has_starts: bool = False,
) -> str:
    """Return the query of the rows of files with the same columns, with the columns of the view.

    Args:
        paths: paths of the files.
        layout: of one of them.
        fields: the fields that are columns of the view.
        end: no sequence from this one on; None: all.
        has_starts: starts of boots apply to some lines; see `device_times`.
    """
    source, listener = (_envelope(layout, key) for key in ("source", "listener"))
    file, starts, place, boot = (
        identifier(_free_name(one, layout)) for one in ("file", "starts", "place", "boot")
    )
    columns = [
        "sequence",
        f"{_time(layout, starts) if has_starts else 'time'} AS time",
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
    named = f", filename = {file}" if has_starts else ""
    rows = (
        f"SELECT *, json_extract({layout.line()}, '/entry') AS entry_json FROM read_parquet([{files}]{named})"  # noqa: S608
    )
    if has_starts:
        rows = joined_with_starts(
            f"SELECT *, {listener} AS {place}, {_number(layout, 'boot_seq')} AS {boot} FROM ({rows})",  # noqa: S608
            file=f"r.{file}",
            listener=f"r.{place}",
            sender="r.sender",
            boot=f"r.{boot}",
            starts=starts,
        )
    return f"SELECT {joined(columns)} FROM ({rows}) WHERE time IS NOT NULL{limit}"  # noqa: S608


def _free_name(name: str, layout: ColumnsLayout) -> str:
    """Return a name for a column that no column of the file has."""
    used = {one.name.lower() for one in layout.columns}
    while name in used:
        name += "_"
    return name


def _time(layout: ColumnsLayout, starts: str) -> str:
    """Return the SQL of the time; that of the file is the sender's, or that of arrival."""
    arrival = _arrival(layout)
    sent = joined(_value(layout, SampledField((key,), "VARCHAR")) for key in TIME_KEYS)
    return (
        f"CASE WHEN {starts} IS NULL OR time <> {arrival} THEN time "
        f"WHEN coalesce({sent}) IS NOT NULL AND sent_time(entry_json, {arrival}) IS NOT NULL THEN time "
        f"ELSE coalesce(uptime_time({starts}, {_number(layout, 'uptime_ms')}, {arrival}), time) END"
    )


def _number(layout: ColumnsLayout, key: str) -> str:
    """Return the SQL of a field that is a whole number; NULL for other values."""
    found = [
        column.sql
        if column.type.name == "integer"
        else f"CASE WHEN regexp_full_match({column.text}, '-?[0-9]{{1,18}}') THEN try_cast({column.text} AS BIGINT) END"
        for column in _of(layout, _ENTRY, key)
        if column.kind == "number"
    ]
    return _first([*found, f"CASE WHEN shape IS NULL THEN whole_number(line, {pointer(_ENTRY, key)}) END"])


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
