"""Any Python value as a JSON value, in bounded time and memory, whatever its methods do."""

import math
from typing import Any, Final

DEPTH_MAX: Final = 32
"""Levels of lists and dictionaries; a value below is sent as text. Few decoders take more than some hundred."""
NODES_MAX: Final = 10_000
"""Values within one value; the rest is left out, with a remark: a logging call must not copy a table."""
TEXT_CHARS_MAX: Final = 1 << 20
"""Characters of one text; the rest is left out, with a remark."""

_PLAIN: Final = frozenset({bool, type(None)})
_INT_MAX: Final = 1 << 64


def json_value(value: object) -> Any:
    r"""A value that JSON has: itself, if it is one; otherwise its text.

    Tuples are lists. Numbers that JSON does not have are the texts `NaN`, `Infinity` and `-Infinity`. Keys become
    texts. Halves of surrogate pairs become their escapes, such as `\udcff`.
    """
    kind = type(value)
    if kind is str and len(value) <= TEXT_CHARS_MAX and value.isascii():  # type: ignore[arg-type, attr-defined]
        return value
    if kind in _PLAIN or (kind is int and -_INT_MAX < value < _INT_MAX):  # type: ignore[operator]
        return value
    try:
        return _Copying().copy(value, DEPTH_MAX)
    except Exception:  # noqa: BLE001 - it is the value's own code
        return text_of(value)


def text_of(value: object) -> str:
    """The text of any value; never raises."""
    try:
        return clean(str(value))
    except Exception as error:  # noqa: BLE001 - it is the value's own code
        return f"<{type(value).__name__} without a text: {type(error).__name__}>"


def clean(text: str) -> str:
    """A text that UTF-8 has a place for, and that is not longer than `TEXT_CHARS_MAX`."""
    if len(text) > TEXT_CHARS_MAX:
        text = cut(text, TEXT_CHARS_MAX)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return str(text)


def cut(text: str, chars: int) -> str:
    """The beginning of a text, with a remark about the rest."""
    return f"{text[:chars]}… [{len(text) - chars} more characters were cut off]"


class _Copying:
    """Copies one value."""

    def __init__(self) -> None:
        self._nodes_left = NODES_MAX
        self._within: set[int] = set()  # lists and dictionaries that contain themselves end there

    def copy(self, value: object, depth: int) -> Any:
        self._nodes_left -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return clean(str.__str__(value))
        if isinstance(value, int):
            number = int.__int__(value)
            return number if -_INT_MAX < number < _INT_MAX else _large(number)
        if isinstance(value, float):
            return _float(float.__float__(value))
        if isinstance(value, (dict, list, tuple)) and depth and id(value) not in self._within:
            self._within.add(id(value))
            try:
                return self._items(value, depth - 1)
            finally:
                self._within.discard(id(value))
        return text_of(value)

    def _items(self, value: "dict[Any, Any] | list[Any] | tuple[Any, ...]", depth: int) -> Any:
        if isinstance(value, dict):
            copied: dict[str, Any] = {}
            for key, item in list(value.items())[: self._room()]:
                copied[free_name(copied, text_of(key))] = self.copy(item, depth)
            if len(copied) < len(value):
                copied[free_name(copied, "…")] = f"{len(value) - len(copied)} more"
            return copied
        items = [self.copy(item, depth) for item in value[: self._room()]]
        return items if len(items) == len(value) else [*items, f"… {len(value) - len(items)} more"]

    def _room(self) -> int:
        return max(0, self._nodes_left)


def free_name(names: dict[str, Any], name: str, prefix: str = "_") -> str:
    """A name that is not taken yet: the given one, or one with prefixes."""
    while name in names:
        name = f"{prefix}{name}"
    return name


def _large(number: int) -> int | str:
    """Whole numbers of any size are JSON; only those of thousands of digits have no text in Python."""
    try:
        str(number)
    except ValueError:
        return hex(number)
    return number


def _float(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
