"""The time of an entry: the sender's, where it gave one that can be right, else the receive time."""

from datetime import datetime
from typing import Final

from logboom.formats.buckets import MICROSECONDS, microseconds
from logboom.formats.entry_level import Fields
from logboom.formats.times import EARLIEST_YEAR, LATEST_YEAR, parse_time, written_time

TIME_KEYS: Final = ("ts", "time", "timestamp", "@timestamp")
"""Synonyms of one meaning; the first that can be read and can be right counts."""

EARLIEST_TIME: Final = "2000"
"""Earlier times are those of clocks that were never set: no sender has entries that are as old."""

AHEAD_US_MAX: Final = 86_400 * MICROSECONDS
"""Longest time that an entry may be ahead of its arrival, microseconds: zones that were mixed up are within it."""


CLOCK_OFF_US: Final = 120 * MICROSECONDS
"""A clock that is ahead by more than this is off, microseconds."""

_EARLIEST_US: Final = microseconds(f"{EARLIEST_TIME}-01-01T00:00:00+00:00")


def clock_of(entry: Fields, received_at: str) -> tuple[str, bool]:
    """Return the time of an entry, ISO 8601 in UTC, and whether the sender's clock is wrong.

    A time before 2000, or more than a day ahead of its arrival, counts as none: the entry has its receive time.
    Being behind is normal: backlogs, imports.

    Args:
        entry: the entry, or its `TIME_KEYS`.
        received_at: as the journal has it.
    """
    time = sent_time(entry, received_at)
    if time is not None:
        return time, False
    return received_at, any(map(_is_time, map(entry.get, TIME_KEYS)))


def time_of(entry: Fields, received_at: str) -> str:
    """Return the time of an entry as `clock_of` does."""
    return sent_time(entry, received_at) or received_at


def sent_time(entry: Fields, received_at: str) -> str | None:
    """Return the sender's own time as ISO 8601 in UTC; None when it gave none that can be right."""
    for key in TIME_KEYS:
        value = entry.get(key)
        if value is None:
            continue
        if isinstance(value, str) and is_canonical(value):  # as most send it: a third of the cost
            time = value
        else:
            moment = parse_time(value)
            if moment is None:
                continue
            time = moment.isoformat(timespec="microseconds")
        if can_be_right(time, received_at):
            return time
    return None


def can_be_right(time: str, received_at: str) -> bool:
    """Return whether a time, ISO 8601 in UTC, is neither before 2000 nor more than a day ahead of its arrival."""
    return time >= EARLIEST_TIME and (time <= received_at or not _is_far_ahead(time, received_at))


def clock_error_us(entry: Fields, received_at: str) -> int | None:
    """Return by how much the time that an entry gives itself is ahead of its arrival, microseconds: also 1970.

    It is the error of the sender's clock, less the delay. None: the entry gives no time.

    Args:
        entry: the entry, or its `TIME_KEYS`.
        received_at: as the journal has it.
    """
    for key in TIME_KEYS:
        value = entry.get(key)
        moment = None if value is None else parse_time(value) or written_time(value)
        if moment is not None:
            try:
                return microseconds(moment.isoformat()) - microseconds(received_at)
            except (ValueError, TypeError):  # the receive time is damaged
                return None
    return None


def is_clock_off(error_us: int, received_us: int) -> bool:
    """Return whether a clock must be wrong: it is ahead of the arrival, or was never set; being behind may be delay."""
    return error_us > CLOCK_OFF_US or received_us + error_us < _EARLIEST_US


def is_canonical(text: str) -> bool:
    """Return whether a time is written as the journal writes its own, and lies between 1980 and 2199."""
    if len(text) != 32 or text[10] != "T" or text[19] != "." or text[26:] != "+00:00" or text[5] == "W":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return EARLIEST_YEAR <= text[:4] < LATEST_YEAR


def _is_far_ahead(time: str, received_at: str) -> bool:
    try:
        return microseconds(time) - microseconds(received_at) > AHEAD_US_MAX
    except (ValueError, TypeError):  # the receive time is damaged
        return False


def _is_time(value: object) -> bool:
    return value is not None and (parse_time(value) is not None or written_time(value) is not None)
