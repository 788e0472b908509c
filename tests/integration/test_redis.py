"""The `redis` output against a real redis-server."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest

from logboom.cli.options import flag_table
from logboom.config import load
from logboom.errors import OutputError
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.log import Block
from logboom.model import Batch, Receipt, Source
from logboom.outputs.redis import RedisOutput, RedisSettings
from logboom.outputs.runner import OutputRunner
from logboom.testing.output_kit import FIRST_NS, check_output
from logboom.testing.ports import free_port
from tests.kit.block_kit import store
from tests.kit.redis_kit import (
    NOTHING_KEPT,
    NOW_S,
    RedisServer,
    everything,
    http_block,
    make_output,
    message,
    messages,
    redis_server,
)
from tests.kit.services import find_program

pytestmark = pytest.mark.service

WAIT_S_MAX: Final = 30.0
WEEK_S: Final = 604_800


@pytest.fixture
def server(shared_redis: RedisServer) -> RedisServer:
    """A Redis that several tests share, emptied."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_server(redis_binary: str) -> Iterator[RedisServer]:
    """A Redis that a test may kill, not started yet."""
    with redis_server(redis_binary) as server:
        yield server


def sequences(keys: list[str]) -> list[int]:
    return [int(key.rpartition(":")[2]) - 1 for key in keys]


# --- the layout ---


def test_a_message_of_document_004(server: RedisServer, tmp_path: Path) -> None:
    lines = ["StateChange [2024-01-01 12:00:00] Task completed", "Success [2024-01-01 12:00:01] Got task"]
    store(make_output(server.url, tmp_path), http_block(message(0, message=lines, line_count=2), first=41))
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
    store(
        make_output(server.url, tmp_path),
        http_block(*entries[:1100]),
        http_block(*entries[1100:], first=1100),
    )
    with server.client() as client:
        assert sequences(client.lrange("recent_logs:whaleon-1", 0, -1)) == list(range(2399, 2199, -2))
        assert sequences(client.lrange("recent_logs:global", 0, -1)) == list(range(2399, 1399, -1))
        stats = client.hgetall("stats:whaleon-0")
        del stats["last_seen"]
        assert stats == {"total": "1200", "log": "600", "status": "600"}
        assert sum(1 for _ in client.scan_iter("log:*", count=1000)) == 2400


def test_other_settings(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path, expire_s=100, recent_max=2, global_max=3, listeners=["http"])
    store(output, messages(0, 5), http_block(b'{"n":1}', first=5, listener="device"))
    assert output.position() == 6
    with server.client() as client:
        assert client.llen("recent_logs:whaleon-1") == 2
        last, *rest = client.lrange("recent_logs:global", 0, -1)
        assert len(rest) == 2
        assert 0 < client.ttl(last) <= 100
        assert client.exists("stats:10.0.0.1") == 0


def test_only_entries_that_match_the_filter(server: RedisServer, tmp_path: Path) -> None:
    output = make_output(server.url, tmp_path, filter="n:>3 or type:status")
    store(output, http_block(*[b'{"n":%d}' % number for number in range(6)], b'{"type":"status"}', b"{}"))
    assert (output.position(), output.skipped) == (8, 5)
    with server.client() as client:
        assert client.hget("stats:10.0.0.1", "total") == "3"


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
    openssl = find_program("openssl", "openssl")
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
    store(make_output(server.url, tmp_path / "b"), http_block(message(0, "other")))
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
        with pytest.raises(OutputError, match=f"the key '{key}' in Redis has a value"):
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
        with pytest.raises(OutputError, match="stored an entry, but could not count it"):
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
        self.runner = OutputRunner("o", output, self.journal.log, lambda *report: self.reports.put(report))
        self.next = 0

    def append(self, count: int) -> None:
        entries = b"\n".join(map(message, range(self.next, self.next + count)))
        batch = Batch(entries, bytes(count), size_bytes=len(entries))
        batch.source = Source("http", "10.0.0.1")
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


# --- profile live ---


def test_the_flags_of_profile_live() -> None:
    flags = flag_table(redis_url="https://host", redis_token="t")
    settings = load(profile="live", environment={}, flags=flags)
    assert list(settings.active_listeners) == ["http"]
    assert settings.outputs == {"redis": {"type": "redis", "url": "https://host", "token": "t"}}
    assert load(profile="live", environment={}).outputs == {}
