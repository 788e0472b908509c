"""Codec of systemd-journal-upload: entries are stored as they come, in one request that may be of any length."""

from typing import Final

import msgspec

from logboom.formats.journal_fields import entries_of_texts
from logboom.formats.mapped import batch_of
from logboom.framing.journal_entries import JournalDataError, JournalEntries, JournalFields
from logboom.model import Batch, Receipt
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest

CONTENT_TYPE: Final = "application/vnd.fdo.journal"
CURSOR: Final = "__CURSOR"
"""Field that identifies an entry among those of all machines."""

_encode_keys: Final = msgspec.json.Encoder().encode_lines


class UploadCodec:
    """Codec of one upload; see `HttpCodec`.

    Args:
        request: its head.
    """

    hold_s = 150.0
    """The client ends at the first refusal, and its service stays ended after five; its watchdog waits 180 s."""
    refusal_pause_s = 3.0
    """For the same reason: five starts in ten seconds are too many for systemd."""
    trusts_encoding = False
    is_document = False
    is_endless = True

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._entries = JournalEntries()
        self._fed_bytes = 0
        self._last: JournalFields | None = None

    @property
    def held_bytes(self) -> int:
        """See `HttpCodec`."""
        return len(self._entries)

    def begin(self) -> None:
        """See `HttpCodec`. Raises `BodyError`."""
        if self._request.content_type != CONTENT_TYPE:
            raise BodyError(415, f"Content-Type: expected {CONTENT_TYPE}")

    def feed(self, data: bytes) -> None:
        """See `HttpCodec`."""
        self._entries.feed(data)
        self._fed_bytes += len(data)

    def end(self) -> None:
        """See `HttpCodec`. Raises `BodyError`."""
        try:
            self._last = self._entries.end()
        except JournalDataError as error:
            raise BodyError(400, str(error)) from None

    def take(self) -> Batch | None:
        """See `HttpCodec`. Raises `BodyError`."""
        try:
            found = self._entries.take()
        except JournalDataError as error:
            raise BodyError(400, str(error)) from None
        if self._last is not None:
            found.append(self._last)
            self._last = None
        if not found:
            return None
        size_bytes, self._fed_bytes = self._fed_bytes, 0
        cursors = [fields.get(CURSOR) for fields in found]
        entries = entries_of_texts(found)
        batch = batch_of(entries, size_bytes, levels=[entry.level for entry in entries])
        if all(cursors):
            batch.keys = _encode_keys([f"journal:{cursor}" for cursor in cursors])[:-1].split(b"\n")
        return batch

    def settle(self, batch: Batch, receipt: Receipt) -> None:
        """See `HttpCodec`. An entry that is too long to be stored is left out."""

    def reply(self) -> HttpReply:
        """See `HttpCodec`."""
        return HttpReply(202, b"OK.\n", "text/plain")

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`."""
        return HttpReply(error.status, f"{error}\n".encode(), "text/plain")
