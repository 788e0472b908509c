"""URLs of servers."""

import pytest

from logboom.clients.wire.dialect_registry import DIALECTS, choose
from logboom.clients.wire.target import Target, parse_target
from logboom.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("tcp://127.0.0.1:5000", "127.0.0.1", 5000),
        ("tcp://[::1]:5000", "::1", 5000),
        ("tcp://work-laptop.local:1/", "work-laptop.local", 1),
        ("TCP://localhost:65535", "localhost", 65535),
    ],
)
def test_reads_host_and_port(url: str, host: str, port: int) -> None:
    assert parse_target(url) == Target("tcp", host, port)


def test_takes_the_default_port() -> None:
    assert parse_target("tcp://[::1]", port_default=9000) == Target("tcp", "::1", 9000)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:5000", "tcp://[::1]:5000"])
def test_writes_what_it_read(url: str) -> None:
    assert str(parse_target(url)) == url


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("127.0.0.1:5000", "no scheme"),
        ("", "no scheme"),
        ("http://127.0.0.1:5000", "scheme 'http'"),
        ("tcp://:5000", "must hold a host"),
        ("tcp://host", "no port"),
        ("tcp://host:0", "port 0"),
        ("tcp://host:65536", "not a URL"),
        ("tcp://host:x", "not a URL"),
        ("tcp://[::1:5000", "not a URL"),
        ("tcp://a..b:5000", "not a URL"),
        ("tcp://user@host:5000", "nothing else"),
        ("tcp://host:5000/logs", "nothing else"),
        ("tcp://host:5000?x=1", "nothing else"),
    ],
)
def test_names_what_is_wrong_and_what_is_expected(url: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found) as error:
        parse_target(url)
    assert "expected tcp://HOST:PORT" in str(error.value)


@pytest.mark.parametrize(("name", "port"), [("device", 5000), ("gateway", 6000), ("collector", 9000)])
def test_each_dialect_has_its_port(name: str, port: int) -> None:
    dialect, target = choose(name, "tcp://localhost")
    assert (dialect.name, target.port) == (name, port)


def test_an_unknown_protocol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=", ".join(DIALECTS)):
        choose("telnet", "tcp://localhost:1")
