"""The envelope that a journal line puts around an entry."""

import msgspec


class Envelope(msgspec.Struct, gc=False):
    """A journal line as it is read back; the entry keeps its bytes."""

    received_at: str
    entry: msgspec.Raw
    source: str
    listener: str
