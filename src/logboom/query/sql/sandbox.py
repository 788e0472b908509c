"""Sandbox of a process that runs one SQL query: it reads the journal's folder, and can do nothing else.

Landlock takes all access to files but reading the folder; seccomp takes sockets, programs and other processes;
resource limits bound memory, processor time and what is written. Whatever the engine would allow a query, the
kernel does not.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from logboom import landlock

_SET_DEATH_SIGNAL: Final = 1
_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2

_DENIED_X86: Final = (41, 42, 49, 59, 62, 101, 310, 311, 322, 425)
_DENIED_GENERIC: Final = (198, 203, 200, 221, 129, 117, 270, 271, 281, 425)
"""Numbers of socket, connect, bind, execve, kill, ptrace, process_vm_readv, process_vm_writev, execveat and
io_uring_setup."""

_ARCHITECTURES: Final[Mapping[str, tuple[int, Sequence[int]]]] = {
    "x86_64": (0xC000003E, _DENIED_X86),
    "aarch64": (0xC00000B7, _DENIED_GENERIC),
    "riscv64": (0xC00000F3, _DENIED_GENERIC),
}
"""The kernel's number of each architecture, and its denied system calls."""

_INSTRUCTION: Final = struct.Struct("=HBBI")
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1
"""Return EPERM."""
_KILL: Final = 0x80000000
_OTHER_ABI: Final = 0x40000000
"""System calls of x32 have this bit, and other numbers."""

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
    landlock.restrict(rights, [(folder, landlock.READ)], network)
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


def _program(architecture: int, denied: Sequence[int]) -> bytes:
    """Return the filter: another architecture's calls end the process, some calls fail, all others are allowed."""
    count = len(denied)
    code = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
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
