"""A proxy in front of a listener that loses an answer: the server has stored, and the client does not know."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_BYTES: Final = 1 << 20


class LosingStream:
    """Forwards connections in an event loop; the first one is closed instead of forwarding the answer to entries.

    Args:
        port: of the listener.
        answers_before: answers that are forwarded before, such as that to a greeting.
    """

    def __init__(self, port: int, answers_before: int = 0) -> None:
        self._port = port
        self._answers_before = answers_before
        self.received: list[bytes] = []
        """Bytes of the client, per connection."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.received)
        self.received.append(b"")
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._port)
        answers = asyncio.create_task(self._answer(upstream, writer, loses=number == 0))
        with suppress(OSError):
            while data := await reader.read(_BYTES):
                self.received[number] += data
                to_upstream.write(data)
        answers.cancel()
        to_upstream.close()
        writer.close()

    async def _answer(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loses: bool
    ) -> None:
        forwarded = 0
        while data := await upstream.read(_BYTES):
            if loses and forwarded == self._answers_before:
                break
            forwarded += 1
            writer.write(data)
        writer.transport.abort()
