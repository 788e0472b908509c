"""Addresses and sockets of a listener."""

import errno
import socket

import pytest

from logboom.errors import ListenerError
from logboom.servers.binding import bind, expand_hosts, format_address


def test_hosts() -> None:
    assert expand_hosts("*") == ["0.0.0.0", "::"]
    assert expand_hosts("127.0.0.1") == ["127.0.0.1"]
    assert expand_hosts("127.0.0.1, [::1]") == ["127.0.0.1", "::1"]
    assert expand_hosts("localhost, 10.0.0.1,127.0.0.1") == ["127.0.0.1", "::1", "10.0.0.1"]
    assert format_address("::1", 5) == "[::1]:5"
    assert format_address("127.0.0.1", 5) == "127.0.0.1:5"


def test_where_there_is_no_ipv6_hosts_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_ipv6(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", no_ipv6)
    assert expand_hosts("*") == ["0.0.0.0"]
    assert expand_hosts("localhost") == ["127.0.0.1"]


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenerError, match="listener device") as caught:
            bind("device", "127.0.0.1", port)
    for part in ("listener device", f"127.0.0.1:{port}", "in use", "--listen device=HOST:PORT", "--only"):
        assert part in str(caught.value)


def test_an_address_that_does_not_exist_is_a_clear_error() -> None:
    with pytest.raises(ListenerError, match=r"listener device: can't use the address '999\.1\.1\.1'"):
        bind("device", "999.1.1.1", 0)
