"""GELF over TCP and HTTP. Contract: docs/contracts/gelf.md."""

from logboom.framing.objects import ObjectScanner, Refusal
from logboom.model import REASONS_MAX, Acker, Batch, Receipt
from logboom.receivers.gelf.gelf_message import batch_of_messages
from logboom.receivers.http_push import BodyError, HttpReply, WholeBody


def _no_reply(_receipt: Receipt) -> bytes:
    return b""


class GelfProtocol:
    """One connection, never answered: objects that end with a zero byte, with a newline, or with the next object.

    Args:
        line_bytes_max: longest message, bytes.
    """

    __slots__ = ("_eof", "_scanner")
    name = "gelf"
    identity: str | None = None
    fatal: str | None = None

    def __init__(self, *, line_bytes_max: int) -> None:
        self._scanner = ObjectScanner(line_bytes_max)
        self._eof = False

    def receive_data(self, data: bytes | memoryview) -> None:
        """See `model.WireProtocol`."""
        self._scanner.feed(bytes(data).replace(b"\0", b"\n"))

    def receive_eof(self) -> None:
        """See `model.WireProtocol`."""
        self._eof = True

    def next_batch(self) -> tuple[Batch, Acker] | None:
        """See `model.WireProtocol`."""
        found = self._scanner.scan(eof=self._eof)
        if not found:
            return None
        refusals = [one for one in found if isinstance(one, Refusal)]
        messages = [one for one in found if isinstance(one, bytes)]
        size = sum(map(len, messages)) + sum(one.size_bytes for one in refusals)
        batch = batch_of_messages(messages, size)
        if refusals:
            judged = iter(batch.verdicts)
            batch.verdicts = bytes(one.verdict if isinstance(one, Refusal) else next(judged) for one in found)
            batch.reasons = (*batch.reasons, *(one.reason for one in refusals))[:REASONS_MAX]
        return batch, _no_reply

    def data_to_send(self) -> bytes:
        """Return nothing."""
        return b""

    def buffered_bytes(self) -> int:
        """See `model.WireProtocol`."""
        return len(self._scanner)


class GelfBody(WholeBody):
    """One request: an object, or several. Its clients never send again: it waits longer than others."""

    hold_s = 8.0

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`."""
        scanner = ObjectScanner(self._body_bytes_max)
        scanner.feed(body)
        found: list[bytes] = []
        while part := scanner.scan(eof=True):
            for one in part:
                if isinstance(one, Refusal):
                    raise BodyError(400, one.reason)
                found.append(one)
        if not found:
            return None
        batch = batch_of_messages(found, len(body))
        if batch.count != len(found):
            raise BodyError(400, batch.reasons[0])
        return batch

    def answer(self, receipt: Receipt | None) -> HttpReply:  # noqa: ARG002 - the contract's
        """See `WholeBody`."""
        return HttpReply(202)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `WholeBody`."""
        headers = {"Retry-After": "1"} if error.status == 503 else {}
        return HttpReply(error.status, str(error).encode(), "text/plain", headers)
