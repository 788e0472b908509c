"""Fingerprints of exceptions: their type and frames without line numbers, from the traces of several languages."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from xxhash import xxh3_64_hexdigest

TRACE_KEYS: Final = (
    *("exc_info", "exception", "stack_trace", "stackTrace", "stacktrace", "traceback", "stack", "exc_text"),
    *("error.stack_trace", "exception.stacktrace", "error", "err", "@x"),
)
"""Keys of a trace in structlog, Python's logging, ECS, OpenTelemetry, pino, Serilog and others."""

_INNER_KEYS: Final = ("stack", "stacktrace", "stack_trace", "stackTrace")
"""Keys of the trace in an object."""

TRACE_CHARS_MAX: Final = 20_000
"""Characters of a trace that are read."""

FRAMES_MAX: Final = 50
"""Frames of a fingerprint, the innermost ones: recursion has thousands."""

_LINE_CHARS_MAX: Final = 300

_PYTHON: Final = re.compile(r'File "([^"\n]{1,400})", line \d+(?:, in ([^\n]{1,200}))?')
_AT: Final = re.compile(r"^[ \t]++at (?:async )?([^\n]{0,200}?[.(/:][^\n]{0,200})$", re.MULTILINE)
_GO: Final = re.compile(r"^([^\s(][^\n]{0,300})\([^()\n]{0,300}\)\n\t([^\n:]{1,300}):\d+", re.MULTILINE)
_RUBY: Final = re.compile(r"^\s*+(?:from )?([^\s:\n]{1,300}):\d+:in [`']([^'\n]{1,200})'", re.MULTILINE)
_PHP: Final = re.compile(r"^#\d+ ([^\n(]{1,300})\(\d+\): ([^\n(]{1,200})\(", re.MULTILINE)
_PLACE: Final = re.compile(r"(?::line \d+|(?::\d+){1,2})(?=\)?$)")
_HEAD: Final = re.compile(
    r'(?:Exception in thread "[^"\n]{0,100}" |Unhandled exception[:.] |Caused by: |(?:PHP Fatal error:\s+)?Uncaught )?'
    r"([A-Za-z_][\w.$:\\]{0,200}?)(?:: ([^\n]*)| \(([^\n]*)\))?$",
)
_NAMED: Final = re.compile(r"(?:Error|Exception|Failure|Fault|panic|Warning|Exit|Interrupt|Throwable)\b")
"""Parts of names of exceptions, which identify one where there are no frames."""


class ExceptionPrint(NamedTuple):
    """Identity of an exception."""

    fingerprint: str
    kind: str
    """Its type."""
    text: str
    """Its message."""
    frames: tuple[str, ...]
    """File and function, the innermost one last."""


def trace_of(entry: Any) -> str:
    """Return the trace of an entry; empty for none.

    Args:
        entry: the entry, or its `TRACE_KEYS`.
    """
    for key in TRACE_KEYS:
        value = entry.get(key)
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = next((value[inner] for inner in _INNER_KEYS if isinstance(value.get(inner), str)), None)
        if isinstance(value, str) and "\n" in value:
            return value
    return ""


def exception_print(trace: str) -> ExceptionPrint | None:
    """Return the identity of the exception of a trace; None: it is no trace."""
    text = trace[-TRACE_CHARS_MAX:] if _PYTHON.search(trace, 0, 500) else trace[:TRACE_CHARS_MAX]
    frames, ends_with_head = _frames_in(text)
    if not frames:
        return None
    head = _head_of(text, is_last=ends_with_head)
    kind, message = head or ("", "")
    kept = frames[-FRAMES_MAX:]
    return ExceptionPrint(xxh3_64_hexdigest("\n".join([kind, *kept]).encode()), kind, message, kept)


def _frames_in(text: str) -> tuple[tuple[str, ...], bool]:
    """The frames, the innermost last, and whether the exception stands behind them."""
    found = _PYTHON.findall(text)
    if found:
        return tuple(f"{file} {function}".strip() for file, function in found), True
    at = _AT.findall(text)
    if at:
        return tuple(_PLACE.sub("", place.strip()) for place in reversed(at)), False
    for pattern in (_GO, _RUBY, _PHP):
        found = pattern.findall(text)
        if found:
            return tuple(f"{first} {second}" for first, second in reversed(found)), False
    return (), False


def _head_of(text: str, *, is_last: bool) -> tuple[str, str] | None:
    """Type and message: of the last line that has them, or of the first one."""
    lines = text.strip("\n").split("\n")
    for line in reversed(lines) if is_last else lines:
        if not line or line[0].isspace():
            continue
        found = _HEAD.fullmatch(line[:_LINE_CHARS_MAX].rstrip())
        if found is not None and (found[2] is not None or _NAMED.search(found[1])):
            return found[1], found[2] or found[3] or ""
        if found is not None and is_last:
            return found[1], ""
    return None
