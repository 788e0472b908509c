"""Durations and sizes with units, as Go writes them: `1h30m`, `5KiB`."""

import re
from typing import Final

DURATION: Final = r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|[smhdwy]))+(?![A-Za-z])"
"""A regular expression of a duration."""
SIZE: Final = r"\d+(?:\.\d+)?(?:[KMGTkmgt][iI]?)?[Bb](?![A-Za-z])"
"""A regular expression of a size."""

_UNITS: Final = {"ns": 1e-3, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}
_UNITS_MORE: Final = {"d": 86_400e6, "w": 7 * 86_400e6, "y": 365 * 86_400e6}
_UNIT_US: Final[dict[str, float]] = {**_UNITS, **_UNITS_MORE}
_SIZES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES_MORE: Final = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_SIZE_BYTES: Final[dict[str, int]] = {**_SIZES, **_SIZES_MORE}

_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|[smhdwy])")
_SIZE_PART: Final = re.compile(r"([\d.]+)([A-Za-z]+)")


def duration_us(text: str) -> float | None:
    """Return a duration such as `1h30m` in microseconds; None: it is none."""
    if not re.fullmatch(DURATION, text):
        return None
    return sum(float(number) * _UNIT_US[unit] for number, unit in _DURATION_PART.findall(text))


def size_bytes(text: str) -> float | None:
    """Return a size such as `5KiB` in bytes; None: it is none."""
    found = _SIZE_PART.fullmatch(text)
    factor = _SIZE_BYTES.get(found[2].lower()) if found else None
    return float(found[1]) * factor if found and factor and found[1].count(".") < 2 else None
