"""Libraries of npm that send over TCP and UDP: syslog, GELF, Fluent Forward, Beats, JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.node_kit import NodeClient

LISTENERS: dict[str, dict[str, str]] = {
    "syslog": {"protocol": "syslog"},
    "syslog-udp": {"protocol": "syslog", "transport": "udp"},
    "gelf": {"protocol": "gelf"},
    "gelf-udp": {"protocol": "gelf", "transport": "udp"},
    "forward": {"protocol": "forward"},
    "forward-key": {"protocol": "forward", "shared_key": "s3cret"},
    "beats": {"protocol": "beats"},
    "collector": {"protocol": "collector"},
    "any": {"protocol": "any"},
}
LOGGED = [
    ("info", "pump started"),
    ("warn", "valve stuck at 87 %"),
    ("error", "calculation failed " + "x" * 2000),
]
LEVELS = ["INFO", "WARNING", "ERROR"]
ENTRIES = [{"level": level, "message": message} for level, message in LOGGED]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppThread, Path]]:
    folder = tmp_path_factory.mktemp("data")
    with AppThread(folder, tuple(LISTENERS), settings={"listeners": LISTENERS}) as app:
        yield app, folder


@pytest.mark.parametrize(
    ("client", "listener"),
    [
        ("winston-syslog:tcp4-5424", "syslog"),
        ("winston-syslog:udp4-BSD", "syslog-udp"),
        ("syslog-client:Tcp", "syslog"),
        ("syslog-client:Udp", "syslog-udp"),
        ("gelf-pro:tcp", "gelf"),
        ("gelf-pro:udp", "gelf-udp"),
        ("winston-log2gelf", "gelf"),
        ("fluent-logger:Message", "forward"),
        ("fluent-logger:PackedForward", "forward"),
        ("fluent-logger:CompressedPackedForward", "forward"),
        ("fluent-logger:auth", "forward-key"),
        ("fluent-org:Message", "forward"),
        ("fluent-org:Forward", "forward"),
        ("fluent-org:PackedForward", "forward"),
        ("fluent-org:CompressedPackedForward", "forward"),
        ("fluent-org:auth", "forward-key"),
        ("lumberjack-client", "beats"),
        ("winston-logstash", "collector"),
        ("winston-syslog:tcp4-BSD", "any"),
        ("fluent-org:PackedForward", "any"),
        ("lumberjack-client", "any"),
    ],
)
def test_a_client(server: tuple[AppThread, Path], client: str, listener: str) -> None:
    app, folder = server
    before = len(list(journal_lines(folder)))
    with NodeClient(client, app.port(listener)) as node:
        assert node.deliver(ENTRIES)
        app.until(lambda: len(list(journal_lines(folder))) >= before + len(ENTRIES))
    found: list[dict[str, Any]] = [json.loads(line)["entry"] for line in list(journal_lines(folder))[before:]]
    messages = [message for _, message in LOGGED]
    found.sort(key=lambda entry: messages.index(message_of(entry)))
    assert [message_of(entry) for entry in found] == messages
    if client == "winston-log2gelf":  # it sends the numbers of npm's levels, which differ from those of GELF
        assert [entry["level"] for entry in found] == ["CRITICAL", "ALERT", "EMERGENCY"]
    elif client == "winston-logstash":  # stored as it was sent
        assert [entry["level"] for entry in found] == ["info", "warn", "error"]
    else:
        assert [entry["level"] for entry in found] == LEVELS
    assert {entry["source"] for entry in found} == {"pumps"}


def message_of(entry: dict[str, Any]) -> str:
    """Return the message; of winston-syslog, which sends JSON, the one in it."""
    message: str = entry.get("attributes", {}).get("message", entry["message"])
    return message
