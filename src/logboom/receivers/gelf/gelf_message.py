"""GELF messages: JSON objects, put under the common names."""

import base64
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logboom.formats import levels, ndjson
from logboom.formats.json_fields import fields_of, take, text_of, utf8
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.formats.nesting import is_too_deep
from logboom.model import REASONS_MAX, Batch, Verdict

LEVEL_DEFAULT: Final = "INFO"
"""Level of a message that has none; by the specification it were ALERT, for every line of such a client."""
SOURCE_KEYS: Final = (
    "_container_name",
    "_app",
    "facility",
    "_logger",
    "_logger_name",
    "_program",
    "_service",
    "_facility",  # of syslog-ng this is no name of a program, but it sends `_program` as well
)

SECONDS_MAX: Final = 10**11
"""Times after it are none, seconds since the epoch."""
_SECONDS: Final = re.compile(r"([0-9]{1,11})(?:\.([0-9]{1,9})[0-9]*)?")
_NO_LINES: Final = bytes.maketrans(b"\r\n", b"  ")


def batch_of_messages(messages: Sequence[bytes | str], size_bytes: int) -> Batch:
    """Return the batch of these messages; a text stands for one that is refused already, with the reason."""
    found = [one if isinstance(one, str) else read_message(one) for one in messages]
    entries = [one for one in found if not isinstance(one, str)]
    reasons = [one for one in found if isinstance(one, str)]
    verdicts = bytes(Verdict.NOT_JSON if isinstance(one, str) else Verdict.ACCEPTED for one in found)
    return batch_of(
        entries,
        size_bytes,
        verdicts=verdicts,
        levels=[one.level for one in entries],
        reasons=tuple(reasons[:REASONS_MAX]),
    )


def read_message(data: bytes) -> MappedEntry | str:
    """Return the entry of one message, or the reason why it is none."""
    body = utf8(data)
    text = ndjson.repaired(body.translate(_NO_LINES).strip())
    if is_too_deep(text):
        return "nested too deeply"
    fields: dict[str, Any] | None = fields_of(text)
    if fields is None:
        return f"not a JSON object: {text[:40]!r}"
    fields.pop("version", None)
    message = take(fields, ("short_message", "message"))
    if message is None:
        message = "" if bytes(fields.pop("short_message", b"")) == b'""' else text.decode()
    if fields.get("full_message") == message:
        del fields["full_message"]
    entry = MappedEntry(message=message, level=_level_of(fields), time=_time_of(fields))
    entry.source = take(fields, SOURCE_KEYS) or ""
    entry.host = take(fields, ("host",)) or ""
    entry.attributes = {_plain(name, fields): value for name, value in fields.items()}
    if body is not data:
        entry.raw = base64.b64encode(data).decode()
    return entry


def _plain(name: str, fields: dict[str, Any]) -> str:
    """Return the name of an additional field without its underscore, unless there is one of that name."""
    plain = name.removeprefix("_")
    return name if plain in fields or not plain else plain


def _level_of(fields: dict[str, Any]) -> str:
    level = text_of(take(fields, ("level",)))
    return levels.name(level) or LEVEL_DEFAULT


def _time_of(fields: dict[str, Any]) -> int | None:
    """Return nanoseconds since the epoch, with the digits that were sent; None: there is no such time."""
    value = fields.get("timestamp")
    if value is None:
        return None
    text = bytes(value).decode().strip('"')
    found = _SECONDS.fullmatch(text)
    if found:
        moment_ns = int(found[1]) * 10**9 + int((found[2] or "").ljust(9, "0"))
    else:
        try:
            seconds = msgspec.json.decode(text, type=float)
        except msgspec.DecodeError:
            return None
        moment_ns = int(seconds * 10**9) if 0 < seconds < SECONDS_MAX else 0
    if not moment_ns:
        return None
    del fields["timestamp"]
    return moment_ns
