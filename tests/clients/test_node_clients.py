"""Libraries of npm that send over HTTP and gRPC: OpenTelemetry, Loki, Elasticsearch, Splunk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.node_kit import NodeClient

LISTENERS = {
    "otlp": {"protocol": "otlp", "transport": "http"},
    "otlp-grpc": {"protocol": "otlp", "transport": "grpc"},
    "loki": {"protocol": "loki"},
    "elasticsearch": {"protocol": "elasticsearch"},
    "splunk": {"protocol": "splunk"},
}
LOGGED = [("info", "pump started"), ("warn", "valve stuck at 87 %"), ("error", "calculation failed")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("data")
    with AppThread(folder, tuple(LISTENERS), settings={"listeners": LISTENERS}) as app:
        yield app, folder


@pytest.mark.parametrize(
    ("client", "listener", "source"),
    [
        ("otlp-json", "otlp", "pumps"),
        ("otlp-proto", "otlp", "pumps"),
        ("otlp-grpc", "otlp-grpc", "pumps"),
        ("winston-loki", "loki", "pumps"),
        ("winston-loki-json", "loki", "pumps"),
        ("pino-loki", "loki", "pumps"),
        ("elasticsearch", "elasticsearch", "pumps"),
        ("pino-elasticsearch", "elasticsearch", "pumps"),
        ("winston-elasticsearch", "elasticsearch", "logs-app-default"),
        ("splunk-logging", "splunk", "pumps"),
    ],
)
def test_a_client(server: tuple[AppThread, Path], client: str, listener: str, source: str) -> None:
    app, folder = server
    before = len(list(journal_lines(folder)))
    with NodeClient(client, app.port(listener)) as node:
        assert node.deliver(
            [{"level": level, "message": text, "id": f"{client} {text}"} for level, text in LOGGED]
        )
    found: list[dict[str, Any]] = [json.loads(line)["entry"] for line in list(journal_lines(folder))[before:]]
    found.sort(key=lambda entry: [message for _, message in LOGGED].index(entry["message"]))
    assert [entry["level"].upper().removesuffix("ING") for entry in found] == ["INFO", "WARN", "ERROR"]
    assert {entry["source"] for entry in found} == {source}
    if listener.startswith("otlp"):
        assert {(entry["host"], entry["attributes"]["big"]) for entry in found} == {("north", 12345678901)}
