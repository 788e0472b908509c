"""Services of the `grpc` receiver. Contract: docs/contracts/grpc.md."""

from functools import lru_cache
from typing import Final

from logboom.formats.proto_schema import load_schema
from logboom.receivers.grpc.entry import DOCUMENT, REAL, batch_decoder, request_decoder
from logboom.receivers.grpc_methods import GrpcMethod, GrpcServices

STORED: Final = b"\x08\x01"
"""`LogResponse { success: true }`: the only one there is."""


def log_services() -> GrpcServices:
    """Return the methods of both layouts."""
    real, document = request_decoder(REAL), request_decoder(DOCUMENT)
    schemas = [load_schema(name) for name in (REAL, DOCUMENT)]
    return GrpcServices(
        methods=(
            GrpcMethod("/logservice.LogService/LogMessage", real, _stored),
            GrpcMethod("/logservice.LogBridge/LogMessage", real, _stored),
            GrpcMethod("/LogService/LogMessage", document, _stored),
            GrpcMethod("/logservice.LogService/LogStream", real, _stored, streams=True),
            GrpcMethod("/logservice.LogService/LogBatches", batch_decoder(), _batch_stored, streams=True),
        ),
        names=[service for schema in schemas for service in schema.services],
        schemas=[schema.file.SerializeToString() for schema in schemas],
    )


def _stored(_count: int) -> bytes:
    return STORED


@lru_cache(maxsize=1024)
def _batch_stored(stored: int) -> bytes:
    message = load_schema(REAL).messages["LogBatchResponse"](stored=stored)
    serialized: bytes = message.SerializeToString()
    return serialized
