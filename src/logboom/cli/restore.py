"""`logboom restore`: a data directory from its backup."""

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.speaking import say
from logboom.durable import keep_private, sync_folder
from logboom.errors import StorageError

_LEFT_OUT: Final = shutil.ignore_patterns("lock", "*.sock", "*.part", "pack-now")
"""Files of a running server, and files that were not complete."""

_Backup = Annotated[
    Path, typer.Argument(metavar="BACKUP", help="The copy of a data directory: it has a folder journal.")
]


def restore(backup: _Backup, *, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Copy a backup into a new data directory, and verify every byte of the copy.

    The data directory must not have a journal yet. The backup is not changed. A last line that was copied in half is
    set aside, as after a power cut; so is what is damaged, and it is listed. Start the server afterwards.

    Examples:
      logboom restore /srv/backup/logboom --data-dir /var/lib/logboom

      rclone copy remote:logboom backup && logboom restore backup

    Exit codes: 0 restored and verified, 1 there is no backup, there is a journal already, or the disk is full or
    broken, 2 wrong command line.
    """
    from logboom.cli.verify import verify
    from logboom.journal.lock import DataDirLock

    target = options.data_dir_of(data_dir, config)
    if not (backup / "journal").is_dir():
        raise StorageError(f"there is no journal in {backup}: name the copy of a data directory")
    if any((target / "journal").glob("*.jsonl*")):
        raise StorageError(f"{target} has a journal already: move it away, or restore to another folder")
    keep_private()
    target.mkdir(parents=True, exist_ok=True)
    try:
        with closing(DataDirLock(target)):
            shutil.copytree(backup, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
            _sync(target)
    except OSError as error:  # shutil.Error, which lists several of them, is one, too
        raise StorageError(f"can't copy all of {backup} to {target}: {error}") from error
    verify(str(target), config=None, repair=True, head=None)
    say(f"✅ restored to {target}")


def _sync(root: Path) -> None:
    """Write all files of a folder to the disk."""
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(Path(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            os.fsync(descriptor)
            os.close(descriptor)
        sync_folder(Path(folder))
