"""Names that log rotation gives, and the files of a folder that have them."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from logboom.clients.follow.position import FileIdentity

COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".zip", ".Z", ".7z")
"""Endings of files that are not read: compressed after rotation."""
FOLDER_FILES_MAX: Final = 20_000
"""Files of a folder that are looked at; more of them are no folder of logs."""

_WORDS: Final = r"(?:old|bak|backup|prev|previous|last|orig|save|copy)"
_BEHIND: Final = rf"(?:[.\-_~]?\d[\d.\-_:TZ]*|[.\-_~]{_WORDS}\d*|~)+"
_WITHIN: Final = rf"[.\-_~](?:\d[\d.\-_:TZ]*|{_WORDS})"
_DATE_DIGITS: Final = 6
_NUMBER: Final = re.compile(r"\d+")


class RotatedFile(NamedTuple):
    """A file that may be a rotated one."""

    path: Path
    identity: FileIdentity
    size: int
    mtime_ns: int


class Names:
    """The names that rotation gives to the files of a path.

    Args:
        path: the followed path.
        earlier: where its earlier file is now, if known: others are named alike.
        accepts_numbers: app-2.log is one of app.log, too; it may be another worker's log.
    """

    def __init__(self, path: Path, earlier: Path | None = None, *, accepts_numbers: bool = False) -> None:
        self._name = path.name
        stem, dot, ending = path.name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (path.name, "")
        self._behind = re.compile(re.escape(path.name) + _BEHIND)
        self._within = re.compile(re.escape(stem) + _WITHIN + re.escape(ending)) if ending else None
        self._alike = None
        self._accepts_numbers = accepts_numbers
        if earlier is not None and earlier.name != path.name:
            if self._behind.fullmatch(earlier.name):
                self._within = None
            elif self._within is not None and self._within.fullmatch(earlier.name):
                self._accepts_numbers = True
            else:
                digits = _NUMBER.sub("0", earlier.name)
                self._alike = re.compile(r"\d+".join(map(re.escape, digits.split("0"))))

    def match(self, name: str) -> bool:
        """True for the name of a rotated file, not compressed."""
        if self._behind.fullmatch(name) or (self._alike is not None and self._alike.fullmatch(name)):
            return True
        if self._within is None or not self._within.fullmatch(name):
            return False
        # app-2.log beside app.log may be another worker's log
        return (
            self._accepts_numbers or sum(map(str.isdigit, name)) >= _DATE_DIGITS or not _NUMBER.search(name)
        )

    def match_compressed(self, name: str) -> bool:
        """True for the name of a rotated file that was compressed."""
        return any(name.endswith(ending) and self.match(name.removesuffix(ending)) for ending in COMPRESSED)


def files_of(folders: Iterable[Path]) -> list[RotatedFile]:
    """All regular files of some folders; a folder that can't be read has none."""
    found = []
    for folder in dict.fromkeys(folders):
        try:
            with os.scandir(folder) as entries:
                for _, entry in zip(range(FOLDER_FILES_MAX), entries, strict=False):
                    candidate = _candidate(entry)
                    if candidate is not None:
                        found.append(candidate)
        except OSError:
            continue
    return found


def _candidate(entry: "os.DirEntry[str]") -> RotatedFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return None
    identity = FileIdentity(status.st_dev, status.st_ino)
    return RotatedFile(Path(entry.path), identity, status.st_size, status.st_mtime_ns)


def in_order(candidates: Iterable[RotatedFile]) -> list[RotatedFile]:
    """Oldest first; of one moment, app.log.2 before app.log.1, and an earlier date before a later one."""
    return sorted(candidates, key=lambda one: (one.mtime_ns, _age(one.path.name)))


def _age(name: str) -> tuple[int, str]:
    last = _NUMBER.findall(name)[-1:]
    small = bool(last) and len(last[0]) < _DATE_DIGITS - 2
    return (-int(last[0]) if small else 0, name)
