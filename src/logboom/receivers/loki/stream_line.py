"""One line of a stream, as both encodings of a push give it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class StreamLine(NamedTuple):
    """One line of a stream."""

    time: str | int
    """Nanoseconds since the epoch, or RFC 3339."""
    line: Any
    """A text, or `msgspec.Raw` of one."""
    metadata: Mapping[str, Any]
