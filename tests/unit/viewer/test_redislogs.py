"""The viewer's way to a hosted Redis: a front on this machine speaks its dialect, from a table."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from logboom.cli import app
from logboom.errors import ConfigError, OutputError
from logboom.outputs import redis_clients
from logboom.query.matching import Filter
from logboom.viewer import redislogs

pytest.importorskip("upstash_redis")

HASHES = {
    "log:1": [
        "timestamp",
        "2024-01-01T12:00:01",
        "source",
        "w",
        "message_type",
        "log",
        "message_content",
        "a",
    ],
    "log:2": [
        "timestamp",
        "2024-01-01T12:00:02",
        "source",
        "w",
        "message_type",
        "error",
        "message_content",
        "b",
    ],
    "stats:w": ["total", "2", "log", "1", "error", "1", "last_seen", "2024-01-01T12:00:02"],
}
LIST = ["log:2", "log:expired", "log:1"]


class Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.silent = threading.Event()
        self.over = threading.Event()
        self.asked = threading.Event()
        self.headers: list[dict[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Front

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.headers.append(dict(self.headers))
        self.server.asked.set()
        if self.server.silent.is_set():
            self.server.over.wait()
            return
        many = self.path.endswith("/pipeline")
        answers = [{"result": encoded(result(*command))} for command in (asked if many else [asked])]
        body = json.dumps(answers if many else answers[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the library
        pass


def encoded(answer: Any) -> Any:
    """In base64, as the library asks for in a header of its own."""
    if isinstance(answer, str):
        return base64.b64encode(answer.encode()).decode()
    return [encoded(one) for one in answer]


def result(command: str, *words: str) -> Any:
    if command == "LRANGE":
        return LIST[int(words[1]) : int(words[2]) + 1]
    if command == "HGETALL":
        return HASHES.get(words[0], [])
    assert command == "SCAN"
    assert words[1:3] == ("MATCH", "stats:*")
    return ["7", ["stats:w"]] if words[0] == "0" else ["0", ["stats:w", "stats:gone"]]


@pytest.fixture
def front() -> Iterator[Front]:
    with Front() as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.01,))
        thread.start()
        yield front
        front.over.set()
        front.shutdown()
        thread.join()


def test_logs_of_the_hosted_service(front: Front) -> None:
    redis = redislogs.connect(front.url, "a-token")
    rows = redislogs.recent_rows(redis, Filter(), 10)
    assert [(row.time[-2:], row.source, row.kind, row.message) for row in rows] == [
        ("01", "w", "log", "a"),
        ("02", "w", "error", "b"),
    ]
    redis.close()


def test_statistics_of_the_hosted_service(front: Front) -> None:
    redis = redislogs.connect(front.url, "a-token")
    counts = redislogs.count_sources(redis)
    assert list(counts) == ["w"]
    assert (counts["w"].total, counts["w"].types) == (2, {"log": 1, "error": 1})
    redis.close()


def test_only_the_token_is_told(front: Front) -> None:
    redis = redislogs.connect(front.url, "a-token")
    redislogs.count_sources(redis)
    redis.close()
    assert front.headers[0]["Authorization"] == "Bearer a-token"
    assert not [name for headers in front.headers for name in headers if "telemetry" in name.lower()]


def test_a_hosted_service_that_is_silent_is_not_awaited_for_ever(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_clients, "ANSWER_TIMEOUT_S", 0.05)
    front.silent.set()
    redis = redislogs.connect(front.url, "a-token")
    with pytest.raises(OutputError, match=f"^{front.url}: ReadTimeout"):
        redislogs.recent_rows(redis, Filter(), 10)
    assert front.asked.wait(30.0)  # a busy machine may be told only now
    assert len(front.headers) == 1
    redis.close()


@pytest.mark.parametrize(
    ("url", "token", "text"),
    [
        ("https://logs.example.com", None, "--redis https:// needs --redis-token"),
        ("ftp://secret@x", None, "--redis: expected one of redis://, rediss://, unix://, https://, http://"),
        ("redis-host", "t", "--redis: expected one of"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_asked(url: str, token: str | None, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        redislogs.connect(url, token)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["foo://x", "https://logs.example.com"])
@pytest.mark.parametrize("command", [("logs",), ("logs", "--stats"), ("stats",)])
def test_a_wrong_url_is_wrong_usage(command: tuple[str, ...], url: str) -> None:
    found = CliRunner(env={"LOGBOOM_REDIS_TOKEN": ""}).invoke(app, [*command, "--redis", url])
    assert found.exit_code == 2
    assert "--redis" in found.stderr
