"""Texts in the quoting of Go: of Loki's labels and queries."""

import json
import re
from typing import Final

GO_STRING: Final = r'"(?:[^"\\\n]|\\.)*+"|`[^`]*+`'
"""A regular expression of one, with its quotes."""

_HEX: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_CONTROL: Final = re.compile(r"\\([av'])")
_CONTROLS: Final = {"a": "\\u0007", "v": "\\u000b", "'": "'"}


def unquoted(text: str) -> str | None:
    """Return what a quoted text stands for; None: it has an escape that is none. Go's escapes are JSON's and a few."""
    if text[0] == "`":
        return text[1:-1]
    as_json = _CONTROL.sub(lambda found: _CONTROLS[found[1]], _HEX.sub(r"\\u00\1", text))
    try:
        return str(json.loads(as_json, strict=False))
    except ValueError:
        return None
