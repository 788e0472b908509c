"""Regular expressions of queries: RE2, whose time grows only linearly with the text, whatever the expression.

Python's own engine may need years for a short expression and a short text, and can't be interrupted. RE2 has no
look-around and no references back; all else is written in the same way. An expression is looked for in each line of a
text, so that `^` and `$` are the ends of a line.
"""

from functools import lru_cache
from typing import Any, Final

from logboom.extras import advice, is_missing
from logboom.query.filter.filter_error import FilterError

REGEX_CHARS_MAX: Final = 500
"""Longest expression; longer ones are written by programs, which can use several queries."""

PROGRAM_SIZE_MAX: Final = 4000
"""Instructions of a compiled expression: without room for its automaton, RE2 follows each of them at each character,
which then takes some seconds per megabyte."""

MEMORY_BYTES_MAX: Final = 4 << 20
"""Memory of one compiled expression and its automaton."""

_COMPILED_MAX: Final = 4


def compile_regex(pattern: str, position: int = 0) -> Any:
    """A compiled expression: has `search(bytes)`.

    Raises:
        FilterError: it is none, too long or too expensive; or the extra `regex` is missing.
    """
    if len(pattern) > REGEX_CHARS_MAX:
        raise FilterError(
            f"found {len(pattern)} characters, expected a regular expression of {REGEX_CHARS_MAX} at most",
            position,
        )
    if is_missing("regex"):
        raise FilterError(f"this server has no regular expressions: {advice('regex')}", position)
    found, trouble = _compiled(pattern)
    if trouble:
        raise FilterError(trouble, position)
    return found


@lru_cache(maxsize=_COMPILED_MAX)
def _compiled(pattern: str) -> tuple[Any, str]:
    """The expression, or what is wrong with it."""
    import re2  # noqa: PLC0415 - few queries have an expression

    options = re2.Options()
    options.max_mem, options.never_nl, options.log_errors = MEMORY_BYTES_MAX, True, False
    try:
        found = re2.compile(f"(?m:{pattern})", options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else "not valid"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        return None, f"the regular expression can't be read: {text}"
    if found.programsize > PROGRAM_SIZE_MAX:
        return None, "the regular expression is too expensive: expected fewer or shorter repetitions"
    return found, ""
