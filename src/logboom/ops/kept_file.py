"""File with what people have made on the page or by the API: it is never replaced because it can't be read."""

from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from logboom.durable import replace_file
from logboom.errors import StorageError
from logboom.model import Report

ASIDE_MAX: Final = 100
"""Most damaged files that are set aside: more of them are no accident, and fill the disk."""


class FileWords(NamedTuple):
    """Words for messages about a file."""

    part: str
    """Part of the server that has the file: `alerts`."""
    noun: str
    """One thing in the file: `rule`."""


class _Head(msgspec.Struct):
    version: int


T = TypeVar("T", bound=msgspec.Struct)


class KeptFile(Generic[T]):
    """A durable file of one version. The caller holds a lock.

    Args:
        path: of the file.
        kind: type of its content, with the field `version`.
        version: that can be read, and is written.
        words: for messages.
        report: logs what can't be read.
    """

    def __init__(self, path: Path, kind: type[T], version: int, words: FileWords, report: Report) -> None:
        self._path = path
        self._kind = kind
        self._version = version
        self._words = words
        self._report = report
        self._refusal = ""
        """Reason for which nothing can be saved: the file has content that could not be loaded."""

    def load(self) -> T | None:
        """Return the content; None: there is none, or it can't be read."""
        try:
            data = self._path.read_bytes()
            version = msgspec.json.decode(data, type=_Head).version
            if version == self._version:
                return msgspec.json.decode(data, type=self._kind)
            self._refuse(f"expected version {self._version}, found {version}")
        except FileNotFoundError:
            pass
        except OSError as error:
            self._refuse(error.strerror or str(error))
        except (ValueError, RecursionError) as error:
            self._set_aside(str(error))
        return None

    def check(self) -> None:
        """Raise `StorageError` if nothing can be saved."""
        if self._refusal:
            raise StorageError(self._refusal)

    def save(self, content: T) -> None:
        """Replace the content, durably. Raises `StorageError`."""
        self.check()
        try:
            replace_file(self._path, [msgspec.json.encode(content), b"\n"])
        except OSError as error:
            text = f"the {self._words.noun} can't be saved: {error.strerror or error}"
            raise StorageError(text) from None

    def _refuse(self, reason: str) -> None:
        """Refuse changes, which would replace the content of the file."""
        (part, noun), name = self._words, self._path.name
        self._refusal = f"{noun}s can't be changed until {name} can be read at a start: {reason}"
        self._report("warning", f"{part}: no {noun} of {name} is loaded, and none can be changed: {reason}")

    def _set_aside(self, reason: str) -> None:
        """Rename a damaged file to a name that is free; changes are refused if that fails."""
        suffixes = [".damaged", *(f".damaged-{number}" for number in range(2, ASIDE_MAX + 1))]
        free = [path for one in suffixes if not (path := self._path.with_suffix(one)).exists()]
        if not free:
            self._refuse(f"{reason}; {ASIDE_MAX} damaged files are there already")
            return
        try:
            self._path.rename(free[0])
        except OSError as error:
            self._refuse(f"{reason}; it can't be set aside: {error.strerror or error}")
            return
        self._report(
            "warning", f"{self._words.part}: {self._path.name} can't be read, and is set aside: {reason}"
        )
