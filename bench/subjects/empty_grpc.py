"""grpcio's own aio server with an empty handler: what any gRPC server in Python costs at least."""

import importlib.metadata
import sys
from pathlib import Path

from bench.subjects.base import Launch, Subject


class EmptyGrpc(Subject):
    """Stores nothing."""

    name = "grpcio"
    title = "empty grpcio aio handler"

    def prepare(self) -> None:
        """See `Subject`."""

    def version(self) -> str:
        """See `Subject`."""
        return importlib.metadata.version("grpcio")

    def launch(self, directory: Path, port: int) -> Launch:  # noqa: ARG002 - the contract's signature
        """See `Subject`."""
        root = Path(__file__).resolve().parents[2]
        return Launch([sys.executable, "-m", "bench.empty_grpc", str(port)], {"PYTHONPATH": str(root)})

    def stored(self, directory: Path) -> list[Path]:  # noqa: ARG002 - the contract's signature
        """See `Subject`."""
        return []

    def described(self) -> str:
        """See `Subject`."""
        return "python -m bench.empty_grpc PORT"
