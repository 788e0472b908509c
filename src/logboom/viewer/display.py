"""Entries as lines for people, with their colours. Pure. Contract: docs/contracts/websocket.md."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logboom.formats.harmless import visible, visible_in_colour
from logboom.formats.levels import severity
from logboom.formats.records import lenient_entry, sender
from logboom.model import Record
from logboom.viewer.recent import cell_of, row_of

RESET: Final = "\x1b[0m"
GREEN: Final = "\x1b[32m"
YELLOW: Final = "\x1b[33m"
CYAN: Final = "\x1b[36m"
RED: Final = "\x1b[31m"
DIM: Final = "\x1b[2m"

KINDS: Final = {"log": GREEN, "status": YELLOW, "heartbeat": CYAN, "error": RED}
"""Types of messages, and their colours."""
_STDERR: Final = "stderr"
_HEART: Final = "💓"
_WARNING: Final = 13
_ERROR: Final = 17
_INFO: Final = 9
_CLOCK: Final = re.compile(r"\d\d:\d\d:\d\d")

Entry = dict[str, Any]


class EntryEvent(msgspec.Struct):
    """An entry as the server's API writes it."""

    sequence: int
    received_at: str
    time: str
    source: str
    listener: str
    level: str
    message: str
    entry: Entry = {}
    wrong_clock: bool = False
    is_copy: bool = False
    time_from: str = ""

    def record(self) -> Record:
        """The same as a record."""
        return Record(*(getattr(self, name) for name in Record._fields))


class _RawEvent(EntryEvent):
    """An event whose entry may be what the strict decoder does not read, such as 1e400."""

    entry: msgspec.Raw = msgspec.Raw(b"{}")  # type: ignore[assignment]  # only ever seen in `read_event`


_decode: Final = msgspec.json.Decoder(EntryEvent).decode
_decode_raw: Final = msgspec.json.Decoder(_RawEvent).decode


def read_event(data: bytes) -> EntryEvent:
    """Read an event. Raises `msgspec.DecodeError`."""
    try:
        return _decode(data)
    except msgspec.DecodeError:
        event = _decode_raw(data)
        event.entry = lenient_entry(bytes(event.entry))  # type: ignore[assignment]  # it is an `EntryEvent` from here on
        return event


def name_of(source: str) -> str:
    """Return a source as it is shown: `name-id` as `name (id)`."""
    name, dash, number = source.rpartition("-")
    return f"{name} ({number})" if dash and name and number else source


def is_message(entry: Entry) -> bool:
    """Return whether an entry is a WebSocket message."""
    kind, message = entry.get("type"), entry.get("message")
    return (
        isinstance(kind, str)
        and kind in KINDS
        and isinstance(entry.get("source"), str)
        and (
            isinstance(message, str)
            or (isinstance(message, list) and all(isinstance(one, str) for one in message))
        )
    )


class Display:
    """Numbers entries, and writes each as one line or several.

    Args:
        colours: for a terminal.
        fields: shown as `name=value` instead of the messages, where an entry has them; see `recent.cell_of`.
    """

    def __init__(self, *, colours: bool, fields: Sequence[str] = ()) -> None:
        self._colours = colours
        self._fields = fields
        self.shown = 0
        """Number of entries so far."""

    def format(self, event: EntryEvent) -> str:
        """The entry's lines, without the last line end."""
        self.shown += 1
        if is_message(event.entry) and not self._fields:
            return self._message(event)
        clock = _clock_of(event.time) or _clock_of(event.received_at)
        who = f"{sender(event.entry, event.source)} ({event.listener})"
        text = self._chosen(event) if self._fields else event.message
        lines: list[str] | str = text.split("\n") if "\n" in text else text
        return self._lines(
            clock, event.level or event.listener.upper(), who, lines, _level_colour(event.level)
        )

    def _chosen(self, event: EntryEvent) -> str:
        row = row_of(event.record())
        cells = [(name, cell_of(row, name)) for name in self._fields]
        return " ".join(f"{name}={cell}" for name, cell in cells if cell)

    def _message(self, event: EntryEvent) -> str:
        entry = event.entry
        kind, message = entry["type"], entry["message"]
        clock = _clock_of(entry.get("timestamp")) or _clock_of(event.received_at)
        if isinstance(message, str) and "\n" in message:
            message = message.split("\n")
        if kind == "heartbeat" and isinstance(message, str) and _HEART not in message:
            message = f"{_HEART} {message}"
        is_stderr = kind == "log" and entry.get("stream") == _STDERR
        tag, colour = ("STDERR", RED) if is_stderr else (kind.upper(), KINDS[kind])
        return self._lines(clock, tag, name_of(entry["source"]), message, colour)

    def _lines(self, clock: str, tag: str, who: str, message: str | list[str], colour: str) -> str:
        head = f"[{self.shown:04d}] {clock} [{visible(tag)}] {visible(who)}"
        if isinstance(message, str):
            return self._coloured(f"{head}: ", message, colour)
        count = f"{len(message)} line" if len(message) == 1 else f"{len(message)} lines"
        lines = [self._coloured(f"{head} ({count}):", "", colour)]
        lines += [self._coloured(f"  {number}: ", line, colour) for number, line in enumerate(message, 1)]
        return "\n".join(lines)

    def _coloured(self, head: str, text: str, colour: str) -> str:
        line = head + (visible_in_colour(text) if self._colours else visible(text))
        return f"{colour}{line}{RESET}" if self._colours and colour else line


def is_bad(level: str) -> bool:
    """Return whether a level is an error, or worse."""
    return (severity(level) or 0) >= _ERROR


def is_dubious(level: str) -> bool:
    """Return whether a level is a warning, or worse."""
    return (severity(level) or 0) >= _WARNING


def _level_colour(level: str) -> str:
    number = severity(level)
    if number is None:
        return ""
    if is_dubious(level):
        return RED if is_bad(level) else YELLOW
    return GREEN if number >= _INFO else DIM


def _clock_of(moment: object) -> str:
    """Hours, minutes and seconds of a time, as its sender wrote them."""
    found = _CLOCK.search(moment) if isinstance(moment, str) else None
    return found[0] if found else ""
