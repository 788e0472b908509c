"""The seam for protocols whose lines may be judged together with those of other connections.

A fleet of devices brings one line per connection and read. Judged, stored and answered one by one, each line costs
thirty times as much as one of a large batch. So a listener collects what its connections bring within one turn of the
event loop (`servers.gatherer`). A protocol takes part by inheriting from `JointLines`; any other is not affected.
"""

from abc import ABC, abstractmethod
from typing import Any

from logboom.model import Batch, Receipt


class Settlement:
    """The common outcome of lines that were stored and answered together. Times in nanoseconds since the epoch."""

    __slots__ = ("acked", "received_ns", "settled_ns")

    def __init__(self) -> None:
        self.acked = False
        """True once all of them were answered as stored; lines that were not have left (`JointLines.leave`)."""
        self.received_ns = 0
        self.settled_ns = 0


class JointLines(ABC):
    """A protocol with one JSON entry per line, and one reply per line that depends on the line's verdict only.

    It sends nothing unasked while it is between lines.
    """

    __slots__ = ()

    @staticmethod
    @abstractmethod
    def replies(receipt: Receipt) -> bytes:
        """Return the replies to a connection's lines that were judged with others; of each, the verdict is known."""

    @property
    @abstractmethod
    def between_lines(self) -> bool:
        """True while nothing is held, and the next byte begins an ordinary line.

        Lines that join leave it as it is: the protocol does not see their bytes.
        """

    @classmethod
    @abstractmethod
    def join(cls, joints: "list[Any]", reads: list[bytes], settlement: Settlement) -> list[bool]:
        """Have lines of several connections judged together; returns which reads may be.

        Args:
            joints: different protocols of this class, all between lines.
            reads: one per protocol: one or more whole lines, without the last newline.
            settlement: of these lines.
        """

    @abstractmethod
    def leave(self) -> None:
        """Take back the last `join`: not all lines were stored, or they come again through `receive_data`."""

    @staticmethod
    @abstractmethod
    def judge(lines: bytes) -> Batch | None:
        """Return a batch of lines joined by newlines, as `next_batch` would; None unless all of them are good."""
