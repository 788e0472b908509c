"""`python -m bench.empty_grpc PORT`: a grpcio aio server that does nothing, to hold Logboom's against."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from grpc import (  # type: ignore[import-untyped]
    GenericRpcHandler,
    aio,
    stream_stream_rpc_method_handler,
    unary_unary_rpc_method_handler,
)

ANSWER = b"\x08\x01"


class Empty(GenericRpcHandler):  # type: ignore[misc]
    """Answers every unary call and every message of a stream, with raw bytes both ways."""

    def service(self, details: Any) -> Any:
        """See grpcio."""
        if details.method.endswith("Stream"):
            return stream_stream_rpc_method_handler(_stream)
        return unary_unary_rpc_method_handler(_unary)


async def _unary(_request: bytes, _context: object) -> bytes:
    return ANSWER


async def _stream(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield ANSWER


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server = aio.server()
    server.add_generic_rpc_handlers((Empty(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
