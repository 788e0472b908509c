"""`gateway`, the client's side: sensor readings, never an answer. Contract: docs/contracts/gateway.md."""

from typing import ClassVar

from logboom.clients.wire.dialect import Answers, Reply, UnfitLineError, json_object
from logboom.clients.wire.line_dialect import LineDialect, one_line


class GatewayDialect(LineDialect):
    """Speaks as a sensor gateway does. Only JSON objects can be sent: text holds no reading."""

    name: ClassVar[str] = "gateway"
    port_default: ClassVar[int] = 6000
    answers: ClassVar[Answers] = Answers.NONE
    timeout_s: ClassVar[float] = 30.0  # there is no answer to wait for, only room to send

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        found = json_object(line)
        if found is None:
            raise UnfitLineError("not a JSON object")
        return one_line(found)

    @staticmethod
    def parse(line: bytes) -> Reply | None:  # noqa: ARG004 - whatever it is, it is not expected
        """See `lines.LineDialect`."""
        return None
