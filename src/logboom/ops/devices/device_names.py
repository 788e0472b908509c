"""Names that people give to devices, in a durable file."""

import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from logboom.model import Report
from logboom.ops.kept_file import FileWords, KeptFile

FILE_NAME: Final = "device-names.json"
VERSION: Final = 1

NAMES_MAX: Final = 12_000
"""Most names, some 0.3 KB each: as many as there are devices in the list. Of more, those of devices that are no
longer in the list are dropped, those first that were given first."""

DeviceKey = tuple[str, str]
"""Listener, and name of the device as it calls itself."""


class _Name(msgspec.Struct, array_like=True):
    listener: str
    name: str
    given: str


class _File(msgspec.Struct):
    version: int
    names: list[_Name]


class DeviceNames:
    """The names. Any thread may call any method.

    Args:
        data_dir: folder of the file.
        report: logs what can't be read.
    """

    def __init__(self, data_dir: Path, report: Report) -> None:
        self._file = KeptFile(data_dir / FILE_NAME, _File, VERSION, FileWords("devices", "name"), report)
        self._lock = threading.Lock()
        file = self._file.load()
        self._given = {(one.listener, one.name): one.given for one in file.names} if file is not None else {}

    def of(self, key: DeviceKey) -> str:
        """Return the name that a device was given; empty: none."""
        return self._given.get(key, "")

    def give(self, key: DeviceKey, given: str, known: Collection[DeviceKey]) -> None:
        """Give a device a name; it is in the file when this returns.

        Args:
            key: the device.
            given: its name; empty: it has none any more.
            known: the devices of the list.

        Raises:
            StorageError: the file can't be written, or could not be read at the start.
        """
        with self._lock:
            names = {one: name for one, name in self._given.items() if one != key}
            if given:
                names[key] = given
            gone = [one for one in names if one not in known and one != key] if len(names) > NAMES_MAX else []
            for one in gone[: len(names) - NAMES_MAX]:
                del names[one]
            self._file.save(_File(VERSION, [_Name(*one, name) for one, name in names.items()]))
            self._given = names
