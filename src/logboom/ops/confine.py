"""Confinement of the process with Landlock: it can write to given folders only, and start no program.

Landlock (Linux 5.19 and later) needs neither root nor a configuration of the machine. It applies to the calling
thread and the threads that it starts, so the server calls it before it has other threads. Reading is not restricted:
certificates, configuration and time zones may be anywhere.
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
_QUERY_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_CHANGES: Final = _WRITE_FILE | sum(1 << bit for bit in (4, 5, 7, 8, 9))
"""Write, remove and create files, folders and sockets."""
_ODD_FILES: Final = sum(1 << bit for bit in (6, 10, 11, 12))
"""Devices, pipes and symbolic links, which the server never creates."""
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14

_REFER_SINCE: Final = 2
_TRUNCATE_SINCE: Final = 3
"""Versions of the kernel's interface. Before the first, files can't be moved to another folder."""


def confine(writable: Iterable[Path]) -> None:
    """Restrict this process to writing below `writable`, and to starting no program.

    Args:
        writable: folders; created when they are missing.

    Raises:
        ConfigError: the kernel does not support it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)
    if version < _REFER_SINCE:
        raise ConfigError(
            "confine: this kernel does not support it; Landlock of Linux 5.19 or later is needed"
        )
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
        rule = rights.to_bytes(8, "little") + descriptor.to_bytes(
            4, "little"
        )  # the kernel's structure is packed
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise ConfigError(f"confine: the kernel returned an error: {os.strerror(number)}")
    return result
