"""Status details of gRPC that ask a client to send again: `google.rpc.Status` with `RetryInfo`.

OpenTelemetry's exporters give up on RESOURCE_EXHAUSTED without it. The two messages are small and never change.
"""

import math
from typing import Final

import grpc  # type: ignore[import-untyped]

DETAILS: Final = "grpc-status-details-bin"
"""The trailer that holds the status."""

_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"


def retry_details(code: grpc.StatusCode, text: str, after_s: float) -> tuple[str, bytes]:
    """Return the trailer for a refusal after which a client may come again.

    Args:
        code: of the refusal.
        text: its reason.
        after_s: seconds until then, rounded up.
    """
    delay = _field(1, b"\x08" + _varint(max(1, math.ceil(after_s))))
    detail = _field(1, _RETRY_INFO) + _field(2, delay)
    status = b"\x08" + _varint(code.value[0]) + _field(2, text.encode()) + _field(3, detail)
    return DETAILS, status


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
