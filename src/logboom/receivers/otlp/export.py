"""Codecs of OTLP's export of logs, over HTTP and gRPC."""

from secrets import token_hex
from typing import Any, Final

import msgspec

from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import Batch, Receipt, Verdict
from logboom.receivers.grpc_methods import GrpcMessageError
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest, WholeBody
from logboom.receivers.otlp.log_records import UID, UnreadableRequestError, from_json, from_protobuf

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
TOO_LONG: Final = "longer than the server stores"
_CODES: Final = {400: 3, 401: 16, 408: 4, 413: 8, 429: 8, 503: 14}
"""Codes of gRPC by status of HTTP; others are 2, unknown."""


class ExportCodec(WholeBody):
    """Codec of one export over HTTP. Its clients give up 10 s after their first try, with all retries."""

    def __init__(self, request: HttpRequest, body_bytes_max: int) -> None:
        super().__init__(request, body_bytes_max)
        self._is_json = request.content_type == JSON

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `BodyError`."""
        try:
            entries = from_json(body) if self._is_json else from_protobuf(body)
            return _batch(entries, len(body)) if entries else None
        except (UnreadableRequestError, UnicodeEncodeError) as error:
            raise BodyError(400, str(error)) from None

    def answer(self, receipt: Receipt | None) -> HttpReply:
        """See `WholeBody`."""
        if not self._is_json:
            return HttpReply(200, response(receipt), PROTOBUF)
        rejected = _rejected(receipt)
        partial = {"rejectedLogRecords": str(rejected), "errorMessage": TOO_LONG}
        return HttpReply(200, msgspec.json.encode({"partialSuccess": partial} if rejected else {}), JSON)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`. The body is a google.rpc.Status."""
        code = _CODES.get(error.status, 2)
        if self._is_json:
            body = msgspec.json.encode({"code": code, "message": str(error)})
            return HttpReply(error.status, body, JSON)
        return HttpReply(error.status, b"\x08" + _varint(code) + b"\x12" + _text(str(error)), PROTOBUF)


def decode_message(message: bytes) -> Batch | None:
    """Return the entries of a message of gRPC; None: it holds none. Raises `GrpcMessageError`."""
    try:
        entries = from_protobuf(message)
        return _batch(entries, len(message)) if entries else None
    except (UnreadableRequestError, UnicodeEncodeError) as error:
        raise GrpcMessageError(str(error)) from None


def response(receipt: Receipt | None) -> bytes:
    """Return an `ExportLogsServiceResponse`; with partial success if some records can never be stored."""
    rejected = _rejected(receipt)
    inner = b"\x08" + _varint(rejected) + b"\x12" + _text(TOO_LONG)
    return b"\x0a" + _varint(len(inner)) + inner if rejected else b""


def _rejected(receipt: Receipt | None) -> int:
    return receipt.verdicts.count(Verdict.TOO_LONG) if receipt is not None else 0


def _batch(entries: list[MappedEntry], size_bytes: int) -> Batch:
    batch = batch_of(entries, size_bytes, levels=[entry.level for entry in entries])
    identities: list[Any] = [entry.attributes.get(UID) for entry in entries]
    if any(identities):
        nonce = token_hex(8)  # records without an identity are new each time
        batch.keys = [
            msgspec.json.encode(f"otlp:{identity}" if identity else f"otlp::{nonce}:{number}")
            for number, identity in enumerate(identities)
        ]
    return batch


def _text(text: str) -> bytes:
    data = text.encode(errors="replace")
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
