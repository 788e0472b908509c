"""Libraries of PyPI that send over HTTP and gRPC: OpenTelemetry, Elasticsearch, Loki, Splunk."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_python_clients import find_module, send_three
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

MESSAGES = ["pump started", "valve stuck at 87 %", "calculation failed"]
LEAKS = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""Some of the libraries leave connections open."""


def entries_of(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def check_handler(
    tmp_path: Path, listener: str, make: Callable[[int], Any], **settings: str
) -> list[dict[str, Any]]:
    """Log three lines through a handler; returns their entries in the order of MESSAGES."""
    with AppThread(tmp_path, (listener,), settings={"listeners": {listener: settings}}) as server:
        send_three(make(server.port(listener)))
        counters = server.app.listeners[listener].service.intake.counters
        server.until(lambda: sum(counters.verdicts.values()) == 3)
    found = entries_of(tmp_path)
    found.sort(key=lambda entry: MESSAGES.index(entry["message"].partition("\n")[0]))
    assert [entry["level"].upper() for entry in found] == ["INFO", "WARNING", "ERROR"]
    return found


@LEAKS
@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_opentelemetry(tmp_path: Path, transport: str) -> None:
    find_module("opentelemetry.sdk", "opentelemetry-sdk")
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    def make(port: int) -> Any:
        if transport == "http":
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

            exporter: Any = OTLPLogExporter(endpoint=f"http://127.0.0.1:{port}/v1/logs")
        else:
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter

            exporter = GrpcExporter(endpoint=f"127.0.0.1:{port}", insecure=True)
        provider = LoggerProvider(resource=Resource.create({"service.name": "pumps", "host.name": "north"}))
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        with warnings.catch_warnings(action="ignore"):  # the handler is moving to another package
            return LoggingHandler(logger_provider=provider)

    found = check_handler(tmp_path, "otlp", make, protocol="otlp", transport=transport)
    assert {(entry["source"], entry["host"]) for entry in found} == {("pumps", "north")}
    assert "ZeroDivisionError" in found[2]["attributes"]["exception.type"]


@LEAKS
def test_elasticsearch(tmp_path: Path) -> None:
    elasticsearch = find_module("elasticsearch", "elasticsearch")
    from elasticsearch import helpers

    with AppThread(tmp_path, ("elasticsearch",)) as server:
        client = elasticsearch.Elasticsearch(f"http://127.0.0.1:{server.port('elasticsearch')}")
        documents = [
            {"_op_type": "create", "_index": "pumps", "_id": str(number), "message": "m", "n": number}
            for number in range(1000)
        ]
        assert helpers.bulk(client, documents) == (1000, [])
        stored, errors = helpers.bulk(client, documents, raise_on_error=False)
        assert isinstance(errors, list)
        assert (stored, {error["create"]["status"] for error in errors}) == (0, {409})
        client.close()
    assert [entry["attributes"]["n"] for entry in entries_of(tmp_path)] == list(range(1000))


@LEAKS
def test_python_logging_loki(tmp_path: Path) -> None:
    loki = find_module("logging_loki", "python-logging-loki")

    def make(port: int) -> Any:
        return loki.LokiHandler(
            url=f"http://127.0.0.1:{port}/loki/api/v1/push", tags={"app": "pumps"}, version="1"
        )

    assert {entry["source"] for entry in check_handler(tmp_path, "loki", make)} == {"pumps"}


@LEAKS
def test_loki_logger_handler(tmp_path: Path) -> None:
    loki = find_module("loki_logger_handler.loki_logger_handler", "loki-logger-handler")

    def make(port: int) -> Any:
        return loki.loki_logger_handler.LokiLoggerHandler(
            url=f"http://127.0.0.1:{port}/loki/api/v1/push",
            labels={"app": "pumps"},
            timeout=1,
            compressed=True,
        )

    assert {entry["source"] for entry in check_handler(tmp_path, "loki", make)} == {"pumps"}


@LEAKS
def test_splunk_handler(tmp_path: Path) -> None:
    splunk = find_module("splunk_handler", "splunk-handler")

    def make(port: int) -> Any:
        return splunk.SplunkHandler(
            host="127.0.0.1",
            port=port,
            token="any",
            index="main",
            protocol="http",
            flush_interval=0.0,
            force_keep_ahead=False,
        )

    with AppThread(tmp_path, ("splunk",)) as server:
        send_three(make(server.port("splunk")))
        counters = server.app.listeners["splunk"].service.intake.counters
        server.until(lambda: sum(counters.verdicts.values()) == 3)
    assert sorted(entry["message"].partition("\n")[0] for entry in entries_of(tmp_path)) == sorted(MESSAGES)
