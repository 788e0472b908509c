"""The lines of a stream, as both encodings of a push give them."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class StreamLines(NamedTuple):
    """Lines of one stream, by column."""

    times: list[int | str]
    """Nanoseconds since the epoch, or RFC 3339."""
    texts: list[Any]
    """Texts, or `msgspec.Raw` of texts."""
    metadata: dict[int, Mapping[str, Any]]
    """Structured metadata by the index of its line; most lines have none."""
