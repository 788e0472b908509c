"""Measurements from /proc of a process, its children, and the machine."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> Iterator[int]:
    """The process and its living descendants."""
    yield pid
    for task in _entries(_PROC / str(pid) / "task"):
        for child in _read(task / "children").split():
            yield from tree(int(child))


def cpu_s(pid: int) -> float:
    """Processor seconds, user and system, of a process with its threads and children, ended ones included."""
    ticks = 0
    for member in tree(pid):
        fields = _read(_PROC / str(member) / "stat").rpartition(")")[2].split()
        # proc(5): after the name come state, ppid, …; utime, stime, cutime, cstime are fields 14 to 17.
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / _TICKS_PER_S


def peak_rss_mib(pid: int) -> float:
    """The largest resident size so far, summed over the process and its living children."""
    return sum(_status_kib(member, "VmHWM:") for member in tree(pid)) / 1024


def rss_mib(pid: int) -> float:
    """The resident size now, summed over the process and its living children."""
    return sum(_status_kib(member, "VmRSS:") for member in tree(pid)) / 1024


def open_files(pid: int) -> int:
    """Number of open file descriptors of a process, without its children."""
    return len(_entries(_PROC / str(pid) / "fd"))


def busy_s() -> float:
    """Processor seconds the whole machine has worked since it started; waiting and stolen time left out."""
    user, nice, system, _idle, _iowait, irq, softirq = (
        int(value) for value in _read(_PROC / "stat").split()[1:8]
    )
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def machine(directory: Path) -> dict[str, str]:
    """The machine in words.

    Args:
        directory: the file system is the one that holds it.
    """
    model = _after(_read(_PROC / "cpuinfo"), "model name")
    memory_kib = int(_after(_read(_PROC / "meminfo"), "MemTotal").split()[0])
    return {
        "processor": f"{model or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{memory_kib / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _release_name(),
        "file system": file_system(directory),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def file_system(directory: Path) -> str:
    """The type of the file system that holds a directory."""
    target = directory.resolve()
    mounts = (entry.split() for entry in _read(_PROC / "mounts").splitlines())
    holding = [
        (len(Path(fields[1]).parts), fields[2]) for fields in mounts if target.is_relative_to(fields[1])
    ]
    return max(holding)[1] if holding else "unknown"


def _status_kib(pid: int, key: str) -> int:
    for entry in _read(_PROC / str(pid) / "status").splitlines():
        if entry.startswith(key):
            return int(entry.split()[1])
    return 0


def _after(text: str, key: str) -> str:
    for entry in text.splitlines():
        if entry.startswith(key):
            return entry.partition(":")[2].strip()
    return ""


def _release_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:  # the process has ended meanwhile
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # the process has ended meanwhile
        return ""
