"""Identifier of a journal, with which databases keep the position of an output.

A new data directory, or a second server that uses the same database, has another identifier, and so starts with its
own first entry.
"""

import secrets
from pathlib import Path
from typing import Final

from logboom.durable import create_file, make_folder, sync_folder
from logboom.errors import OutputError

ID_CHARACTERS: Final = 32
_DIGITS: Final = frozenset("0123456789abcdef")


def id_path(data_dir: Path) -> Path:
    """Path of the file with the identifier."""
    return data_dir / "outputs" / "journal-id"


def journal_id(data_dir: Path) -> str:
    """Return the identifier of the journal in `data_dir`, 32 hexadecimal digits; the first call creates it.

    Raises:
        OutputError: the stored identifier is not valid.
        OSError: it can't be read or stored.
    """
    path = id_path(data_dir)
    make_folder(path.parent)
    try:
        name = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return _keep(path, secrets.token_hex(ID_CHARACTERS // 2))
    if len(name) != ID_CHARACTERS or not _DIGITS.issuperset(name):
        raise OutputError(
            f"{path} holds {name[:40]!r}, expected {ID_CHARACTERS} hexadecimal digits; "
            "without the file, the outputs to databases start again with the oldest entry"
        )
    return name


def _keep(path: Path, name: str) -> str:
    """Store the identifier atomically; of several outputs that start at once, all use the first one's."""
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
