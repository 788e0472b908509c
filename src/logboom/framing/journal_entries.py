"""The systemd journal's export format: a field per line, binary ones with their length, then a blank line.

Sans-IO, in bounded memory: what an entry has beyond `ENTRY_BYTES_MAX` is skipped as it comes, since a field such as
a core dump may have hundreds of megabytes.
"""

import base64
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
        found: list[JournalFields] = []
        while (entry := self._next()) is not None:
            found.append(entry)
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
            entry = _plain_fields(data[self._place : end]) if end >= 0 else None
            if entry is not None:
                self._place = end + 2
                self.whole_bytes = self._read_bytes + self._place
                return entry
            if end < 0 and len(data) - self._place < WHOLE_BYTES and not data.endswith(b"\n\n"):
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


def _plain_fields(data: bytearray) -> JournalFields | None:
    """Read an entry of texts; None: it has a binary field, one that is repeated, or one that is not UTF-8."""
    try:
        lines = data.decode().split("\n")
        fields = dict([line.split("=", 1) for line in lines])
    except ValueError:  # UnicodeDecodeError is one
        return None
    return fields if len(fields) == len(lines) <= FIELDS_MAX else None
