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

    def __init__(self, zone: tzinfo | None = UTC) -> None:
        super().__init__(zone)
        self._begun: dict[str, str] = {}  # the beginning of a message that Docker has split, by stream

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (_read(_docker, line) for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`. A message longer than 16 KiB is put together again."""
        entries, unreadable = [], 0
        for line in data.splitlines():
            found = _read(_docker, line)
            if found is None:
                unreadable += bool(line.strip())
                continue
            text = self._begun.pop(found.stream, "") + found.log
            if not text.endswith("\n") and len(text) < MESSAGE_CHARS_MAX:
                self._begun[found.stream] = text
                continue
            labels = {"stream": found.stream, **found.attrs}
            entries.append(MappedEntry(message=text.rstrip("\r\n"), time=found.time, labels=labels))
        return encoded(entries, unreadable)


MESSAGE_CHARS_MAX: Final = 256 << 10
"""A message that Docker has split is put together up to this length: a stream may have no line ends."""


class JournalJson(Layout):
    """Lines of `journalctl -o json`."""

    name: ClassVar[str] = "journal-json"
    about: ClassVar[str] = "journalctl -o json"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(sample, (b'"__REALTIME_TIMESTAMP"' in line for line in sample))

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        lines = [line for line in data.splitlines() if line.strip()]
        found = [fields for line in lines if (fields := _read(_fields, line)) is not None]
        return encoded([entry_of_fields(fields) for fields in found], len(lines) - len(found))


def _is_object(line: bytes) -> bool:
    return _read(_fields, line) is not None


def _read(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
