"""Structured data of RFC 5424: `[id name="value" …]…`."""

import re
from typing import Final

ELEMENTS_MAX: Final = 64
"""Elements of one message that are read; what follows stays text."""

_ELEMENT: Final = re.compile(r'\[([^ =\]"\n]+)((?: +[^ =\]"\n]+="(?:[^"\\]|\\.)*+")*+) *\]', re.DOTALL)
_PARAMETER: Final = re.compile(r' +([^ =\]"\n]+)="((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\\]])')


def read_structured(text: str, start: int) -> tuple[dict[str, str], int]:
    r"""Return the parameters as `sd.<id>.<name>`, and the position behind the last element that could be read.

    Only `\"`, `\\` and `\]` are escapes; any other backslash stands for itself. An element without parameters gives
    `sd.<id>` with an empty value, a repeated parameter its last value.
    """
    found: dict[str, str] = {}
    for _ in range(ELEMENTS_MAX):
        element = _ELEMENT.match(text, start)
        if element is None:
            break
        start = element.end()
        name, parameters = element[1], element[2]
        if not parameters:
            found[f"sd.{name}"] = ""
        for key, value in _PARAMETER.findall(parameters):
            found[f"sd.{name}.{key}"] = _ESCAPED.sub(r"\1", value) if "\\" in value else value
    return found, start
