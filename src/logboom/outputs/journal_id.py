"""Which journal an output has read: a name for it, so that another one's positions are never taken for ours.

Outputs that keep their position where the entries go (Redis, SQLite, PostgreSQL) need it: a new data directory, or a
second server with the same database, starts there with its own first entry.
"""

import secrets
from pathlib import Path
from typing import Final

from logboom.durable import create_file, make_folder, sync_folder
from logboom.errors import OutputError

_CHARACTERS: Final = 32
_DIGITS: Final = frozenset("0123456789abcdef")


def journal_id(data_dir: Path) -> str:
    """The name of the journal in `data_dir`, made up at the first call; 32 hexadecimal digits.

    Raises:
        OutputError: what is kept is no such name.
        OSError: it can't be read or kept.
    """
    path = data_dir / "outputs" / "journal-id"
    make_folder(path.parent)
    try:
        name = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return _keep(path, secrets.token_hex(_CHARACTERS // 2))
    if len(name) != _CHARACTERS or not _DIGITS.issuperset(name):
        raise OutputError(
            f"{path} holds {name[:40]!r}, expected {_CHARACTERS} hexadecimal digits; "
            "without the file, the outputs to databases start again with the oldest entry"
        )
    return name


def _keep(path: Path, name: str) -> str:
    """Whole or not at all; of several outputs that start at once, the first one's name is everybody's."""
    new = path.with_name(f"{path.name}.{name}.new")
    create_file(new, [f"{name}\n".encode()])
    try:
        path.hardlink_to(new)
    except FileExistsError:
        name = path.read_text(encoding="ascii").strip()
    finally:
        new.unlink()
    sync_folder(path.parent)
    return name
