"""Reading of a LogQL query for lines: the stream selector, and the stages of its pipeline."""

from collections.abc import Callable
from typing import Final

from logboom.formats.quantities import duration_us, size_bytes
from logboom.query.logql.go_template import compile_template
from logboom.query.logql.line_patterns import capture_names
from logboom.query.logql.logql_reader import DEPTH_MAX, TokenReader
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
    LineSelection,
    LogqlError,
    Parser,
    Stage,
    Unwrap,
)

MATCHES: Final = ("=", "!=", "=~", "!~")
COMPARISONS: Final = ("==", ">", ">=", "<", "<=")
_LINE_FILTERS: Final = ("|=", "!=", "|~", "!~", "|>", "!>")
CONVERSIONS: Final = ("duration", "duration_seconds", "bytes")
"""Functions of `unwrap`."""
_OFFERED: Final = (
    "offered are line filters, json, logfmt, pattern, regexp, line_format, label_format, decolorize, drop, keep, "
    "and comparisons of labels and fields"
)


class StageReader(TokenReader):
    """Reads the parts of a query that choose and change lines."""

    def selection(self) -> LineSelection:
        """Read a query for lines. Raises `LogqlError`."""
        found = LineSelection(self._selector(), self._stages())
        if self.at("|"):
            raise self._error("unwrap is offered within functions, such as sum_over_time")
        return found

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
        if not self.at(*MATCHES):
            raise self._error("expected one of =, !=, =~, !~")
        return LabelTest(name, self._take().text, self._text())

    def _stages(self) -> tuple[Stage, ...]:
        """Read stages up to the end, or to `unwrap`."""
        stages: list[Stage] = []
        while self.at("|", *_LINE_FILTERS):
            if self.at("|") and self._after == "unwrap" and not self._is_test(2):
                break
            self._count_term()
            stage = self._line_filter() if not self._takes("|") else self._stage()
            if stage is not None:
                stages.append(stage)
        return tuple(stages)

    def _is_test(self, ahead: int) -> bool:
        """Return whether a comparison comes some tokens ahead: then the word before it is a label's name."""
        place = min(self._place + ahead, len(self._tokens) - 1)
        return self._tokens[place].text in (*MATCHES, *COMPARISONS)

    def _line_filter(self) -> LineFilter:
        operator = self._take().text
        if self.at("ip"):
            raise self._error("ip(…) is not offered")
        values = [self._text()]
        while self._takes("or"):
            values.append(self._text())
        return LineFilter(operator, tuple(values))

    def _stage(self) -> Stage | None:
        """Read a stage after its bar; None for one without an effect."""
        if self.at("(") or (self._next.kind == "word" and self._is_test(1)):
            return self._tests(0)
        read = self._readers.get(self._next.text) if self._next.kind == "word" else None
        if read is None:
            raise self._error(_OFFERED)
        return read()

    @property
    def _readers(self) -> dict[str, Callable[[], Stage | None]]:
        return {
            "json": self._parser,
            "logfmt": self._parser,
            "pattern": self._extraction,
            "regexp": self._extraction,
            "line_format": self._line_format,
            "label_format": self._label_format,
            "decolorize": self._decolorize,
            "drop": self._choice,
            "keep": self._choice,
        }

    def _parser(self) -> Parser:
        name = self._take().text
        while self._takes("-"):  # --strict and --keep-empty, which change nothing here
            if self._next.kind == "word" and not self.at("-"):
                self._place += 1
        wanted: list[tuple[str, str]] = []
        while self._next.kind == "word" and not self.at("offset"):
            label = self._name()
            wanted.append((label, self._text() if self._takes("=") else label))
            if not self._takes(","):
                break
        return Parser(name, tuple(wanted))

    def _extraction(self) -> Extraction:
        name, position = self._take().text, self._next.position
        found = Extraction(name, self._text())
        if not capture_names(found):
            advice = "<name>" if name == "pattern" else "(?P<name>…)"
            raise LogqlError(f"{name}: expected at least one {advice}", position)
        return found

    def _line_format(self) -> LineFormat:
        self._take()
        position = self._next.position
        template = self._text()
        compile_template(template, position)
        return LineFormat(template)

    def _label_format(self) -> LabelFormat:
        self._take()
        changes: list[tuple[str, str, bool]] = []
        while not changes or self._takes(","):
            name = self._name()
            self._expect("=")
            position = self._next.position
            is_template = self._next.kind == "text"
            value = self._text() if is_template else self._name()
            if is_template:
                compile_template(value, position)
            changes.append((name, value, is_template))
        return LabelFormat(tuple(changes))

    def _decolorize(self) -> Decolorize:
        self._take()
        return Decolorize()

    def _choice(self) -> LabelChoice | None:
        keeps = self._take().text == "keep"
        names = [self._chosen()]
        while self._takes(","):
            names.append(self._chosen())
        if not keeps and all(name.startswith("__") for name in names):
            return None  # entries have no such labels
        return LabelChoice(tuple(names), keeps)

    def _chosen(self) -> str:
        name = self._name()
        if self.at(*MATCHES):
            raise self._error("drop and keep are offered with names of labels only")
        return name

    def _unwrap(self) -> Unwrap | None:
        """Read `| unwrap …`, and the tests after it; None: there is none."""
        if not self._takes("|"):
            return None
        self._expect("unwrap")
        name, conversion = self._name(), ""
        if self._takes("("):
            if name not in CONVERSIONS:
                raise self._error(f"{name} is not offered in unwrap; offered are {', '.join(CONVERSIONS)}")
            name, conversion = self._name(), name
            self._expect(")")
        tests: list[LabelFilter] = []
        while self._takes("|"):
            self._count_term()
            tests.append(self._tests(0))
        return Unwrap(name, conversion, tuple(tests))

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
        if not self.at(*MATCHES, *COMPARISONS):
            raise self._error("expected a comparison")
        operator = self._take().text
        if self.at("ip"):
            raise self._error("ip(…) is not offered")
        if self._next.kind == "text":
            if operator in COMPARISONS:
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
