"""aiohttp's WebSocket with an echo: what any WebSocket server on it costs at least."""

import importlib.metadata
import sys
from pathlib import Path

from bench.subjects.base import Launch
from bench.subjects.empty_grpc import EmptyGrpc


class EchoWebSocket(EmptyGrpc):
    """Stores nothing."""

    name = "aiohttp"
    title = "bare aiohttp echo"

    def version(self) -> str:
        """See `Subject`."""
        return importlib.metadata.version("aiohttp")

    def launch(self, directory: Path, port: int) -> Launch:  # noqa: ARG002 - the contract's signature
        """See `Subject`."""
        root = Path(__file__).resolve().parents[2]
        return Launch([sys.executable, "-m", "bench.echo_websocket", str(port)], {"PYTHONPATH": str(root)})

    def described(self) -> str:
        """See `Subject`."""
        return "python -m bench.echo_websocket PORT"
