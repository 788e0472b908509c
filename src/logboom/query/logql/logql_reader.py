"""Reading of the tokens of a LogQL query, with its limits."""

from typing import Final

from logboom.formats.go_strings import unquoted
from logboom.formats.quantities import duration_us
from logboom.query.logql.logql_syntax import LogqlError
from logboom.query.logql.logql_tokens import Lexeme

DEPTH_MAX: Final = 30
"""Parentheses inside each other: the parser and the evaluation are recursive."""

TERMS_MAX: Final = 100
"""Matchers, stages and functions of one query: each may cost a look at every line."""

RANGE_US_MAX: Final = 366 * 86_400 * 10**6
"""Longest range, a year."""


class TokenReader:
    """Reads the tokens of one query."""

    def __init__(self, tokens: list[Lexeme]) -> None:
        self._tokens = tokens
        self._place = 0
        self._terms = 0

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

    @property
    def _after(self) -> str:
        """The text of the token after the next one."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)].text

    def _number(self) -> float:
        sign = -1 if self._takes("-") else 1
        if self._next.kind != "number":
            raise self._error("expected a number")
        return sign * float(self._take().text)
