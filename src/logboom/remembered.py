"""Values that are expensive to make, remembered by what they were made from, in bounded memory.

`functools.lru_cache` counts entries, and an entry that is made from what a sender wrote may have a megabyte: this
table counts bytes. Its hits are those of a `dict`.
"""

import sys
import threading
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

ENTRY_BYTES: Final = 100
"""The share of one entry in the table itself."""

SHARES: Final = 64
"""An entry that is larger than one part in this many of the table is made each time: a few of them would empty it."""


class Remembered(dict[K, V]):
    """A table that makes its missing values; `table[key]` is the only way to ask. Any number of threads may.

    When the next value has no room, all are forgotten: what is in use is made again at once.

    Args:
        make: makes the value of a key; it must not depend on anything else.
        bytes_max: the size of all keys and values together, bytes.
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
    """The size of a text, number or tuple of these, bytes."""
    inner = sum(map(size_of, value)) if isinstance(value, tuple) else 0
    return sys.getsizeof(value) + inner
