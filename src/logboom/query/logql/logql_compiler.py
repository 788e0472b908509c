"""Selections of LogQL as filters of the journal.

Listener and source are those of every other filter, which roll-ups can answer; the rest becomes conditions.
"""

from collections.abc import Sequence
from typing import NamedTuple

from logboom.query.filter.conditions import (
    AnyOf,
    Between,
    Condition,
    Exactly,
    Extracted,
    Holds,
    Label,
    Line,
    Matches,
    Not,
    Whole,
    all_of,
)
from logboom.query.filter.filter_error import FilterError
from logboom.query.logql.logql_syntax import (
    AllTests,
    AnyTest,
    LabelFilter,
    LabelTest,
    LineFilter,
    LineSelection,
    LogqlError,
    Parser,
)
from logboom.query.matching import Filter, Matcher

_PLACES = ("listener", "source")


class Compiled(NamedTuple):
    """A selection, ready to be searched for."""

    wanted: Filter
    """Without limits of time."""
    parsers: frozenset[str]


def compile_selection(selection: LineSelection) -> Compiled:
    """Return the filter of a selection. Raises `LogqlError` for an expression that can't be read."""
    places = {
        one.name: str(one.value)
        for one in reversed(selection.matchers)
        if one.name in _PLACES and one.operator == "=" and one.value
    }
    matchers = [one for one in selection.matchers if places.get(one.name) != one.value or one.operator != "="]
    also = all_of(*map(_matched, matchers), *_stages(selection.stages))
    wanted = Filter(source=places.get("source", ""), listener=places.get("listener", ""), also=also)
    try:
        Matcher(wanted)
    except FilterError as error:
        raise LogqlError(error.text) from None
    return Compiled(wanted, selection.parsers)


def _stages(stages: Sequence[LineFilter | LabelFilter | Parser]) -> list[Condition]:
    found: list[Condition] = []
    parsers: frozenset[str] = frozenset()
    for stage in stages:
        if isinstance(stage, Parser):
            parsers |= {stage.name}
        elif isinstance(stage, LineFilter):
            found.append(_line_filter(stage))
        else:
            found.append(_tested(stage, parsers))
    return found


def _line_filter(stage: LineFilter) -> Condition:
    is_text = stage.operator in ("|=", "!=")
    parts = [Line(Holds(value) if is_text else Matches(value)) for value in stage.values if value]
    if len(parts) < len(stage.values):  # an empty text is in every line
        parts = [Line(Holds(""))]
    found: Condition = parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
    return Not(found) if stage.operator.startswith("!") else found


def _matched(matcher: LabelTest) -> Condition:
    text = str(matcher.value)
    found = Label(matcher.name, Exactly(text) if matcher.operator in ("=", "!=") else Whole(text))
    return Not(found) if matcher.operator.startswith("!") else found


def _tested(test: LabelFilter, parsers: frozenset[str]) -> Condition:
    if isinstance(test, AllTests):
        return all_of(*[_tested(part, parsers) for part in test.parts])
    if isinstance(test, AnyTest):
        return AnyOf(tuple(_tested(part, parsers) for part in test.parts))
    operator, value = test.operator, test.value
    if isinstance(value, str):
        whole = Exactly(value) if operator in ("=", "!=") else Whole(value)
        found = Extracted(test.name, whole, parsers)
        return Not(found) if operator.startswith("!") else found
    tests = [Extracted(test.name, one, parsers) for one in _ranges(operator, value)]
    return tests[0] if len(tests) == 1 else AnyOf(tuple(tests))


def _ranges(operator: str, value: float) -> list[Between]:
    """The ranges of numbers that a comparison is true for."""
    above, below = Between(low=value, above=True), Between(high=value, below=True)
    return {
        "==": [Between(value, value)],
        "!=": [above, below],
        ">": [above],
        ">=": [Between(low=value)],
        "<": [below],
        "<=": [Between(high=value)],
    }[operator]
