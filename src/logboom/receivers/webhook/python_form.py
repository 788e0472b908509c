"""Forms as entries: those of Python's `logging.handlers.HTTPHandler`, and others by the usual names of their fields."""

import ast
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from logboom.formats.json_fields import entries_of
from logboom.formats.mapped import MappedEntry

ARGUMENTS_CHARS_MAX: Final = 10_000
"""Longest arguments of a message that are put into it."""

_RISKY: Final = re.compile(r"%[^%a-zA-Z]*(\d{4,}|\*)")
"""A width that makes a short text a huge one."""
_PYTHON: Final = frozenset({"msg", "args", "levelname", "created", "name"})
_EMPTY: Final = frozenset({"", "None"})


def entry_of_form(fields: dict[str, str]) -> MappedEntry:
    """Map the fields of a form to the common names."""
    if not fields.keys() >= _PYTHON:
        [entry] = entries_of([msgspec.json.encode(fields)])
        return entry or MappedEntry(attributes=fields)
    attributes: dict[str, Any] = {name: text for name, text in fields.items() if text not in _EMPTY}
    for name in ("levelname", "name", "created"):
        attributes.pop(name, None)
    message = formatted(fields["msg"], fields["args"])
    if message == fields["msg"]:
        attributes.pop("msg", None)
    if fields["args"] == "()":
        del attributes["args"]
    return MappedEntry(
        time=_nanoseconds(fields["created"]),
        level=fields["levelname"],
        message=message,
        source=fields["name"],
        attributes=attributes,
    )


def formatted(template: str, arguments: str) -> str:
    """Return a message with its arguments, which are the text of a Python tuple or dictionary; else as it is."""
    if arguments in ("()", "None", "") or len(arguments) > ARGUMENTS_CHARS_MAX or _RISKY.search(template):
        return template
    try:
        values = ast.literal_eval(arguments)
        return template % values if isinstance(values, (tuple, dict)) else template
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError, OverflowError):
        return template


def _nanoseconds(created: str) -> int | None:
    try:
        return int(Decimal(created) * 10**9)
    except (InvalidOperation, ValueError, OverflowError):
        return None
