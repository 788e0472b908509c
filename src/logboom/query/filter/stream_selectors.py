"""Selection of lines by the labels and the line of their entries, as Loki's clients see them (`stream_labels`)."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from logboom.formats.levels import CANONICAL, name
from logboom.formats.quantities import duration_us, size_bytes
from logboom.formats.records import number_of, sender
from logboom.formats.stream_labels import (
    HOST_KEY,
    LABELS_KEY,
    LEVEL_NAMES,
    line_of,
    metadata_of,
    parsed_of,
    stream_of,
)
from logboom.model import Record
from logboom.query.entry_facts import FACT_KEYS
from logboom.query.filter.block_lines import BlockLines, listener_of
from logboom.query.filter.conditions import Between, Exactly, Extracted, Holds, Label, Line, Whole
from logboom.query.filter.field_selectors import MESSAGE_FIELDS
from logboom.query.filter.needles import literal_of, needle_of, needle_of_value
from logboom.query.filter.regexes import compile_regex
from logboom.query.filter.text_tests import is_between
from logboom.query.filter.text_words import fold

TextCheck = Callable[[str], bool]

_STRUCTURE: Final = re.compile(rb"[,:{}\[\] ]+")
"""Characters that JSON may have between values, with or without blanks: no needle crosses them."""

_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    canonical: tuple(word.lower() for word, of in CANONICAL.items() if of == canonical and len(word) > 1)
    for canonical in set(CANONICAL.values())
}


class LineSelector:
    """Selects lines by their text, see `conditions.Line`."""

    cost = 6
    keys: tuple[str, ...] = MESSAGE_FIELDS

    def __init__(self, condition: Line) -> None:
        test = condition.test
        if isinstance(test, Holds):
            text = test.text
            self._passes: TextCheck = lambda line: text in line
            self._needle = _longest_part(needle_of(fold(text)))
        else:
            search = compile_regex(test.pattern).search
            self._passes = lambda line: search(line.encode(errors="replace")) is not None
            self._needle = _longest_part(literal_of(test.pattern))

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines that pass, in order."""
        numbers = block.with_needle(self._needle, numbers)
        if not numbers:
            return []
        passes, entry = self._passes, block.entry
        return [
            number
            for number, line in zip(numbers, block.decoded(numbers), strict=True)
            if line is not None and passes(line_of(line.entry, entry(number)))
        ]


def _longest_part(needle: bytes) -> bytes:
    return max(_STRUCTURE.split(needle), key=len)


class LabelSelector:
    """Selects lines by a label of their stream, see `conditions.Label`."""

    cost = 5
    keys: tuple[str, ...] = (*FACT_KEYS, LABELS_KEY, HOST_KEY)

    def __init__(self, condition: Label) -> None:
        self._name = condition.name
        self._passes = _label_check(condition.name, condition.test)
        self._needle = b"" if condition.name in LEVEL_NAMES else _needle(condition.test)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose label passes, in order."""
        numbers = block.with_needle(self._needle, numbers)
        if not numbers:
            return []
        passes = self._passes
        if self._name in LEVEL_NAMES:
            levels = block.levels(numbers)
            passing = {level for level in set(levels) if passes(level.lower())}
            return [number for number, level in zip(numbers, levels, strict=True) if level in passing]
        lines, label = block.decoded(numbers), self._label
        known: dict[str, bool] = {}
        found = []
        for number, line in zip(numbers, lines, strict=True):
            if line is None:
                continue
            value = label(block, number, line)
            passed = known.get(value)
            if passed is None:
                passed = known[value] = passes(value)
            if passed:
                found.append(number)
        return found

    def _label(self, block: BlockLines, number: int, line: Any) -> str:
        """The label of a decoded line; empty where there is none."""
        if self._name == "listener":
            return listener_of(block.ending(number))
        own = line.entry.get(LABELS_KEY)
        value = own.get(self._name) if isinstance(own, dict) else None
        if isinstance(value, str) and value:
            return value
        source = sender(line.entry, line.source)
        return stream_of(line.entry, listener="", source=source, level="").get(self._name, "")


class ExtractedSelector:
    """Selects lines by a label or a field, see `conditions.Extracted`."""

    cost = 8
    keys: tuple[str, ...] = ()

    def __init__(self, condition: Extracted) -> None:
        self._name = condition.name
        self._parsers = condition.parsers
        test = condition.test
        if isinstance(test, Between):
            within = is_between(test)
            self._passes: TextCheck = lambda text: within(_quantity_of(text))
        else:
            self._passes = _label_check(condition.name, test)
        self._needle = b"" if condition.name in LEVEL_NAMES else _needle(test)

    def select(self, block: BlockLines, numbers: Sequence[int]) -> Sequence[int]:
        """Return the lines whose label or field passes, in order."""
        numbers = block.with_needle(self._needle, numbers)
        records = block.records(numbers)
        passes, value_in = self._passes, self._value_in
        return [
            number
            for number, record in zip(numbers, records, strict=True)
            if record is not None and passes(value_in(record, block.entry(number)))
        ]

    def _value_in(self, record: Record, raw: bytes) -> str:
        name = "level" if self._name in LEVEL_NAMES else self._name
        labels = stream_of_record(record)
        if name in labels:
            return labels[name]
        entry = record.entry
        found = metadata_of(entry).get(name)
        if found is None and self._parsers:
            found = parsed_of(line_of(entry, raw), entry, self._parsers).get(name)
        return found or ""


def stream_of_record(record: Record) -> dict[str, str]:
    """Return the labels of a record's stream."""
    entry = record.entry
    return stream_of(entry, listener=record.listener, source=sender(entry, record.source), level=record.level)


STREAM_SELECTORS: Final[dict[type, Any]] = {
    Line: LineSelector,
    Label: LabelSelector,
    Extracted: ExtractedSelector,
}


def _label_check(label: str, test: Exactly | Whole) -> TextCheck:
    """The check of a label's value; of a level, each word for it counts."""
    if isinstance(test, Exactly):
        wanted = name(test.text).lower() if label in LEVEL_NAMES else test.text
        return lambda text: text == wanted
    search = compile_regex(rf"\A(?:{test.pattern})\z").search
    if label not in LEVEL_NAMES:
        return lambda text: search(text.encode(errors="replace")) is not None

    def passes(level: str) -> bool:
        words = _SYNONYMS.get(level.upper(), (level,))
        return any(search(word.encode()) is not None for word in words)

    return passes


def _needle(test: Exactly | Whole | Between) -> bytes:
    """A needle of each entry whose value passes; empty when there is none, or when a missing value passes."""
    if isinstance(test, Exactly) and test.text:
        return _longest_part(needle_of_value(fold(test.text)))
    return b""


def _quantity_of(text: str) -> float | None:
    """A number, or one with a unit: durations in seconds, sizes in bytes."""
    number = number_of(text)
    if number is None and text[:1].isdigit():
        number = _with_unit(text)
    return number


def _with_unit(text: str) -> float | None:
    duration = duration_us(text)
    return duration / 10**6 if duration is not None else size_bytes(text)
