"""Selections of LogQL as filters of the journal.

Listener and source are those of every other filter, which roll-ups can answer; the rest becomes conditions.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from logboom.query.filter.conditions import (
    AnyOf,
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
from logboom.query.logql.line_patterns import regex_of_pattern
from logboom.query.logql.logql_syntax import (
    AllTests,
    AnyTest,
    LabelFilter,
    LabelTest,
    LineFilter,
    LineSelection,
    LogqlError,
    Parser,
    Stage,
    Unwrap,
)
from logboom.query.logql.pipeline import Pipeline, ranges_of
from logboom.query.matching import Filter, Matcher

_PLACES: Final = ("listener", "source")
_LINE_TESTS: Final[dict[str, Callable[[str], Holds | Matches]]] = {
    "=": Holds,
    "~": Matches,
    ">": lambda text: Matches(regex_of_pattern(text)),
}


class Compiled(NamedTuple):
    """A selection, ready to be searched for."""

    wanted: Filter
    """Without limits of time."""
    parsers: frozenset[str]
    """Names of the parsers in the filter."""
    pipeline: Pipeline | None
    """Stages that change lines and labels; None: there are none."""
    is_filter: bool
    """The filter alone finds the lines: the pipeline adds only fields."""


def compile_selection(selection: LineSelection, unwrap: Unwrap | None = None) -> Compiled:
    """Return the filter of a selection. Raises `LogqlError` for an expression that can't be read."""
    places = {
        one.name: str(one.value)
        for one in reversed(selection.matchers)
        if one.name in _PLACES and one.operator == "=" and one.value
    }
    matchers = [one for one in selection.matchers if places.get(one.name) != one.value or one.operator != "="]
    simple = tuple(takewhile(_is_filter, selection.stages))
    rest = selection.stages[len(simple) :]
    parsers = [stage for stage in simple if isinstance(stage, Parser)]
    also = all_of(*map(_matched, matchers), *_stages(simple))
    wanted = Filter(source=places.get("source", ""), listener=places.get("listener", ""), also=also)
    try:
        Matcher(wanted)
        pipeline = Pipeline([*parsers, *rest], unwrap) if parsers or rest or unwrap else None
    except FilterError as error:
        raise LogqlError(error.text) from None
    names = frozenset(stage.name for stage in parsers)
    return Compiled(wanted, names, pipeline, not rest and unwrap is None)


def _is_filter(stage: Stage) -> bool:
    """Return whether a stage can be a part of the journal's filter: it changes no line and no label."""
    if isinstance(stage, Parser):
        return not stage.wanted
    return isinstance(stage, LineFilter | LabelTest | AllTests | AnyTest)


def _stages(stages: Sequence[Stage]) -> list[Condition]:
    found: list[Condition] = []
    parsers: frozenset[str] = frozenset()
    for stage in stages:
        if isinstance(stage, Parser):
            parsers |= {stage.name}
        elif isinstance(stage, LineFilter):
            found.append(_line_filter(stage))
        elif isinstance(stage, LabelTest | AllTests | AnyTest):
            found.append(_tested(stage, parsers))
    return found


def _line_filter(stage: LineFilter) -> Condition:
    test = _LINE_TESTS[stage.operator.strip("!|")]
    parts = [Line(test(value)) for value in stage.values if value]
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
    tests = [Extracted(test.name, one, parsers) for one in ranges_of(operator, value)]
    return tests[0] if len(tests) == 1 else AnyOf(tuple(tests))
