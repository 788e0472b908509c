"""The systemd journal's export format, as `journalctl -o export` writes it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from logboom.clients.importing.layouts.base import Converted, Layout, encoded, share
from logboom.formats.journal_fields import entry_of_fields
from logboom.framing.journal_entries import JournalDataError, JournalEntries


class JournalExport(Layout):
    """The journal's export format."""

    name: ClassVar[str] = "journal-export"
    about: ClassVar[str] = "journalctl -o export"

    @classmethod
    def fits(cls, sample: Sequence[bytes]) -> float:
        """See `base.Layout`."""
        return share(
            sample[:1], (line.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP=")) for line in sample[:1])
        )

    def cut(self, data: bytes) -> int:
        """See `base.Layout`."""
        entries = JournalEntries()
        entries.feed(data)
        with suppress(JournalDataError):
            entries.take()
        return entries.whole_bytes

    def convert(self, data: bytes) -> Converted:
        """See `base.Layout`."""
        entries, end = JournalEntries(), self.cut(data)
        entries.feed(data[:end])
        found = entries.take()
        with suppress(JournalDataError):  # the last entry of a file may lack its empty line
            entries.feed(data[end:])
            found.append(entries.end() or {})
        return encoded([entry_of_fields(fields) for fields in found if fields])
