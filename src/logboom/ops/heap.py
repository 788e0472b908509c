"""Heap of the C library: one for all threads."""

import ctypes
from typing import Final

_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""


def share_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc; to be called before there are threads.

    Otherwise each thread gets its own, which keeps what it once needed: of a server that is searched, some 20 MiB that
    no other thread can use. Threads do not wait for each other: nearly all of them allocate while they hold the
    interpreter.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
