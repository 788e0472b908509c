"""`collector`, the client's side: NDJSON, one status reply per line. Contract: docs/contracts/collector.md."""

from typing import ClassVar, Final

import msgspec

from logboom.clients.wire.dialect import Answers, Outcome, Reply
from logboom.clients.wire.line_dialect import REPLIES_BYTES_MAX, LineDialect, entry_line
from logboom.remembered import Remembered


class _Status(msgspec.Struct):
    status: str
    message: str
    retry_after_s: float = 0.0


_decode_status: Final = msgspec.json.Decoder(_Status).decode
_ERRORS: Final = {"rate limit exceeded": Outcome.LIMITED, "storage unavailable": Outcome.BUSY}


class CollectorDialect(LineDialect):
    """Speaks to a collector. JSON objects are sent as they are; other lines become INFO messages."""

    name: ClassVar[str] = "collector"
    port_default: ClassVar[int] = 9000
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 10.0  # every line gets its reply, so that silence is trouble: no hurry

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        return entry_line(line)

    @staticmethod
    def parse(line: bytes) -> Reply | None:
        """See `lines.LineDialect`."""
        return _replies[line]


def _parse(line: bytes) -> Reply | None:
    try:
        reply = _decode_status(line)
    except msgspec.DecodeError:
        return None
    if reply.status == "ok":
        return Reply(Outcome.FILTERED if reply.message == "filtered" else Outcome.ACKNOWLEDGED)
    return Reply(_ERRORS.get(reply.message, Outcome.REFUSED), reply.message, max(0.0, reply.retry_after_s))


_replies: Final = Remembered(_parse, REPLIES_BYTES_MAX)
