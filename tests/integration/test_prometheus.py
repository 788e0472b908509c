"""`/metrics` as a real Prometheus reads it, with the rules and the dashboard that are shipped."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.ops.cluster_metrics import CLUSTER
from logboom.ops.metric_table import GROUPS, PROCESS
from logboom.testing.server_kit import ServerProcess
from tests.kit.prometheus_kit import PrometheusServer, prometheus_server
from tests.kit.services import find_program

pytestmark = pytest.mark.service

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "logboom.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "logboom.json"

LINES = (
    b'{"level":"INFO","message":"kept"}\n' * 3 + b'{"level":"debug","message":"filtered"}\nnonsense\n[1]\n'
)


def promtool(*arguments: str, data: bytes = b"") -> str:
    """Output of promtool, which must accept its input."""
    command = [find_program("promtool", "prometheus"), *arguments]
    done = subprocess.run(
        command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that has got six lines, of which three are stored, and has an output."""
    folder = tmp_path_factory.mktemp("logboom")
    arguments = (f"--log-file={folder / 'all.jsonl'}",)
    with ServerProcess(folder / "data", ("collector", "http"), arguments) as running:
        with running.connect("collector") as client:
            client.sendall(LINES)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        yield running


@pytest.fixture(scope="module")
def prometheus(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """The shipped configuration, with our port and no patience."""
    binary, folder = find_program("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert text.count("127.0.0.1:8080") == 1
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{server.ports['http']}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(RULES, folder)
    with prometheus_server(binary, folder / "prometheus.yml") as running:
        running.wait_for(lambda: running.value("logboom_output_lag_entries") == 0, "a scrape")
        yield running


def scrape(server: ServerProcess, accept: str = "") -> tuple[bytes, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.ports['http']}/metrics", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers["Content-Type"]


def expressions(part: Any) -> Iterator[str]:
    """Every `expr` of the dashboard, wherever it stands, with Grafana's variables filled in."""
    if isinstance(part, dict):
        if "expr" in part:
            text = part["expr"].replace("$__rate_interval", "1m").replace("$__interval", "15s")
            yield text.replace("$instance", ".*").replace("$listener", ".*")
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from expressions(one)


def test_prometheus_has_what_happened(prometheus: PrometheusServer) -> None:
    labels = '{listener="collector",protocol="collector"}'
    assert prometheus.value("up") == 1
    for metric, expected in [
        ("received_entries_total", 6),
        ("stored_entries_total", 3),
        ("filtered_entries_total", 1),
        ("failed_entries_total", 0),
        ("received_bytes_total", len(LINES)),
        ("connections_total", 1),
        ("connections_open", 0),
        ("ack_latency_seconds_count", prometheus.value(f"logboom_received_batches_total{labels}")),
        ("listener_up", 1),
    ]:
        assert prometheus.value(f"logboom_{metric}{labels}") == expected, metric
    refused = prometheus.query("sum by (reason) (logboom_refused_entries_total) > 0")
    assert refused == {(("reason", "not_json"),): 1, (("reason", "not_object"),): 1}
    assert prometheus.value("logboom_journal_next_sequence") == 3
    assert prometheus.value('logboom_output_next_sequence{output="log_file",type="jsonl"}') == 3
    assert prometheus.value("logboom_journal_writable") == prometheus.value("logboom_output_up") == 1


def test_prometheus_knows_every_metric_with_its_type_and_help(prometheus: PrometheusServer) -> None:
    known = prometheus.ask("targets/metadata")
    found = {(one["metric"], one["type"], one["help"]) for one in known}
    for group in GROUPS:
        for metric in group.metrics if group is not CLUSTER else ():  # this server is in none
            name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
            assert (name, metric.kind, metric.help) in found or (
                metric.name,
                metric.kind,
                metric.help,
            ) in found
    names = {name for name, _, _ in found}
    assert {
        name for name in PROCESS if name not in names and name.removesuffix("_total") not in names
    } == set()


def test_prometheus_reads_openmetrics_without_a_complaint(
    server: ServerProcess, prometheus: PrometheusServer
) -> None:
    [target] = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    body, content_type = scrape(server, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith(b"# EOF\n")


def test_the_shipped_rules_run_and_nothing_is_wrong_with_this_server(prometheus: PrometheusServer) -> None:
    def rules() -> list[Any]:
        [group] = prometheus.ask("rules")["groups"]
        found: list[Any] = group["rules"]
        return found

    prometheus.wait_for(lambda: all(rule["health"] != "unknown" for rule in rules()), "the rules")
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules()} == {("ok", "")}
    # Lines were refused, and the disk is this machine's.
    possible = {"LogboomEntriesRefused"} | {rule["name"] for rule in rules() if "Disk" in rule["name"]}
    assert {rule["name"] for rule in rules() if rule["state"] == "firing"} <= possible


def test_prometheus_understands_every_expression_of_the_dashboard(prometheus: PrometheusServer) -> None:
    texts = list(expressions(json.loads(DASHBOARD.read_text())))
    assert len(texts) > 30
    for text in texts:
        assert "$" not in text
        assert prometheus.ask("query", query=text)["resultType"] == "vector"


def test_every_panel_has_something_to_show(prometheus: PrometheusServer) -> None:
    """Only rates of what did not happen are empty."""
    prometheus.wait_for(
        lambda: bool(prometheus.query("rate(logboom_stored_entries_total[1m])")), "two scrapes"
    )
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        texts = list(expressions(panel.get("targets", [])))
        if texts and panel["title"] not in ("Not kept, by reason", "Turned away"):
            assert any(prometheus.query(text) for text in texts), panel["title"]


def test_promtool_finds_nothing_to_say_about_the_metrics(server: ServerProcess) -> None:
    body, content_type = scrape(server)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert promtool("check", "metrics", data=body) == ""


def test_promtool_accepts_configuration_and_rules() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    promtool("check", "rules", str(RULES))


def test_the_alerts_fire_when_they_should_and_keep_still_when_not() -> None:
    promtool("test", "rules", str(DEPLOY / "prometheus" / "logboom.rules.test.yml"))
