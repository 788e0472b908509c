"""The guide to a cluster: the demonstration, and three servers with TLS and accounts behind HAProxy, as it has them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from logboom.extras import is_missing
from logboom.testing.nats_cluster import server_path
from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess
from tests.kit.cluster_kit import wait_until
from tests.kit.docs_kit import blocks_of
from tests.kit.services import find_program, give_up

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "cluster.md"
NAMES = ("log-1", "log-2", "log-3")
LINE = b'{"level":"INFO","message":"%d"}\n'


@pytest.fixture(autouse=True)
def _extra() -> None:
    if is_missing("cluster"):
        give_up("there is no nats-py")


def block(language: str, beginning: str) -> str:
    """The block of the guide that begins so."""
    text = re.sub(r"^   (?=\S|  )", "", GUIDE.read_text(), flags=re.MULTILINE)  # blocks within a list
    [found] = [
        one.text for one in blocks_of(text) if one.language == language and one.text.startswith(beginning)
    ]
    return found


@contextmanager
def process(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the end of the block, with its output in a file."""
    with (
        (folder / f"{Path(command[0]).name}.log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment) as started,
    ):
        try:
            yield started
        finally:
            started.terminate()


def logboom(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "logboom", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, cwd=folder)


class Machines:
    """Ports in place of the guide's three machines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {(name, port): free_port() for name in NAMES for port in (4222, 6222, 8222)}

    def here(self, text: str, own: str = "") -> str:
        """The text with addresses and folders of the test."""
        for (name, port), free in self.ports.items():
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{free}")
            if name == own:
                text = re.sub(rf"(0\.0\.0\.0|10\.0\.0\.1):{port}", f"127.0.0.1:{free}", text)
        text = text.replace("/etc/nats", str(self.folder / "certs"))
        return text.replace("/var/lib/nats", str(self.folder / own))

    def make_certificates(self) -> None:
        """Run the guide's commands; the certificates are for the address, too."""
        commands = re.sub(r"^[$>] ", "", block("console", "$ logboom cert"), flags=re.MULTILINE)
        commands = commands.replace("DNS:$node", "DNS:$node,IP:127.0.0.1")
        commands = commands.replace("logboom cert", f"{sys.executable} -m logboom cert")
        subprocess.run(
            ["bash", "-e"], input=commands.encode(), cwd=self.folder, check=True, capture_output=True
        )

    def server(self, name: str) -> Path:
        """The configuration of one server."""
        path = self.folder / f"{name}.conf"
        text = block("text", "server_name: log-1")
        own = text.replace("server_name: log-1", f"server_name: {name}").replace("/log-1.", f"/{name}.")
        path.write_text(self.here(own, name).replace("500GB", "1GB"))
        return path


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


class Client:
    """Sends numbered lines, each after the answer to the one before, and connects again where there is none."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self._port = port
        self._connection: socket.socket | None = None

    def close(self) -> None:
        """End the connection. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def send(self) -> None:
        """Send one line until it is acknowledged; fails after a minute."""
        wait_until(self._sent, f"an answer to line {self.acknowledged}")
        self.acknowledged += 1

    def _sent(self) -> bool:
        try:
            if self._connection is None:
                self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=20.0)
            self._connection.sendall(LINE % self.acknowledged)
            answer = self._connection.recv(65536)
        except OSError:
            answer = b""
        if not answer:
            self.close()
        return b'"ok"' in answer


def test_three_servers_with_tls_and_accounts_behind_haproxy(tmp_path: Path) -> None:
    haproxy = find_program("haproxy", "haproxy")
    find_program("openssl", "openssl")
    machines = Machines(tmp_path)
    machines.make_certificates()
    config = tmp_path / "logboom.toml"
    config.write_text(machines.here(block("toml", '[cluster]\nurls = ["tls://logboom:')))
    secrets = {**os.environ, "LOGBOOM_PASSWORD": "password", "ADMIN_PASSWORD": "other"}
    with ExitStack() as stack:
        nodes = {
            name: stack.enter_context(
                process([server_path(), "-c", str(machines.server(name))], tmp_path, secrets)
            )
            for name in NAMES
        }
        for name in NAMES:
            wait_until(lambda name=name: reachable(machines.ports[name, 4222]), name)  # type: ignore[misc]
        init = ("cluster", "init", "--config=logboom.toml", "--bytes-max=300000000")
        wait_until(lambda: logboom(*init, folder=tmp_path).returncode == 0, "a stream")
        again = logboom(*init, folder=tmp_path)
        assert (again.returncode, again.stdout) == (0, "stream logboom: is there already\n")
        fronts = [
            stack.enter_context(
                ServerProcess(tmp_path / f"data-{number}", ("collector", "http"), (f"--config={config}",))
            )
            for number in (1, 2)
        ]
        text = block("haproxy", "defaults")
        for number, front in enumerate(fronts, 1):
            lines, page = (f"127.0.0.1:{front.ports[name]}" for name in ("collector", "http"))
            text = text.replace(
                f"log-{number}:9000 check port 8080", f"{lines} check port {front.ports['http']}"
            )
            text = text.replace(f"log-{number}:8080", page)
        public = {"9000": free_port(), "8080": free_port()}
        for port, free in public.items():
            text = text.replace(f"bind :{port}", f"bind 127.0.0.1:{free}")
        (tmp_path / "haproxy.cfg").write_text(text)
        stack.enter_context(process([haproxy, "-db", "-f", "haproxy.cfg"], tmp_path))
        client = stack.enter_context(closing(Client(public["9000"])))
        for _ in range(20):
            client.send()
        taken = [len(front.journal_lines()) for front in fronts]
        lost, left = (fronts[0], fronts[1]) if taken[0] else (fronts[1], fronts[0])
        lost.kill()
        nodes["log-1"].kill()
        for _ in range(20):
            client.send()
        wait_until(lambda: len(messages(public["8080"])) >= client.acknowledged, "the copy")
        found = messages(public["8080"])
        assert sorted(set(found)) == list(range(client.acknowledged))
        assert found == sorted(found)
        assert len(left.journal_lines()) >= 20
        status = logboom("cluster", "status", "--config=logboom.toml", folder=tmp_path)
        assert status.returncode == 1
        assert status.stdout.count("in order") == 2


def messages(port: int) -> list[int]:
    """Numbers of all lines in their order, from the address of the page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/entries?limit=1000", timeout=30) as answer:
        return [int(one["message"]) for one in reversed(json.load(answer)["entries"])]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_demonstration(tmp_path: Path, how: signal.Signals) -> None:
    demo, serve = (block("console", f"$ logboom {name}").split()[1:] for name in ("cluster demo", "serve"))
    sending = block("console", "$ echo")
    assert demo == ["logboom", "cluster", "demo"]
    port = free_port()
    with process([sys.executable, "-m", *demo], tmp_path) as cluster:
        wait_until((tmp_path / "logboom-cluster" / "logboom.toml").exists, "a configuration")
        only = ["--only=http", f"--listen=http=127.0.0.1:{port}"]
        with process([sys.executable, "-m", *serve, *only], tmp_path) as server:
            wait_until(lambda: reachable(port), "Logboom")
            for command in re.findall(r"^[$] (.*)$", sending, flags=re.MULTILINE):
                text = command.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
                text = text.replace("logboom ", f"{sys.executable} -m logboom ", 1)
                done = subprocess.run(
                    ["bash", "-c", text], cwd=tmp_path, check=False, capture_output=True, text=True
                )
                assert done.returncode == 0, done
            assert "stream logboom: 1 messages" in done.stdout
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0
        text = (tmp_path / "logboom-cluster" / "logboom.toml").read_text()
        ports = [int(port) for port in re.findall(r"nats://127.0.0.1:(\d+)", text)]
        assert [reachable(port) for port in ports] == [True] * 3
        cluster.send_signal(how)
        assert cluster.wait(30) == 0
        assert [reachable(port) for port in ports] == [False] * 3
