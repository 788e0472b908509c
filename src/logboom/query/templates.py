"""Templates of messages: the constant words, with a mark for each variable part.

Numbers, identifiers, addresses and quoted texts are variable. So is a word in a place where many different words were
seen in otherwise equal messages.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from logboom.query.filter.parser import QUERY_CHARS_MAX

VARIABLE: Final = "<*>"

TEXT_CHARS_MAX: Final = 300
"""Characters of a message that are compared: the rest of a longer one is variable."""

WORDS_MAX: Final = 40
"""Words of a message that may turn out to be variable; later ones are constant."""

DIFFERENT_MIN: Final = 5
"""Different words in one place that make it variable: states such as started and stopped are fewer, names are more."""

ROUNDS_MAX: Final = 4
"""Places of one template that can turn out to be variable, one in each round."""

_VARIABLE: Final = re.compile(
    r"""
    "[^"]{0,200}+"                                  # a quoted text
    | (?<!\w)'[^'\n]{1,100}+'(?!\w)                 # the same; not the apostrophe of a word
    | (?<!\w)[^\W\d]*+\d\w*+(?:[.:+-]+\w++)*+       # a word with a digit: an id, an address, a time
    """,
    re.VERBOSE,
)

Words = tuple[str, ...]


def masked(text: str) -> str:
    """Return the first line of a message with a mark for each variable part."""
    line = text.partition("\n")[0]
    cut = (
        line
        if len(line) <= TEXT_CHARS_MAX
        else f"{line[:TEXT_CHARS_MAX].rpartition(' ')[0]} {VARIABLE}".strip()
    )
    return _VARIABLE.sub(VARIABLE, cut)


def merged_templates(masks: Iterable[str]) -> dict[str, str]:
    """Return the template of each masked message: those that differ in a place with many different words are one."""
    found = {mask: tuple(mask.split(" ")) for mask in masks}
    for _ in range(ROUNDS_MAX):
        joined = _joined(sorted(set(found.values())))
        if not joined:
            break
        found = {mask: joined.get(words, words) for mask, words in found.items()}
    return {mask: " ".join(words) for mask, words in found.items()}


def _joined(templates: Sequence[Words]) -> dict[Words, Words]:
    """Return the new template of those that become one with others."""
    alike: defaultdict[tuple[int, Words], list[Words]] = defaultdict(list)
    for words in templates:
        for place in range(min(len(words), WORDS_MAX)):
            alike[place, (*words[:place], *words[place + 1 :])].append(words)
    joined: dict[Words, Words] = {}
    for (place, rest), group in sorted(alike.items(), key=lambda pair: -len(pair[1])):
        is_known = any(words[place] == VARIABLE for words in group)
        left = [words for words in group if words not in joined]
        if len(left) < (2 if is_known else DIFFERENT_MIN) or not _has_words(rest):
            continue
        new = (*rest[:place], VARIABLE, *rest[place:])
        joined.update((words, new) for words in left if words != new)
    return joined


def _has_words(rest: Words) -> bool:
    """Return whether enough is constant: a template of variables alone would take everything."""
    constant = sum(1 for word in rest if VARIABLE not in word and any(map(str.isalpha, word)))
    return constant >= max(1, len(rest) // 3)


def query_of_template(template: str, phrase: Callable[[str], str]) -> str:
    """Return a query that finds the messages of a template, and perhaps others with the same phrases.

    Args:
        template: with its marks.
        phrase: makes a condition of a text.
    """
    texts = [text for part in template.split(VARIABLE) if any(map(str.isalnum, text := part.strip()))]
    return joined_query([phrase(text) for text in texts if "\0" not in text])


def joined_query(conditions: Sequence[str]) -> str:
    """Return a query of as many conditions as it can have."""
    found = ""
    for condition in conditions:
        if len(found) + 1 + len(condition) <= QUERY_CHARS_MAX:
            found = f"{found} {condition}".strip()
    return found


def quoted(text: str) -> str:
    """Return a phrase of the query language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
