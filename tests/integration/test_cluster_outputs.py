"""Databases that one of two followers writes: it is killed while it writes, and the other one goes on."""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from logboom.testing.nats_cluster import DemoCluster
from tests.kit.cluster_kit import FrontEnd, running_cluster, wait_until
from tests.kit.postgres_kit import PostgresServer
from tests.kit.redis_kit import RedisServer

pytestmark = pytest.mark.service

STREAM = "logboom"
GROUP = 20
KILLS = 3


class Sender:
    """Thread that sends numbered lines to a collector, each group after the answers to the one before."""

    def __init__(self, server: FrontEnd) -> None:
        self.sent = 0
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._refused: list[bytes] = []

    def _send(self) -> None:
        with self._server.connect("collector") as connection:
            while not self._stopped.is_set():
                numbers = range(self.sent, self.sent + GROUP)
                connection.sendall(b"".join(b'{"level":"INFO","message":"%d"}\n' % one for one in numbers))
                answers = b""
                while answers.count(b"\n") < GROUP:
                    answers += connection.recv(65536)
                self._refused += [line for line in answers.splitlines() if b'"ok"' not in line]
                self.sent += GROUP

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()
        assert self._refused == []


def positions(server: FrontEnd) -> dict[str, int]:
    """The next sequence of each output that this server writes."""
    url = f"http://127.0.0.1:{server.ports['http']}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()

    def values(metric: str) -> dict[str, int]:
        found = re.findall(rf'^{metric}{{output="(rows|recent)".*}} (\S+)$', text, re.MULTILINE)
        return {name: int(float(value)) for name, value in found}

    standby = values("logboom_output_standby")
    return {
        name: position
        for name, position in values("logboom_output_next_sequence").items()
        if not standby[name]
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DemoCluster]:
    with running_cluster(tmp_path / "nodes") as cluster:
        yield cluster


def test_databases_have_each_entry_once_when_the_follower_that_writes_is_killed(
    cluster: DemoCluster, tmp_path: Path, shared_postgres: PostgresServer, shared_redis: RedisServer
) -> None:
    shared_postgres.start()
    shared_postgres.query("DROP SCHEMA IF EXISTS logboom CASCADE;")
    with shared_redis.client() as redis:
        redis.flushall()
    tables = (
        f"[outputs.rows]\ntype = 'postgres'\nurl = '{shared_postgres.url}'\n"
        f"[outputs.recent]\ntype = 'redis'\nurl = '{shared_redis.url}'\nglobal_max = 1000000\n"
    )

    with ExitStack() as stack:
        writer = stack.enter_context(FrontEnd(tmp_path / "w", cluster, STREAM, follow=False))
        followers = [
            stack.enter_context(FrontEnd(tmp_path / name, cluster, STREAM, more="lease_s = 1", tables=tables))
            for name in "ab"
        ]
        sender = Sender(writer)

        def written(output: str) -> list[int]:
            """Per follower, how far it has written the output; 0: it does not write it."""
            return [positions(one).get(output, 0) if one.process is not None else 0 for one in followers]

        def wait_past(output: str, position: int) -> None:
            wait_until(lambda: max(written(output)) > position, f"{output} past {position}")

        with sender.running():
            for number in range(KILLS):
                for output in ("rows", "recent"):
                    wait_past(output, sender.sent)  # it is written now
                output = ("rows", "recent")[number % 2]
                found = written(output)
                victim = followers[found.index(max(found))]
                victim.kill()
                for one in ("rows", "recent"):
                    wait_past(one, sender.sent)
                victim.start()
        end = sender.sent
        for output in ("rows", "recent"):
            wait_until(lambda name=output: max(written(name)) == end, f"all of {output}")  # type: ignore[misc]

    rows = shared_postgres.query("SELECT sequence, message FROM logboom.entries ORDER BY journal, sequence")
    assert rows == [(number, f"{number}") for number in range(end)]
    [row] = shared_postgres.query("SELECT count(*) FROM logboom.journals")
    assert row == (1,)
    with shared_redis.client() as redis:
        assert redis.hget("stats:127.0.0.1", "total") == f"{end}"
        keys = redis.lrange("recent_logs:global", 0, -1)
        assert [int(key.rpartition(":")[2]) for key in keys] == list(range(end, 0, -1))
        contents = [json.loads(redis.hget(key, "message_content") or "") for key in keys[:GROUP]]
        assert contents == list(range(end - 1, end - 1 - GROUP, -1))
