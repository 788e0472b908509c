r"""The part of LogQL that is offered, and the parser that makes a tree of it.

    query     = selection | metric
    selection = "{" [ matcher { "," matcher } ] "}" { stage }
    matcher   = name ( "=" | "!=" | "=~" | "!~" ) text
    stage     = ( "|=" | "!=" | "|~" | "!~" ) text { "or" text } | "|" ( parser | labels | tests )
    parser    = "json" | "logfmt"
    labels    = ( "drop" | "keep" ) name { "," name }
    tests     = test { ( "and" | "or" | "," ) test }
    metric    = term { operator term }
    term      = number | "vector" "(" number ")" | "(" metric ")" | counted | combined
    counted   = function "(" selection "[" duration "]" [ "offset" duration ] ")"
    combined  = operator [ grouping ] "(" [ number "," ] metric ")" [ grouping ]
    grouping  = ( "by" | "without" ) "(" [ name { "," name } ] ")"

A recursive descent parser, since the error texts name the stages and functions of LogQL that are not offered.
"""

from typing import Final

from logboom.formats.go_strings import unquoted
from logboom.formats.quantities import duration_us, size_bytes
from logboom.query.logql.logql_syntax import (
    AGGREGATIONS,
    RANGE_FUNCTIONS,
    RANKINGS,
    Aggregation,
    AllTests,
    AnyTest,
    Binary,
    LabelFilter,
    LabelTest,
    LineFilter,
    LineSelection,
    LogqlError,
    Metric,
    Number,
    Parser,
    RangeCount,
    Vector,
)
from logboom.query.logql.logql_tokens import Lexeme, tokens_of

QUERY_CHARS_MAX: Final = 5000
"""Longest query: dashboards write long ones, parsing takes some milliseconds."""

DEPTH_MAX: Final = 30
"""Parentheses inside each other: the parser and the evaluation are recursive."""

TERMS_MAX: Final = 100
"""Matchers, stages and functions of one query: each may cost a look at every line."""

RANGE_US_MAX: Final = 366 * 86_400 * 10**6
"""Longest range, a year."""

_PRECEDENCE: Final = {
    **dict.fromkeys(("==", "!=", ">", ">=", "<", "<="), 1),
    **dict.fromkeys("+-", 2),
    **dict.fromkeys("*/%", 3),
    "^": 4,
}
_MATCHES: Final = ("=", "!=", "=~", "!~")
_COMPARISONS: Final = ("==", ">", ">=", "<", "<=")
_LINE_FILTERS: Final = ("|=", "!=", "|~", "!~")
_OFFERED: Final = "offered are line filters, json, logfmt, drop, keep, and comparisons of labels and fields"


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


class _Reader:
    """Reads the tokens of one query."""

    def __init__(self, tokens: list[Lexeme]) -> None:
        self._tokens = tokens
        self._place = 0
        self._terms = 0

    # --- tokens ---

    @property
    def _next(self) -> Lexeme:
        return self._tokens[self._place]

    def at(self, *texts: str) -> bool:
        """Return whether the next token is one of some words or signs."""
        return self._next.kind in ("sign", "word") and self._next.text in texts

    def _take(self) -> Lexeme:
        token = self._next
        self._place += 1
        return token

    def _takes(self, text: str) -> bool:
        if not self.at(text):
            return False
        self._place += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._error(f'expected "{text}"')

    def _name(self) -> str:
        if self._next.kind != "word":
            raise self._error("expected the name of a label")
        return self._take().text

    def _text(self) -> str:
        if self._next.kind != "text":
            raise self._error("expected a text in quotes")
        token = self._take()
        text = unquoted(token.text)
        if text is None:
            raise LogqlError("the text has an unknown escape", token.position)
        return text

    def _names(self) -> tuple[str, ...]:
        names = [self._name()]
        while self._takes(","):
            names.append(self._name())
        return tuple(names)

    def _duration(self) -> int:
        token = self._next
        duration = duration_us(token.text) if token.kind == "duration" else None
        if duration is None or not 1 <= duration <= RANGE_US_MAX:
            raise self._error("expected a duration of up to a year, such as 5m")
        self._place += 1
        return int(duration)

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise self._error(f"expected {TERMS_MAX} matchers, stages and functions at most")

    def _error(self, text: str) -> LogqlError:
        return LogqlError(f"{text}, found {self._next.text[:40]}", self._next.position)

    def expect_end(self) -> None:
        """Raise `LogqlError` unless all is read."""
        if self._next.kind != "end":
            raise self._error("expected the end of the query")

    # --- lines ---

    def selection(self) -> LineSelection:
        """Read a query for lines. Raises `LogqlError`."""
        matchers = self._selector()
        return LineSelection(matchers, self._stages())

    def _selector(self) -> tuple[LabelTest, ...]:
        self._expect("{")
        matchers: list[LabelTest] = []
        while not self._takes("}"):
            if matchers:
                self._expect(",")
                if self._takes("}"):
                    break
            self._count_term()
            matchers.append(self._matcher())
        return tuple(matchers)

    def _matcher(self) -> LabelTest:
        name = self._name()
        if not self.at(*_MATCHES):
            raise self._error("expected one of =, !=, =~, !~")
        return LabelTest(name, self._take().text, self._text())

    def _stages(self) -> tuple[LineFilter | LabelFilter | Parser, ...]:
        stages: list[LineFilter | LabelFilter | Parser] = []
        while self.at("|", *_LINE_FILTERS, "|>", "!>"):
            self._count_term()
            if self.at("|>", "!>"):
                raise self._error("patterns are not offered, use |= or |~")
            stage = self._line_filter() if not self._takes("|") else self._stage()
            if stage is not None:
                stages.append(stage)
        return tuple(stages)

    def _line_filter(self) -> LineFilter:
        operator = self._take().text
        values = [self._text()]
        while self._takes("or"):
            values.append(self._text())
        return LineFilter(operator, tuple(values))

    def _stage(self) -> LabelFilter | Parser | None:
        """Read a stage after its bar; None for one without an effect on which lines are found."""
        if self.at("json", "logfmt") and self._tokens[self._place + 1].text not in _MATCHES:
            return self._parser()
        if self.at("drop", "keep") and self._tokens[self._place + 1].kind == "word":
            self._place += 1
            self._names()
            return None
        if self._next.kind == "word" and self._tokens[self._place + 1].text in (*_MATCHES, *_COMPARISONS):
            return self._tests(0)
        if self.at("("):
            return self._tests(0)
        raise self._error(_OFFERED)

    def _parser(self) -> Parser:
        name = self._take().text
        while self._takes("-"):  # --strict and --keep-empty, which change nothing here
            if self._next.kind == "word" and not self.at("-"):
                self._place += 1
        if self._next.kind == "word" and not self.at("offset"):
            raise self._error(f"{name} is offered without expressions")
        return Parser(name)

    def _tests(self, depth: int) -> LabelFilter:
        parts = [self._all_tests(depth)]
        while self._takes("or"):
            parts.append(self._all_tests(depth))
        return parts[0] if len(parts) == 1 else AnyTest(tuple(parts))

    def _all_tests(self, depth: int) -> LabelFilter:
        parts = [self._test(depth)]
        while self._takes("and") or self._takes(","):
            parts.append(self._test(depth))
        return parts[0] if len(parts) == 1 else AllTests(tuple(parts))

    def _test(self, depth: int) -> LabelFilter:
        self._count_term()
        if depth > DEPTH_MAX:
            raise self._error(f"expected {DEPTH_MAX} parentheses inside each other at most")
        if self._takes("("):
            found = self._tests(depth + 1)
            self._expect(")")
            return found
        name = self._name()
        if not self.at(*_MATCHES, *_COMPARISONS):
            raise self._error("expected a comparison")
        operator = self._take().text
        if self._next.kind == "text":
            if operator in _COMPARISONS:
                raise self._error(f"expected a number after {operator}")
            return LabelTest(name, operator, self._text())
        if operator in ("=~", "!~"):
            raise self._error("expected a text in quotes")
        return LabelTest(name, "==" if operator == "=" else operator, self._value())

    def _value(self) -> float:
        """Read a number; durations are seconds, sizes are bytes."""
        sign = -1 if self._takes("-") else 1
        token = self._take()
        if token.kind == "number":
            return sign * float(token.text)
        if token.kind == "duration":
            return sign * (duration_us(token.text) or 0) / 10**6
        if token.kind == "size":
            return sign * (size_bytes(token.text) or 0)
        self._place -= 1
        raise self._error("expected a number, a duration or a size")

    # --- metrics ---

    def metric(self, least: int, depth: int) -> Metric:
        """Read a metric whose operators bind at least so tightly. Raises `LogqlError`."""
        left = self._term(depth)
        while self._next.kind == "sign" and _PRECEDENCE.get(self._next.text, -1) >= max(least, 1):
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
        if self.at(*RANGE_FUNCTIONS):
            return self._range_count()
        if self.at(*AGGREGATIONS, *RANKINGS):
            return self._aggregation(depth)
        offered = ", ".join((*RANGE_FUNCTIONS, *AGGREGATIONS, *RANKINGS, "vector"))
        raise LogqlError(f"{name[:40]} is not offered; offered are {offered}", self._next.position)

    def _number(self) -> float:
        sign = -1 if self._takes("-") else 1
        if self._next.kind != "number":
            raise self._error("expected a number")
        return sign * float(self._take().text)

    def _range_count(self) -> RangeCount:
        function = self._take().text
        self._expect("(")
        matchers = self._selector()
        before = self._range() if self.at("[") else None  # a range may stand before the stages, too
        stages = self._stages()
        range_us = before or self._range()
        offset = self._duration() if self._takes("offset") else 0
        self._expect(")")
        return RangeCount(function, LineSelection(matchers, stages), range_us, offset)

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
