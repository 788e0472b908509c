"""Common field names for entries of protocols with different ones.

What a sender calls `MSG`, `short_message`, `line` or `body` becomes `message`, and so on, so that one query finds the
entries of every protocol. Fields that have no place among the names go to `attributes`, with their values as sent.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logboom.model import Batch, Verdict

_encoder: Final = msgspec.json.Encoder()


class MappedEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """Entry with the common names. Empty fields are omitted from its JSON. Positional, so that `map` makes many."""

    time: str | int | None = None
    """The sender's time: RFC 3339 as text, or nanoseconds since the epoch; None when the sender gave none."""
    level: str = ""
    """A word such as `ERROR` (`formats.levels`)."""
    message: str | msgspec.UnsetType = msgspec.UNSET
    """Unset where the sender gave none: readers then show the whole entry."""
    source: str = ""
    """The program or service: `service.name`, APP-NAME, tag."""
    host: str = ""
    """The sender's name for its machine. The peer's address is in the journal's envelope."""
    labels: dict[str, Any] = {}
    """Properties of the sender or the stream: facility, container, resource."""
    attributes: Any = {}
    """All other fields of the entry, as a dictionary or as `msgspec.Raw` JSON of an object."""
    raw: str = ""
    """Base64 of the original bytes, if the entry's text does not represent them."""


def batch_of(
    entries: Sequence[object],
    size_bytes: int,
    *,
    verdicts: bytes | None = None,
    levels: list[object] | None = None,
    reasons: tuple[str, ...] = (),
) -> Batch:
    """Make the batch of these entries.

    Args:
        entries: one `MappedEntry`, or another value that encodes as a JSON object, per accepted line.
        size_bytes: bytes on the wire.
        verdicts: one `Verdict` per line; None: all are accepted.
        levels: one level per entry, for the listener's `level_min`.
        reasons: of the lines that are refused.
    """
    encoded = _encoder.encode_lines(entries)[:-1]
    if verdicts is None:
        verdicts = bytes([Verdict.ACCEPTED]) * len(entries)
    return Batch(encoded, verdicts, size_bytes=size_bytes, levels=levels, reasons=reasons)
