"""Codecs of OTLP's export of logs, over HTTP and gRPC."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import Batch, Receipt, Verdict
from logboom.receivers.grpc_methods import GrpcEntries
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest, WholeBody
from logboom.receivers.otlp.log_records import UID, UnreadableRequestError, from_json, from_protobuf

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
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
        rejected = receipt.verdicts.count(Verdict.TOO_LONG) if receipt is not None else 0
        reason = "longer than the server stores"
        if self._is_json:
            partial = {"rejectedLogRecords": str(rejected), "errorMessage": reason}
            return HttpReply(200, msgspec.json.encode({"partialSuccess": partial} if rejected else {}), JSON)
        inner = b"\x08" + _varint(rejected) + b"\x12" + _text(reason)
        return HttpReply(200, b"\x0a" + _varint(len(inner)) + inner if rejected else b"", PROTOBUF)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`. The body is a google.rpc.Status."""
        code = _CODES.get(error.status, 2)
        if self._is_json:
            body = msgspec.json.encode({"code": code, "message": str(error)})
            return HttpReply(error.status, body, JSON)
        return HttpReply(error.status, b"\x08" + _varint(code) + b"\x12" + _text(str(error)), PROTOBUF)


def decode_messages(messages: Iterable[bytes]) -> GrpcEntries:
    """Read messages of gRPC; see `grpc_methods.Decode`."""
    pieces: list[bytes] = []
    levels: list[object] = []
    counts: list[int] = []
    trouble = None
    for message in messages:
        try:
            found = from_protobuf(message)
            encoded = batch_of(found, 0).entries
        except (UnreadableRequestError, UnicodeEncodeError) as error:
            trouble = str(error)
            break
        if found:
            pieces.append(encoded)
        levels += [entry.level for entry in found]
        counts.append(len(found))
    return GrpcEntries(b"\n".join(pieces), levels, counts, trouble)


def _batch(entries: list[MappedEntry], size_bytes: int) -> Batch:
    batch = batch_of(entries, size_bytes, levels=[entry.level for entry in entries])
    identities: list[Any] = [entry.attributes.get(UID) for entry in entries]
    if all(identities):
        batch.keys = [msgspec.json.encode(f"otlp:{identity}") for identity in identities]
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
