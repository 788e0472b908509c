"""Entries of syslog messages, under the common names of `formats.mapped`, and the numbers of their first field."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from logboom.formats.levels import SYSLOG_NAMES

FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""Facility names as syslog daemons write them; the index is the number (RFC 5424, section 6.2.1)."""

PRI: Final = r"<(1[0-8]\d|19[01]|0?\d{1,2})>"
"""Pattern of a priority: facility times 8 + severity, at most 191, with or without leading zeros."""

PRI_DEFAULT: Final = "13"
"""Priority of a message that has none: facility `user`, severity NOTICE (RFC 3164, section 4.3.3)."""


def _by_priority(names: tuple[str, ...], divisor: int, modulus: int) -> dict[str, str]:
    """Return the name of every priority, as it may be written."""
    return {
        f"{number:0{width}}": names[number // divisor % modulus]
        for number in range(192)
        for width in (1, 2, 3)
    }


LEVEL_OF: Final = {**_by_priority(SYSLOG_NAMES, 1, 8), "": ""}
"""Level name by priority, as text; of an empty text, none."""
FACILITY_OF: Final = {**_by_priority(FACILITIES, 8, len(FACILITIES)), "": ""}
"""Facility name by priority, as text; of an empty text, none."""


class Labels(msgspec.Struct, omit_defaults=True, gc=False):
    """Properties of a sender; empty ones are left out."""

    facility: str = ""
    procid: str = ""
    msgid: str = ""


class SyslogEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """One entry, with the fields of `MappedEntry` in their order; positional, so that `map` makes many of them."""

    time: str | None = None
    level: str = ""
    message: str | UnsetType = UNSET
    """Always set: the default only keeps an empty text from being left out."""
    source: str = ""
    host: str = ""
    labels: Labels | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    raw: str = ""
