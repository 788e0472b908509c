"""`logboom alerts list` against a server that answers what the test says."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from logboom.cli import app
from logboom.errors import DeliveryError

ALERT = {
    "rule": "source_silent",
    "subject": "device/pump",
    "severity": "warning",
    "state": "firing",
    "since": "2025-01-01T12:00:00+00:00",
    "resolved_at": None,
    "text": "pump \x1b[31m(device) is silent for 60 s",
}
TARGET = {"name": "json://hook", "trouble": "connection refused", "waiting": 2}


class Front(ThreadingHTTPServer):
    status = 200
    body = b""
    asked: tuple[str, str | None] = ("", None)


class Handler(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self.server.asked = (self.path, self.headers["Authorization"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the library
        pass


@pytest.fixture
def front() -> Iterator[Front]:
    with Front(("127.0.0.1", 0), Handler) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.01,))
        thread.start()
        yield front
        front.shutdown()
        thread.join()


def listed(front: Front, answer: Any, *options: str) -> Result:
    front.body = json.dumps(answer).encode()
    url = f"http://127.0.0.1:{front.server_port}"
    return CliRunner().invoke(app, ["alerts", "list", "--url", url, *options])


def test_a_table_tells_what_fires_and_which_target_has_trouble(front: Front) -> None:
    result = listed(front, {"alerts": [ALERT], "notify": [TARGET]})
    head, row = result.stdout.splitlines()
    assert head.split() == ["STATE", "SEVERITY", "RULE", "SUBJECT", "SINCE", "TEXT"]
    assert row.split("  ")[0] == "firing"
    assert row.endswith("pump (device) is silent for 60 s")
    assert result.stderr == "⚠️ json://hook: connection refused; 2 wait\n"
    assert result.exit_code == 0
    assert front.asked == ("/api/alerts", None)


def test_when_nothing_fires_standard_output_is_empty(front: Front) -> None:
    result = listed(front, {"alerts": [], "notify": [{**TARGET, "trouble": None}]})
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "✅ nothing fires\n")


@pytest.mark.parametrize("alerts", [[], [ALERT]])
def test_alerts_that_are_off_are_not_taken_for_quiet_ones(front: Front, alerts: list[Any]) -> None:
    result = listed(front, {"alerts": alerts, "notify": [], "enabled": False})
    assert (result.exit_code, result.stderr) == (0, "⚠️ alerts are off: alerts.enabled is false\n")
    assert len(result.stdout.splitlines()) == (2 if alerts else 0)


def test_json_is_the_servers_own(front: Front) -> None:
    document = {"alerts": [ALERT], "notify": [TARGET], "new": 1}
    assert json.loads(listed(front, document, "--format", "json").stdout) == document


def test_the_token_is_shown(front: Front) -> None:
    assert listed(front, {"alerts": [], "notify": []}, "--token", "lb_x").exit_code == 0
    assert front.asked[1] == "Bearer lb_x"


@pytest.mark.parametrize(("status", "answer"), [(401, {}), (404, {}), (200, {"alerts": []}), (200, [])])
def test_who_refuses_or_is_no_logboom_is_told(front: Front, status: int, answer: Any) -> None:
    front.status = status
    result = listed(front, answer)
    assert isinstance(
        result.exception, DeliveryError
    )  # which the command's entry point turns into exit code 1


def test_a_server_that_is_away_is_told(front: Front) -> None:
    front.status = 503
    result = listed(front, {"error": "later"})
    assert (result.exit_code, result.stderr) == (3, "❌ can't connect: it answers 503: later\n")


def test_certificates_mean_nothing_without_tls() -> None:
    result = CliRunner().invoke(app, ["alerts", "list", "--url", "http://h:1", "--ca", "x.pem"])
    assert result.exit_code == 2
