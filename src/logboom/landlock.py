"""Landlock: restriction of this process by the kernel, without root (Linux 5.19 and later)."""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""System calls; the numbers are the same on every architecture."""
_QUERY_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ: Final = 1 << 2 | 1 << 3
"""Read files, and list folders."""
CHANGES: Final = WRITE_FILE | sum(1 << bit for bit in (4, 5, 7, 8, 9))
"""Write, remove and create files, folders and sockets."""
ODD_FILES: Final = sum(1 << bit for bit in (6, 10, 11, 12))
"""Devices, pipes and symbolic links, which the server never creates."""
REFER: Final = 1 << 13
TRUNCATE: Final = 1 << 14
TCP: Final = 1 << 0 | 1 << 1
"""Rights of the network: bind and connect."""
SCOPES: Final = 1 << 0 | 1 << 1
"""Abstract Unix sockets, and signals, of processes that do not have this restriction."""

REFER_SINCE: Final = 2
TRUNCATE_SINCE: Final = 3
TCP_SINCE: Final = 4
SCOPES_SINCE: Final = 6
"""Versions of the kernel's interface."""


def version() -> int:
    """Return the version of the kernel's interface; 0 or less where there is none."""
    return int(_libc().syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION))


def restrict(
    handled: int, allowed: Iterable[tuple[Path, int]], handled_net: int = 0, scoped: int = 0
) -> None:
    """Take rights from this thread, and from the threads and processes that it starts later.

    Args:
        handled: rights to files that are taken.
        allowed: folders and files below which some of them stay.
        handled_net: rights to the network that are taken; 0 before `TCP_SINCE`.
        scoped: which of `SCOPES` are out of reach; 0 before `SCOPES_SINCE`.

    Raises:
        OSError: the kernel does not support it, or a path is missing.
    """
    libc = _libc()
    rights = [handled, handled_net, scoped]
    while not rights[-1]:  # an older kernel's structure is shorter
        rights.pop()
    attribute = (ctypes.c_uint64 * len(rights))(*rights)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(attribute), ctypes.sizeof(attribute), 0))
    try:
        for path, kept in allowed:
            _allow(libc, ruleset, path, kept)
        forbid_new_privileges()
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def forbid_new_privileges() -> None:
    """Let no program that this process starts gain rights. Raises `OSError`."""
    _checked(_libc().prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = rights.to_bytes(8, "little") + descriptor.to_bytes(4, "little")  # the kernel's is packed
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
