"""The envelope of an entry in a journal line."""

from typing import Final

import msgspec

RECEIVED_AT: Final = slice(len(b'{"received_at":"'), len(b'{"received_at":"2025-01-01T00:00:00.000000+00:00'))
"""Position of the receive time in each line."""
ENTRY_AT: Final = RECEIVED_AT.stop + len(b'","entry":')
"""Position of the entry in each line."""
SOURCE_AT: Final = b',"source":"'
"""The bytes after the entry. No JSON string contains them, because of the unescaped quotes."""
KEY_AT: Final = b',"key":'
"""The bytes before the optional key, between source and listener."""
COPY: Final = "copy:"
"""Begin of the key of an entry that may be a copy of another one."""
LISTENER_AT: Final = b',"listener":'
"""The bytes before the listener, the last field."""


class Envelope(msgspec.Struct, gc=False):
    """A decoded journal line, with the entry as raw bytes."""

    received_at: str
    entry: msgspec.Raw
    source: str
    listener: str
    key: str = ""
    time: str = ""
    """Added to lines that are read, see `timed`."""


def timed(line: bytes, time: str) -> bytes:
    """Return a journal line with a time that the entry did not give itself; the line that is stored has none."""
    head, listener = line.rsplit(LISTENER_AT, 1)
    return b'%b,"time":"%b"%b%b' % (head, time.encode("ascii"), LISTENER_AT, listener)


def entry_of(line: bytes) -> bytes:
    """Return the entry of a journal line as it was sent."""
    return line[ENTRY_AT : line.rfind(SOURCE_AT)]
