"""Patterns of lines: texts with `<name>` for what is captured, and `<_>` for what is not; and regular expressions."""

import re
from collections.abc import Callable
from typing import Any, Final

from logboom.query.filter.regexes import compile_regex
from logboom.query.logql.logql_syntax import Extraction

Extract = Callable[[str], dict[str, str]]
"""Returns the captured parts of a line, by name."""

CAPTURES_MAX: Final = 50
"""Captures of one pattern; further ones are texts."""

_CAPTURE: Final = re.compile(r"<([A-Za-z_]\w*)>")
_GROUP: Final = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")


def capture_names(extraction: Extraction) -> list[str]:
    """Return the names of an extraction, in order."""
    found = (_CAPTURE if extraction.name == "pattern" else _GROUP).findall(extraction.text)
    return [name for name in found if name != "_"]


def extractor_of(extraction: Extraction) -> Extract:
    """Return what an extraction does. Raises `FilterError` for a regular expression that can't be read."""
    if extraction.name == "pattern":
        return _pattern(extraction.text)
    return _regexp(compile_regex(_GROUP.sub(r"(?P<\1>", extraction.text)))


def _regexp(compiled: Any) -> Extract:
    def extract(line: str) -> dict[str, str]:
        found = compiled.search(line.encode(errors="replace"))
        if found is None:
            return {}
        return {
            name: value.decode(errors="replace")
            for name, value in found.groupdict().items()
            if value is not None
        }

    return extract


def _pattern(text: str) -> Extract:
    """Take what is between the texts of a pattern; the first of them begins the line."""
    first, *rest = _CAPTURE.split(text, maxsplit=CAPTURES_MAX)
    captures = list(zip(rest[::2], rest[1::2], strict=True))

    def extract(line: str) -> dict[str, str]:
        if not line.startswith(first):
            return {}
        found: dict[str, str] = {}
        place = len(first)
        for name, ending in captures:
            end = line.find(ending, place) if ending else len(line)
            is_last = end < 0
            found[name] = line[place:] if is_last else line[place:end]
            if is_last:
                break
            place = end + len(ending)
        found.pop("_", None)
        return found

    return extract


def regex_of_pattern(text: str) -> str:
    """Return the regular expression of a pattern that stands for whole lines: each `<…>` is any text."""
    return r"\A" + ".*?".join(map(re.escape, re.split(r"<(?:_|[A-Za-z_]\w*)>", text))) + r"\z"
