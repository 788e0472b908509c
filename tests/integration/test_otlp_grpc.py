"""OTLP over gRPC: a refusal tells the client to send again, and comes only after a wait."""

import base64
import json
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2

from logboom.journal.line_scan import ENTRY_BYTES_MAX
from logboom.pipeline.tokens import add_token
from logboom.receivers.otlp import SERVICE, export
from logboom.servers.grpc_calls import BEHIND, UNSTORED
from logboom.servers.grpc_gate import TOO_MANY
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.captured import CAPTURES

MESSAGE = (CAPTURES / "otlp/py-grpc-message.bin").read_bytes()
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
SETTINGS = {"protocol": "otlp", "transport": "grpc"}


def send(port: int, message: bytes = MESSAGE) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/Export")
        response: bytes = call(message, timeout=30)
        return response


def test_a_message_waits_until_it_can_be_stored(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("otlp",), disk, {"listeners": {"otlp": SETTINGS}}) as app:
        disk.failing = True
        counters = app.app.listeners["otlp"].service.intake.counters
        with grpc.insecure_channel(f"127.0.0.1:{app.port('otlp')}") as channel:
            answer = channel.unary_unary(f"/{SERVICE}/Export").future(MESSAGE, timeout=30)
            app.until(lambda: sum(counters.verdicts.values()) >= 6)  # three records, twice
            disk.failing = False
            assert answer.result() == b""
    assert len(journal_lines(tmp_path)) == 3


def test_a_refusal_has_retry_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.ExportCodec, "hold_s", 0.0)
    disk = FailingDisk()
    with AppThread(tmp_path, ("otlp",), disk, {"listeners": {"otlp": SETTINGS}}) as app:
        disk.failing = True
        with pytest.raises(grpc.RpcError, match="storage unavailable") as error:
            send(app.port("otlp"))
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        details = dict(error.value.trailing_metadata())["grpc-status-details-bin"]
        assert RETRY_INFO in details


def request_of(*bodies: str, uid: str = "") -> bytes:
    records = [
        logs_pb2.LogRecord(body=common_pb2.AnyValue(string_value=body), time_unix_nano=10**18)
        for body in bodies
    ]
    if uid:
        for number, record in enumerate(records):
            record.attributes.add(key="log.record.uid").value.string_value = f"{uid}{number}"
    logs = logs_pb2.ResourceLogs(scope_logs=[logs_pb2.ScopeLogs(log_records=records)])
    data: bytes = logs_service_pb2.ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString()
    return data


def test_a_rate_limit_takes_or_refuses_a_message_as_a_whole(tmp_path: Path) -> None:
    settings = {**SETTINGS, "rate_limit_enabled": True, "rate_limit_requests_max": 2}
    with AppThread(tmp_path, ("otlp",), settings={"listeners": {"otlp": settings}}) as app:
        assert send(app.port("otlp")) == b""  # three records
        with pytest.raises(grpc.RpcError, match="rate limit exceeded") as error:
            send(app.port("otlp"))
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert RETRY_INFO in dict(error.value.trailing_metadata())["grpc-status-details-bin"]
    assert len(journal_lines(tmp_path)) == 3


def test_refusals_for_now_have_retry_info() -> None:
    for refusal in (TOO_MANY, BEHIND, UNSTORED):
        details = dict(refusal.trailers)["grpc-status-details-bin"]
        assert isinstance(details, bytes)
        assert RETRY_INFO in details


def test_only_what_can_never_be_stored_is_rejected(tmp_path: Path) -> None:
    message = request_of("one", "x" * ENTRY_BYTES_MAX, "three")
    with AppThread(tmp_path, ("otlp",), settings={"listeners": {"otlp": SETTINGS}}) as app:
        response = logs_service_pb2.ExportLogsServiceResponse.FromString(send(app.port("otlp"), message))
        with pytest.raises(grpc.RpcError, match="no protobuf message") as error:
            send(app.port("otlp"), b"\xff\xff")
    assert response.partial_success.rejected_log_records == 1
    assert "longer than the server stores" in response.partial_success.error_message
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-status-details-bin" not in dict(error.value.trailing_metadata())
    assert [json.loads(line)["entry"]["message"] for line in journal_lines(tmp_path)] == ["one", "three"]


def test_a_record_with_an_identity_is_stored_once(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("otlp",), settings={"listeners": {"otlp": SETTINGS}}) as app:
        for _ in range(2):
            assert send(app.port("otlp"), request_of("one", "two", uid="u")) == b""
            assert send(app.port("otlp"), request_of("none")) == b""
        assert send(app.port("otlp"), request_of("one", "two", "three", uid="u")) == b""
    found = [json.loads(line)["entry"]["message"] for line in journal_lines(tmp_path)]
    assert sorted(found) == ["none", "none", "one", "three", "two"]


def test_tokens_are_taken_in_all_spellings(tmp_path: Path) -> None:
    token = add_token(tmp_path / "tokens.json", "collector", ("write",))
    basic = base64.b64encode(f"any:{token}".encode()).decode()
    spellings = [
        f"Bearer {token}",
        f"bearer {token}",
        f"Splunk {token}",
        f"ApiKey {token}",
        f"Basic {basic}",
        token,
    ]
    settings = {**SETTINGS, "auth": "token"}
    with (
        AppThread(tmp_path, ("otlp",), settings={"listeners": {"otlp": settings}}) as app,
        grpc.insecure_channel(f"127.0.0.1:{app.port('otlp')}") as channel,
    ):
        call = channel.unary_unary(f"/{SERVICE}/Export")
        for spelling in spellings:
            assert call(request_of("m"), timeout=30, metadata=(("authorization", spelling),)) == b""
        for wrong in ("Basic !", "Bearer other", f"Digest {token}"):
            with pytest.raises(grpc.RpcError, match="a token is needed"):
                call(request_of("m"), timeout=30, metadata=(("authorization", wrong),))
    assert len(journal_lines(tmp_path)) == len(spellings)
