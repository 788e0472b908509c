"""Interfaces that a TCP connection uses of its listener."""

import asyncio
from typing import Protocol, TypeVar

from logboom.model import Source, WireProtocol
from logboom.pipeline.intake import Intake
from logboom.pipeline.turns import Turns

C_contra = TypeVar("C_contra", contravariant=True)
"""The connection: its module imports this one."""


class LineGatherer(Protocol[C_contra]):
    """See `servers.gatherer.Gatherer`."""

    def take(self, connection: C_contra, size: int) -> bool: ...  # noqa: D102
    def let_pass(self, connection: C_contra) -> None: ...  # noqa: D102


class Owner(Protocol[C_contra]):
    """The part of `servers.tcp.TcpListener` that its connections use."""

    loop: asyncio.AbstractEventLoop
    intake: Intake
    turns: Turns
    buffer: memoryview
    small_buffer: memoryview
    refuses_by_closing: bool
    takes_http: bool

    @property
    def gatherer(self) -> LineGatherer[C_contra]: ...  # noqa: D102
    def make_protocol(self) -> WireProtocol: ...  # noqa: D102
    def source_of(self, peer: str) -> Source: ...  # noqa: D102
    def opened(self, connection: C_contra) -> None: ...  # noqa: D102
    def closed(self, connection: C_contra, error: Exception | None) -> None: ...  # noqa: D102
    def gave_up(self, connection: C_contra, reason: str) -> None: ...  # noqa: D102
    def heard(self, connection: C_contra) -> None: ...  # noqa: D102
    def ended(self, connection: C_contra) -> None: ...  # noqa: D102
    def noticed(self, connection: C_contra, notice: str) -> None: ...  # noqa: D102
    def wrong_port(self, connection: C_contra, speaks: str) -> None: ...  # noqa: D102
    def hand_over(self, connection: C_contra, data: bytes) -> None: ...  # noqa: D102
    def end_soon(self, connection: C_contra) -> None: ...  # noqa: D102
