"""The text that a reader looks for, and whether an entry's JSON holds it."""

import re
from typing import Final

PLAIN: Final = re.compile(r"[ !#-%(-.0-;=?-\[\]-~]+")
"""Text that JSON is written with in one way only, in practice: it can be searched for as it is. Left out are
what must be escaped, and what some encoders escape to be safe in HTML (Go's, PHP's)."""

_WORD: Final = r'([^\s="]++)=(?>("[^"]*+"(?!\S)|\S++))'
"""A field as people write it: `temp=19.75`, `detail.bar=3.5`, `msg="pump 2"`."""
_WORDS: Final = re.compile(rf"\s*+(?:{_WORD}\s*+)+")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_COLON: Final = re.compile('": *')
_QUOTE: Final = rb'(?:\\"|\\u0022|")'
_DEPTH: Final = 4
_STRING: Final = rb'[^{}"]|"(?:[^"\\]|\\.)*+"'
_MEMBERS: Final = rb"(?:%b%b%b)*?" % (_STRING, (rb"|\{(?:%b" % _STRING) * _DEPTH, rb")*+\}" * _DEPTH)
"""What may stand in an object before a key; objects in it may hold objects themselves, so deep."""
_SHORT_ESCAPES: Final = {
    '"': b'\\"',
    "\\": b"\\\\",
    "/": b"\\/",
    "\b": b"\\b",
    "\f": b"\\f",
    "\n": b"\\n",
    "\r": b"\\r",
    "\t": b"\\t",
}


class SearchText:
    """A text to be looked for in entries.

    It stands in an entry when it is part of its JSON, in any case: as it is written there, or as what an escape
    stands for; white space behind the colon of a key does not matter. A text that has nothing but `name=value`
    words also stands in entries that have all these fields with these values, at any depth: `a.b` is the key b
    in a; a number may be a string, and zeros at its end don't count.
    """

    def __init__(self, text: str) -> None:
        fields = re.findall(_WORD, text) if _WORDS.fullmatch(text) else []
        words = [part for name, value in fields for part in (*name.split("."), _shortest(value))] or [text]
        runs = {run for word in words for part in _COLON.split(word) for run in PLAIN.findall(part)}
        self.needles = tuple(run.lower().encode() for run in runs)
        """All of these stand in each entry that holds the text, in lower case; there may be none."""
        self._plain = text.lower().encode() if PLAIN.fullmatch(text) else b""
        self._pattern = None if self._plain else re.compile(_spelled(text))
        self._fields = [_field(name, value) for name, value in fields]

    def stands_in(self, entry: bytes) -> bool:
        """Whether an entry's JSON holds it."""
        lowered = entry.lower()
        if self._plain in lowered if self._pattern is None else self._pattern.search(lowered):
            return True
        return bool(self._fields) and all(field.search(lowered) for field in self._fields)


def _field(name: str, value: str) -> re.Pattern[bytes]:
    """A key and its value, in JSON of lower case."""
    nested = (rb"\{" + _MEMBERS).join(map(_key, name.split(".")))
    key = rb"(?:%b|%b)" % (_key(name), nested) if "." in name else nested
    return re.compile(rb"%b%b\s*[,}]" % (key, _value(value)))


def _key(name: str) -> bytes:
    return rb'"%b"\s*:\s*' % _spelled(name)


def _value(value: str) -> bytes:
    """A value in each way that JSON may have it."""
    if value.startswith('"'):
        return rb'"%b"' % _spelled(value[1:].removesuffix('"'))
    least = _spelled(_shortest(value))
    if _NUMBER.fullmatch(value):
        return rb'"?%b%b"?' % (least, b"0*" if b"." in least else rb"(?:\.0+)?")
    return rb'(?:"%b"|%b)' % (least, least)


def _shortest(value: str) -> str:
    """A number without zeros at its end: 24.10 may stand there as 24.1."""
    return value.rstrip("0").rstrip(".") if "." in value and _NUMBER.fullmatch(value) else value


def _spelled(text: str) -> bytes:
    """A pattern for a text in each way that JSON may write it, all in lower case."""
    parts = [b"".join(map(_sign, part)) for part in _COLON.split(text)]
    return (_QUOTE + rb":\s*").join(parts)


def _sign(sign: str) -> bytes:
    if PLAIN.fullmatch(sign):
        return re.escape(sign.lower().encode())
    ways: set[bytes] = set()
    for variant in {sign, sign.lower(), sign.upper()}:
        units = variant.encode("utf-16-be", "surrogatepass")
        ways.add("".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)).encode())
        ways.add(variant.encode(errors="replace").lower())
    if sign in _SHORT_ESCAPES:
        ways.add(_SHORT_ESCAPES[sign])
    return b"(?:%b)" % b"|".join(map(re.escape, sorted(ways)))
