"""Answers of a majority of three real NATS servers, copies of followers, and outputs that one of them writes."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logboom.cluster.cluster_settings import ClusterSettings
from logboom.cluster.key_values import open_bucket
from logboom.cluster.stream import fronts
from logboom.errors import OutputError
from logboom.outputs.jetstream_connection import BlockingStream, close, connect
from logboom.testing.nats_cluster import DemoCluster
from tests.kit.cluster_kit import FrontEnd, make_stream, running_cluster, settings_of, wait_until

if TYPE_CHECKING:
    from nats.js.kv import KeyValue

LINE = b'{"level":"INFO","message":"%b"}\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def stream(cluster: DemoCluster, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"\W", "-", request.node.name)[-32:]
    make_stream(cluster, name)
    return name


def ask(connection: socket.socket, *messages: bytes) -> list[dict[str, str]]:
    """Send lines to a collector, and return its answers."""
    connection.sendall(b"".join(LINE % message for message in messages))
    answers = b""
    while answers.count(b"\n") < len(messages):
        answers += connection.recv(65536)
    return [json.loads(line) for line in answers.splitlines()]


def messages_of(lines: list[bytes]) -> list[str]:
    return [json.loads(line)["entry"]["message"] for line in lines]


def logboom(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "logboom", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_followers_have_the_same_lines_and_serve_them(
    cluster: DemoCluster, stream: str, tmp_path: Path
) -> None:
    with (
        FrontEnd(tmp_path / "a", cluster, stream) as first,
        FrontEnd(tmp_path / "b", cluster, stream) as second,
    ):
        for number, server in enumerate((first, second, first)):
            with server.connect("collector") as connection:
                answers = ask(connection, *[b"%d-%d" % (number, line) for line in range(50)])
            assert [answer["status"] for answer in answers] == ["ok"] * 50
        wait_until(lambda: len(first.copy_lines()) == len(second.copy_lines()) == 150, "two whole copies")
        assert first.copy_lines() == second.copy_lines()
        assert messages_of(first.copy_lines())[:50] == [f"0-{line}" for line in range(50)]
        url = f"http://127.0.0.1:{second.ports['http']}/api/entries?q=message:0-7"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert [entry["message"] for entry in json.load(answer)["entries"]] == ["0-7"]
        assert len(second.journal_lines()) == 50  # its own only
        for page, expected in (
            ("metrics", 'logboom_output_next_sequence{output="cluster",type="jetstream"} 50.0'),
            ("metrics", "logboom_cluster_nodes_up 3.0"),
            ("api/status", '"jetstream"'),
        ):
            with urllib.request.urlopen(
                f"http://127.0.0.1:{second.ports['http']}/{page}", timeout=30
            ) as answer:
                assert expected in answer.read().decode()
        with urllib.request.urlopen(
            f"http://127.0.0.1:{second.ports['http']}/api/status", timeout=30
        ) as answer:
            found = json.load(answer)["cluster"]
        assert (found["stream"], found["storing"], found["copy_lag"]) == (stream, True, 0)
        assert [(one["name"], one["trouble"]) for one in found["servers"]] == [
            (f"node-{number}", None) for number in (1, 2, 3)
        ]
        assert [one["leader"] for one in found["servers"]].count(True) == 1
        config = ("--config", str(tmp_path / "a" / "logboom.toml"))
        verified = logboom("cluster", "verify", *config, "--data-dir", str(first.data_dir))
        assert (verified.returncode, "✅" in verified.stderr) == (0, True), verified
        status = logboom("cluster", "status", *config)
        assert status.returncode == 0, status
        assert status.stdout.count("in order") == 3
        assert ("100" in status.stdout, "50" in status.stdout) == (True, True)


def test_without_a_majority_entries_are_refused_and_others_go_on(
    cluster: DemoCluster, stream: str, tmp_path: Path
) -> None:
    with FrontEnd(tmp_path / "a", cluster, stream, more="timeout_s = 0.5") as server:
        with server.connect("collector") as connection:
            assert ask(connection, b"before")[0]["status"] == "ok"
            stopped = [process for process in cluster.processes[:2] if process is not None]
            for process in stopped:
                process.send_signal(signal.SIGSTOP)
            try:
                assert ask(connection, b"meanwhile")[0]["message"] == "storage unavailable"
                url = f"http://127.0.0.1:{server.ports['http']}/api/entries"
                request = urllib.request.Request(url, b'{"message":"synced"}\n')
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert json.load(answer)["stored"] == 1
            finally:
                for process in stopped:
                    process.send_signal(signal.SIGCONT)
            server.wait_for(lambda event: event["message"] == "the cluster stores again")
            assert ask(connection, b"after")[0]["status"] == "ok"
        wait_until(lambda: len(server.copy_lines()) == 4, "the whole copy")
        # What was refused was stored here, and is replicated in the end: the sender may send it again, too.
        assert messages_of(server.copy_lines()) == ["before", "meanwhile", "synced", "after"]


def test_a_new_follower_begins_where_the_stream_does(
    cluster: DemoCluster, stream: str, tmp_path: Path
) -> None:
    with (
        FrontEnd(tmp_path / "a", cluster, stream, follow=False) as server,
        server.connect("collector") as connection,
    ):
        ask(connection, *[b"%d" % number for number in range(200)])
        with FrontEnd(tmp_path / "b", cluster, stream) as follower:
            wait_until(lambda: len(follower.copy_lines()) == 200, "a whole copy")
            follower.kill()
            ask(connection, b"while it was away")
            follower.start()
            wait_until(lambda: len(follower.copy_lines()) == 201, "the rest")
            assert messages_of(follower.copy_lines())[-1] == "while it was away"


def test_outputs_are_written_by_one_follower_and_by_the_next_when_it_is_lost(
    cluster: DemoCluster, stream: str, tmp_path: Path
) -> None:
    target = f"{stream[:28]}-out"
    make_stream(cluster, target)
    output = f"[outputs.far]\ntype = 'jetstream'\nurls = {cluster.urls}\nstream = '{target}'\n"
    sent = 0

    def follower(name: str) -> FrontEnd:
        file = f"[outputs.file]\ntype = 'jsonl'\npath = '{tmp_path}/{name}.jsonl'\n"
        return FrontEnd(
            tmp_path / name,
            cluster,
            stream,
            more="lease_s = 1\none_writer = 'all'",
            tables=output + file,
        )

    def written() -> list[set[str]]:
        texts = [(tmp_path / f"{name}.jsonl") for name in "ab"]
        lines = [path.read_bytes().splitlines() if path.exists() else [] for path in texts]
        return [{json.loads(line)["entry"]["message"] for line in part} for part in lines]

    def forwarded() -> int:
        """Position of the other output; both followers forward as the same journal."""
        return sum(front.position for front in asyncio.run(fronts(settings_of(cluster, stream=target))))

    def holder() -> int:
        """Number of the follower that writes the file, from 0."""
        found = [part for part in range(2) if f"{sent - 1}" in written()[part]]
        return found[0]

    with FrontEnd(tmp_path / "w", cluster, stream, follow=False) as writer, ExitStack() as stack:
        followers = [stack.enter_context(follower(name)) for name in "ab"]
        connection = stack.enter_context(writer.connect("collector"))

        def send() -> None:
            nonlocal sent
            ask(connection, *[b"%d" % number for number in range(sent, sent + 50)])
            sent += 50
            wait_until(lambda: f"{sent - 1}" in set.union(*written()), "the file")
            wait_until(lambda: forwarded() == sent, "the other stream")

        send()
        paused = followers[holder()]
        paused.send_signal(signal.SIGSTOP)
        send()
        assert followers[holder()] is not paused
        paused.send_signal(signal.SIGCONT)
        send()
        status = logboom("cluster", "status", f"--config={tmp_path}/a/logboom.toml")
        assert re.search(r"^far +\S+ +\d+$", status.stdout, re.MULTILINE), status
        followers[holder()].kill()
        send()
        assert set.union(*written()) == {f"{number}" for number in range(sent)}
        for one in followers:
            if one.process is not None:
                assert one.stop() == 0
        followers[0].start()
        send()  # the lease was released: nothing has to end first
        errors = [event["message"] for one in followers for event in one.events if event["event"] == "error"]
        assert [text for text in errors if "output" in text] == []


def test_a_question_that_nobody_answers_is_repeated_and_a_server_that_fails_is_tried_last(
    cluster: DemoCluster, stream: str
) -> None:
    settings = settings_of(cluster, stream=stream)
    asked: list[str] = []

    async def question() -> str:
        asked.append(stream)
        if len(asked) == 1:  # as a stream does that has no leader
            await asyncio.Event().wait()
        return (await connection.stream.stream_info(stream)).config.name or ""

    with closing(BlockingStream(settings)) as connection:
        assert connection.ask(question) == stream
    for _ in range(3):
        with closing(BlockingStream(settings, avoid=connection.server)) as another:
            assert another.server != connection.server


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["nats://127.0.0.1:1"], "none of nats://127.0.0.1:1 answers: .*Connect call failed"),
        (["nats://127.0.0.1:99999"], "can't connect to nats://127.0.0.1:99999"),
    ],
)
def test_the_reason_is_told_when_no_server_can_be_reached(urls: list[str], expected: str) -> None:
    with pytest.raises(OutputError, match=expected):
        asyncio.run(connect(ClusterSettings(urls=urls)))


def test_a_bucket_gets_the_replicas_of_the_stream(cluster: DemoCluster, stream: str) -> None:
    settings = settings_of(cluster, stream=stream)

    async def stored(bucket: "KeyValue") -> bool:
        try:
            return bool(await bucket.put("key", b"value"))
        except TimeoutError:
            return False

    async def replicas() -> list[int | None]:
        client = await connect(settings)
        try:
            api = client.jetstream(timeout=1.0)
            await api.create_key_value(bucket=f"{stream}-old", history=1, replicas=1)
            found = []
            for name in ("old", "new"):
                bucket = await open_bucket(api, settings, name)
                while not await stored(bucket):  # the first answer may be lost while replicas are added
                    pass
                found.append((await bucket.status()).stream_info.config.num_replicas)
            return found
        finally:
            await close(client)

    assert asyncio.run(replicas()) == [3, 3]


def test_entries_that_the_filter_excludes_are_answered_and_not_copied(
    cluster: DemoCluster, stream: str, tmp_path: Path
) -> None:
    with FrontEnd(tmp_path / "a", cluster, stream, more="filter = 'message:keep'") as server:
        with server.connect("collector") as connection:
            for message in (b"drop", b"keep"):  # one message of the stream each
                assert ask(connection, message)[0]["status"] == "ok"
        wait_until(lambda: messages_of(server.copy_lines()) == ["keep"], "the copy")
        assert not [event for event in server.events if event["event"] == "error"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "stream unsafe has 1 replicas; expected 3 or more"),
        ("replicas_min = 4", "cluster.monitor_urls: 3 of at least 4 addresses"),
        ("enabled = false", 'listeners.collector.ack: "replicated" needs the table [cluster]'),
    ],
)
def test_an_unsafe_cluster_is_refused(cluster: DemoCluster, tmp_path: Path, more: str, expected: str) -> None:
    name = "safe" if more else "unsafe"
    make_stream(cluster, name, replicas=3 if more else 1)
    server = FrontEnd(tmp_path / "a", cluster, name, more=more)
    server.launch()
    event = server.wait_for(lambda event: expected in event["message"])
    assert event["event"] in ("fatal", "raw", "error")
    assert server.ended() == 1


def test_a_server_that_syncs_at_intervals_is_refused(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "nodes") as cluster:
        cluster.stop(0)
        config = tmp_path / "nodes" / "node-1.conf"
        cluster.start(0, config.read_text().replace("sync_interval: always", "sync_interval: 2m"))
        cluster.wait_until_reachable()
        server = FrontEnd(tmp_path / "a", cluster, "logboom")
        server.launch()
        expected = f"{cluster.monitor_urls[0]} syncs at intervals; set `sync_interval: always`"
        server.wait_for(lambda event: expected in event["message"])
        assert server.ended() == 1
