"""Layouts whose lines are JSON objects: any JSON lines, Docker's `json-file`, and `journalctl -o json`."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, ClassVar, Final

import msgspec

from logboom.clients.importing.layouts.base import Converted, Layout, encoded, share
from logboom.formats.journal_fields import entry_of_fields
from logboom.formats.mapped import MappedEntry


class _Docker(msgspec.Struct, gc=False):
    log: str
    time: str
    stream: str = ""
    attrs: dict[str, Any] = {}


_docker: Final = msgspec.json.Decoder(_Docker)
_fields: Final = msgspec.json.Decoder(dict[str, Any])


class JsonObjectLines(Layout):
    """Objects that are stored as they are; the server reads their times and levels by the usual names."""

    name: ClassVar[str] = "json"
    about: ClassVar[str] = "one JSON object per line, stored as it is"
    has_zone = False

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, map(_is_object, sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`. What is no object is left for the server to refuse with a reason."""
        return Converted(data if data.endswith(b"\n") else data + b"\n", data.count(b"\n"))


class DockerJson(Layout):
    """Lines of Docker's logging driver `json-file`."""

    name: ClassVar[str] = "docker"
    about: ClassVar[str] = "Docker's json-file: log, stream, time, attrs"
    has_zone = False

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        super().__init__(zone)
        self._begun: dict[str, _Docker] = {}  # the beginning of a message that Docker has split, by stream

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (_read(_docker, line) for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`. A message longer than 16 KiB is put together again."""
        lines = [line for line in data.splitlines() if line.strip()]
        found = [one for line in lines if (one := _read(_docker, line)) is not None]
        entries = [entry for one in found if (entry := self._add(one, self._begun)) is not None]
        return encoded(entries, len(lines) - len(found))

    def cut(self, data: bytes) -> int:
        """See `base.Layout`. The parts of a message stay in one window, unless it has no end for a whole window."""
        begun, whole, place = dict(self._begun), 0, 0
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            place += len(line)
            found = _read(_docker, line)
            if found is not None:
                self._add(found, begun)
            whole = whole if begun else place
        return whole or place

    def skip(self, data: bytes) -> None:
        """See `base.Layout`."""
        self.convert(data)

    def end(self) -> Converted:
        """See `base.Layout`. Messages whose end the container did not write, or not yet."""
        left, self._begun = self._begun.values(), {}
        return encoded(list(map(_entry_of, left)))

    @staticmethod
    def _add(line: _Docker, begun: dict[str, _Docker]) -> MappedEntry | None:
        """Return the entry that a line completes; None: it is the beginning of one, and becomes part of `begun`."""
        before = begun.pop(line.stream, None)
        if before is not None:
            line = msgspec.structs.replace(line, log=before.log + line.log)
        if not line.log.endswith("\n") and len(line.log) < MESSAGE_CHARS_MAX:
            begun[line.stream] = line
            return None
        return _entry_of(line)


MESSAGE_CHARS_MAX: Final = 256 << 10
"""A message that Docker has split is put together up to this length: a stream may have no line ends."""


class JournalJson(Layout):
    """Lines of `journalctl -o json`."""

    name: ClassVar[str] = "journal-json"
    about: ClassVar[str] = "journalctl -o json"
    has_zone = False

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (b'"__REALTIME_TIMESTAMP"' in line for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.splitlines() if line.strip()]
        found = [fields for line in lines if (fields := _read(_fields, line)) is not None]
        return encoded([entry_of_fields(fields) for fields in found], len(lines) - len(found))


def _entry_of(line: _Docker) -> MappedEntry:
    labels = {"stream": line.stream, **line.attrs}
    return MappedEntry(message=line.log.rstrip("\r\n"), time=line.time, labels=labels)


def _is_object(line: bytes) -> bool:
    return _read(_fields, line) is not None


def _read(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
