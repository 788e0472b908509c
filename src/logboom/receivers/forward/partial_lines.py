"""Parts of long lines, joined: Docker cuts the lines of a container into messages of 16 KiB."""

from typing import Final

import msgspec

from logboom.formats.mapped import MappedEntry

MARK: Final = "partial_message"
_ID: Final = "partial_id"
_ORDINAL: Final = "partial_ordinal"
_LAST: Final = "partial_last"

LINES_MAX: Final = 16
"""Lines of one connection whose parts are held: a container has two streams, and a connection of its own."""

LINE_CHARS_MAX: Final = 1 << 20
"""Characters of one line that are held; of a longer one, the parts are stored as they are."""

WAIT_S: Final = 5
"""Seconds for which parts wait for more of their line: Docker sends them back to back."""


class PartialLines:
    """Parts of one connection that wait for the rest of their lines.

    What does not become a whole line, such as a part behind a missing one, comes out as it was sent: no part is lost.
    """

    __slots__ = ("_held", "_waited_s")

    def __init__(self) -> None:
        self._held: dict[str, list[MappedEntry]] = {}
        self._waited_s = 0

    def __len__(self) -> int:
        """Characters held."""
        return sum(map(_chars, self._held.values()))

    def join(self, entries: list[MappedEntry]) -> list[MappedEntry]:
        """Return the entries that are no parts, the lines that are whole, and the parts of those that are given up."""
        self._waited_s = 0
        found: list[MappedEntry] = []
        for entry in entries:
            if MARK in entry.attributes:
                found += self._take(entry)
            else:
                found.append(entry)
        return found

    def tick(self) -> None:
        """Note that a second has passed without bytes."""
        self._waited_s += bool(self._held)

    def overdue(self, *, eof: bool) -> list[MappedEntry]:
        """Return what has waited too long, or will get no more parts; otherwise nothing."""
        if not (self._held and (eof or self._waited_s >= WAIT_S)):
            return []
        held, self._held = self._held, {}
        return [part for parts in held.values() for part in parts]

    def _take(self, part: MappedEntry) -> list[MappedEntry]:
        name = str(part.attributes.get(_ID, ""))
        parts = self._held.pop(name, [])
        if str(part.attributes.get(_ORDINAL)) != str(len(parts) + 1) or not isinstance(part.message, str):
            return [*parts, part]
        parts.append(part)
        if str(part.attributes.get(_LAST)) == "true":
            return [_whole(parts)]
        if _chars(parts) > LINE_CHARS_MAX or len(self._held) >= LINES_MAX:
            return parts
        self._held[name] = parts
        return []


def _chars(parts: list[MappedEntry]) -> int:
    return sum(len(part.message) for part in parts if part.message is not msgspec.UNSET)


def _whole(parts: list[MappedEntry]) -> MappedEntry:
    """Return the first part with the messages of all of them."""
    whole = parts[0]
    whole.message = "".join([str(part.message) for part in parts])
    for key in (MARK, _ID, _ORDINAL, _LAST):
        whole.attributes.pop(key, None)
    return whole
