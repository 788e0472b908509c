"""syslog-ng as it is: `network()` and `syslog()`, over UDP, TCP and TLS."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.ops.certificates import files_of, make_ca, make_server, write_pair
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.syslog_ng_kit import SyslogNg

TEXTS = ["pump started", "valve stuck at 87 %", 'a "quoted" \\ text', "x" * 3000]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("syslog")
    authority = make_ca()
    write_pair(files_of(folder, "ca"), authority)
    write_pair(files_of(folder, "server"), make_server(authority, [], 30))
    cert, key = map(str, files_of(folder, "server"))
    listeners = {
        "udp": {"protocol": "syslog", "transport": "udp"},
        "tcp": {"protocol": "syslog"},
        "tls": {"protocol": "syslog", "tls_cert": cert, "tls_key": key},
        "any": {"protocol": "any", "tls_cert": cert, "tls_key": key, "plain_text": True},
    }
    with AppThread(folder / "data", tuple(listeners), settings={"listeners": listeners}) as app:
        yield app, folder


@pytest.mark.parametrize(
    ("listener", "driver", "transport"),
    [
        ("udp", "network", "udp"),
        ("tcp", "network", "tcp"),
        ("udp", "syslog", "udp"),
        ("tcp", "syslog", "tcp"),
        ("tls", "syslog", "tls"),
        ("any", "syslog", "tcp"),
        ("any", "network", "tls"),
    ],
)
def test_syslog_ng(
    server: tuple[AppThread, Path], tmp_path: Path, listener: str, driver: str, transport: str
) -> None:
    app, folder = server
    data_dir = folder / "data"
    before = len(list(journal_lines(data_dir)))
    trust = f'tls(ca-file("{files_of(folder, "ca")[0]}"))' if transport == "tls" else ""
    destination = f'{driver}("localhost" port({app.port(listener)}) transport("{transport}") {trust});'
    with SyslogNg(tmp_path, destination) as client:
        client.send(*TEXTS)
        app.until(lambda: len(list(journal_lines(data_dir))) >= before + len(TEXTS))
    found: list[dict[str, Any]] = [
        json.loads(line)["entry"] for line in list(journal_lines(data_dir))[before:]
    ]
    assert [entry["message"] for entry in found] == TEXTS
    assert {(entry["level"], entry["source"], entry["labels"]["facility"]) for entry in found} == {
        ("WARNING", "pumps", "local0")
    }
