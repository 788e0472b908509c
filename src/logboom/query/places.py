"""Level, source and listener of journal lines: looked up by kind, since of many lines few kinds differ."""

from collections.abc import Sequence
from typing import Any, Final

from logboom.formats.records import sender
from logboom.query.kinds import Kind, kinds_of

KINDS_MAX: Final = 5000
"""Kinds of lines that are known at once, one line of each: some 5 MB."""

PLAIN_LINE_BYTES_MAX: Final = 2048
"""Mean length of lines that are looked up by kind: longer ones may be kinds of a megabyte each."""

Place = tuple[str, str, str]
"""Level, source and listener."""


class PlaceLookup:
    """Reader of places."""

    def __init__(self) -> None:
        self._lines: dict[Kind, Any] = {}
        """One line of each kind."""
        self._places: dict[Kind, Place] = {}

    def of_lines(self, lines: Sequence[Any], size: int) -> list[Place] | None:
        """Return the place of each line; None when they must be looked at one by one.

        Args:
            lines: decoded with the fields that `kinds.kinds_of` needs.
            size: of the lines, bytes.
        """
        if size > len(lines) * PLAIN_LINE_BYTES_MAX:
            return None
        if len(self._places) > KINDS_MAX:
            self._places.clear()
            self._lines.clear()
        kinds = kinds_of(lines, self._lines)
        if kinds is None:
            return None
        places = self._places
        for kind in set(kinds) - places.keys():
            line = self._lines[kind]
            places[kind] = kind[0], sender(line.entry, line.source), line.listener
        return [places[kind] for kind in kinds]
