"""Fields of the systemd journal as an entry (systemd.journal-fields(7))."""

from collections.abc import Mapping
from typing import Any, Final

from logboom.formats.levels import SYSLOG_NAMES
from logboom.formats.mapped import MappedEntry

_LEVELS: Final = {str(number): level for number, level in enumerate(SYSLOG_NAMES)}
_SOURCE_TIME: Final = "_SOURCE_REALTIME_TIMESTAMP"
_ENTRY_TIME: Final = "__REALTIME_TIMESTAMP"
_LABELS: Final = (
    ("_SYSTEMD_UNIT", "unit"),
    ("_TRANSPORT", "transport"),
    ("CONTAINER_NAME", "container_name"),
    ("_BOOT_ID", "boot_id"),
)


def entry_of_fields(fields: Mapping[str, Any]) -> MappedEntry:
    """Map the fields of one journal entry to the common names; see `_text` for their values."""
    return entry_of_texts({name: _text(value) for name, value in fields.items()})


def entry_of_texts(texts: dict[str, str]) -> MappedEntry:
    """Map the fields of one journal entry, which are all texts, to the common names.

    Args:
        texts: what is left of them becomes the attributes.
    """
    take = texts.pop
    source_time, entry_time = take(_SOURCE_TIME, ""), take(_ENTRY_TIME, "")
    moment = source_time if source_time.isdecimal() else entry_time if entry_time.isdecimal() else ""
    identifier, command = take("SYSLOG_IDENTIFIER", ""), take("_COMM", "")
    return MappedEntry(
        message=take("MESSAGE", ""),
        time=int(moment) * 1000 if moment else None,
        level=_LEVELS.get(take("PRIORITY", ""), ""),
        source=identifier or command,
        host=take("_HOSTNAME", ""),
        labels={label: text for name, label in _LABELS if (text := take(name, ""))},
        attributes=texts,
    )


def _text(value: object) -> str:
    """Return a field as text. What is no text comes as a list of its bytes, a repeated field as a list of values."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if value and all(type(one) is int and 0 <= one <= 255 for one in value):
            return bytes(value).decode(errors="replace")
        return "\n".join(map(_text, value))
    return "" if value is None else str(value)
