"""Real clients over HTTP and gRPC as functions that send entries, and return whether they count them as delivered."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from tests.clients.test_python_clients import find_module
from tests.kit.node_kit import NodeClient

Deliver = Callable[[list[dict[str, str]]], bool]
"""Takes entries with `level`, `message` and `id`, of any client the same."""


class Sender(NamedTuple):
    """One client."""

    listener: str
    connect: Callable[[int], Any]
    """Returns a context manager with its `Deliver`, for a port of 127.0.0.1."""
    is_keyed: bool = False
    """It gives each entry a key, so that a repeat is stored once."""


def node(name: str) -> Callable[[int], Any]:
    """Return how to connect a client of npm."""

    @contextmanager
    def connect(port: int) -> Iterator[Deliver]:
        with NodeClient(name, port) as client:
            yield client.deliver

    return connect


def _record(message: str) -> logging.LogRecord:
    return logging.LogRecord("pumps", logging.INFO, "pumps.py", 1, message, None, None)


@contextmanager
def elasticsearch(port: int) -> Iterator[Deliver]:
    """Connect elasticsearch's client for Python."""
    module: Any = find_module("elasticsearch", "elasticsearch")
    url = f"http://127.0.0.1:{port}"
    with module.Elasticsearch(
        url, max_retries=100_000, retry_on_timeout=True, retry_on_status=(503,)
    ) as client:

        def deliver(entries: list[dict[str, str]]) -> bool:
            operations: list[dict[str, Any]] = []
            for entry in entries:
                action = {"create": {"_index": "pumps", "_id": entry["id"]}}
                operations += [action, {"message": entry["message"]}]
            answer = client.bulk(operations=operations)
            return {item["create"]["status"] for item in answer["items"]} <= {201, 409}

        yield deliver


@contextmanager
def _opentelemetry(exporter: Any) -> Iterator[Deliver]:
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

    def deliver(entries: list[dict[str, str]]) -> bool:
        memory.clear()
        for entry in entries:
            logger.emit(
                timestamp=10**18,
                observed_timestamp=10**18,
                body=entry["message"],
                attributes={"log.record.uid": entry["id"]},
            )
        return exporter.export(memory.get_finished_logs()) is LogRecordExportResult.SUCCESS

    yield deliver
    exporter.shutdown()


def otlp_http(port: int) -> Any:
    """Connect OpenTelemetry's exporter over HTTP."""
    find_module("opentelemetry.sdk", "opentelemetry-sdk")
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return _opentelemetry(OTLPLogExporter(endpoint=f"http://127.0.0.1:{port}/v1/logs"))


def otlp_grpc(port: int) -> Any:
    """Connect OpenTelemetry's exporter over gRPC."""
    find_module("opentelemetry.sdk", "opentelemetry-sdk")
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return _opentelemetry(OTLPLogExporter(endpoint=f"127.0.0.1:{port}", insecure=True))


@contextmanager
def python_logging_loki(port: int) -> Iterator[Deliver]:
    """Connect python-logging-loki, which sends each entry in a request."""
    module: Any = find_module("logging_loki", "python-logging-loki")
    url = f"http://127.0.0.1:{port}/loki/api/v1/push"
    handler = module.LokiHandler(url=url, tags={"app": "pumps"}, version="1")
    failed: list[logging.LogRecord] = []

    def failing(record: logging.LogRecord) -> None:
        handler.emitter.close()
        failed.append(record)

    handler.handleError = failing

    def deliver(entries: list[dict[str, str]]) -> bool:
        failed.clear()
        for entry in entries:
            handler.emit(_record(entry["message"]))
        return not failed

    yield deliver
    handler.close()


@contextmanager
def loki_logger_handler(port: int) -> Iterator[Deliver]:
    """Connect loki-logger-handler."""
    module: Any = find_module("loki_logger_handler.loki_logger_handler", "loki-logger-handler")
    url = f"http://127.0.0.1:{port}/loki/api/v1/push"
    handler = module.loki_logger_handler.LokiLoggerHandler(url=url, labels={"app": "pumps"}, timeout=3600)

    def deliver(entries: list[dict[str, str]]) -> bool:
        handler.error = False
        for entry in entries:
            handler.emit(_record(entry["message"]))
        handler._send()
        return not handler.error

    yield deliver
    handler.request.session.close()


@contextmanager
def splunk_handler(port: int) -> Iterator[Deliver]:
    """Connect splunk-handler, which tries each request six times."""
    module: Any = find_module("splunk_handler", "splunk-handler")
    handler = module.SplunkHandler(
        host="127.0.0.1",
        port=port,
        token="any",
        index="main",
        protocol="http",
        verify=False,
        flush_interval=0.0,
        retry_backoff=0.1,
    )
    failures: list[str] = []
    handler.write_log = failures.append

    def deliver(entries: list[dict[str, str]]) -> bool:
        failures.clear()
        handler._splunk_worker(
            "".join([handler.format_record(_record(entry["message"])) for entry in entries])
        )
        return not failures

    yield deliver
    handler.close()


SENDERS: Final = {
    "elasticsearch of PyPI": Sender("elasticsearch", elasticsearch, is_keyed=True),
    "opentelemetry of PyPI, http": Sender("otlp", otlp_http, is_keyed=True),
    "opentelemetry of PyPI, grpc": Sender("otlp-grpc", otlp_grpc, is_keyed=True),
    "python-logging-loki": Sender("loki", python_logging_loki),
    "loki-logger-handler": Sender("loki", loki_logger_handler),
    "splunk-handler": Sender("splunk", splunk_handler),
    "opentelemetry of npm, json": Sender("otlp", node("otlp-json"), is_keyed=True),
    "opentelemetry of npm, protobuf": Sender("otlp", node("otlp-proto"), is_keyed=True),
    "opentelemetry of npm, grpc": Sender("otlp-grpc", node("otlp-grpc"), is_keyed=True),
    "winston-loki": Sender("loki", node("winston-loki")),
    "pino-loki": Sender("loki", node("pino-loki")),
    "elasticsearch of npm": Sender("elasticsearch", node("elasticsearch"), is_keyed=True),
    "pino-elasticsearch": Sender("elasticsearch", node("pino-elasticsearch")),
    "winston-elasticsearch": Sender("elasticsearch", node("winston-elasticsearch")),
    "splunk-logging": Sender("splunk", node("splunk-logging")),
}
LISTENERS: Final = {
    "otlp": {"protocol": "otlp", "transport": "http"},
    "otlp-grpc": {"protocol": "otlp", "transport": "grpc"},
    "loki": {"protocol": "loki"},
    "elasticsearch": {"protocol": "elasticsearch"},
    "splunk": {"protocol": "splunk"},
}
"""Settings of the listeners that they need."""
