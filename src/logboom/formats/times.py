"""Times as they stand on the wire and in files."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER_SCALES: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def iso_from_ns(moment_ns: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 with microseconds and +00:00 (`received_at`)."""
    seconds, rest_ns = divmod(moment_ns, 1_000_000_000)
    return f"{_iso_second(seconds)}.{rest_ns // 1000:06d}+00:00"


@lru_cache(maxsize=4)  # one second serves thousands of batches
def _iso_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(value: object) -> datetime | None:
    """A sender's time in any usual shape, as UTC; None when it can't be read.

    ISO 8601 with or without zone (without means UTC), `YYYY-MM-DD HH:MM:SS`, and numbers: seconds,
    milliseconds, microseconds or nanoseconds since the epoch, told apart by their size.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            scale = next((scale for limit, scale in _NUMBER_SCALES if abs(value) >= limit), 1.0)
            return _EPOCH + timedelta(seconds=value / scale)
    except (ValueError, OverflowError):
        pass
    return None
