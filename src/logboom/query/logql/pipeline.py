"""Stages of a query that change lines and labels, applied to the entries that its filter has found."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from logboom.formats.quantities import duration_us, size_bytes
from logboom.formats.records import number_of
from logboom.formats.stream_labels import line_of, metadata_of, pairs_of, parsed_of, text_of
from logboom.model import Record
from logboom.query.filter.conditions import Between, Exactly, Whole
from logboom.query.filter.regexes import compile_regex
from logboom.query.filter.stream_selectors import label_check, quantity_of, stream_of_record
from logboom.query.filter.text_tests import is_between
from logboom.query.logql.go_template import LINE, TIMESTAMP, compile_template
from logboom.query.logql.line_patterns import extractor_of, regex_of_pattern
from logboom.query.logql.logql_syntax import (
    AllTests,
    AnyTest,
    Decolorize,
    Extraction,
    LabelChoice,
    LabelFilter,
    LabelFormat,
    LabelTest,
    LineFilter,
    LineFormat,
    Parser,
    Stage,
    Unwrap,
)

LINE_CHARS_MAX: Final = 1 << 20
"""Longest line that a template makes; longer ones are cut."""

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PATH: Final = re.compile(r"""\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['([^']*)'\]""")


class Passed:
    """One entry on its way through the stages."""

    __slots__ = ("entry", "line", "metadata", "parsed", "stream", "time")

    def __init__(self, record: Record, raw: bytes) -> None:
        self.entry = record.entry
        self.time = record.time
        self.line = line_of(record.entry, raw)
        self.stream = stream_of_record(record)
        self.metadata = metadata_of(record.entry)
        self.parsed: dict[str, str] = {}

    def get(self, name: str) -> str:
        """Return a label or a field; empty: there is none."""
        if name == "detected_level":
            name = "level"
        return self.stream.get(name) or self.metadata.get(name) or self.parsed.get(name, "")

    def labels(self) -> dict[str, str]:
        """Return all labels and fields."""
        return {**self.parsed, **self.metadata, **self.stream}

    def put(self, name: str, value: str) -> None:
        """Set a label in the place of another with its name."""
        self.remove(name)
        self.parsed[name] = value

    def remove(self, name: str) -> None:
        """Leave a label out."""
        for labels in (self.stream, self.metadata, self.parsed):
            labels.pop(name, None)


Step = Callable[[Passed], bool]
"""Changes an entry; False: it is left out."""


class Pipeline:
    """The stages of a query.

    Args:
        stages: in order.
        unwrap: the label that has the value of a line.

    Raises:
        FilterError: a regular expression can't be read.
    """

    def __init__(self, stages: Sequence[Stage], unwrap: Unwrap | None = None) -> None:
        self._steps = [_step_of(stage) for stage in stages]
        self._unwrap = unwrap
        self._tests = [_test(one) for one in unwrap.tests] if unwrap is not None else []

    def run(self, record: Record, raw: bytes) -> Passed | None:
        """Apply the stages to an entry; None: it is left out."""
        passed = Passed(record, raw)
        return passed if all(step(passed) for step in self._steps) else None

    def value_of(self, passed: Passed) -> float | None:
        """Return the unwrapped value of an entry, and remove its label; None: it has none, or is left out."""
        if self._unwrap is None:
            return 1.0
        text = passed.get(self._unwrap.name)
        if not all(test(passed) for test in self._tests):
            return None
        passed.remove(self._unwrap.name)
        return _converted(text, self._unwrap.conversion)


def _converted(text: str, conversion: str) -> float | None:
    if conversion == "bytes":
        size = size_bytes(text)
        return number_of(text) if size is None else size
    if conversion:
        duration = duration_us(text)
        return number_of(text) if duration is None else duration / 10**6
    return number_of(text)


def _step_of(stage: Stage) -> Step:
    make: Callable[[Any], Step] = _MAKERS.get(type(stage), _test)
    return make(stage)


def _parser(stage: Parser) -> Step:
    names = frozenset({stage.name})
    paths = [(label, _path_of(path)) for label, path in stage.wanted]

    def all_fields(passed: Passed) -> bool:
        for name, value in parsed_of(passed.line, passed.entry, names).items():
            passed.parsed.setdefault(name, value)
        return True

    def some_fields(passed: Passed) -> bool:
        root: Any = _root_of(passed) if stage.name == "json" else dict(pairs_of(passed.line))
        for label, path in paths:
            value = _value_at(root, path)
            passed.put(label, "" if value is None else text_of(value))
        return True

    return some_fields if stage.wanted else all_fields


def _root_of(passed: Passed) -> Any:
    """Return the object that a JSON line is, and the other fields of its entry."""
    fields = {key: value for key, value in passed.entry.items() if key != "attributes"}
    attributes = passed.entry.get("attributes")
    if isinstance(attributes, dict):
        fields |= attributes
    try:
        inner = msgspec.json.decode(passed.line.encode(errors="replace")) if passed.line[:1] == "{" else None
    except (msgspec.DecodeError, RecursionError):
        inner = None
    return {**fields, **inner} if isinstance(inner, dict) else fields


def _path_of(text: str) -> list[str | int]:
    return [
        int(index) if index else (name or quoted or single)
        for name, index, quoted, single in _PATH.findall(text)
    ]


def _value_at(root: Any, path: list[str | int]) -> Any:
    for part in path:
        if isinstance(part, int):
            root = root[part] if isinstance(root, list) and part < len(root) else None
        else:
            root = root.get(part) if isinstance(root, dict) else None
    return root


def _extraction(stage: Extraction) -> Step:
    extract = extractor_of(stage)

    def step(passed: Passed) -> bool:
        passed.parsed.update(extract(passed.line))
        return True

    return step


def _line_format(stage: LineFormat) -> Step:
    make = compile_template(stage.template, 0)

    def step(passed: Passed) -> bool:
        passed.line = make(_seen(passed))[:LINE_CHARS_MAX]
        return True

    return step


def _seen(passed: Passed) -> dict[str, str]:
    """Return what a template sees."""
    return {**passed.labels(), LINE: passed.line, TIMESTAMP: passed.time}


def _label_format(stage: LabelFormat) -> Step:
    changes = [
        (name, value, compile_template(value, 0) if made else None) for name, value, made in stage.changes
    ]

    def step(passed: Passed) -> bool:
        for name, value, make in changes:
            if make is not None:
                passed.put(name, make(_seen(passed)))
            elif text := passed.get(value):
                passed.remove(value)
                passed.put(name, text)
        return True

    return step


def _choice(stage: LabelChoice) -> Step:
    names = frozenset(stage.names)

    def step(passed: Passed) -> bool:
        for labels in (passed.stream, passed.metadata, passed.parsed):
            for name in [name for name in labels if (name in names) != stage.keeps]:
                del labels[name]
        return True

    return step


def _decolorize(_stage: Decolorize) -> Step:
    def step(passed: Passed) -> bool:
        passed.line = _COLOURS.sub("", passed.line)
        return True

    return step


def _line_filter(stage: LineFilter) -> Step:
    wanted = not stage.operator.startswith("!")
    if stage.operator in ("|=", "!="):
        return lambda passed: any(text in passed.line for text in stage.values) == wanted
    patterns = map(regex_of_pattern, stage.values) if stage.operator in ("|>", "!>") else stage.values
    searches = [compile_regex(pattern).search for pattern in patterns]
    return lambda passed: any(search(passed.line.encode(errors="replace")) for search in searches) == wanted


_MAKERS: Final[dict[type, Callable[[Any], Step]]] = {
    Parser: _parser,
    Extraction: _extraction,
    LineFormat: _line_format,
    LabelFormat: _label_format,
    LabelChoice: _choice,
    Decolorize: _decolorize,
    LineFilter: _line_filter,
}


def _test(test: LabelFilter) -> Step:
    if isinstance(test, AllTests):
        tests = [_test(part) for part in test.parts]
        return lambda passed: all(one(passed) for one in tests)
    if isinstance(test, AnyTest):
        others = [_test(part) for part in test.parts]
        return lambda passed: any(one(passed) for one in others)
    return _text_test(test, test.value) if isinstance(test.value, str) else _number_test(test, test.value)


def _text_test(test: LabelTest, value: str) -> Step:
    name = test.name
    whole = Exactly(value) if test.operator in ("=", "!=") else Whole(value)
    wanted = not test.operator.startswith("!")
    passes = label_check(name, whole)
    return lambda passed: passes(passed.get(name)) == wanted


def _number_test(test: LabelTest, value: float) -> Step:
    name = test.name
    within = [is_between(one) for one in ranges_of(test.operator, value)]

    def step(passed: Passed) -> bool:
        number = quantity_of(passed.get(name))
        return any(one(number) for one in within)

    return step


def ranges_of(operator: str, value: float) -> list[Between]:
    """Return the ranges of numbers that a comparison is true for."""
    above, below = Between(low=value, above=True), Between(high=value, below=True)
    return {
        "==": [Between(value, value)],
        "!=": [above, below],
        ">": [above],
        ">=": [Between(low=value)],
        "<": [below],
        "<=": [Between(high=value)],
    }[operator]
