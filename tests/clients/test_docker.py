"""Docker's logging drivers, with a daemon of the test's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.docker_kit import Docker

LISTENERS: dict[str, dict[str, str]] = {
    "forward": {"protocol": "forward"},
    "syslog": {"protocol": "syslog"},
    "syslog-udp": {"protocol": "syslog", "transport": "udp"},
    "gelf": {"protocol": "gelf"},
    "gelf-udp": {"protocol": "gelf", "transport": "udp"},
    "splunk": {"protocol": "splunk"},
    "any": {"protocol": "any"},
}
SPLUNK = {"splunk-url": "http://127.0.0.1:{port}", "splunk-token": "any", "splunk-source": "pumps"}
SHORT = "echo pump started; echo valve stuck >&2"
LONG_CHARS = 40_000
LONG = f"echo before; head -c {LONG_CHARS} /dev/zero | tr '\\0' x; echo; echo after"


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with Docker(tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("data")
    with AppThread(folder, tuple(LISTENERS), settings={"listeners": LISTENERS}) as app:
        yield app, folder


@pytest.mark.parametrize(
    ("driver", "listener", "options"),
    [
        ("fluentd", "forward", {"fluentd-address": "127.0.0.1:{port}"}),
        ("fluentd", "forward", {"fluentd-address": "127.0.0.1:{port}", "fluentd-request-ack": "true"}),
        ("fluentd", "any", {"fluentd-address": "127.0.0.1:{port}", "fluentd-sub-second-precision": "true"}),
        ("syslog", "syslog", {"syslog-address": "tcp://127.0.0.1:{port}"}),
        ("syslog", "syslog-udp", {"syslog-address": "udp://127.0.0.1:{port}", "syslog-format": "rfc3164"}),
        ("syslog", "any", {"syslog-address": "tcp://127.0.0.1:{port}", "syslog-format": "rfc5424micro"}),
        ("gelf", "gelf", {"gelf-address": "tcp://127.0.0.1:{port}"}),
        ("gelf", "gelf-udp", {"gelf-address": "udp://127.0.0.1:{port}"}),
        ("splunk", "splunk", SPLUNK),
        ("splunk", "any", {**SPLUNK, "splunk-gzip": "true"}),
    ],
)
def test_a_driver(
    docker: Docker, server: tuple[AppThread, Path], driver: str, listener: str, options: dict[str, str]
) -> None:
    entries = stored_by(docker, server, driver, listener, {**options, "tag": "pumps"}, SHORT, 2)
    assert sorted(entry["message"] for entry in entries) == ["pump started", "valve stuck"]
    assert {entry["source"] for entry in entries} == {"pumps"}


def test_a_long_line_is_one_entry(docker: Docker, server: tuple[AppThread, Path]) -> None:
    options = {"fluentd-address": "127.0.0.1:{port}"}
    entries = stored_by(docker, server, "fluentd", "forward", options, LONG, 3)
    assert [entry["message"] for entry in entries] == ["before", "x" * LONG_CHARS, "after"]


def test_a_long_line_with_acknowledgements_keeps_its_parts(
    docker: Docker, server: tuple[AppThread, Path]
) -> None:
    options = {"fluentd-address": "127.0.0.1:{port}", "fluentd-request-ack": "true"}
    _, *parts, _ = stored_by(docker, server, "fluentd", "forward", options, LONG, 5)
    assert "".join(part["message"] for part in parts) == "x" * LONG_CHARS
    assert [part["attributes"]["partial_ordinal"] for part in parts] == ["1", "2", "3"]
    assert len({part["attributes"]["partial_id"] for part in parts}) == 1


def stored_by(
    docker: Docker,
    server: tuple[AppThread, Path],
    driver: str,
    listener: str,
    options: dict[str, str],
    script: str,
    count: int,
) -> list[dict[str, Any]]:
    """Return what a script in a container has logged."""
    app, folder = server
    before = len(list(journal_lines(folder)))
    filled = {key: value.replace("{port}", str(app.port(listener))) for key, value in options.items()}
    docker.run(driver, filled, script)
    app.until(lambda: len(list(journal_lines(folder))) >= before + count)
    return [json.loads(line)["entry"] for line in list(journal_lines(folder))[before:]]
