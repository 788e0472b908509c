"""Ports for tests stay free for the process that asked for them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.testing.ports import Ports


@pytest.fixture
def ports() -> Iterator[Ports]:
    ports = Ports()
    yield ports
    ports.close()


def test_no_port_is_given_twice_nor_by_the_system(ports: Ports) -> None:
    found = [ports.reserve() for _ in range(100)]
    assert len(set(found)) == 100
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(found) < max(lowest, 32768)


def test_another_process_gets_other_ports(ports: Ports) -> None:
    mine = {ports.reserve() for _ in range(100)}
    program = "from logboom.testing.ports import free_port; print(*(free_port() for _ in range(900)))"
    theirs = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout.split()
    assert len(set(theirs)) == 900  # some of its thousand may be in use
    assert not mine & set(map(int, theirs))


def test_a_forked_process_gets_other_ports() -> None:
    program = (
        "import os\nfrom logboom.testing.ports import free_port\nfree_port()\nchild = os.fork()\n"
        "print(*(free_port() for _ in range(39)))\nchild and os.waitpid(child, 0)"
    )
    words = [sys.executable, "-u", "-c", program]
    first, second = subprocess.run(words, capture_output=True, check=True).stdout.splitlines()
    assert not set(first.split()) & set(second.split())


def test_a_port_that_something_listens_on_is_left_out(ports: Ports) -> None:
    first = ports.reserve()
    with socket.create_server(("127.0.0.1", first + 1)):
        assert ports.reserve() == first + 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", first + 3))
        assert ports.reserve() == first + 4
