"""Tokens of LogQL."""

import re
from typing import Final, NamedTuple

from logboom.formats.go_strings import GO_STRING
from logboom.formats.quantities import DURATION, SIZE
from logboom.query.logql.logql_syntax import LogqlError

_TOKEN: Final = re.compile(
    rf"(?P<text>{GO_STRING})|(?P<duration>{DURATION})|(?P<size>{SIZE})"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[{}()\[\],=<>|+\-*/%^@.:])"
)
_BLANKS: Final = re.compile(r"(?:\s|#[^\n]*)*")


class Lexeme(NamedTuple):
    """One token."""

    kind: str
    """One of text, duration, size, number, word, sign, end."""
    text: str
    position: int


def tokens_of(query: str) -> list[Lexeme]:
    """Cut a query; the last token is its end. Raises `LogqlError`."""
    found: list[Lexeme] = []
    place = 0
    while True:
        blanks = _BLANKS.match(query, place)
        place = blanks.end() if blanks else place
        if place >= len(query):
            return [*found, Lexeme("end", "the end of the query", place)]
        token = _TOKEN.match(query, place)
        if token is None:
            raise LogqlError(f"unexpected character {query[place]!r}", place)
        found.append(Lexeme(token.lastgroup or "", token[0], place))
        place = token.end()
