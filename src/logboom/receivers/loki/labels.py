"""Label strings of Loki streams: `{app="pumps", level="info"}`, with the quoting of Go."""

import json
import re
from typing import Final

_LABEL: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(,|$)')
_HEX: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_CONTROL: Final = re.compile(r"\\([av'])")
_CONTROLS: Final = {"a": "\\u0007", "v": "\\u000b", "'": "'"}


def parse_labels(text: str) -> dict[str, str] | None:
    """Read a label string; None: it is none."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        return None
    inner = inner[1:-1].strip()
    labels: dict[str, str] = {}
    position = 0
    while position < len(inner):
        found = _LABEL.match(inner, position)
        if found is None:
            return None
        value = _unquoted(found[2])
        if value is None:
            return None
        labels[found[1]] = value
        position = found.end()
    return labels


def _unquoted(text: str) -> str | None:
    """Read a string of Go; its escapes are JSON's and a few more."""
    if text[0] == "`":
        return text[1:-1]
    as_json = _CONTROL.sub(lambda found: _CONTROLS[found[1]], _HEX.sub(r"\\u00\1", text))
    try:
        return str(json.loads(as_json, strict=False))
    except ValueError:
        return None
