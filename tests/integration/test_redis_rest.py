"""The `redis` output over the hosted service's REST dialect: a front that the test puts before a real redis-server."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from logboom.errors import OutputError
from logboom.outputs.redis import REST_CHARS_MAX
from tests.kit.block_kit import store
from tests.kit.redis_kit import RedisServer, everything, http_block, make_output, message, messages

pytestmark = pytest.mark.service

TOKEN: Final = "a-token"


@pytest.fixture
def server(shared_redis: RedisServer) -> RedisServer:
    """A Redis that several tests share, emptied."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


class RestFront(ThreadingHTTPServer):
    """Speaks the hosted service's dialect, and has the real Redis do it."""

    daemon_threads = True

    def __init__(self, server: RedisServer) -> None:
        super().__init__(("127.0.0.1", 0), RestHandler)
        self.redis = redis.Redis(port=server.port, decode_responses=True)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers_lost = 0
        """Number of requests that are executed without an answer."""
        self.body: bytes | None = None
        """Sent instead of any answer."""
        self.request_bytes_max = 0

    def server_close(self) -> None:
        super().server_close()
        self.redis.close()


class RestHandler(BaseHTTPRequestHandler):
    server: RestFront

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.request_bytes_max = max(self.server.request_bytes_max, len(data))
        status, answer = self._answer(json.loads(data))
        if self.server.answers_lost:
            self.server.answers_lost -= 1
            self.close_connection = True
            return
        body = json.dumps(answer).encode() if self.server.body is None else self.server.body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, command: list[str]) -> tuple[int, dict[str, Any]]:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, {"error": "WRONGPASS invalid or missing auth token"}
        try:
            result = self.server.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            return 400, {"error": str(error)}
        if isinstance(result, str) and self.headers["Upstash-Encoding"] == "base64":
            result = base64.b64encode(result.encode()).decode()
        return 200, {"result": result}

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the library
        pass


@pytest.fixture
def front(server: RedisServer) -> Iterator[RestFront]:
    with RestFront(server) as front:
        thread = threading.Thread(target=front.serve_forever, args=(0.01,))
        thread.start()
        yield front
        front.shutdown()
        thread.join()


def test_rest_stores_what_the_native_way_stores(
    server: RedisServer, front: RestFront, tmp_path: Path
) -> None:
    blocks = (
        messages(0, 900),
        http_block(message(900, message=["ü", "\U0001f680", '"\\\n\x1b[31m']), first=900),
    )
    store(make_output(front.url, tmp_path / "rest", token=TOKEN), *blocks)
    store(make_output(f"redis://127.0.0.1:{server.port}/1", tmp_path / "native"), *blocks)
    with server.client() as rest, server.client(1) as native:
        assert len(everything(native)) == 904
        assert everything(rest) == everything(native)


def test_rest_requests_stay_below_the_services_limit(
    server: RedisServer, front: RestFront, tmp_path: Path
) -> None:
    blocks = messages(0, 900), http_block(message(900, message="\U0001f680" * 250_000), first=900)
    store(make_output(front.url, tmp_path, token=TOKEN), *blocks)
    assert 0 < front.request_bytes_max < 1_000_000
    with server.client() as client:
        content = client.hget("log:2024-01-01T12:00:00:whaleon-1:901", "message_content")
    assert content.endswith("\U0001f680… (cut)")
    assert len(content) == REST_CHARS_MAX


def test_an_answer_that_is_lost_doubles_nothing(
    server: RedisServer, front: RestFront, tmp_path: Path
) -> None:
    output = make_output(front.url, tmp_path, token=TOKEN)
    output.open()
    front.answers_lost = 1
    with pytest.raises(OutputError, match=rf"^{front.url}: RemoteProtocolError"):
        output.write(messages(0, 10))
    output.open()
    assert output.position() == 10
    output.write(messages(0, 12))
    output.close()
    with server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "12"


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[]", b"{}", b'"x"', b'{"result":{}}', b""])
def test_whatever_else_answers_is_trouble_that_passes(front: RestFront, tmp_path: Path, body: bytes) -> None:
    output = make_output(front.url, tmp_path, token=TOKEN)
    front.body = body
    with pytest.raises(OutputError, match=rf"^{front.url}: "):
        output.open()
    front.body = None
    store(output, messages(0, 3))
    assert output.position() == 3


def test_a_wrong_token_is_told_and_not_shown(front: RestFront, tmp_path: Path) -> None:
    output = make_output(front.url, tmp_path, token="secret")
    with pytest.raises(OutputError, match="WRONGPASS") as caught:
        output.open()
    output.close()
    assert "secret" not in str(caught.value)
