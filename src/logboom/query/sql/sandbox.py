"""Sandbox of a process that runs one SQL query: it reads the journal's folder, and can do nothing else.

Landlock takes all access to files but reading the folder; seccomp takes sockets, programs and other processes;
resource limits bound memory, processor time and what is written. Whatever the engine would allow a query, the
kernel does not.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from logboom import landlock

_SET_DEATH_SIGNAL: Final = 1
_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2


class _Call(NamedTuple):
    """Numbers of a system call; a negative one: the architecture does not have it."""

    x86: int
    generic: int


DENIED: Final[Mapping[str, _Call]] = {
    "socket": _Call(41, 198),
    "connect": _Call(42, 203),
    "bind": _Call(49, 200),
    "execve": _Call(59, 221),
    "execveat": _Call(322, 281),
    "fork": _Call(57, -1),
    "vfork": _Call(58, -1),
    "kill": _Call(62, 129),
    "tkill": _Call(200, 130),
    "tgkill": _Call(234, 131),
    "rt_sigqueueinfo": _Call(129, 138),
    "rt_tgsigqueueinfo": _Call(297, 240),
    "pidfd_send_signal": _Call(424, 424),
    "pidfd_getfd": _Call(438, 438),
    "ptrace": _Call(101, 117),
    "process_vm_readv": _Call(310, 270),
    "process_vm_writev": _Call(311, 271),
    "process_madvise": _Call(440, 440),
    "process_mrelease": _Call(448, 448),
    "migrate_pages": _Call(256, 238),
    "move_pages": _Call(279, 239),
    "kcmp": _Call(312, 272),
    "setpriority": _Call(141, 140),
    "ioprio_set": _Call(251, 30),
    "sched_setparam": _Call(142, 118),
    "sched_setscheduler": _Call(144, 119),
    "sched_setaffinity": _Call(203, 122),
    "sched_setattr": _Call(314, 274),
    "io_uring_setup": _Call(425, 425),
    "truncate": _Call(76, 45),
    "chmod": _Call(90, -1),
    "fchmod": _Call(91, 52),
    "fchmodat": _Call(268, 53),
    "fchmodat2": _Call(452, 452),
    "chown": _Call(92, -1),
    "lchown": _Call(94, -1),
    "fchown": _Call(93, 55),
    "fchownat": _Call(260, 54),
    "utime": _Call(132, -1),
    "utimes": _Call(235, -1),
    "futimesat": _Call(261, -1),
    "utimensat": _Call(280, 88),
    "setxattr": _Call(188, 5),
    "lsetxattr": _Call(189, 6),
    "fsetxattr": _Call(190, 7),
    "setxattrat": _Call(463, 463),
    "removexattr": _Call(197, 14),
    "lremovexattr": _Call(198, 15),
    "fremovexattr": _Call(199, 16),
    "removexattrat": _Call(466, 466),
    "file_setattr": _Call(469, 469),
}
"""System calls that fail with EPERM: sockets, programs, other processes, signals, and properties of files, which
Landlock does not cover. `abort` of the C library still ends the process: it has an invalid instruction as well."""

_PRLIMIT: Final = _Call(302, 261)
"""Allowed for this process only, which is number 0."""
_CLONE: Final = _Call(56, 220)
"""Allowed for threads only."""
_CLONE3: Final = _Call(435, 435)
"""Its flags are in memory, where a filter can't read; after ENOSYS the C library uses `clone`."""

_ARCHITECTURES: Final[Mapping[str, tuple[int, int]]] = {
    "x86_64": (0xC000003E, 0),
    "aarch64": (0xC00000B7, 1),
    "riscv64": (0xC00000F3, 1),
}
"""The kernel's number of each architecture, and the column of `_Call` with its system calls. All are little-endian."""

_INSTRUCTION: Final = struct.Struct("=HBBI")
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_JUMP_IF_SET: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_UNKNOWN: Final = 0x00050000 | errno.ENOSYS
_KILL: Final = 0x80000000
_OTHER_ABI: Final = 0x40000000
"""System calls of x32 have this bit, and other numbers."""
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_FLAGS_AT: Final = 16
"""Offsets in the kernel's `seccomp_data`; the flags are the lower half of the first argument of `clone`, as is the
number of the process of `prlimit`."""
_CLONE_THREAD: Final = 0x00010000

_NICE: Final = 10
_OOM_SCORE: Final = 500
"""The kernel ends a query before the server when memory is short."""


class SandboxLimits(NamedTuple):
    """Resources of one query."""

    memory_bytes: int
    """Size of the address space."""
    cpu_s: int
    """Processor time, seconds."""
    answer_bytes: int
    """Size of a file that is written."""


def missing() -> str:
    """Return why this machine has no sandbox; empty where it has."""
    version = landlock.version()
    if version < 1:
        return "this kernel has no Landlock (Linux 5.13 or later, with the security module switched on)"
    if version < landlock.TCP_SINCE and platform.machine() not in _ARCHITECTURES:
        return "neither this kernel's Landlock nor a filter of system calls can take the network away"
    return ""


def enter(folder: Path, limits: SandboxLimits) -> None:
    """Restrict this process for good; to be called while it has one thread.

    Args:
        folder: the only one that can be read.
        limits: bounds of what the process may use.

    Raises:
        OSError: the kernel refuses, or there are more threads; the process must not go on.
    """
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208
        raise OSError("a process with threads can't be restricted")
    os.environ.clear()
    with suppress(OSError), Path("/proc/self/oom_score_adj").open("w") as file:
        file.write(str(_OOM_SCORE))
    with suppress(OSError):
        os.nice(_NICE)
    _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    _limit(limits)
    version = landlock.version()
    rights = landlock.EXECUTE | landlock.READ | landlock.CHANGES | landlock.ODD_FILES
    rights |= landlock.REFER if version >= landlock.REFER_SINCE else 0
    rights |= landlock.TRUNCATE if version >= landlock.TRUNCATE_SINCE else 0
    network = landlock.TCP if version >= landlock.TCP_SINCE else 0
    scoped = landlock.SCOPES if version >= landlock.SCOPES_SINCE else 0
    landlock.restrict(rights, [(folder, landlock.READ)], network, scoped)
    _deny_calls()


def _limit(limits: SandboxLimits) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one file per segment
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.answer_bytes),
    ):
        resource.setrlimit(kind, (value, value))


def _deny_calls() -> None:
    """Refuse system calls with EPERM. Without a known architecture, Landlock alone has to do. Raises `OSError`."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return
    program = _program(*known)
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.cast(buffer, ctypes.c_void_p).value or 0
    head = struct.pack("@HP", len(program) // _INSTRUCTION.size, pointer)
    _prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.create_string_buffer(head, len(head)))


def _program(architecture: int, column: int) -> bytes:
    """Return the filter: another architecture's calls end the process, some calls fail, all others are allowed."""
    denied = [call[column] for call in DENIED.values() if call[column] >= 0]
    count = len(denied)
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_IF_EQUAL, 0, 1, _CLONE3[column]),
        (_RETURN, 0, 0, _UNKNOWN),
        (_JUMP_IF_EQUAL, 0, 2, _PRLIMIT[column]),
        (_LOAD, 0, 0, _FLAGS_AT),
        (_JUMP_IF_EQUAL, count + 4, count + 5, 0),
        (_JUMP_IF_EQUAL, 0, 2, _CLONE[column]),
        (_LOAD, 0, 0, _FLAGS_AT),
        (_JUMP_IF_SET, count + 1, count + 2, _CLONE_THREAD),
        (_JUMP_IF_AT_LEAST, count + 1, 0, _OTHER_ABI),
    ]
    code += [(_JUMP_IF_EQUAL, count - place, 0, number) for place, number in enumerate(denied)]
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join([_INSTRUCTION.pack(*one) for one in code])


def _prctl(option: int, value: int, argument: object = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, argument, 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
