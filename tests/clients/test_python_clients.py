"""Python's own handler, and the libraries of PyPI that send syslog, RELP and GELF."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import SysLogHandler
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import give_up

LEAKS = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""Both libraries leave their HTTP connections open."""

LISTENERS: dict[str, dict[str, str]] = {
    "syslog": {"protocol": "syslog"},
    "syslog-udp": {"protocol": "syslog", "transport": "udp"},
    "relp": {"protocol": "relp"},
    "forward": {"protocol": "forward"},
    "gelf": {"protocol": "gelf"},
    "gelf-udp": {"protocol": "gelf", "transport": "udp"},
    "gelf-http": {"protocol": "gelf", "transport": "http", "auth": "none"},
}


def find_module(name: str, package: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError:
        give_up(f"there is no {name}; PyPI has it in {package}, and requirements/clients.txt lists it")


@contextmanager
def serving(tmp_path: Path, listener: str) -> Iterator[AppThread]:
    with AppThread(tmp_path, (listener,), settings={"listeners": {listener: LISTENERS[listener]}}) as server:
        yield server


def send_three(handler: logging.Handler) -> None:
    """Log a line, one with arguments, and one with a traceback."""
    logger = logging.getLogger("test pumps")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        logger.info("pump started")
        logger.warning("valve stuck at %d %%", 87)
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("calculation failed")
    finally:
        logger.removeHandler(handler)
        handler.close()


def count(server: AppThread, listener: str) -> int:
    return sum(server.app.listeners[listener].service.intake.counters.verdicts.values())


def check_three(
    tmp_path: Path, listener: str, make: Callable[[int], logging.Handler]
) -> list[dict[str, Any]]:
    with serving(tmp_path, listener) as server:
        send_three(make(server.port(listener)))
        server.until(lambda: count(server, listener) == 3)
    found = [json.loads(line)["entry"] for line in journal_lines(tmp_path)]
    found.sort(key=lambda entry: ["INFO", "WARNING", "ERROR"].index(entry["level"]))
    assert [entry["message"].partition("\n")[0].partition("\\n")[0] for entry in found] == [
        "pump started",
        "valve stuck at 87 %",
        "calculation failed",
    ]
    return found


@pytest.mark.parametrize(
    ("listener", "kind"), [("syslog", socket.SOCK_STREAM), ("syslog-udp", socket.SOCK_DGRAM)]
)
def test_sysloghandler(tmp_path: Path, listener: str, kind: socket.SocketKind) -> None:
    found = check_three(tmp_path, listener, lambda port: SysLogHandler(("127.0.0.1", port), socktype=kind))
    assert "ZeroDivisionError" in found[2]["message"]


@pytest.mark.parametrize(
    ("listener", "kind"), [("syslog", socket.SOCK_STREAM), ("syslog-udp", socket.SOCK_DGRAM)]
)
def test_rfc5424_logging_handler(tmp_path: Path, listener: str, kind: socket.SocketKind) -> None:
    module = find_module("rfc5424logging", "rfc5424-logging-handler")
    found = check_three(
        tmp_path,
        listener,
        lambda port: module.Rfc5424SysLogHandler(
            address=("127.0.0.1", port), socktype=kind, appname="pumps", enterprise_id=32473
        ),
    )
    assert {entry["source"] for entry in found} == {"pumps"}


def test_relppy(tmp_path: Path) -> None:
    find_module("relppy", "relppy")
    from relppy.client import RelpTCPClient

    with serving(tmp_path, "relp") as server:
        client = RelpTCPClient(address=("127.0.0.1", server.port("relp")))
        waiting = [
            client.send_command(b"syslog", b"<14>1 - pi4 pumps - - - pump %d" % number)
            for number in range(200)
        ]
        assert [one.result(20) for one in waiting] == [b"200 OK"] * 200
        client.close()
    messages = [json.loads(line)["entry"]["message"] for line in journal_lines(tmp_path)]
    assert messages == [f"pump {number}" for number in range(200)]


@LEAKS
@pytest.mark.parametrize(
    ("listener", "name"),
    [("gelf", "GELFTCPHandler"), ("gelf-udp", "GELFUDPHandler"), ("gelf-http", "GELFHTTPHandler")],
)
def test_graypy(tmp_path: Path, listener: str, name: str) -> None:
    module = find_module("graypy", "graypy")
    found = check_three(tmp_path, listener, lambda port: getattr(module, name)("127.0.0.1", port))
    assert {entry["source"] for entry in found} == {"test pumps"}
    assert "ZeroDivisionError" in found[2]["attributes"]["full_message"]


@LEAKS
@pytest.mark.parametrize(
    ("listener", "name"),
    [("gelf", "GelfTcpHandler"), ("gelf-udp", "GelfUdpHandler"), ("gelf-http", "GelfHttpHandler")],
)
def test_pygelf(tmp_path: Path, listener: str, name: str) -> None:
    module = find_module("pygelf", "pygelf")
    found = check_three(
        tmp_path, listener, lambda port: getattr(module, name)(host="127.0.0.1", port=port, _app="pumps")
    )
    assert {entry["source"] for entry in found} == {"pumps"}


@pytest.mark.parametrize("nanoseconds", [False, True])
def test_fluent_logger(tmp_path: Path, nanoseconds: bool) -> None:
    handlers = find_module("fluent.handler", "fluent-logger").handler

    def make(port: int) -> logging.Handler:
        handler: logging.Handler = handlers.FluentHandler(
            "pumps", host="127.0.0.1", port=port, nanosecond_precision=nanoseconds
        )
        handler.setFormatter(handlers.FluentRecordFormatter({"level": "%(levelname)s", "where": "%(name)s"}))
        return handler

    with serving(tmp_path, "forward") as server:
        send_three(make(server.port("forward")))
        server.until(lambda: count(server, "forward") == 3)
    first, second, third = (json.loads(line)["entry"] for line in journal_lines(tmp_path))
    assert (first["message"], first["level"], first["source"]) == ("pump started", "INFO", "pumps")
    assert (second["message"], second["level"]) == ("valve stuck at 87 %", "WARNING")
    assert third["message"].startswith("calculation failed\nTraceback")
    assert third["attributes"]["where"] == "test pumps"
    assert (first["time"] % 1_000_000_000 != 0) == nanoseconds
