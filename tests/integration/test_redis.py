"""The `redis` output against a real redis-server, and against a REST front that the test puts before it."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest
import redis

from logboom.errors import OutputError
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.reader import Block
from logboom.journal.segments import prefix, suffix
from logboom.model import Batch, Receipt, Source
from logboom.outputs.redis import REST_CHARS_MAX, RedisOutput, RedisSettings
from logboom.outputs.runner import OutputRunner
from logboom.testing.output_kit import FIRST_NS, check_output
from logboom.testing.server_kit import free_port

pytestmark = pytest.mark.service

NOW_S: Final = FIRST_NS / 1e9
WAIT_S_MAX: Final = 30.0
WEEK_S: Final = 604_800
TOKEN: Final = "a-token"
NOTHING_KEPT: Final = ("--save", "", "--appendonly", "no")


class RedisServer:
    """A redis-server of our own, in a folder of its own; started again, it has what it kept there."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.options: tuple[str, ...] = NOTHING_KEPT
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        where = ("--port", str(self.port), "--unixsocket", str(self.folder / "s"), "--dir", str(self.folder))
        command = [self._binary, "--bind", "127.0.0.1", *where, *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        told = []
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
            told.append(line)
        raise AssertionError(f"redis-server did not start: {b''.join(told).decode()}")

    def kill(self) -> None:
        """As `kill -9`. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def client(self, database: int = 0) -> Any:
        """A plain client, to look at what is there."""
        return redis.Redis(port=self.port, db=database, decode_responses=True)

    def save(self) -> None:
        """Write a snapshot, which is what it has when it is started again."""
        with self.client() as client:
            client.save()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    binary = shutil.which("redis-server")
    if binary is None:
        reason = "there is no redis-server; Debian has it in the package redis-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="lb"))  # short: the path of a socket has 107 bytes
    server = RedisServer(folder, binary)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as server:
        server.start()
        yield server


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """The server of all tests, empty."""
    with shared.client() as client:
        client.flushall()
    return shared


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may kill, not started yet."""
    with redis_server() as server:
        yield server


def make_output(url: str, data_dir: Path, **more: Any) -> RedisOutput:
    return RedisOutput(RedisSettings(type="redis", url=url, **more), "o", data_dir, clock=lambda: NOW_S)


def message(number: int, source: str = "whaleon-1", **more: Any) -> bytes:
    entry = {"timestamp": "2024-01-01T12:00:00", "message": f"m{number}", "source": source, "type": "log"}
    return json.dumps({**entry, **more}).encode()


def block(*entries: bytes, first: int = 0, listener: str = "http") -> Block:
    lines = [prefix(FIRST_NS) + entry + suffix("10.0.0.1", listener) for entry in entries]
    return Block(first, len(lines), b"".join(lines))


def messages(first: int, end: int) -> Block:
    return block(*map(message, range(first, end)), first=first)


def store(output: RedisOutput, *blocks: Block) -> None:
    output.open()
    for one in blocks:
        output.write(one)
    output.flush()
    output.close()


def everything(client: Any) -> dict[str, Any]:
    """All keys and values, besides the positions; lists are in their order."""
    read = {"hash": client.hgetall, "list": lambda key: client.lrange(key, 0, -1)}
    keys = [key for key in client.scan_iter(count=1000) if not key.startswith("logboom:")]
    return {key: read[client.type(key)](key) for key in sorted(keys)}


def sequences(keys: list[str]) -> list[int]:
    return [int(key.rpartition(":")[2]) - 1 for key in keys]


# --- the layout ---


def test_a_message_of_document_004(server: RedisServer, tmp_path: Path) -> None:
    lines = ["StateChange [2024-01-01 12:00:00] Task completed", "Success [2024-01-01 12:00:01] Got task"]
    store(make_output(server.url, tmp_path), block(message(0, message=lines, line_count=2), first=41))
    key = "log:2024-01-01T12:00:00:whaleon-1:42"
    with server.client() as client:
        assert everything(client) == {
            key: {
                "timestamp": "2024-01-01T12:00:00",
                "source": "whaleon-1",
                "message_type": "log",
                "message_content": "\n".join(lines),
                "line_count": "2",
                "created_at": "2025-11-12T19:08:58.838190",
            },
            "recent_logs:whaleon-1": [key],
            "recent_logs:global": [key],
            "stats:whaleon-1": {"total": "1", "log": "1", "last_seen": "2025-11-12T19:08:58.838190"},
        }
        assert WEEK_S - 60 <= client.ttl(key) <= WEEK_S
        assert client.ttl("stats:whaleon-1") == -1


def test_lists_are_trimmed_and_types_counted(server: RedisServer, tmp_path: Path) -> None:
    types = ("log", "heartbeat", "status", "error")
    entries = [message(n, f"whaleon-{n % 2}", type=types[n % 4]) for n in range(2400)]
    store(make_output(server.url, tmp_path), block(*entries[:1100]), block(*entries[1100:], first=1100))
    with server.client() as client:
        assert sequences(client.lrange("recent_logs:whaleon-1", 0, -1)) == list(range(2399, 2199, -2))
        assert sequences(client.lrange("recent_logs:global", 0, -1)) == list(range(2399, 1399, -1))
        stats = client.hgetall("stats:whaleon-0")
        del stats["last_seen"]
        assert stats == {"total": "1200", "log": "600", "status": "600"}
        assert sum(1 for _ in client.scan_iter("log:*", count=1000)) == 2400


def test_other_settings(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path, expire_s=100, recent_max=2, global_max=3, listeners=["http"])
    store(output, messages(0, 5), block(b'{"n":1}', first=5, listener="device"))
    assert output.position() == 6
    with server.client() as client:
        assert client.llen("recent_logs:whaleon-1") == 2
        last, *rest = client.lrange("recent_logs:global", 0, -1)
        assert len(rest) == 2
        assert 0 < client.ttl(last) <= 100
        assert client.exists("stats:10.0.0.1") == 0


def test_damaged_lines_are_left_out_and_counted(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path)
    store(output, Block(0, 3, messages(0, 1).data + b"\0\n" + messages(2, 3).data), Block(3, 1, b"{\n"))
    assert (output.damaged, output.position()) == (2, 4)
    with server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "2"


def test_by_socket(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(f"unix://{server.folder / 's'}?db=3", tmp_path)
    store(output, messages(0, 3))
    with server.client(3) as client:
        assert client.hget("stats:whaleon-1", "total") == "3"


def test_with_tls(own_server: RedisServer, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = own_server.folder / "key.pem", own_server.folder / "certificate.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *request, *names], check=True, capture_output=True)
    tls_port = free_port()
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    own_server.options = (*NOTHING_KEPT, "--tls-port", str(tls_port), *files)
    own_server.start()
    output = make_output(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate}", tmp_path)
    store(output, messages(0, 3))
    with own_server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "3"
    with pytest.raises(OutputError, match="certificate verify failed"):
        make_output(f"rediss://127.0.0.1:{tls_port}/0", tmp_path).open()


# --- exactly once ---


def test_each_entry_once_whatever_crashes(server: RedisServer, tmp_path: Path) -> None:
    databases: dict[Path, int] = {}

    def make(folder: Path) -> RedisOutput:
        database = databases.setdefault(folder, len(databases))
        return make_output(f"redis://127.0.0.1:{server.port}/{database}", folder)

    def read_back(folder: Path) -> dict[str, Any]:
        with server.client(databases[folder]) as client:
            return everything(client)

    content = check_output(make, read_back, tmp_path)
    assert sum(int(found["total"]) for key, found in content.items() if key.startswith("stats:")) == 400
    assert len([key for key in content if key.startswith("log:")]) == 400


def test_a_request_that_arrives_late_changes_nothing(server: RedisServer, tmp_path: Path) -> None:
    """Its sender gave up on it, asked for the position, and sent the same entries again."""
    late, output = make_output(server.url, tmp_path), make_output(server.url, tmp_path)
    late.open()
    store(output, messages(0, 3))
    with pytest.raises(OutputError, match="not 0 any more"):
        late.write(messages(0, 3))
    late.open()
    assert late.position() == 3
    late.write(messages(0, 5))
    late.close()
    with server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "5"


def test_two_journals_in_one_redis(server: RedisServer, tmp_path: Path) -> None:
    store(make_output(server.url, tmp_path / "a"), messages(0, 5))
    store(make_output(server.url, tmp_path / "b"), block(message(0, "other")))
    with server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "5"
        assert client.hget("stats:other", "total") == "1"
        assert sorted(client.hvals("logboom:o:position")) == ["1", "5"]


def test_a_rewind_lasts(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path)
    store(output, messages(0, 5))
    output.open()
    output.rewind(2)
    assert output.position() == 2
    store(output, messages(2, 3))
    assert output.position() == 3


def test_a_position_that_is_no_number_is_told(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path)
    store(output, messages(0, 5))
    with server.client() as client:
        [journal] = client.hkeys("logboom:o:position")
        client.hset("logboom:o:position", journal, "x")
    with pytest.raises(OutputError, match="'x', expected a number"):
        output.open()
    output.close()


@pytest.mark.parametrize("key", ["stats:whaleon-1", "recent_logs:whaleon-1", "recent_logs:global"])
def test_a_key_of_another_program_is_in_the_way(server: RedisServer, tmp_path: Path, key: str) -> None:
    output = make_output(server.url, tmp_path)
    output.open()
    with server.client() as client:
        client.set(key, "mine")
        with pytest.raises(OutputError, match=f"the key '{key}' in Redis holds something"):
            output.write(messages(0, 3))
        assert client.keys() == [key]
        assert output.position() == 0
        client.delete(key)
        output.write(messages(0, 3))
        assert client.hget("stats:whaleon-1", "total") == "3"
    output.close()


def test_a_count_that_is_no_number_stops_nothing_else(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path)
    output.open()
    with server.client() as client:
        client.hset("stats:whaleon-1", "log", "many")
        with pytest.raises(OutputError, match="could not count an entry, but has it"):
            output.write(messages(0, 3))
        assert output.position() == 3
        assert client.hget("stats:whaleon-1", "total") == "3"
        assert client.llen("recent_logs:global") == 3
    output.close()


def test_a_redis_without_memory_takes_nothing_by_halves(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path)
    output.open()
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(OutputError, match="maxmemory"):
            output.write(messages(0, 3))
        client.config_set("maxmemory", 0)
        assert client.keys() == []
        output.open()
        output.write(messages(0, 3))
        assert client.hget("stats:whaleon-1", "total") == "3"
    output.close()


# --- Redis goes away ---


class Watched(RedisOutput):
    """Does something before its n-th write."""

    def __init__(self, url: str, data_dir: Path, before: dict[int, Callable[[], None]]) -> None:
        super().__init__(RedisSettings(type="redis", url=url), "o", data_dir, clock=lambda: NOW_S)
        self._before = before
        self._writes = 0

    def write(self, block: Block) -> None:
        self._writes += 1
        self._before.get(self._writes, lambda: None)()
        super().write(block)


class Feed:
    """A journal that grows on demand, and an output that follows it on its thread."""

    def __init__(self, data_dir: Path, output: RedisOutput) -> None:
        self.journal = Journal(data_dir, lambda call, *arguments: call(*arguments), free_bytes_min=0)
        self.reports: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self.runner = OutputRunner("o", output, self.journal, lambda *report: self.reports.put(report))
        self.next = 0

    def append(self, count: int) -> None:
        entries = b"\n".join(map(message, range(self.next, self.next + count)))
        batch = Batch(entries, bytes(count), size_bytes=len(entries))
        batch.source = Source("http", "http", "10.0.0.1", 1)
        batch.received_ns = FIRST_NS
        answers: SimpleQueue[Receipt] = SimpleQueue()
        self.journal.submit(batch, AckLevel.SYNCED, answers.put)
        assert answers.get(timeout=WAIT_S_MAX).first_sequence == self.next
        self.next += count

    def report(self) -> tuple[str, str]:
        return self.reports.get(timeout=WAIT_S_MAX)

    def finish(self) -> None:
        self.journal.close()
        self.runner.stop(WAIT_S_MAX)


@pytest.mark.parametrize(
    ("options", "snapshot"),
    [
        (NOTHING_KEPT, False),
        (("--save", "", "--appendonly", "yes"), False),
        (("--save", "3600 1000000", "--appendonly", "no"), True),
    ],
    ids=["comes back empty", "comes back with all", "comes back as it was before"],
)
def test_redis_is_killed_in_mid_stream(
    own_server: RedisServer, tmp_path: Path, options: tuple[str, ...], snapshot: bool
) -> None:
    own_server.options = options
    own_server.start()
    steps = {2: own_server.save, 4: own_server.kill} if snapshot else {4: own_server.kill}
    output = Watched(own_server.url, tmp_path, steps)
    feed = Feed(tmp_path, output)
    feed.append(5000)
    feed.runner.start()
    kind, text = feed.report()
    assert kind == "error"
    assert "output o can't write: redis://127.0.0.1" in text
    assert 0 < output.position() < 5000
    feed.append(100)
    own_server.start()
    assert feed.report()[1].startswith("output o works again")
    feed.finish()
    assert (feed.runner.position, feed.runner.failing) == (5100, None)
    with own_server.client() as client:
        assert client.hget("stats:whaleon-1", "total") == "5100"
        assert sum(1 for _ in client.scan_iter("log:*", count=1000)) == 5100
        assert sequences(client.lrange("recent_logs:global", 0, -1)) == list(range(5099, 4099, -1))


# --- the REST dialect ---


class RestFront(ThreadingHTTPServer):
    """Speaks the hosted service's dialect, and has the real Redis do it."""

    daemon_threads = True

    def __init__(self, server: RedisServer) -> None:
        super().__init__(("127.0.0.1", 0), RestHandler)
        self.redis = redis.Redis(port=server.port, decode_responses=True)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers_lost = 0
        """So many requests are carried out, but nobody is told."""
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
    blocks = messages(0, 900), block(message(900, message=["ü", "\U0001f680", '"\\\n\x1b[31m']), first=900)
    store(make_output(front.url, tmp_path / "rest", token=TOKEN), *blocks)
    store(make_output(f"redis://127.0.0.1:{server.port}/1", tmp_path / "native"), *blocks)
    with server.client() as rest, server.client(1) as native:
        assert len(everything(native)) == 904
        assert everything(rest) == everything(native)


def test_rest_requests_stay_below_the_services_limit(
    server: RedisServer, front: RestFront, tmp_path: Path
) -> None:
    blocks = messages(0, 900), block(message(900, message="\U0001f680" * 250_000), first=900)
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
