"""Views of the page that people have saved for all users, in a durable file."""

import threading
from pathlib import Path
from typing import Final

import msgspec

from logboom.errors import StorageError
from logboom.model import Report
from logboom.ops.kept_file import FileWords, KeptFile

FILE_NAME: Final = "saved-views.json"
VERSION: Final = 1

VIEWS_MAX: Final = 200
"""Most views: more than a menu can show."""


class _File(msgspec.Struct):
    version: int
    views: dict[str, str]


class SavedViews:
    """The views: addresses within the page by name. Any thread may call any method.

    Args:
        data_dir: folder of the file.
        report: logs what can't be read.
    """

    def __init__(self, data_dir: Path, report: Report) -> None:
        self._file = KeptFile(data_dir / FILE_NAME, _File, VERSION, FileWords("page", "view"), report)
        self._lock = threading.Lock()
        file = self._file.load()
        self._views = file.views if file is not None else {}

    def document(self) -> dict[str, object]:
        """Return the document of `/api/views`."""
        views = [{"name": name, "address": address} for name, address in sorted(self._views.items())]
        return {"views": views, "views_max": VIEWS_MAX}

    def save(self, name: str, address: str) -> None:
        """Save a view, or replace the one of that name; it is in the file when this returns.

        Raises:
            StorageError: there are too many, or the file can't be written, or could not be read at the start.
        """
        with self._lock:
            if name not in self._views and len(self._views) >= VIEWS_MAX:
                raise StorageError(f"{VIEWS_MAX} views are saved: remove one first")
            self._replace({**self._views, name: address})

    def remove(self, name: str) -> bool:
        """Remove a view; False: there is none of that name. Raises as `save` does."""
        with self._lock:
            if name not in self._views:
                return False
            self._replace({one: address for one, address in self._views.items() if one != name})
            return True

    def _replace(self, views: dict[str, str]) -> None:
        self._file.save(_File(VERSION, views))
        self._views = views
