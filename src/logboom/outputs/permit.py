"""Permission of an output to write: always, or while no other server writes the same output."""

from typing import Final, Protocol


class Permit(Protocol):
    """Permission of one output, which may end at any time. Callable from any thread."""

    position: int
    """Position of the output, as of its last note on any server."""
    moves: bool
    """True if the next server has to go on at `position`, as the output keeps its own position on each server."""

    writing: bool
    """True from the opening of the output to its closing."""

    @property
    def granted(self) -> bool:
        """True while this server may write the output."""

    def note(self, position: int) -> None:
        """Set the position."""


class _Always:
    """Permission of an output that no other server writes."""

    position = 0
    moves = False
    writing = False
    granted = True

    def note(self, position: int) -> None:
        """See `Permit`."""


ALWAYS: Final[Permit] = _Always()
