"""Shapes of lines: the texts between the values, and the values themselves, each with a column.

Lines with the same keys in the same order and spacing have the same shape. A line is its shape's literals and its
values in turn, so that any match of the shape's regular expression can be put together again byte for byte.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

Kind = Literal["text", "number", "boolean", "json"]
"""Kind of a value: the inside of a JSON string, a number, true or false, an array."""

_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?[0-9][0-9.eE+-]*)|(true|false)|(null)|[{}]|(\[)')
_PATTERNS: Final[dict[Kind, str]] = {
    "text": r'((?:[^"\\]|\\.)*)',
    "number": "(-?[0-9][0-9.eE+-]*)",
    "boolean": "(true|false)",
    "json": r"(\[.*\])",
}
_RESERVED: Final = re.compile(r"([\\.+*?()|\[\]{}^$-])")

VALUES_MAX: Final = 200
"""Most values of a shape. Lines with more are kept whole: SQL reads their fields from the line."""


class ShapeValue(msgspec.Struct, frozen=True, array_like=True):
    """A value of a shape."""

    keys: tuple[str, ...]
    """Path from the line's own object."""
    kind: Kind
    column: str = ""
    """Column of the file."""


class LineShape(msgspec.Struct, array_like=True):
    """A shape."""

    literals: list[str]
    """Text before each value, and after the last one."""
    values: list[ShapeValue]

    def pattern(self) -> str:
        """Return the regular expression of all lines of this shape, one group per value."""
        groups = [_PATTERNS[value.kind] for value in self.values]
        texts = [_RESERVED.sub(r"\\\1", literal) for literal in self.literals]
        return "^" + "".join(text + group for text, group in zip(texts, [*groups, "$"], strict=True))


def shape_of(line: str) -> LineShape | None:
    """Return the shape of a line, without columns; None: a JSON object with too many values, or with a repeated path.

    Args:
        line: a JSON object without a newline.
    """
    literals, values, start = list[str](), list[ShapeValue](), 0
    for begin, end, value in _values(line):
        literals.append(line[start:begin])
        values.append(value)
        start = end
        if len(values) > VALUES_MAX:
            return None
    literals.append(line[start:])
    if len({value.keys for value in values}) != len(values):
        return None
    return LineShape(literals, values)


def _values(line: str) -> Iterator[tuple[int, int, ShapeValue]]:
    """Yield start, end and description of each value outside arrays but null, which is part of the literals."""
    path: list[str] = []
    key, position = "", 0
    while match := _TOKEN.search(line, position):
        position = match.end()
        start, end = match.span()
        if match[2]:
            key = msgspec.json.decode(match[1])
        elif match[1]:
            yield start + 1, end - 1, ShapeValue((*path, key)[1:], "text")
        elif match[3]:
            yield start, end, ShapeValue((*path, key)[1:], "number")
        elif match[4]:
            yield start, end, ShapeValue((*path, key)[1:], "boolean")
        elif match[6]:
            position = _end_of_array(line, start)
            yield start, position, ShapeValue((*path, key)[1:], "json")
        elif match[0] == "{":
            path.append(key)
        elif match[0] == "}" and path:
            key = path.pop()


def _end_of_array(line: str, start: int) -> int:
    """Return where an array ends."""
    depth, position = 0, start
    for match in _BRACKET.finditer(line, start):
        position = match.end()
        depth += {"[": 1, "]": -1}.get(match[0], 0)
        if not depth:
            return position
    return len(line)


_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]]')


OWN_COLUMNS: Final = (
    *("sequence", "shape", "line", "time", "level", "sender", "received_at", "source", "listener"),
    "entry_json",
)
"""Columns of each file, and one that SQL adds; a field of such a name gets a number."""

_ENVELOPE: Final = ("received_at", "source", "listener")


def name_columns(shapes: Sequence[LineShape], columns_max: int) -> Iterator[LineShape | None]:
    """Yield each shape with a column per value; None for one that would need too many columns.

    Values of the same path and kind share a column. SQL does not distinguish capitals, so that names may get a number.

    Args:
        shapes: the most frequent first.
        columns_max: most columns of all shapes.
    """
    names: dict[tuple[tuple[str, ...], Kind], str] = {((key,), "text"): key for key in _ENVELOPE}
    used = set(OWN_COLUMNS)
    for shape in shapes:
        added = [one for one in shape.values if (one.keys, one.kind) not in names]
        if len(names) + len(added) > columns_max:
            yield None
            continue
        for one in added:
            path = one.keys[1:] if one.keys[:1] == ("entry",) and len(one.keys) > 1 else one.keys
            base = name = ".".join(path) or "value"
            number = 1
            while name.lower() in used:
                number += 1
                name = f"{base} {number}"
            used.add(name.lower())
            names[one.keys, one.kind] = name
        values = [ShapeValue(one.keys, one.kind, names[one.keys, one.kind]) for one in shape.values]
        yield LineShape(shape.literals, values)
