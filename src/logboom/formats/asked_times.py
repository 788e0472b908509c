"""Parsing of times in command lines and URLs: `2 hours ago`, `yesterday 14:00`, `2026-11-30`."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logboom.formats.times import from_epoch

EXAMPLES: Final = "15m, 2 hours ago, last 3 d, yesterday, yesterday 14:00, 2026-11-30, 2026-11-30 14:00"
"""Examples of each form, for help and error texts."""

TEXT_CHARS_MAX: Final = 100

_UNITS_S: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([a-z]+)\s*")
_AGO: Final = re.compile(rf"(?:last\s+)?((?:{_PART.pattern})+?)(?:\s*ago)?")
_LAST_ONE: Final = re.compile(r"(?:last|an?|one)\s+([a-z]+)(?:\s+ago)?")
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|(?:19|20)[0-9]{6}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,9})?")
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_DAYS: Final = {"today": 0, "yesterday": -1, "tomorrow": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def zone_of(name: str) -> tzinfo | None:
    """Return the time zone `Europe/Berlin`, `UTC`, `+02:00` or the like; None for `local`, this machine's zone.

    Raises:
        ValueError: the name is unknown.
    """
    if name.strip().lower() in {"", "local"}:
        return None
    if name.strip().upper() in {"UTC", "Z"}:
        return UTC
    if _OFFSET.fullmatch(name):
        return datetime.strptime(name, "%z").tzinfo
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"found {name[:TEXT_CHARS_MAX]!r}, expected a time zone such as Europe/Berlin, UTC, +02:00 or local"
        ) from None


def asked_time(text: str, now: datetime, zone: tzinfo | None, *, is_end: bool = False) -> datetime:
    """Parse a text as a time in UTC.

    Args:
        text: an age (`15m`, `2 hours ago`, `last 3 d`), a day (`yesterday`, `2026-11-30`), a time on a day
            (`yesterday 14:00`, `14:00` of today, `2026-11-30 14:00`), ISO 8601, seconds, milliseconds, microseconds or
            nanoseconds since the epoch, or `now`.
        now: current time, with a zone.
        zone: zone of times without one; None: this machine's.
        is_end: the text is the end of a range, and a day alone stands for its end.

    Raises:
        ValueError: the text is none of these.
    """
    words = " ".join(text[: TEXT_CHARS_MAX + 1].lower().split())
    try:
        found = _age(words, now) or _named(words, now, zone, is_end=is_end)
        found = found or _exact(text.strip(), zone, is_end=is_end)
        found = found and found.astimezone(UTC)
    except OverflowError:  # a year that is not 1 to 9999, perhaps only in UTC
        found = None
    if found is None:
        raise ValueError(f"found {text[:TEXT_CHARS_MAX]!r}, expected a time such as {EXAMPLES}")
    return max(found, _EPOCH)


def shown_time(moment: str, zone: tzinfo | None) -> str:
    """Format a time of the journal, to the second, in `zone`; one that can't be parsed is returned unchanged."""
    try:
        read = datetime.fromisoformat(moment)
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
        return read.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return moment[:19].replace("T", " ")


def _age(words: str, now: datetime) -> datetime | None:
    """Parse an age."""
    if words == "now":
        return now
    one = _LAST_ONE.fullmatch(words)
    if one and one[1] in _UNITS_S:
        return now - timedelta(seconds=_UNITS_S[one[1]])
    found = _AGO.fullmatch(words)
    if not found:
        return None
    parts = [(float(number), _UNITS_S.get(unit)) for number, unit in _PART.findall(found[1])]
    if any(seconds is None for _, seconds in parts):
        return None
    try:
        return now - timedelta(seconds=sum(number * (seconds or 0) for number, seconds in parts))
    except OverflowError:
        return _EPOCH


def _named(words: str, now: datetime, zone: tzinfo | None, *, is_end: bool) -> datetime | None:
    """Parse the name of a day, or a time of today."""
    first, _, rest = words.partition(" ")
    today = now.astimezone(zone).date()
    if _CLOCK.fullmatch(words):
        return _at(today, words, zone)
    if first not in _DAYS:
        return None
    day = today + timedelta(days=_DAYS[first])
    rest = rest.removeprefix("at ")
    if not rest:
        return _at(day + timedelta(days=is_end), "0:00", zone)
    return _at(day, rest, zone) if _CLOCK.fullmatch(rest) else None


def _exact(text: str, zone: tzinfo | None, *, is_end: bool) -> datetime | None:
    """Parse a date, ISO 8601, or a number since the epoch."""
    try:
        if _DATE.fullmatch(text):
            return _day(date.fromisoformat(text), zone, is_end=is_end)
        if _NUMBER.fullmatch(text):
            number = float(text) if "." in text else int(text)
            return from_epoch(number) or _EPOCH + timedelta(seconds=max(number, 0))
        if not text.strip("0123456789"):  # ISO 8601 would give an unintended date
            return None
        moment = datetime.fromisoformat(
            text.removesuffix(" UTC") + "+00:00" if text.endswith(" UTC") else text
        )
    except ValueError:
        return None
    return moment if moment.tzinfo else _in_zone(moment, zone)


def _day(day: date, zone: tzinfo | None, *, is_end: bool) -> datetime | None:
    try:
        return _at(day + timedelta(days=is_end), "0:00", zone)
    except OverflowError:  # the last possible day
        return _LATEST


def _at(day: date, clock: str, zone: tzinfo | None) -> datetime | None:
    """Combine a day and a time; None when the time is not valid."""
    hours, _, rest = clock.partition(":")
    try:
        return _in_zone(datetime.combine(day, clock_time.fromisoformat(f"{hours:0>2}:{rest}")), zone)
    except ValueError:
        return None


def _in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
