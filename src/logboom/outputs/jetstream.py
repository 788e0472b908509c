"""Output `jetstream`: forwards journal lines to a NATS JetStream stream, in order, each exactly once.

One message of up to a megabyte of whole journal lines is in flight. Each carries the sequence of the last message of
its subject, and the server refuses any other: neither a lost answer nor a new leader can double, lose or reorder lines.
After an error the position is read from the stream.
"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import msgspec

from logboom.durable import make_folder, replace_file
from logboom.errors import OutputError
from logboom.journal.log import Block
from logboom.outputs.base import OutputPace, position_path
from logboom.outputs.jetstream_connection import BlockingStream, JetstreamSettings
from logboom.outputs.journal_id import journal_id

FIRST: Final = "Logboom-First"
"""Header of a message: the sequence of its first line in the journal that it comes from."""

COUNT: Final = "Logboom-Count"
"""Header of a message: the number of sequences that it stands for."""

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"

MESSAGE_BYTES: Final = 900 << 10
"""Lines per message; with the longest line it stays below the usual limit of 2 MB."""

NOTE_INTERVAL_S: Final = 10.0
"""Interval of the local note of the position, which counts only when the stream has deleted the last message."""

IDLE_S: Final = 0.5
"""Time without a message after which the connection is attended to: servers close one that does not answer pings."""

RETRY_S_MAX: Final = 0.25
"""Longest delay of a retry: senders wait for the answer, and a try without an answer takes seconds."""


class _Note(msgspec.Struct):
    journal: str
    position: int


class _Last(NamedTuple):
    """The last message of the journal's subject."""

    stream_sequence: int
    """0: there is none."""
    position: int
    """The sequence after its last line."""


class JetstreamOutput:
    """Forwarder of one journal to its subject of the stream.

    Args:
        settings: validated settings.
        name: name of the output in the configuration.
        data_dir: data directory, which has the identifier of the journal.
        clock: seconds, monotonic.
    """

    pace = OutputPace(block_bytes=MESSAGE_BYTES, flush_interval_s=0.0, retry_s_max=RETRY_S_MAX)

    def __init__(
        self,
        settings: JetstreamSettings,
        name: str,
        data_dir: Path,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.damaged = 0
        self._settings = settings
        self._selection = settings.selection()
        self._data_dir = data_dir
        self._note_path = position_path(data_dir, name)
        self._clock = clock
        self._connection: BlockingStream | None = None
        self._avoid = ""  # the server before: it may be the one that fails
        self._journal = self._subject = ""
        self._last = _Last(0, 0)
        self._noted_at = self._used_at = float("-inf")

    @property
    def skipped(self) -> int:
        """See `Output.skipped`."""
        return self._selection.skipped

    def open(self) -> None:
        """See `Output.open`. Raises `OSError`, `OutputError`."""
        if self._connection is None:
            self._journal = journal_id(self._data_dir)
            self._subject = self._settings.subject(self._journal)
            self._connection = BlockingStream(self._settings, self._avoid)
        self._last = self._find_last()
        note = self._read_note()
        if note > self._last.position:
            self._last = self._last._replace(position=note)

    def write(self, block: Block) -> None:
        """See `Output.write`: durable on a majority of the replicas when it returns. Raises `OutputError`."""
        if block.next_sequence <= self._last.position or self._connection is None:
            return
        first = max(block.first_sequence, self._last.position)
        lines = self._selection.of(block, self._last.position)
        headers = {
            EXPECTED: str(self._last.stream_sequence),
            FIRST: str(first),
            COUNT: str(block.next_sequence - first),
        }
        stream, subject = self._connection.stream, self._subject
        answer = self._connection.run(
            stream.publish(subject, lines.data, stream=self._settings.stream, headers=headers)
        )
        self._last, self._used_at = _Last(answer.seq, block.next_sequence), self._clock()

    def flush(self) -> None:
        """See `Output.flush`: everything written is durable already. Raises `OSError`, `OutputError`."""
        now = self._clock()
        if self._connection is not None and now - self._used_at >= IDLE_S:
            self._used_at = now
            self._connection.attend()
        if now - self._noted_at >= NOTE_INTERVAL_S:
            self._write_note(self._last.position)

    def position(self) -> int:
        """See `Output.position`."""
        return self._last.position

    def rewind(self, sequence: int) -> None:
        """See `Output.rewind`. Raises `OSError`."""
        self._last = self._last._replace(position=sequence)
        self._write_note(sequence)

    def close(self) -> None:
        """See `Output.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._avoid = connection.server
            connection.close()

    def _find_last(self) -> _Last:
        """Ask the stream for the last message of the own subject. Raises `OutputError`."""
        connection = self._connection
        if connection is None:
            raise OutputError(f"not connected to {self._settings.places}")
        try:
            message = connection.ask(
                lambda: connection.stream.get_last_msg(self._settings.stream, self._subject)
            )
        except OutputError as error:
            if _is_no_message(error.__cause__):
                return _Last(0, 0)
            raise
        headers = message.headers or {}
        try:
            position = int(headers[FIRST]) + int(headers[COUNT])
        except (KeyError, ValueError):
            raise OutputError(
                f"the last message of {self._subject} was not written by Logboom: it has no valid "
                f"headers {FIRST} and {COUNT}"
            ) from None
        return _Last(message.seq or 0, position)

    def _read_note(self) -> int:
        """Position of the last note; 0 without one, or if it is damaged or belongs to another journal."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=_Note)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return 0
        return note.position if note.journal == self._journal else 0

    def _write_note(self, position: int) -> None:
        self._noted_at = self._clock()
        make_folder(self._note_path.parent)
        replace_file(self._note_path, [msgspec.json.encode(_Note(self._journal, position))])


def _is_no_message(error: BaseException | None) -> bool:
    """Return whether the stream exists, but has no message of the subject."""
    return getattr(error, "err_code", None) == 10037
