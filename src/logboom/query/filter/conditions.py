"""Conditions of a query: a tree of immutable, comparable nodes, made by `parser` and checked by `compiler`."""

from typing import Final, TypeAlias

import msgspec


class _Node(msgspec.Struct, frozen=True, gc=False):
    """A value: equal to another one of the same type with the same parts."""


class Contains(_Node, frozen=True, gc=False):
    """A text test: the text is there, in any case."""

    text: str
    """Folded, see `text_words.fold`."""
    starts: bool = True
    """Only at the start of a word, where it begins with a character of a word."""
    ends: bool = True
    """Only at the end of a word, where it ends with a character of a word."""


class Matches(_Node, frozen=True, gc=False):
    """A text test: a regular expression is found in a line of the text."""

    pattern: str


class Equals(_Node, frozen=True, gc=False):
    """A value test: the value is this text, in any case, or an equal number."""

    text: str
    """Folded."""
    number: float | None = None


class Between(_Node, frozen=True, gc=False):
    """A number test, and one of severities. None: no bound."""

    low: float | None = None
    high: float | None = None
    above: bool = False
    """Larger than `low`, not equal."""
    below: bool = False
    """Smaller than `high`, not equal."""


class Exists(_Node, frozen=True, gc=False):
    """A value test: there is one, and it is not null."""


class Exactly(_Node, frozen=True, gc=False):
    """A text test: the text, with its case."""

    text: str


class Whole(_Node, frozen=True, gc=False):
    """A text test: all of the text matches a regular expression."""

    pattern: str


class Holds(_Node, frozen=True, gc=False):
    """A text test: the text has this part, with its case."""

    text: str


Test: TypeAlias = Contains | Matches | Equals | Between | Exists | Exactly


class Anything(_Node, frozen=True, gc=False):
    """Every entry."""


class Somewhere(_Node, frozen=True, gc=False):
    """Entries with a key, a text or another plain value, at any depth, that passes the test."""

    test: Contains | Matches


class FieldCondition(_Node, frozen=True, gc=False):
    """Entries whose field passes the test."""

    path: str
    """A key; `a.b` is the key b in a, or the key `a.b`."""
    test: Test


class Property(_Node, frozen=True, gc=False):
    """Entries with a property, read as records have it, that passes the test."""

    name: str
    """One of `PROPERTIES`."""
    test: Test


class FieldAnywhere(_Node, frozen=True, gc=False):
    """Entries with a field of this name and value at any depth."""

    path: str
    test: Equals


class Line(_Node, frozen=True, gc=False):
    """Entries whose line (`stream_labels.line_of`) passes the test."""

    test: Holds | Matches


class Label(_Node, frozen=True, gc=False):
    """Entries whose stream has a label that passes the test; a missing one is an empty text."""

    name: str
    test: Exactly | Whole


class Extracted(_Node, frozen=True, gc=False):
    """Entries with a label or field that passes the test; a missing one is an empty text, and no number."""

    name: str
    test: Exactly | Whole | Between
    parsers: frozenset[str] = frozenset()
    """Names of the parsers whose fields count, too (`stream_labels.parsed_of`)."""


class All(_Node, frozen=True, gc=False):
    """Entries that meet all conditions."""

    parts: "tuple[Condition, ...]"


class AnyOf(_Node, frozen=True, gc=False):
    """Entries that meet one of the conditions."""

    parts: "tuple[Condition, ...]"


class Not(_Node, frozen=True, gc=False):
    """Entries that don't meet the condition."""

    part: "Condition"


Leaf: TypeAlias = Somewhere | FieldCondition | Property | FieldAnywhere | Line | Label | Extracted
Condition: TypeAlias = Anything | Leaf | All | AnyOf | Not

PROPERTIES: Final = ("level", "source", "listener", "message")
"""Names that mean the same in every entry, whatever its keys are called."""

EVERYTHING: Final = Anything()


def all_of(*parts: Condition) -> Condition:
    """One condition for several that must all be met; flat, without those that every entry meets."""
    flat: list[Condition] = []
    for part in parts:
        if isinstance(part, All):
            flat += part.parts
        elif part != EVERYTHING:
            flat.append(part)
    return flat[0] if len(flat) == 1 else All(tuple(flat)) if flat else EVERYTHING
