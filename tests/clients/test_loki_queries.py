"""Libraries that query Loki's API: loki-reader-core of PyPI, @myunisoft/loki of npm."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.test_python_clients import find_module
from tests.kit.app_thread import AppThread
from tests.kit.node_kit import node_command

LIMIT_S = 30
LINES = ["valve stuck at 87 %", "pump started"]
LABELS = {"app": "pumps", "listener": "loki", "source": "pumps"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    moment = time.time_ns() - 600 * 10**9
    values = [[str(moment - number), line] for number, line in enumerate(LINES)]
    body = json.dumps({"streams": [{"stream": {"app": "pumps"}, "values": values}]}).encode()
    with AppThread(tmp_path_factory.mktemp("data"), ("loki",)) as server:
        url = f"http://127.0.0.1:{server.port('loki')}/loki/api/v1/push"
        urllib.request.urlopen(
            urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=LIMIT_S
        )
        yield server.port("loki")


def test_loki_reader_core(port: int) -> None:
    module: Any = find_module("loki_reader_core", "loki-reader-core")
    with module.LokiClient(f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client:
        assert client.get_labels() == ["app", "listener", "source"]
        assert client.get_label_values("app") == ["pumps"]
        assert client.get_series(['{app="pumps"}']) == [LABELS]
        [stream] = client.query(app="pumps", since_hours=1).streams
        [found] = client.query('{app="pumps"} |= "stuck"', since_hours=1).streams
        metric = client.query('sum(count_over_time({app="pumps"}[5m]))', since_hours=1)
    assert (stream.labels, [entry.message for entry in stream.entries]) == (LABELS, LINES)
    assert [entry.message for entry in found.entries] == LINES[:1]
    assert metric.result_type == "matrix"
    assert metric.metric_series


def test_myunisoft_loki(port: int) -> None:
    command = [*node_command("ask-loki.mjs"), str(port)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S).stdout)
    assert found["labels"] == ["app", "listener", "source"]
    assert found["values"] == ["pumps"]
    assert found["series"] == [LABELS]
    assert found["lines"]["logs"] == [{"state": "stuck", "number": "87"}]
    [metric] = found["counts"]["metrics"]
    assert metric["labels"] == {"app": "pumps"}
    assert metric["values"][-1][1] == "2"
