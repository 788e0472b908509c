"""`logboom restore`: a data directory from its backup."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from logboom.cli import options
from logboom.cli.backup_copy import copy_backup
from logboom.cli.speaking import say
from logboom.durable import keep_private
from logboom.errors import StorageError

_LISTED_MAX: Final = 10  # lines that still fit on a terminal with the result of the verification

_Backup = Annotated[
    Path, typer.Argument(metavar="BACKUP", help="The copy of a data directory: it has a folder journal.")
]


def restore(backup: _Backup, *, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Copy a backup into a new data directory, and verify every byte of the copy.

    The data directory must not have a journal yet. The backup is not changed. Only files and folders are copied, with
    the permissions that the server gives them; links, pipes and devices are listed. A restore that fails leaves no
    journal, and can be repeated. A last line that was copied in half is set aside, as after a power cut; so is what
    is damaged, and it is listed. Start the server afterwards.

    Examples:
      logboom restore /srv/backup/logboom --data-dir /var/lib/logboom

      rclone copy remote:logboom backup && logboom restore backup

    Exit codes: 0 restored and verified, 1 there is no backup, there is a journal already, one folder is inside the
    other, or the disk is full or broken, 2 wrong command line.
    """
    from logboom.cli.verify import verify
    from logboom.journal.lock import DataDirLock

    target = options.data_dir_of(data_dir, config)
    keep_private()
    try:
        _check_separate(backup, target)
        target.mkdir(parents=True, exist_ok=True)
        with closing(DataDirLock(target)):
            _check_no_journal(target)
            left_out = copy_backup(backup, target)
    except OSError as error:
        raise StorageError(f"can't copy all of {backup} to {target}: {error}") from error
    _list_left_out(left_out)
    verify(str(target), config=None, repair=True, head=None)
    say(f"✅ restored to {target}")


def _check_separate(backup: Path, target: Path) -> None:
    journal = backup / "journal"
    if journal.is_symlink() or not journal.is_dir():
        raise StorageError(f"there is no journal in {backup}: name the copy of a data directory")
    one, other = backup.resolve(), target.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise StorageError(
            f"{backup} and {target} are the same folder, or one is inside the other: name separate ones"
        )


def _check_no_journal(target: Path) -> None:
    journal = target / "journal"
    if journal.is_dir() and any(journal.iterdir()):
        raise StorageError(f"{target} has a journal already: move it away, or restore to another folder")


def _list_left_out(paths: list[Path]) -> None:
    for path in sorted(paths)[:_LISTED_MAX]:
        say(f"left out, because it is neither a file nor a folder: {path}")
    if len(paths) > _LISTED_MAX:
        say(f"left out: {len(paths):,} of this kind in all")
