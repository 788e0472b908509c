"""States of a TCP connection."""

from typing import Final, NamedTuple


class State(NamedTuple):
    """One phase in the life of a connection, and what it allows."""

    name: str
    reads: bool
    """Bytes are taken from the peer."""
    replies: bool
    """Replies are written."""
    closes: bool
    """It is closed once everything is answered."""


OPEN: Final = State("open", reads=True, replies=True, closes=False)
ENDED: Final = State("ended by the peer", reads=False, replies=True, closes=True)
GIVEN_UP: Final = State("given up by the protocol", reads=False, replies=True, closes=True)
REFUSED: Final = State("refused", reads=False, replies=True, closes=False)
"""Something could not be stored, and the peer shall send it again over another connection."""
HANDED_OVER: Final = State("handed over", reads=False, replies=False, closes=False)
"""The bytes belong to another protocol from here on."""
LOST: Final = State("lost", reads=False, replies=False, closes=False)
"""States in the order in which a connection may go through them; each but the first and the last may be left out."""
