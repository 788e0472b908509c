"""Label strings of Loki streams: `{app="pumps", level="info"}`, with the quoting of Go."""

import re
from typing import Final

from logboom.formats.go_strings import unquoted

_LABEL: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(,|$)')


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
        value = unquoted(found[2])
        if value is None:
            return None
        labels[found[1]] = value
        position = found.end()
    return labels
