"""rsyslog as it is, over everything that it speaks; what it counts as delivered is stored."""

import json
import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.rsyslog_kit import TEMPLATE, Rsyslog

TEXTS = ["pump started", "valve stuck at 87 %", 'a "quoted" \\ text', "x" * 3000]
TCP = {"protocol": "syslog"}
UDP = {"protocol": "syslog", "transport": "udp"}
RELP = {"protocol": "relp"}
DELIVERY_S_MAX = 60.0


def entries(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def count(server: AppThread, listener: str) -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def forward(port: int, rest: str) -> str:
    return f'type="omfwd" target="127.0.0.1" port="{port}" {rest}'


@pytest.mark.parametrize(
    ("listener", "rest"),
    [
        (UDP, f'protocol="udp" {TEMPLATE}'),
        (UDP, 'protocol="udp"'),
        (TCP, 'protocol="tcp"'),
        (TCP, f'protocol="tcp" TCP_Framing="octet-counted" {TEMPLATE}'),
        (
            TCP,
            'protocol="tcp" ZipLevel="6" compression.mode="stream:always" compression.stream.flushOnTXEnd="on"',
        ),
    ],
)
def test_omfwd(tmp_path: Path, listener: dict[str, Any], rest: str) -> None:
    texts = [text for text in TEXTS if "udp" not in rest or len(text) < 1000]
    with (
        AppThread(tmp_path / "data", ("syslog",), settings={"listeners": {"syslog": listener}}) as server,
        Rsyslog(tmp_path / "rsyslog", forward(server.port("syslog"), rest)) as client,
    ):
        client.send(*texts)
        server.until(lambda: count(server, "syslog") == len(texts))
    found = entries(tmp_path / "data")
    assert [entry["message"] for entry in found] == texts
    assert {(entry["level"], entry["source"]) for entry in found} == {("WARNING", "pumps")}
    assert all(entry["labels"]["facility"] == "local0" for entry in found)


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    listener = {**TCP, "tls_cert": str(cert), "tls_key": str(key)}
    with AppThread(tmp_path / "data", ("syslog",), settings={"listeners": {"syslog": listener}}) as server:
        action = forward(
            server.port("syslog"),
            f'protocol="tcp" TCP_Framing="octet-counted" {TEMPLATE} StreamDriver="gtls" StreamDriverMode="1" '
            'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"',
        )
        settings = f'global(defaultNetstreamDriverCAFile="{cert}")'
        with Rsyslog(tmp_path / "rsyslog", action, "lmnsd_gtls", settings) as client:
            client.send(*TEXTS)
            server.until(lambda: count(server, "syslog") == len(TEXTS))
    assert [entry["message"] for entry in entries(tmp_path / "data")] == TEXTS


def test_omrelp(tmp_path: Path) -> None:
    with AppThread(tmp_path / "data", ("relp",), settings={"listeners": {"relp": RELP}}) as server:
        action = f'type="omrelp" target="127.0.0.1" port="{server.port("relp")}" {TEMPLATE}'
        with Rsyslog(tmp_path / "rsyslog", action, "omrelp") as client:
            client.send(*TEXTS)
            server.until(lambda: count(server, "relp") == len(TEXTS))
    assert [entry["message"] for entry in entries(tmp_path / "data")] == TEXTS


def test_omrelp_loses_nothing_while_the_server_is_killed(tmp_path: Path) -> None:
    config = tmp_path / "relp.toml"
    config.write_text('[listeners.relp]\nprotocol = "relp"\nport = 0\n')
    server = ServerProcess(tmp_path / "data", ("relp",), (f"--config={config}",))
    chance = random.Random(5)
    sent = 0
    try:
        server.start()
        action = f'type="omrelp" target="127.0.0.1" port="{server.ports["relp"]}" {TEMPLATE}'
        with Rsyslog(tmp_path / "rsyslog", action, "omrelp") as client:
            for _ in range(4):
                for _ in range(chance.randrange(500, 3000)):
                    client.send(f"number {sent}")
                    sent += 1
                server.kill()
                client.send(f"number {sent}")
                sent += 1
                server.start()
            client.send(*[f"number {number}" for number in range(sent, sent + 500)])
            sent += 500
            missing = set(range(sent))
            ends_at = time.monotonic() + DELIVERY_S_MAX
            while missing and time.monotonic() < ends_at:
                stored = {entry["message"] for entry in entries(tmp_path / "data")}
                missing = {number for number in missing if f"number {number}" not in stored}
    finally:
        server.stop()
    assert missing == set()
    found = Counter(entry["message"] for entry in entries(tmp_path / "data"))
    assert len(found) == sent


def test_omrelp_loses_nothing_while_the_disk_is_full(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path / "data", ("relp",), disk, {"listeners": {"relp": RELP}}) as server:
        action = f'type="omrelp" target="127.0.0.1" port="{server.port("relp")}" {TEMPLATE}'
        with Rsyslog(tmp_path / "rsyslog", action, "omrelp") as client:
            client.send(*[f"number {number}" for number in range(500)])
            server.until(lambda: count(server, "relp") > 0)
            disk.failing = True
            client.send(*[f"number {number}" for number in range(500, 1500)])
            server.until(lambda: server.app.journal.failed_groups > 0)
            disk.failing = False
            server.until(lambda: server.app.journal.committed.next_sequence >= 1500)
    found = {entry["message"] for entry in entries(tmp_path / "data")}
    assert [number for number in range(1500) if f"number {number}" not in found] == []
