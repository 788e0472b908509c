"""What is known of gRPC's connections: sockets of the process, looked at once in a while."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from logboom.pipeline.door import Door, Refused
from logboom.pipeline.intake import Counters
from logboom.servers import grpc_connections
from logboom.servers.grpc_connections import Connections

LIMIT_S = 30.0


class World:
    """A listening socket, and those who have come."""

    def __init__(self, door: Door, host: str = "127.0.0.1") -> None:
        self.counters = Counters()
        self.told: list[str] = []
        self.door = door
        self.connections = Connections("grpc", door, self.counters, lambda _, text: self.told.append(text))
        self._open = ExitStack()
        self._listening = self._open.enter_context(socket.create_server((host, 0)))
        self._port = self._listening.getsockname()[1]
        self.connections.bound.add((host, self._port))
        self._now = 0.0

    def come(self, address: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """A new connection: the client's end, and ours."""
        place = ("127.0.0.1", self._port)
        client = socket.create_connection(place, timeout=LIMIT_S, source_address=(address, 0))
        ours, _ = self._listening.accept()
        for one in (client, ours):
            self._open.enter_context(one)
        return client, ours

    def sweep(self) -> int:
        """A look, much later; in so many further turns of the loop."""
        self._now += 1e6
        return len(list(self.connections.sweep(self._now)))

    def open_now(self) -> int:
        self.sweep()
        return self.counters.connections_open

    def close(self) -> None:
        self._open.close()


def is_ended(client: socket.socket) -> bool:
    client.settimeout(0)
    try:
        return not client.recv(1)
    except BlockingIOError:
        return False


@pytest.fixture
def world() -> Iterator[World]:
    one = World(Door((), ("127.0.0.9/32",), 3))
    yield one
    one.close()


def test_they_are_counted_as_they_come_and_go(world: World) -> None:
    assert world.open_now() == 0
    ends = [world.come() for _ in range(3)]
    assert world.open_now() == 3
    for one in ends[0]:
        one.close()
    assert world.open_now() == 2
    world.come()
    assert (world.open_now(), world.counters.connections_total) == (3, 4)
    assert world.counters.last_connection is not None


def test_the_last_to_come_of_an_address_that_has_enough_has_to_go(world: World) -> None:
    early = [world.come()[0] for _ in range(3)]
    world.sweep()
    late = [world.come()[0] for _ in range(2)]
    other, _ = world.come("127.0.0.2")
    assert world.open_now() == 4
    assert [is_ended(one) for one in (*early, *late, other)] == [False] * 3 + [True] * 2 + [False]
    assert world.counters.connections_turned_away[Refused.ADDRESS] == 2
    assert len(world.told) == 2
    assert "127.0.0.1 turned away" in world.told[0]
    world.sweep()
    assert world.counters.connections_refused == 2  # once each, though ours may be slow to close it


def test_a_denied_network_has_to_go(world: World) -> None:
    denied, _ = world.come("127.0.0.9")
    assert world.open_now() == 0
    assert is_ended(denied)
    assert world.counters.connections_turned_away[Refused.NETWORK] == 1


def test_so_has_one_that_is_denied_later(world: World) -> None:
    pairs = {address: world.come(address) for address in ("127.0.0.2", "127.0.0.3")}
    world.sweep()
    world.door.configure((), ("127.0.0.2/32",), 3)
    world.connections.door_changed = True
    world.sweep()
    assert {address: is_ended(client) for address, (client, _) in pairs.items()} == {
        "127.0.0.2": True,
        "127.0.0.3": False,
    }
    pairs["127.0.0.2"][1].close()
    assert world.open_now() == 1


def test_ipv4_behind_an_ipv6_socket_is_ipv4(world: World) -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        place = ("127.0.0.1", listening.getsockname()[1])
        world.connections.bound.add(("::", place[1]))
        with socket.create_connection(place, source_address=("127.0.0.9", 0)) as client:
            ours, _ = listening.accept()
            with ours:
                world.sweep()
                assert is_ended(client)


def test_others_are_left_alone(world: World) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname(), source_address=("127.0.0.9", 0)) as client,
    ):
        ours, _ = listening.accept()
        with ours:
            assert world.open_now() == 0
            assert not is_ended(client)


def test_looking_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_connections, "SLICE", 1)
    for _ in range(3):
        world.come()
    assert world.sweep() >= 6
    assert world.counters.connections_open == 3


def test_with_many_files_it_looks_less_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_connections, "DESCRIPTORS_PER_S_MAX", 1e-3)
    now = 1000.0
    list(world.connections.sweep(now))
    world.come()
    list(world.connections.sweep(now + 1000))
    assert world.counters.connections_open == 0
    list(world.connections.sweep(now + 1e9))
    assert world.counters.connections_open == 1


def test_where_files_can_t_be_seen_it_is_said_once(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(grpc_connections, "FOLDER", str(tmp_path / "none"))
    world.come("127.0.0.9")
    for _ in range(3):
        assert world.open_now() == 0
    assert len(world.told) == 1
    assert "neither counted nor limited by address" in world.told[0]
