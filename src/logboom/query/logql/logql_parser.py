r"""The part of LogQL that is offered, and the parser that makes a tree of it.

    query     = selection | metric
    selection = "{" [ matcher { "," matcher } ] "}" { stage }
    matcher   = name ( "=" | "!=" | "=~" | "!~" ) text
    stage     = ( "|=" | "!=" | "|~" | "!~" | "|>" | "!>" ) text { "or" text } | "|" ( change | tests )
    change    = ( "json" | "logfmt" ) [ name [ "=" text ] { "," … } ] | ( "pattern" | "regexp" | "line_format" ) text
              | "label_format" name "=" ( name | text ) { "," … } | "decolorize" | ( "drop" | "keep" ) name { "," name }
    tests     = test { ( "and" | "or" | "," ) test }
    metric    = term { operator term }
    term      = number | "vector" "(" number ")" | "(" metric ")" | counted | combined
    counted   = function "(" [ number "," ] selection [ unwrap ] "[" duration "]" [ "offset" duration ] ")" [ grouping ]
    unwrap    = "|" "unwrap" ( name | conversion "(" name ")" ) { "|" tests }
    combined  = operator [ grouping ] "(" [ number "," ] metric ")" [ grouping ]
    grouping  = ( "by" | "without" ) "(" [ name { "," name } ] ")"

A recursive descent parser, since the error texts name the stages and functions of LogQL that are not offered.
"""

from typing import Final

from logboom.query.logql.logql_reader import DEPTH_MAX
from logboom.query.logql.logql_stages import StageReader
from logboom.query.logql.logql_syntax import (
    AGGREGATIONS,
    RANGE_FUNCTIONS,
    RANKINGS,
    VALUE_FUNCTIONS,
    Aggregation,
    Binary,
    LineSelection,
    LogqlError,
    Metric,
    Number,
    RangeCount,
    Vector,
)
from logboom.query.logql.logql_tokens import tokens_of

QUERY_CHARS_MAX: Final = 5000
"""Longest query: dashboards write long ones, parsing takes some milliseconds."""

_PRECEDENCE: Final = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", ">", ">=", "<", "<="), 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/%", 5),
    "^": 6,
}


def parse_logql(query: str) -> LineSelection | Metric:
    """Return the tree of a query. Raises `LogqlError`."""
    if len(query) > QUERY_CHARS_MAX:
        raise LogqlError(f"found {len(query)} characters, expected {QUERY_CHARS_MAX} at most")
    reader = _Reader(tokens_of(query))
    found = reader.selection() if reader.at("{") else reader.metric(0, 0)
    reader.expect_end()
    return found


def parse_selection(query: str) -> LineSelection:
    """Return the tree of a query for lines. Raises `LogqlError`."""
    found = parse_logql(query)
    if not isinstance(found, LineSelection):
        raise LogqlError('expected a stream selector, such as {app="pumps"}')
    return found


class _Reader(StageReader):
    """Reads one query."""

    def metric(self, least: int, depth: int) -> Metric:
        """Read a metric whose operators bind at least so tightly. Raises `LogqlError`."""
        left = self._term(depth)
        while self._next.kind in ("sign", "word") and _PRECEDENCE.get(self._next.text, -1) >= max(least, 1):
            operator = self._take().text
            self._takes("bool")
            tightness = _PRECEDENCE[operator]
            right = self.metric(tightness if operator == "^" else tightness + 1, depth + 1)
            left = Binary(operator, left, right)
        return left

    def _term(self, depth: int) -> Metric:
        self._count_term()
        if depth > DEPTH_MAX:
            raise self._error(f"expected {DEPTH_MAX} levels of a query at most")
        if self._takes("("):
            found = self.metric(0, depth + 1)
            self._expect(")")
            return found
        if self._next.kind == "number" or self.at("-"):
            return Number(self._number())
        name = self._next.text
        if self._takes("vector"):
            self._expect("(")
            value = self._number()
            self._expect(")")
            return Vector(value)
        if self.at(*RANGE_FUNCTIONS, *VALUE_FUNCTIONS):
            return self._range_count()
        if self.at(*AGGREGATIONS, *RANKINGS):
            return self._aggregation(depth)
        offered = ", ".join((*RANGE_FUNCTIONS, *VALUE_FUNCTIONS, *AGGREGATIONS, *RANKINGS, "vector"))
        raise LogqlError(f"{name[:40]} is not offered; offered are {offered}", self._next.position)

    def _range_count(self) -> RangeCount:
        position, function = self._next.position, self._take().text
        self._expect("(")
        parameter = 0.0
        if function == "quantile_over_time":
            parameter = self._number()
            self._expect(",")
        matchers = self._selector()
        before = self._range() if self.at("[") else None  # a range may stand before the stages, too
        stages = self._stages()
        unwrap = self._unwrap()
        range_us = before or self._range()
        offset = self._duration() if self._takes("offset") else 0
        self._expect(")")
        if unwrap is None and function in VALUE_FUNCTIONS:
            raise LogqlError(f"{function} needs a value: | unwrap label", position)
        if unwrap is not None and function not in (*VALUE_FUNCTIONS, "rate"):
            raise LogqlError(f"{function} takes no unwrap", position)
        selection = LineSelection(matchers, stages)
        if unwrap is None or not self.at("by", "without"):
            return RangeCount(function, selection, range_us, offset, unwrap, parameter)
        names, without = self._grouping()
        return RangeCount(function, selection, range_us, offset, unwrap, parameter, names, without)

    def _range(self) -> int:
        self._expect("[")
        found = self._duration()
        self._expect("]")
        return found

    def _aggregation(self, depth: int) -> Aggregation:
        operator = self._take().text
        names, without = self._grouping()
        self._expect("(")
        count = 0
        if operator in RANKINGS:
            count = int(self._number())
            self._expect(",")
        inner = self.metric(0, depth + 1)
        self._expect(")")
        if not (names or without):
            names, without = self._grouping()
        return Aggregation(operator, inner, names, without, count)

    def _grouping(self) -> tuple[tuple[str, ...], bool]:
        if not self.at("by", "without"):
            return (), False
        without = self._take().text == "without"
        self._expect("(")
        names = () if self.at(")") else self._names()
        self._expect(")")
        return names, without
