"""The systemd journal's export format: a field per line, binary ones with their length, then a blank line."""

from collections.abc import Sequence
from typing import ClassVar, Final

from logboom.clients.importing.layouts.base import Converted, Layout, encoded, share
from logboom.clients.importing.layouts.journal_fields import entry_of_fields

LENGTH_BYTES: Final = 8
"""Size of the length of a binary field, little-endian."""


class JournalExport(Layout):
    """The journal's export format."""

    name: ClassVar[str] = "journal-export"
    about: ClassVar[str] = "journalctl -o export"
    has_zone = False

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(
            sample[:1], (line.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=")) for line in sample[:1])
        )

    def cut(self, data: bytes) -> int:
        """See `base.Layout`."""
        return _entries(data)[1]

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        found, end = _entries(data)
        rest = _fields(data, end)[0]  # the last entry of a file may lack its empty line
        return encoded([entry_of_fields(fields) for fields in (*found, rest) if fields])


def _entries(data: bytes) -> tuple[list[dict[str, str]], int]:
    """Read the whole entries; returns them, and where the last one ends."""
    found: list[dict[str, str]] = []
    end = 0
    while True:
        fields, after = _fields(data, end)
        if after < 0:
            return found, end
        end = after
        found.append(fields)


def _fields(data: bytes, position: int) -> tuple[dict[str, str], int]:
    """Read the fields of an entry; returns them, and where it ends, or -1 when it is not whole."""
    fields: dict[str, str] = {}
    while (end := data.find(b"\n", position)) >= 0:
        if end == position:
            return fields, end + 1
        name, is_text, text = data[position:end].partition(b"=")
        position = end + 1
        if not is_text:
            size = int.from_bytes(data[position : position + LENGTH_BYTES], "little")
            position += LENGTH_BYTES
            if position + size >= len(data):
                break
            text = data[position : position + size]
            position += size + 1
        key = name.decode(errors="replace")
        value = text.decode(errors="replace")
        fields[key] = f"{fields[key]}\n{value}" if key in fields else value
    return fields, -1
