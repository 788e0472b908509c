"""Some fields of many journal lines, as numbers: decoded by a type made for them, in a few calls a block."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from logboom.formats.entry_time import TIME_KEYS
from logboom.formats.levelled import DAMAGE, read_lines
from logboom.formats.partial import fields_struct, line_struct, places_of
from logboom.formats.records import READING_KEYS, SENDER_KEYS, irradiance_of, number_of
from logboom.journal.log import Block
from logboom.query.line_times import time_of_line

_PLAIN: Final = {int, float}
_PLAIN_MAX: Final = 1e300
"""Whole numbers in JSON know no limit, those that are added up do."""
_OTHER = int | float | str | bool | list[Any] | None
"""Types of a value where an object is expected."""

Numbers = list[float | None]


class Measures:
    """Reader of some fields of journal lines. A line that is decoded has `received_at`, `source` and `entry`.

    Args:
        fields: names as `records.numeric_fields` has them.
        by_arrival: times are those of arrival, not the entries' own.
    """

    def __init__(self, fields: Sequence[str], *, by_arrival: bool = False) -> None:
        self._by_arrival = by_arrival
        inner = _inner_keys(fields)
        keys = [*fields, *inner, "boot_seq", *SENDER_KEYS, "id", *READING_KEYS, *TIME_KEYS]
        whole = {*fields, *SENDER_KEYS, *READING_KEYS, *TIME_KEYS, "boot_seq", "id"}
        types: dict[str, Any] = {
            outer: fields_struct(names) | _OTHER for outer, names in inner.items() if outer not in whole
        }
        entry = fields_struct(keys, types)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            line_struct(entry, "received_at", "source")
        )
        self._place = places_of(keys)
        names = [f"entry.{self._place[key]}" for key in (*SENDER_KEYS, "id")]
        self.boot_seq: Callable[[Any], Any] = attrgetter(f"entry.{self._place['boot_seq']}")
        """The `boot_seq` of a line."""
        self.kind: Callable[[Any], tuple[Any, ...]] = attrgetter(
            f"entry.{self._place['boot_seq']}", "source", *names
        )
        """Returns the `boot_seq` of a line, and all fields that may determine its sender."""

    def decode(self, found: Block | list[tuple[int, bytes]]) -> list[Any]:
        """The lines, oldest first; those that are damaged are left out."""
        if isinstance(found, Block):
            data, count = found.data, found.count
        else:
            data, count = b"".join([line + b"\n" for _, line in found]), len(found)
        lines = read_lines(self._decoder, data, count)
        return list(self._good(data.split(b"\n"))) if lines is None else lines

    def times(self, lines: Sequence[Any]) -> list[str]:
        """Return the time of each decoded line, ISO 8601 in UTC."""
        if self._by_arrival:
            return [line.received_at for line in lines]
        return [time_of_line(line) for line in lines]

    def _good(self, lines: Iterable[bytes]) -> Iterable[Any]:
        for line in lines:
            try:
                yield self._decoder.decode(line)
            except DAMAGE:
                continue

    def numbers(self, lines: Sequence[Any], name: str) -> Numbers:
        """One field of each line; None where it is missing, or no number."""
        get = attrgetter(f"entry.{self._place[name]}")
        values = [get(line) for line in lines]
        outer, dot, inner = name.partition(".")
        if dot and None in values:
            values = self._filled(lines, values, outer, inner)
        if set(map(type, values)) <= _PLAIN and max(map(abs, values), default=0) < _PLAIN_MAX:
            return values
        numbers = [number_of(value) for value in values]
        if name == "irradiance":
            pairs = zip(numbers, lines, strict=True)
            return [irradiance_of(line.entry) if number is None else number for number, line in pairs]
        return numbers

    def _filled(self, lines: Sequence[Any], values: list[Any], outer: str, inner: str) -> list[Any]:
        """Return the values, with the key b in a where there is no key `a.b`."""
        get = attrgetter(f"entry.{self._place[outer]}")
        nested = [get(line) for line in lines]
        return [
            (one.get(inner) if hasattr(one, "get") else None) if value is None else value
            for value, one in zip(values, nested, strict=True)
        ]


def _inner_keys(fields: Iterable[str]) -> dict[str, list[str]]:
    """The keys that are looked for one level down, by the key above them."""
    inner: dict[str, list[str]] = {}
    for name in fields:
        outer, dot, key = name.partition(".")
        if dot:
            inner.setdefault(outer, []).append(key)
    return inner
