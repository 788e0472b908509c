"""The faults of a cluster under test: each is a context, with the fault inside, and everything in order at its end."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from logboom.prove.cluster_servers import FRONT_ENDS, ClusterServer, ClusterServers
from logboom.testing.nats_cluster import NODES

AWAY_S: Final = (0.2, 4.0)
"""Shortest and longest time for which something is away."""

PAUSED_S: Final = (1.0, 9.0)
"""The same for a pause: longer ones are noticed by the others, shorter ones are not."""

FULL_S_MAX: Final = 1.5

Fault = Callable[[random.Random], AbstractContextManager[None]]
"""A fault; the random numbers choose its victim and its duration."""


class ClusterFaults:
    """Faults of the servers of one chapter.

    Args:
        servers: the servers.
    """

    def __init__(self, servers: ClusterServers) -> None:
        self._servers = servers
        self._nodes = servers.nodes
        self.of_nodes: dict[str, Fault] = {
            "a node killed": self._node_killed,
            "the leader killed": self._leader_killed,
            "two nodes killed": partial(self._nodes_killed, 2),
            "all nodes killed": partial(self._nodes_killed, NODES),
            "the leader paused": self._leader_paused,
            "two nodes paused": self._nodes_paused,
            "nodes restarted in turn": self._rolling_restart,
        }
        self.of_logboom: dict[str, Fault] = {
            "a front end killed": self._front_end_killed,
            "a front end paused": self._front_end_paused,
            "a front end's disk full": self._front_end_full,
            "the follower killed": self._follower_killed,
            "the follower paused": self._follower_paused,
        }
        if servers.can_cut:
            self.of_nodes["the leader cut off"] = self._leader_cut_off
            self.of_nodes["a node cut off"] = self._node_cut_off
            self.of_logboom["a front end cut off"] = self._front_end_cut_off
        if servers.disks:
            self.of_nodes["a node's disk full"] = partial(self._disks_full, 1)
            self.of_nodes["all nodes' disks full"] = partial(self._disks_full, NODES)
            self.of_nodes["power cut of a node"] = partial(self._power_cut, 1)
            self.of_nodes["power cut of all nodes"] = partial(self._power_cut, NODES)

    # --- nodes ---

    @contextmanager
    def _without(self, numbers: list[int], chance: random.Random) -> Iterator[None]:
        for number in numbers:
            self._nodes.stop(number, kill=True)
        yield
        time.sleep(chance.uniform(*AWAY_S))
        for number in numbers:
            self._nodes.start(number)

    def _node_killed(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._without([chance.randrange(NODES)], chance)

    def _leader_killed(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._without([self._servers.leader(chance)], chance)

    def _nodes_killed(self, count: int, chance: random.Random) -> AbstractContextManager[None]:
        return self._without(chance.sample(range(NODES), count), chance)

    @contextmanager
    def _paused(self, numbers: list[int], chance: random.Random) -> Iterator[None]:
        for number in numbers:
            self._nodes.send_signal(number, signal.SIGSTOP)
        yield
        time.sleep(chance.uniform(*PAUSED_S))
        for number in numbers:
            self._nodes.send_signal(number, signal.SIGCONT)

    def _leader_paused(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._paused([self._servers.leader(chance)], chance)

    def _nodes_paused(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._paused(chance.sample(range(NODES), 2), chance)

    @contextmanager
    def _rolling_restart(self, chance: random.Random) -> Iterator[None]:
        yield
        for number in chance.sample(range(NODES), NODES):
            self._nodes.stop(number)
            self._nodes.start(number)
            time.sleep(chance.uniform(*AWAY_S))

    @contextmanager
    def _cut_off(self, machine: int, chance: random.Random) -> Iterator[None]:
        self._servers.cut(machine)
        yield
        time.sleep(chance.uniform(*PAUSED_S))
        self._servers.heal(machine)

    def _leader_cut_off(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._cut_off(self._servers.leader(chance), chance)

    def _node_cut_off(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._cut_off(chance.randrange(NODES), chance)

    @contextmanager
    def _disks_full(self, count: int, chance: random.Random) -> Iterator[None]:
        """JetStream switches itself off on a full disk, until the node is restarted."""
        numbers = chance.sample(range(NODES), count)
        for number in numbers:
            self._servers.disks[number].fill()
        yield
        time.sleep(chance.uniform(*AWAY_S))
        for number in numbers:
            self._servers.disks[number].empty()
            self._nodes.stop(number, kill=True)
            self._nodes.start(number)

    @contextmanager
    def _power_cut(self, count: int, chance: random.Random) -> Iterator[None]:
        numbers = chance.sample(range(NODES), count)
        for number in numbers:
            self._servers.disks[number].cut_power()
        for number in numbers:
            self._nodes.stop(number, kill=True)
        yield
        for number in numbers:
            self._servers.disks[number].restore()
        time.sleep(chance.uniform(*AWAY_S))
        for number in numbers:
            self._nodes.start(number)

    # --- Logboom ---

    def _front_end(self, chance: random.Random) -> ClusterServer:
        return self._servers.servers[chance.randrange(FRONT_ENDS)]

    @contextmanager
    def _killed(self, server: ClusterServer, chance: random.Random) -> Iterator[None]:
        server.kill()
        yield
        time.sleep(chance.uniform(*AWAY_S))
        server.start()

    @contextmanager
    def _stopped(self, server: ClusterServer, chance: random.Random) -> Iterator[None]:
        server.send_signal(signal.SIGSTOP)
        yield
        time.sleep(chance.uniform(*PAUSED_S))
        server.send_signal(signal.SIGCONT)

    def _front_end_killed(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._killed(self._front_end(chance), chance)

    def _front_end_paused(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._stopped(self._front_end(chance), chance)

    def _front_end_cut_off(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._cut_off(NODES + chance.randrange(FRONT_ENDS), chance)

    @contextmanager
    def _front_end_full(self, chance: random.Random) -> Iterator[None]:
        server = self._front_end(chance)
        server.limit_files(0)
        yield
        time.sleep(chance.uniform(0.1, FULL_S_MAX))
        server.limit_files(None)

    def _follower_killed(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._killed(self._servers.servers[-1], chance)

    def _follower_paused(self, chance: random.Random) -> AbstractContextManager[None]:
        return self._stopped(self._servers.servers[-1], chance)
