"""Byte strings that every journal line with a text has: most lines are decided by them alone, before any decoding."""

import re
from typing import Final

from logboom.query.filter.text_words import fold

PLAIN: Final = re.compile(r"[ !#-%(-.0-;=?-\[\]-~]+")
"""Text that JSON writes in one way only, in practice. Left out are what must be escaped, and what some encoders escape
to be safe in HTML (Go's, PHP's)."""

_NUMERIC: Final = re.compile(r"[-+.\deE]*+")
"""Characters of numbers."""

_ESCAPED_ASCII: Final = re.compile(
    rb"\\u(?:00(?:2[013-58-9a-eA-E]|3[0-9a-bdA-BDfF]|[4-7])|00[dD][fF]|0130|0149|017[fF]|01[fF]0|037[eE]"
    rb"|1[eE]9[6-9a-eA-E]|1[fF][eE][fF]|212[aA]|[fF][bB]0)"
)
"""Escapes of plain characters, and of those of `_FOLDED_TO_ASCII`."""

_FLAGS: Final = re.compile(r"^\(\?[ims]+\)")
_UNSURE: Final = re.compile(r"[|()]|\[\[|\\[xpPQC0-9]")
"""Alternatives, groups, and escapes of more than one character: what they match is not looked into."""
_LITERAL: Final = re.compile(r"[A-Za-z0-9_ ,:=;@-]+")

_FOLDED_TO_ASCII: Final = tuple(
    map(str.encode, "ßİŉſǰ\u037eẖẗẘẙẚẞ\u1fef\u212a\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06")
)
"""Characters that become ASCII when they are folded: a text may be there though its needle is not."""


def needle_of(text: str) -> bytes:
    """The longest part of a folded text that is there in lower case wherever the text is; empty when there is none."""
    runs = [run for run in PLAIN.findall(text) if run.isascii()]
    return max(runs, key=len).encode() if runs else b""


def is_numeric(text: str) -> bool:
    """Return whether a text may be a number, which may be written differently."""
    return _NUMERIC.fullmatch(text) is not None


def needle_of_value(text: str) -> bytes:
    """The needle of a value; empty for a number, which may be written differently."""
    return b"" if is_numeric(text) else needle_of(text)


def needle_of_path(path: str) -> bytes:
    """A needle of each entry with a field: the longest of the names in its path, in lower case."""
    parts = [fold(part) for part in path.split(".")]
    if len(parts) == 1:
        return f'"{parts[0]}"'.encode() if PLAIN.fullmatch(parts[0]) and parts[0].isascii() else b""
    return max(map(needle_of, parts), key=len)


def has_other_spellings(data: bytes) -> bool:
    """Return whether plain text may be there in a way that no needle finds: escaped, or as a look-alike."""
    if _ESCAPED_ASCII.search(data):  # which finds no `\u` in a third of the time that `in` takes
        return True
    return not data.isascii() and any(character in data for character in _FOLDED_TO_ASCII)


def literal_of(pattern: str) -> bytes:
    """A needle of each text that a regular expression matches; empty when none is easily known."""
    body = _FLAGS.sub("", pattern)
    if _UNSURE.search(body):
        return b""
    for optional in (r"\\.", r"\[\^?\]?[^\]]*\]", r".(?:[?*]|\{[^}]*\})"):
        body = re.sub(optional, "\0", body, flags=re.DOTALL)
    return max(map(needle_of, map(fold, _LITERAL.findall(body))), key=len, default=b"")
