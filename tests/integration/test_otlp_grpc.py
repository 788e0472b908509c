"""OTLP over gRPC: a refusal tells the client to send again, and comes only after a wait."""

from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from logboom.receivers.otlp import SERVICE, export
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.captured import CAPTURES

MESSAGE = (CAPTURES / "otlp/py-grpc-message.bin").read_bytes()
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
SETTINGS = {"protocol": "otlp", "transport": "grpc"}


def send(port: int) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/Export")
        response: bytes = call(MESSAGE, timeout=30)
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
    limits = {"rate_limit_enabled": True, "rate_limit_requests_max": 1}
    with AppThread(
        tmp_path / "limited", ("otlp",), settings={"listeners": {"otlp": {**SETTINGS, **limits}}}
    ) as app:
        with pytest.raises(grpc.RpcError, match="rate limit exceeded") as error:
            send(app.port("otlp"))
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert RETRY_INFO in dict(error.value.trailing_metadata())["grpc-status-details-bin"]
