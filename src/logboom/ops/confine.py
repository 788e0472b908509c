"""Least power by the kernel's own means: from then on the process writes where it must only, and starts nothing.

Landlock (Linux 5.19 and later) needs no root and no configuration of the machine. It binds the thread that asks
for it and what that starts, so the server asks before it has other threads. Reading stays free: certificates,
configuration and time zones may lie anywhere.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from logboom.durable import make_folder
from logboom.errors import ConfigError

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""System calls; the numbers are the same on every architecture."""
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_CHANGES: Final = _WRITE_FILE | sum(1 << bit for bit in (4, 5, 7, 8, 9))
"""Write, remove and make files, folders and sockets."""
_ODD_FILES: Final = sum(1 << bit for bit in (6, 10, 11, 12))
"""Devices, pipes, symbolic links: made by nobody here."""
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14

_REFER_SINCE: Final = 2
_TRUNCATE_SINCE: Final = 3
"""Versions of the kernel's interface. Without the first, files could not be set aside in another folder."""


def confine(writable: Iterable[Path]) -> None:
    """Let this process, from now on, write below `writable` only, and start no program.

    Args:
        writable: folders; made when they are missing.

    Raises:
        ConfigError: the kernel can't do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < _REFER_SINCE:
        raise ConfigError("confine: this kernel can't; it needs Landlock as of Linux 5.19")
    truncate = _TRUNCATE if version >= _TRUNCATE_SINCE else 0
    handled = ctypes.c_uint64(_EXECUTE | _CHANGES | _ODD_FILES | _REFER | truncate)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0))
    try:
        for folder in writable:
            make_folder(folder)
            _allow(libc, ruleset, folder, _CHANGES | _REFER | truncate)
        with suppress(OSError):
            _allow(libc, ruleset, Path(os.devnull), _WRITE_FILE | truncate)
        _checked(libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = rights.to_bytes(8, "little") + descriptor.to_bytes(4, "little")  # packed, as the kernel has it
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise ConfigError(f"confine: the kernel refused it: {os.strerror(number)}")
    return result
