"""Profile `live`: the WebSocket log server's words and flags, looked at with a WebSocket and a Redis client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.sync.client import connect

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

MESSAGE: dict[str, Any] = {
    "timestamp": "2024-01-01T12:00:00",
    "message": ["StateChange [2024-01-01 12:00:00] Task completed", "second line"],
    "source": "whaleon-36381824",
    "type": "log",
    "line_count": 2,
}


@pytest.fixture
def redis_port(tmp_path: Path, redis_binary: str) -> Iterator[int]:
    port = free_port()
    command = [redis_binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if b"Ready to accept connections" in line)
        yield port
        process.kill()


@pytest.mark.service
def test_a_message_is_answered_passed_on_and_stands_in_redis(tmp_path: Path, redis_port: int) -> None:
    server = ServerProcess(tmp_path / "data", ("http",))
    port = server.ports["http"]
    server.command = lambda: [  # type: ignore[method-assign]
        *[sys.executable, "-m", "logboom", "serve", "--profile", "live", "127.0.0.1", str(port)],
        *[
            "--redis-url",
            f"redis://127.0.0.1:{redis_port}",
            f"--data-dir={server.data_dir}",
            "--log-format=json",
        ],
    ]
    with server:
        with connect(f"ws://127.0.0.1:{port}/") as sender, connect(f"ws://127.0.0.1:{port}/") as reader:
            text = json.dumps(MESSAGE)
            sender.send(text)
            reply = json.loads(sender.recv(timeout=30))
            assert reply["status"] == "received"
            assert isinstance(reply["message_id"], int)
            assert reader.recv(timeout=30) == text
        assert server.stop() == 0
    client: Any = redis.Redis(port=redis_port, decode_responses=True)
    [key] = client.keys("log:*")
    assert key.startswith("log:2024-01-01T12:00:00:whaleon-36381824:")
    stored = client.hgetall(key)
    assert stored["message_type"] == "log"
    assert stored["message_content"] == "\n".join(MESSAGE["message"])
    assert stored["line_count"] == "2"
    assert 604_000 < client.ttl(key) <= 604_800
    assert client.lrange("recent_logs:whaleon-36381824", 0, -1) == [key]
    assert client.lrange("recent_logs:global", 0, -1) == [key]
    assert client.hgetall("stats:whaleon-36381824")["total"] == "1"
    client.close()
