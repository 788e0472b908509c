"""Clients over HTTP that send again: what they count as delivered is stored once, in kills and in storms of 503.

Clients that never send again are listed in docs/how-to/receive-http.md.
"""

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from logboom.receivers.http_push import WholeBody
from logboom.receivers.journald.journal_upload import UploadCodec
from logboom.testing.server_kit import ServerProcess
from tests.clients.test_journal_upload import entries_of, make_journal, upload
from tests.clients.test_nothing_lost import (
    COUNT,
    KILLS,
    WAIT_S,
    WINDOW,
    Happened,
    Send,
    check_once,
    on_numbers,
)
from tests.clients.test_python_clients import find_module
from tests.kit.app_kit import FailingDisk
from tests.kit.app_thread import AppThread

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def send_with_elasticsearch(port: int, happened: Happened) -> None:
    module = find_module("elasticsearch", "elasticsearch")
    client = module.Elasticsearch(
        f"http://127.0.0.1:{port}", max_retries=100_000, retry_on_timeout=True, retry_on_status=(503,)
    )
    for first in range(0, COUNT, WINDOW):
        happened(first)
        operations: list[dict[str, Any]] = []
        for number in range(first, first + WINDOW):
            operations += [
                {"create": {"_index": "pumps", "_id": str(number)}},
                {"message": f"number {number}"},
            ]
        answer = client.bulk(operations=operations)
        assert {item["create"]["status"] for item in answer["items"]} <= {201, 409}
    client.close()


def send_with_opentelemetry(port: int, happened: Happened) -> None:
    find_module("opentelemetry.sdk", "opentelemetry-sdk")
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import (
        InMemoryLogRecordExporter,
        LogRecordExportResult,
        SimpleLogRecordProcessor,
    )

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    memory: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call, unused-ignore]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    logger = provider.get_logger("pumps")
    exporter = OTLPLogExporter(endpoint=f"http://127.0.0.1:{port}/v1/logs")
    for first in range(0, COUNT, WINDOW):
        happened(first)
        for number in range(first, first + WINDOW):
            logger.emit(
                timestamp=number + 10**18,
                observed_timestamp=number + 10**18,
                body=f"number {number}",
                attributes={"log.record.uid": str(number)},
            )
        records = memory.get_finished_logs()
        ends_at = time.monotonic() + WAIT_S
        while exporter.export(records) is not LogRecordExportResult.SUCCESS:
            assert time.monotonic() < ends_at
        memory.clear()


SENDERS = [
    pytest.param("elasticsearch", send_with_elasticsearch, id="elasticsearch"),
    pytest.param("otlp", send_with_opentelemetry, id="opentelemetry"),
]


@pytest.mark.parametrize(("protocol", "send"), SENDERS)
def test_kills(tmp_path: Path, protocol: str, send: Send) -> None:
    with ServerProcess(tmp_path, (protocol,), (f"--with={protocol}",)) as server:

        def kill() -> None:
            server.kill()
            server.start()

        with on_numbers(KILLS, kill) as happened:
            send(server.ports[protocol], happened)
    check_once(tmp_path)


@pytest.mark.parametrize(("protocol", "send"), SENDERS)
def test_a_storm_of_503(tmp_path: Path, protocol: str, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WholeBody, "hold_s", 0.001)  # each failure of the disk is an answer of 503
    disk = FailingDisk()
    with AppThread(tmp_path, (protocol,), disk) as app:

        def fill() -> None:
            before = app.app.journal.failed_groups
            disk.failing = True
            app.until(lambda: app.app.journal.failed_groups > before)
            disk.failing = False

        with on_numbers(KILLS, fill) as happened:
            send(app.port(protocol), happened)
    check_once(tmp_path)


def test_systemd_sends_again_after_a_refusal_and_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, state = make_journal(tmp_path, COUNT), tmp_path / "state"
    monkeypatch.setattr(UploadCodec, "hold_s", 0.001)
    monkeypatch.setattr(UploadCodec, "refusal_pause_s", 0.0)
    disk = FailingDisk()
    with AppThread(tmp_path / "data", ("journald",), disk) as app:
        disk.failing = True
        assert upload(journal, app.port("journald"), state) != 0
        disk.failing = False
        assert upload(journal, app.port("journald"), state) == 0
        state.unlink()
    with ServerProcess(tmp_path / "data", ("journald",), ("--with=journald",)) as server:
        server.kill()
        assert upload(journal, server.ports["journald"], state) != 0
        server.start()
        assert upload(journal, server.ports["journald"], state) == 0
    found = [entry["attributes"]["N"] for entry in entries_of(tmp_path / "data")]
    assert found == [str(number) for number in range(COUNT)]
