"""Fields of the systemd journal as an entry (systemd.journal-fields(7))."""

from collections.abc import Mapping
from typing import Any, Final

from logboom.formats.levels import SYSLOG_NAMES
from logboom.formats.mapped import MappedEntry

_TIMES: Final = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_SOURCES: Final = ("SYSLOG_IDENTIFIER", "_COMM")
_LABELS: Final = {
    "_SYSTEMD_UNIT": "unit",
    "_TRANSPORT": "transport",
    "CONTAINER_NAME": "container_name",
    "_BOOT_ID": "boot_id",
}
_PLACED: Final = frozenset({"MESSAGE", "PRIORITY", "_HOSTNAME", *_TIMES, *_SOURCES, *_LABELS})


def entry_of_fields(fields: Mapping[str, Any]) -> MappedEntry:
    """Map the fields of one journal entry to the common names; see `_text` for their values."""
    texts = {name: _text(value) for name, value in fields.items()}
    priority = texts.get("PRIORITY", "")
    moment = next((texts[name] for name in _TIMES if texts.get(name, "").isdecimal()), "")
    return MappedEntry(
        message=texts.get("MESSAGE", ""),
        time=int(moment) * 1000 if moment else None,
        level=SYSLOG_NAMES[int(priority)] if priority in {*"01234567"} else "",
        source=next((texts[name] for name in _SOURCES if texts.get(name)), ""),
        host=texts.get("_HOSTNAME", ""),
        labels={label: texts[name] for name, label in _LABELS.items() if texts.get(name)},
        attributes={name: text for name, text in texts.items() if name not in _PLACED},
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
