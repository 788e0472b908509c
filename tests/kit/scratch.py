"""Where tests have their folders: in memory, where there is enough of it.

Most tests wait for the disk more than for anything else: each entry that they store is synchronised. What a test shows
is the same in memory, as killed processes lose nothing of the page cache either. Tests of disks make one themselves.
"""

import os
import shutil
from pathlib import Path
from typing import Final

_IN_MEMORY: Final = Path("/dev/shm")
_FREE_BYTES_MIN: Final = 4 << 30
"""The whole suite has some 100 MB at a time: the rest is for browsers, databases and servers."""
_ROOT: Final = "PYTEST_DEBUG_TEMPROOT"
"""Variable with the folder in which pytest makes its folders. Its processes inherit it."""


def use_memory() -> None:
    """Have pytest make its folders in memory, unless there is little of it or a place was chosen."""
    if _ROOT not in os.environ and "TMPDIR" not in os.environ and _free_bytes() >= _FREE_BYTES_MIN:
        os.environ[_ROOT] = str(_IN_MEMORY)


def _free_bytes() -> int:
    """Free memory for files; 0 where the system has no such file system."""
    if not os.path.ismount(_IN_MEMORY) or not os.access(_IN_MEMORY, os.W_OK):
        return 0
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    available = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
    return min(available, shutil.disk_usage(_IN_MEMORY).free)
