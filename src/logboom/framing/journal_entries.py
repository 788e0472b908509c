"""The systemd journal's export format: a field per line, binary ones with their length, then a blank line.

Sans-IO, in bounded memory: what an entry has beyond `ENTRY_BYTES_MAX` is skipped as it comes, since a field such as
a core dump may have hundreds of megabytes.
"""

import base64
import re
from functools import lru_cache
from itertools import repeat
from typing import Final

ENTRY_BYTES_MAX: Final = 256 << 10
"""Bytes of the values of one entry that are kept. The rest is cut off, and its size is noted: an entry that was refused
would be sent again and again."""

FIELDS_MAX: Final = 1024
"""Fields of one entry, as in the journal itself; further ones are left out."""

LENGTH_BYTES: Final = 8
"""Size of the length of a binary field, little-endian."""

BINARY_BYTES_MAX: Final = 1 << 40
"""Longest binary field; a larger length is no length."""

WHOLE_BYTES: Final = 64 << 10
"""Size up to which an entry, or a line of it, is waited for before anything of it is read."""

PLAIN_BYTES: Final = 16 << 10
"""Bytes that are read at once as long as all fields are texts."""

ROW_MIN: Final = 32
"""Entries in a row with the same names of fields after which an expression is made for them: to make it takes as long
as to read hundreds of entries."""
ROW_FIELDS_MAX: Final = 64
"""Fields of entries for which expressions are made; usual entries have 10 to 30."""
EXPRESSIONS_MAX: Final = 16
"""Expressions that are kept, of some 10 KiB each."""

BASE64_SUFFIX: Final = "_base64"
"""Ends the name of a field with the bytes of one that is no text."""
SIZE_SUFFIX: Final = "_bytes"
"""Ends the name of a field with the size of one that was cut off."""

JournalFields = dict[str, str]


class JournalDataError(ValueError):
    """The data is not in the journal's export format."""


class JournalEntries:
    """Entries of one stream."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._place = 0
        self._shapes = _Shapes()
        self._fields: JournalFields = {}
        self._begun = False
        self._left = ENTRY_BYTES_MAX
        self._skip = 0  # bytes of a binary field
        self._skips_line = False
        self._read_bytes = 0
        self.whole_bytes = 0
        """Bytes up to the end of the last whole entry."""

    def __len__(self) -> int:
        """Return the number of bytes that wait for more."""
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Take some data."""
        self._data += data

    def take(self) -> list[JournalFields]:
        """Return the whole entries so far; a field that was sent several times has its values on lines.

        Raises:
            JournalDataError: what follows can't be read.
        """
        found = self._plain_entries()
        while (entry := self._next()) is not None:
            found.append(entry)
            found += self._plain_entries()
        self._drop()
        return found

    def end(self) -> JournalFields | None:
        """Return the last entry where it lacks its blank line; None: there is none. Raises `JournalDataError`."""
        if len(self._data) > self._place or self._begun:
            self._data += b"\n\n"
            entry = self._next()
            if entry is None:
                raise JournalDataError("the last entry breaks off")
            return entry or None
        return None

    def _plain_entries(self) -> list[JournalFields]:
        """Read entries of texts, up to the first one of another kind, from some kilobytes."""
        data, start, found = self._data, self._place, list[JournalFields]()
        end = -1 if self._begun else data.rfind(b"\n\n", start, start + PLAIN_BYTES)
        if end < 0:
            return found
        try:
            pieces = data[start:end].decode().split("\n\n")
        except UnicodeDecodeError:
            return found
        for piece in pieces:
            fields = self._shapes.fields_of(piece)
            if fields is None:
                end = start + len("\n\n".join(pieces[: len(found)]).encode())
                break
            found.append(fields)
        if found:
            self._place = end + 2
            self.whole_bytes = self._read_bytes + self._place
        return found

    def _drop(self) -> None:
        """Forget what was read."""
        del self._data[: self._place]
        self._read_bytes += self._place
        self._place = 0

    def _next(self) -> JournalFields | None:
        """Read an entry; None when it is not whole."""
        data = self._data
        while not self._begun and data[self._place : self._place + 1] == b"\n":
            self._place += 1
        if not self._begun:
            end = data.find(b"\n\n", self._place, self._place + WHOLE_BYTES)
            entry = _plain_fields(_text_of(data[self._place : end])) if end >= 0 else None
            if entry is not None:
                self._place = end + 2
                self.whole_bytes = self._read_bytes + self._place
                return entry
            if end < 0 and len(data) - self._place < WHOLE_BYTES:
                return None
        return self._read_fields()

    def _read_fields(self) -> JournalFields | None:
        """Read the fields of an entry, as far as they are there; returns it when it is whole."""
        self._begun = True
        while self._skipped():
            end = self._data.find(b"\n", self._place)
            if end == self._place:
                return self._finished()
            if end < 0:
                if not self._takes_long_line():
                    return None
            elif b"=" in self._data[self._place : end]:
                name, _, value = bytes(self._data[self._place : end]).partition(b"=")
                self._add(name, value, len(value))
                self._place = end + 1
            elif not self._takes_binary(end):
                return None
        return None

    def _finished(self) -> JournalFields:
        entry, self._fields = self._fields, {}
        self._begun, self._left = False, ENTRY_BYTES_MAX
        self._place += 1
        self.whole_bytes = self._read_bytes + self._place
        return entry

    def _skipped(self) -> bool:
        """Skip the rest of a field; returns whether it has come to its end."""
        data = self._data
        if self._skip:
            step = min(self._skip, len(data) - self._place)
            self._skip -= step
            self._place += step
        if self._skips_line:
            end = data.find(b"\n", self._place)
            self._place = len(data) if end < 0 else end + 1
            self._skips_line = end < 0
        return not self._skip and not self._skips_line

    def _takes_long_line(self) -> bool:
        """Take the beginning of a text that is too long to be waited for; returns whether there is one."""
        if len(self._data) - self._place < ENTRY_BYTES_MAX + WHOLE_BYTES:
            return False
        name, found, value = bytes(self._data[self._place :]).partition(b"=")
        if not found:
            raise JournalDataError("the name of a field is too long")
        self._add(name, value, len(value), is_cut=True)
        self._place, self._skips_line = len(self._data), True
        return True

    def _takes_binary(self, end: int) -> bool:
        """Take a binary field, or the beginning of a long one; returns whether it is there."""
        data, start = self._data, end + 1 + LENGTH_BYTES
        if len(data) < start:
            return False
        size = int.from_bytes(data[end + 1 : start], "little")
        if size > BINARY_BYTES_MAX:
            raise JournalDataError("a field has neither an equals sign nor a length")
        kept = min(size, ENTRY_BYTES_MAX)
        if len(data) < start + kept:
            return False
        self._add(bytes(data[self._place : end]), bytes(data[start : start + kept]), size)
        self._place, self._skip = start + kept, size - kept + 1
        return True

    def _add(self, name: bytes, value: bytes, size: int, *, is_cut: bool = False) -> None:
        """Keep a field, as far as there is room for it."""
        key, fields = name.decode(errors="replace"), self._fields
        if len(fields) >= FIELDS_MAX:
            return
        kept = value[: self._left]
        self._left -= len(kept)
        text = kept.decode(errors="replace")
        if is_cut or len(kept) < size:
            fields[key + SIZE_SUFFIX] = f"more than {size}" if is_cut else str(size)
        elif "\ufffd" in text and text.encode() != kept:
            fields[key + BASE64_SUFFIX] = base64.b64encode(kept).decode()
        fields[key] = f"{fields[key]}\n{text}" if key in fields else text


def _text_of(data: bytearray) -> str:
    """Return data as text; empty for what is none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _plain_fields(text: str) -> JournalFields | None:
    """Read an entry of texts; None: it has a binary field, or one that is repeated."""
    lines = text.split("\n")
    try:
        fields = dict(map(str.split, lines, repeat("="), repeat(1)))
    except ValueError:
        return None
    return fields if len(fields) == len(lines) <= FIELDS_MAX else None


class _Shapes:
    """Reads entries of texts. One expression cuts an entry whose fields have the names of those before it."""

    __slots__ = ("_expression", "_in_a_row", "_names")

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._in_a_row = 0
        self._expression: re.Pattern[str] | None = None

    def fields_of(self, text: str) -> JournalFields | None:
        """Return the fields of an entry; None: see `_plain_fields`."""
        if self._expression is not None and (match := self._expression.fullmatch(text)):
            return dict(zip(self._names, match.groups(), strict=True))
        fields = _plain_fields(text)
        if fields is not None:
            names = tuple(fields)
            self._in_a_row = self._in_a_row + 1 if names == self._names else 0
            self._names = names
            is_row = self._in_a_row >= ROW_MIN and len(names) <= ROW_FIELDS_MAX
            self._expression = _expression_of(names) if is_row else None
        return fields


@lru_cache(EXPRESSIONS_MAX)
def _expression_of(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("\n".join([f"{re.escape(name)}=(.*)" for name in names]))
