"""Templates of `line_format` and `label_format`: texts with `{{.label}}` and functions, in the syntax of Go.

Offered are labels, `__line__`, `__timestamp__` and the functions in `FUNCTIONS`, with `|` between them. Conditions and
loops are not.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from logboom.formats.go_strings import GO_STRING, unquoted
from logboom.query.logql.logql_syntax import LogqlError

LINE: Final = "__line__"
TIMESTAMP: Final = "__timestamp__"

Value = Callable[[Mapping[str, str]], str]
"""Makes a text of the labels, which include `LINE` and `TIMESTAMP`."""

PARTS_MAX: Final = 100
"""Texts and actions of one template."""

_ACTION: Final = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_WORD: Final = re.compile(
    rf"\s*(?:(?P<text>{GO_STRING})|(?P<number>-?\d+)|\.(?P<label>[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)|(?P<bar>\|))"
)


def _truncated(count: str, text: str) -> str:
    number = _number(count)
    return text[:number] if number >= 0 else text[number:]


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else 0


FUNCTIONS: Final[dict[str, tuple[int, Callable[..., str]]]] = {
    "ToUpper": (1, str.upper),
    "ToLower": (1, str.lower),
    "upper": (1, str.upper),
    "lower": (1, str.lower),
    "title": (1, str.title),
    "trim": (1, str.strip),
    "TrimSpace": (1, str.strip),
    "Trim": (2, str.strip),
    "TrimLeft": (2, str.lstrip),
    "TrimRight": (2, str.rstrip),
    "TrimPrefix": (2, str.removeprefix),
    "TrimSuffix": (2, str.removesuffix),
    "trimPrefix": (2, lambda part, text: text.removeprefix(part)),
    "trimSuffix": (2, lambda part, text: text.removesuffix(part)),
    "Replace": (4, lambda text, old, new, count: text.replace(old, new, _number(count))),
    "replace": (3, lambda old, new, text: text.replace(old, new)),
    "default": (2, lambda other, text: text or other),
    "trunc": (2, _truncated),
    "substr": (3, lambda start, end, text: text[_number(start) : _number(end)]),
    "len": (1, lambda text: str(len(text))),
}
"""Number of arguments of each function, and the function: the names and the order are those of Loki's."""


def compile_template(text: str, position: int) -> Value:
    """Return what a template makes of labels. Raises `LogqlError` for what is not offered."""
    parts: list[str | Value] = []
    place = 0
    for found in _ACTION.finditer(text):
        parts += [text[place : found.start()], _action(found[1], position)]
        place = found.end()
        if len(parts) > PARTS_MAX:
            raise LogqlError(f"a template has more than {PARTS_MAX} parts", position)
    parts.append(text[place:])
    if any(isinstance(part, str) and "{{" in part for part in parts):
        raise LogqlError("a template has an action without its end, }}", position)
    return partial(_filled, [part for part in parts if part])


def _filled(parts: list[str | Value], labels: Mapping[str, str]) -> str:
    return "".join([part if isinstance(part, str) else part(labels) for part in parts])


def _action(text: str, position: int) -> Value:
    """Read what stands between braces: a value, or functions with their arguments, joined by bars."""
    steps: list[list[Value | str]] = [[]]
    place = 0
    while place < len(text.rstrip()):
        found = _WORD.match(text, place)
        if found is None:
            raise LogqlError(f"unexpected in a template: {text[place:].strip()[:40]}", position)
        place = found.end()
        if found["bar"]:
            steps.append([])
        else:
            steps[-1].append(_word(found, position))
    value: Value | None = None
    for step in steps:
        value = _call(step, value, position)
    return value or (lambda _labels: "")


def _word(found: re.Match[str], position: int) -> Value | str:
    """Return a function's name, or what makes the value of an argument."""
    if found["word"] is not None:
        word = found["word"]
        return partial(_label, word) if word in (LINE, TIMESTAMP) else str(word)
    if found["label"] is not None:
        return partial(_label, found["label"])
    text = found["number"] if found["number"] is not None else unquoted(found["text"])
    if text is None:
        raise LogqlError("a text in a template has an unknown escape", position)
    return partial(_constant, text)


def _label(name: str, labels: Mapping[str, str]) -> str:
    return labels.get(name, "")


def _constant(text: str, _labels: Mapping[str, str]) -> str:
    return text


def _call(step: list[Value | str], before: Value | None, position: int) -> Value:
    """Return the value of one step; the value of the step before it is the last argument."""
    first = step[0] if step else ""
    if not isinstance(first, str):
        if len(step) > 1 or before is not None:
            raise LogqlError("a template has a value where a function is expected", position)
        return first
    if first not in FUNCTIONS:
        offered = ", ".join((".label", LINE, TIMESTAMP, *FUNCTIONS))
        raise LogqlError(
            f"{first or 'nothing'} in a template is not offered; offered are {offered}", position
        )
    arity, function = FUNCTIONS[first]
    arguments = [one for one in (*step[1:], before) if one is not None and not isinstance(one, str)]
    if len(arguments) != arity or any(isinstance(one, str) for one in step[1:]):
        raise LogqlError(f"{first} in a template: expected {arity} arguments", position)
    return partial(_applied, function, arguments)


def _applied(function: Callable[..., str], arguments: list[Value], labels: Mapping[str, str]) -> str:
    return function(*[one(labels) for one in arguments])
