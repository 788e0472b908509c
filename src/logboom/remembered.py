"""Cache of computed values with a limit in bytes.

`functools.lru_cache` limits the number of values, but a value that is derived from a sender's text may have a
megabyte. A hit costs as much as one of a `dict`.
"""

import sys
import threading
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

ENTRY_BYTES: Final = 100
"""Size of one entry in the table itself."""

SHARES: Final = 64
"""Divisor for the largest entry: larger ones are not cached, since a few of them would displace all others."""


class Remembered(dict[K, V]):
    """Cache that computes missing values; `table[key]` is the only access. Any thread may use it.

    When a value does not fit, all are dropped: those in use are computed again.

    Args:
        make: computes the value of a key; it must not depend on anything else.
        bytes_max: limit for the size of all keys and values, bytes.
    """

    __slots__ = ("_bytes", "_bytes_max", "_lock", "_make")

    def __init__(self, make: Callable[[K], V], bytes_max: int) -> None:
        super().__init__()
        self._make = make
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        size = ENTRY_BYTES + size_of(key) + size_of(value)
        if size <= self._bytes_max // SHARES:
            with self._lock:
                if self._bytes + size > self._bytes_max:
                    self.clear()
                    self._bytes = 0
                self._bytes += size
                self[key] = value
        return value


def size_of(value: object) -> int:
    """Size of a text, number or tuple of these, bytes."""
    inner = sum(map(size_of, value)) if isinstance(value, tuple) else 0
    return sys.getsizeof(value) + inner
