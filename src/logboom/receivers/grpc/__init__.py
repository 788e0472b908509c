"""`grpc`: the log services over gRPC. Contract: docs/contracts/grpc.md."""

from typing import Final

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.grpc_methods import GrpcServices
from logboom.settings import FrameBytes, ListenerSettings


class GrpcSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "grpc"`."""

    frame_bytes_max: FrameBytes = 4 << 20  # gRPC's own default: a stack trace has no limit


def _make(_settings: GrpcSettings) -> GrpcServices:
    from logboom.receivers.grpc.services import log_services  # noqa: PLC0415 - protobuf, of an extra

    return log_services()


RECEIVER: Final = ReceiverType(
    name="grpc",
    summary="Entries over gRPC, one per call, in streams or in batches",
    settings=GrpcSettings,
    transports={Transport.GRPC: Endpoint(9021, _make)},
    refusal=Refusal.ANSWER,
    extra="grpc",
)
