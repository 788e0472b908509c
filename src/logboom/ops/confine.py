"""Confinement of the process with Landlock: it can write to given folders only, and start no program.

It applies to the calling thread and the threads that it starts, so the server calls it before it has other threads.
Reading is not restricted: certificates, configuration and time zones may be anywhere.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from logboom import landlock
from logboom.durable import make_folder
from logboom.errors import ConfigError


def confine(writable: Iterable[Path]) -> None:
    """Restrict this process to writing below `writable`, and to starting no program.

    Args:
        writable: folders; created when they are missing.

    Raises:
        ConfigError: the kernel does not support it.
    """
    version = landlock.version()
    if version < landlock.REFER_SINCE:  # before, files can't be moved to another folder
        raise ConfigError(
            "confine: this kernel does not support it; Landlock of Linux 5.19 or later is needed"
        )
    truncate = landlock.TRUNCATE if version >= landlock.TRUNCATE_SINCE else 0
    rights = landlock.CHANGES | landlock.REFER | truncate
    folders = list(writable)
    for folder in folders:
        make_folder(folder)
    allowed = [(folder, rights) for folder in folders]
    null = Path(os.devnull)
    if null.exists():
        allowed.append((null, landlock.WRITE_FILE | truncate))
    try:
        landlock.restrict(landlock.EXECUTE | landlock.ODD_FILES | rights, allowed)
    except OSError as error:
        raise ConfigError(f"confine: the kernel returned an error: {error.strerror}") from None
