"""Conversion of times in entries and files."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_YEAR: Final = "1980"
LATEST_YEAR: Final = "2200"
EARLIEST: Final = datetime(int(EARLIEST_YEAR), 1, 1, tzinfo=UTC)
LATEST: Final = datetime(int(LATEST_YEAR), 1, 1, tzinfo=UTC)
"""Range of times in entries. Within it, the scale of every number is unambiguous."""

_EARLIEST_S: Final = int(EARLIEST.timestamp())
_LATEST_S: Final = int(LATEST.timestamp())
_SCALES: Final = (1, 1_000, 1_000_000, 1_000_000_000)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,25}(?:\.[0-9]{0,25})?(?:[eE][+-]?[0-9]{1,2})?")
_COMPACT_FORMS: Final = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
"""Formats of dates that are all digits, by length: as numbers, they would be outside of the range."""


def iso_from_ns(moment_ns: int) -> str:
    """Format nanoseconds since the epoch as ISO 8601 with microseconds and +00:00 (`received_at`)."""
    seconds, rest_ns = divmod(moment_ns, 1_000_000_000)
    return f"{_iso_second(seconds)}.{rest_ns // 1000:06d}+00:00"


@lru_cache(maxsize=4)  # one second serves thousands of batches
def _iso_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def parse_time(value: object) -> datetime | None:
    """Parse a sender's time in any usual format, as UTC; None when it is not valid, before 1980 or after 2199.

    ISO 8601 with or without a zone (UTC by default), `YYYY-MM-DD HH:MM:SS`, and numbers, also in a string: seconds,
    milliseconds, microseconds or nanoseconds since the epoch, distinguished by size. A clock that was never set, or
    counts from the start of its device, gives a time in 1970 or in the year 1, which is rejected.
    """
    try:
        if isinstance(value, str):
            moment = _from_text(value.strip())
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        else:
            moment = from_epoch(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and is_plausible(moment) else None


def written_time(value: object) -> datetime | None:
    """Parse a text with a date and time, of any year, as UTC: 1970 is that of a clock never set. None: it is none."""
    if not isinstance(value, str) or "-" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def is_plausible(moment: datetime) -> bool:
    """Return whether a time with a zone is between `EARLIEST` and `LATEST`."""
    return EARLIEST <= moment < LATEST


def from_epoch(number: float) -> datetime | None:
    """Convert seconds, milliseconds, microseconds or nanoseconds since the epoch; None for other numbers."""
    for scale in _SCALES:
        if _EARLIEST_S * scale <= number < _LATEST_S * scale:
            if isinstance(number, int):
                return _EPOCH + timedelta(microseconds=number * 1_000_000 // scale)
            return _EPOCH + timedelta(seconds=number / scale)
    return None


def _from_text(text: str) -> datetime | None:
    """Parse a text. Raises `ValueError`, `OverflowError`."""
    if _NUMBER.fullmatch(text):
        compact = _COMPACT_FORMS.get(len(text))
        if compact and text.startswith(("19", "20")):
            try:
                return datetime.strptime(f"{text}+0000", f"{compact}%z")
            except ValueError:
                pass
        return from_epoch(int(text) if text.isdecimal() else float(text))
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
