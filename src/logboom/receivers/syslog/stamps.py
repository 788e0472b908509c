"""Times of RFC 3164 messages: they have neither a year nor a zone."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

CACHE_MAX: Final = 4096
"""Times that are remembered: those of an hour, with room for senders whose clocks differ."""
CACHE_S_MAX: Final = 3600.0
"""Age of the memory, seconds: which year is nearest changes slowly."""


class Stamps(dict[str, str | None]):
    """RFC 3339 times by `Mmm dd hh:mm:ss`; None for a text that is no time.

    Args:
        clock: returns the current time, seconds since the epoch.
        zone: of the senders; None: that of this machine.
    """

    def __init__(self, clock: Callable[[], float], zone: tzinfo | None = UTC) -> None:
        super().__init__()
        self._clock = clock
        self._zone = zone
        self._now = clock()

    def refresh(self) -> None:
        """Forget what may be out of date. Called once per batch."""
        now = self._clock()
        if len(self) > CACHE_MAX or not 0 <= now - self._now < CACHE_S_MAX:
            self.clear()
            self._now = now

    def __missing__(self, stamp: str) -> str | None:
        found = self[stamp] = self.read(stamp, None, "")
        return found

    def read(self, stamp: str, year: int | None, fraction: str) -> str | None:
        """Return the RFC 3339 time of `Mmm dd hh:mm:ss`; None where it is no time.

        Args:
            stamp: day padded with a space or a zero.
            year: None: the one that puts the time nearest to now.
            fraction: of the second, empty or `.123`.
        """
        now = datetime.fromtimestamp(self._now, UTC)
        try:
            month = MONTHS.index(stamp[:3]) + 1
            day, hour, minute, second = (int(stamp[at : at + 2]) for at in (4, 7, 10, 13))
        except ValueError:
            return None
        years = (now.year, now.year - 1, now.year + 1) if year is None else (year,)
        found: list[datetime] = []
        for one in years:
            moment = self._moment(one, month, day, (hour, minute, second))
            if moment is not None:
                found.append(moment)
        if not found:
            return None
        return _written(min(found, key=lambda moment: abs(moment - now)), fraction)

    def _moment(self, year: int, month: int, day: int, clock: tuple[int, int, int]) -> datetime | None:
        """Return the time in the senders' zone; a leap second counts as the one before it."""
        hour, minute, second = clock
        try:
            moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=self._zone)
            return moment.astimezone() if self._zone is None else moment
        except (ValueError, OverflowError):
            return None


def _written(moment: datetime, fraction: str) -> str:
    text = moment.isoformat(timespec="seconds")
    return f"{text[:19]}{fraction}{text[19:]}"
