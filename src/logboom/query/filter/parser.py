r"""The grammar of queries, and the parser that makes conditions of them.

    query   = [ any ]
    any     = all { "or" all }
    all     = one { [ "and" ] one }
    one     = ( "not" | "-" ) one | "(" any ")" | term
    term    = regex | name ":" value | name "=" text | pattern | phrase
    value   = regex | "*" | compare | range | "=" text | pattern | phrase
    compare = ( ">" | ">=" | "<" | "<=" ) number
    range   = number ".." number
    regex   = "~" phrase
    phrase  = '"' { any character, \" and \\ } '"'
    pattern = [ "*" ] characters without blanks, quotes and parentheses [ "*" ]

A recursive descent parser: the grammar is small, the bounds and the error texts are the larger part of the work, and a
parser library would take longer to import than most queries to run.
"""

import re
from typing import Final

from logboom.formats.records import number_of
from logboom.query.filter.conditions import (
    EVERYTHING,
    PROPERTIES,
    AnyOf,
    Between,
    Condition,
    Contains,
    Equals,
    Exists,
    FieldAnywhere,
    FieldCondition,
    Matches,
    Not,
    Property,
    Somewhere,
    Test,
    all_of,
)
from logboom.query.filter.filter_error import FilterError
from logboom.query.filter.level_tests import level_between, level_is, severity_at
from logboom.query.filter.regexes import compile_regex
from logboom.query.filter.text_words import fold

QUERY_CHARS_MAX: Final = 2000
"""Longest query: a long list of ids fits; parsing takes a few milliseconds at most."""

TERMS_MAX: Final = 100
"""Conditions of one query: each may cost a look at every entry."""

DEPTH_MAX: Final = 30
"""Parentheses and negations inside each other: the parser and the checks are recursive."""

DOTS_MAX: Final = 8
"""Dots in a field's name: each may stand for a level of nesting or for itself."""

_BLANKS: Final = re.compile(r"\s*+")
_PHRASE: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_BARE: Final = re.compile(r'[^\s()"]++')
_NAME: Final = re.compile(r"""(?:[^\W\d]|[@$_])[^\s()":=<>~*]*+(?=:(?!:|//)|=)""")
_OLD_NAME: Final = re.compile(r'[^\s()":=<>~*-][^\s()":=<>~*]*+(?==)')
_KEYWORD: Final = re.compile(r'(or|and|not|OR|AND|NOT)(?=[\s()"]|$)')
_COMPARISON: Final = re.compile(r"[<>]=?")
_RANGE: Final = re.compile(r"(.+?)\.\.(.+)", re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_ENDS: Final = frozenset(" \t\r\n()")
_SEPARATOR: Final = "\0"
"""Separates the texts of an entry where they are searched, so no text that is searched for may have it."""


def parse(query: str) -> Condition:
    """The condition of a query; an empty query is met by every entry.

    Raises:
        FilterError: it can't be read; names the place, and what was expected there.
    """
    try:
        return _Parser(query).parse()
    except FilterError as error:
        raise FilterError(error.text, error.position, query) from None


class _Parser:
    """Reads one query from its beginning to its end."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._place = 0
        self._terms = 0

    def parse(self) -> Condition:
        self._check_text()
        self._skip()
        if self._at_end():
            return EVERYTHING
        found = self._any(0)
        if not self._at_end():
            raise self._error("found a closing parenthesis without an opening one")
        return found

    def _check_text(self) -> None:
        size, nul = len(self._query), self._query.find(_SEPARATOR)
        if size > QUERY_CHARS_MAX:
            raise FilterError(f"found {size} characters, expected {QUERY_CHARS_MAX} at most", QUERY_CHARS_MAX)
        if nul >= 0:
            raise FilterError("found a NUL character, which no text can have", nul)

    # --- structure ---

    def _any(self, depth: int) -> Condition:
        parts = [self._all(depth)]
        while self._takes_keyword("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while not self._at_end() and self._peek() != ")" and self._keyword() != "or":
            self._takes_keyword("and")
            parts.append(self._one(depth))
        return all_of(*parts)

    def _one(self, depth: int) -> Condition:
        if depth > DEPTH_MAX:
            raise self._error(f"expected {DEPTH_MAX} parentheses and negations inside each other at most")
        if self._takes_keyword("not") or self._takes_minus():
            return Not(self._one(depth + 1))
        self._check_condition()
        if self._peek() == "(":
            return self._group(depth)
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise self._error(f"expected {TERMS_MAX} conditions at most")
        found = self._term()
        self._skip()
        return found

    def _group(self, depth: int) -> Condition:
        start = self._place
        self._place += 1
        self._skip()
        found = self._any(depth + 1)
        if self._at_end():
            raise FilterError("this parenthesis is never closed", start)
        self._place += 1
        self._skip()
        return found

    def _check_condition(self) -> None:
        """Make sure that a condition may begin here."""
        if self._at_end():
            raise self._error("the query ends where a word, a field or a parenthesis was expected")
        found = self._keyword() or (")" if self._peek() == ")" else "")
        if found:
            raise self._error(
                f'found "{found}", expected a word, a field or a parenthesis; in quotes it is a word'
            )

    def _takes_minus(self) -> bool:
        if self._at_end() or self._peek() != "-":
            return False
        following = self._query[self._place + 1 : self._place + 2]
        if not following or following.isspace():
            raise self._error('expected a condition right after "-"; to search for it, put it in quotes')
        if following == ">":  # an arrow
            return False
        self._place += 1
        return True

    def _keyword(self) -> str:
        found = _KEYWORD.match(self._query, self._place)
        return found[1].lower() if found else ""

    def _takes_keyword(self, word: str) -> bool:
        if self._keyword() != word:
            return False
        self._place += len(word)
        self._skip()
        return True

    # --- terms ---

    def _term(self) -> Condition:
        name = self._name()
        if name is None:
            if self._peek() == "~":
                return Somewhere(self._regex())
            if self._peek() == '"':
                return Somewhere(self._quoted())
            pattern = self._pattern(self._bare())
            return EVERYTHING if pattern is None else Somewhere(pattern)
        operator = self._query[self._place]
        self._place += 1
        if self._at_end() or self._peek().isspace() or self._peek() == ")":
            raise self._error(
                f'expected a value after "{name}{operator}"; text with "{operator}" in it needs quotes'
            )
        if operator == "=":
            return FieldAnywhere(name, self._whole_value())
        if name in PROPERTIES:
            return Property(name, self._level() if name == "level" else self._value(name))
        return FieldCondition(name, self._value(name))

    def _name(self) -> str | None:
        """The name of a field, before its ":" or "="; None when there is none here."""
        start = self._place
        if self._peek() == '"':
            end = self._phrase_end()
            if self._query[end : end + 1] not in (":", "="):
                return None
            name, self._place = _unescaped(self._query[start + 1 : end - 1]), end
        else:
            found = _NAME.match(self._query, start) or _OLD_NAME.match(self._query, start)
            if found is None:
                return None
            name, self._place = found[0], found.end()
        if not name or name.count(".") > DOTS_MAX:
            raise FilterError(f"expected a field's name with {DOTS_MAX} dots at most", start)
        return name

    def _value(self, name: str) -> Test:
        """The test of a field's value."""
        first = self._peek()
        if first == "~":
            return self._regex()
        if first in "<>":
            return self._comparison()
        if first == "=":
            self._place += 1
            return self._whole_value()
        if first == '"':
            phrase = fold(self._phrase())
            return Contains(phrase) if phrase and name not in ("source", "listener") else Equals(phrase)
        return self._bare_value(name)

    def _bare_value(self, name: str) -> Test:
        start, text = self._place, self._bare()
        between = _RANGE.fullmatch(text)
        low, high = (number_of(between[1]), number_of(between[2])) if between else (None, None)
        if low is not None and high is not None:
            return _between(low, high, start)
        pattern = self._pattern(text, start)
        if pattern is None:
            return Exists()
        if name in ("source", "listener") and pattern.starts and pattern.ends:
            return Equals(pattern.text)
        return pattern

    def _comparison(self) -> Between:
        operator = self._operator()
        start, text = self._place, self._operand()
        number = number_of(text)
        if number is None:
            raise FilterError(f'expected a number after "{operator}", found "{text[:40]}"', start)
        return _compared(operator, number)

    def _level(self) -> Test:
        """The test of a level: a name, a comparison on the scale of levels, or what any text has."""
        first, start = self._peek(), self._place
        if first == "~":
            return self._regex()
        if first in "<>":
            operator = self._operator()
            start, text = self._place, self._operand()
            return _compared(operator, severity_at(text, start))
        if first == "=":
            self._place += 1
            first, start = self._peek_or_space(), self._place
        text = self._operand()
        between = _RANGE.fullmatch(text) if first != '"' else None
        if between:
            return level_between(between[1], between[2], start)
        if first == '"' or "*" not in text:
            return level_is(text)
        return self._pattern(text, start) or Exists()

    def _operator(self) -> str:
        found = _COMPARISON.match(self._query, self._place)
        assert found is not None  # noqa: S101 - the caller has seen its first character
        self._place = found.end()
        return found[0]

    def _operand(self) -> str:
        if self._peek_or_space() == '"':
            return self._phrase()
        return self._bare()

    def _whole_value(self) -> Equals:
        if self._peek_or_space() == '"':
            return Equals(fold(self._phrase()))
        text = self._bare()
        return Equals(fold(text), number_of(text))

    # --- texts ---

    def _regex(self) -> Matches:
        self._place += 1
        if self._peek_or_space() != '"':
            raise self._error('expected a regular expression in quotes after "~", such as ~"time.?out"')
        start, end = self._place, self._phrase_end()
        pattern = self._query[start + 1 : end - 1].replace('\\"', '"')
        self._place = end
        self._check_end()
        compile_regex(pattern, start + 1)
        return Matches(pattern)

    def _phrase_end(self) -> int:
        found = _PHRASE.match(self._query, self._place)
        if found is None:
            raise self._error("this quote is never closed")
        return found.end()

    def _phrase(self) -> str:
        start, end = self._place, self._phrase_end()
        self._place = end
        self._check_end()
        return _unescaped(self._query[start + 1 : end - 1])

    def _quoted(self) -> Contains:
        phrase = fold(self._phrase())
        if not phrase:
            raise FilterError("expected text between the quotes", self._place - 1)
        return Contains(phrase)

    def _check_end(self) -> None:
        """Make sure that a quoted text is followed by a blank, a parenthesis or the end."""
        if not self._at_end() and self._peek() not in _ENDS and not self._peek().isspace():
            raise self._error(f'expected a blank after the quoted text, found "{self._peek()}"')

    def _bare(self) -> str:
        found = _BARE.match(self._query, self._place)
        if found is None:
            raise self._error("expected a value")
        self._place = found.end()
        if not self._at_end() and self._peek() == '"':
            raise self._error('found a quote inside a word; put all of it in quotes, and a \\ before each "')
        return found[0]

    def _pattern(self, text: str, start: int | None = None) -> Contains | None:
        """A bare text with its wildcards; None for "*" alone."""
        start = self._place - len(text) if start is None else start
        core = text.lstrip("*")
        leading = len(text) - len(core)
        core = core.rstrip("*")
        if "*" in core:
            raise FilterError(
                'a "*" may only stand at the start or the end of a word; in quotes it is a plain character',
                start + leading + core.index("*"),
            )
        return Contains(fold(core), not leading, not text.endswith("*")) if core else None

    # --- characters ---

    def _at_end(self) -> bool:
        return self._place >= len(self._query)

    def _peek(self) -> str:
        return self._query[self._place]

    def _peek_or_space(self) -> str:
        return self._query[self._place : self._place + 1] or " "

    def _skip(self) -> None:
        found = _BLANKS.match(self._query, self._place)
        self._place = found.end() if found else self._place

    def _error(self, text: str) -> FilterError:
        return FilterError(text, self._place)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _between(low: float, high: float, position: int) -> Between:
    if low > high:
        raise FilterError(
            f"the range is empty: expected the smaller number first, {high:g}..{low:g}", position
        )
    return Between(low, high)


def _compared(operator: str, value: float) -> Between:
    if operator.startswith(">"):
        return Between(low=value, above=operator == ">")
    return Between(high=value, below=operator == "<")
