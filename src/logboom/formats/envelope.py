"""The envelope that a journal line puts around an entry."""

from typing import Final

import msgspec

RECEIVED_AT: Final = slice(len(b'{"received_at":"'), len(b'{"received_at":"2025-01-01T00:00:00.000000+00:00'))
"""Where the receive time stands in each line."""
ENTRY_AT: Final = RECEIVED_AT.stop + len(b'","entry":')
"""Where the entry begins in each line."""
SOURCE_AT: Final = b',"source":"'
"""What stands after the entry. No JSON string holds it: it has bare quotes."""
KEY_AT: Final = b',"key":'
"""What stands before the key of an entry that has one, between its source and its listener."""
LISTENER_AT: Final = b',"listener":'
"""What stands before the listener, the last field."""


class Envelope(msgspec.Struct, gc=False):
    """A journal line as it is read back; the entry keeps its bytes."""

    received_at: str
    entry: msgspec.Raw
    source: str
    listener: str


def entry_of(line: bytes) -> bytes:
    """The entry of a journal line, as it was sent."""
    return line[ENTRY_AT : line.rfind(SOURCE_AT)]
