"""`otlp`: logs of OpenTelemetry, over HTTP and gRPC. Contract: docs/contracts/otlp.md."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.grpc_methods import GrpcRequest, GrpcServices
from logboom.receivers.http_push import HttpRequest, HttpRoute
from logboom.receivers.otlp.export import ExportCodec, decode_message, response
from logboom.settings import BodyBytes, FrameBytes, ListenerSettings

SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"
PATH: Final = "/v1/logs"


class OtlpSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "otlp"`."""

    transport: Annotated[
        Literal["http", "grpc"],
        Meta(description="OTLP/HTTP, or OTLP/gRPC; each needs a listener of its own."),
    ] = "http"
    body_bytes_max: BodyBytes = 64 << 20
    frame_bytes_max: FrameBytes = 64 << 20


def _export(request: HttpRequest, settings: OtlpSettings) -> ExportCodec:
    return ExportCodec(request, settings.body_bytes_max)


def _make_http(_settings: OtlpSettings) -> Sequence[HttpRoute]:
    return [HttpRoute("POST", PATH, _export)]


def _make_grpc(_settings: OtlpSettings) -> GrpcServices:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415 - of an extra
    from opentelemetry.proto.common.v1 import common_pb2  # noqa: PLC0415
    from opentelemetry.proto.logs.v1 import logs_pb2  # noqa: PLC0415
    from opentelemetry.proto.resource.v1 import resource_pb2  # noqa: PLC0415

    files = (common_pb2, resource_pb2, logs_pb2, logs_service_pb2)
    return GrpcServices(
        methods=[GrpcRequest(f"/{SERVICE}/Export", decode_message, response, ExportCodec.hold_s)],
        names=[SERVICE],
        schemas=[one.DESCRIPTOR.serialized_pb for one in files],
    )


RECEIVER: Final = ReceiverType(
    name="otlp",
    summary="Logs of OpenTelemetry SDKs and the Collector, over HTTP and gRPC",
    settings=OtlpSettings,
    transports={Transport.HTTP: Endpoint(4318, _make_http), Transport.GRPC: Endpoint(4317, _make_grpc)},
    refusal=Refusal.ANSWER,
    extra="otlp",
)
