"""`logboom prove --cluster`: a bounded part of its faults; its networks and disks; and that it finds what is wrong."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logboom.prove import cluster_chapter
from logboom.prove.cluster_chapter import ClusterChapter, ClusterProof
from logboom.prove.loop_disk import LoopDisk, missing_for_disks
from logboom.prove.oracle import COLLECTOR, RecordingClient
from logboom.prove.private_network import PrivateNetwork, missing_for_network
from logboom.testing.nats_cluster import DemoError, server_path
from tests.kit.services import give_up


@pytest.mark.timeout(400)  # on a busy machine
def test_nothing_is_lost_when_the_leader_a_front_end_and_the_follower_are_killed(tmp_path: Path) -> None:
    try:
        server_path()
    except DemoError as error:
        give_up(str(error))
    kinds = ("the leader killed", "a front end killed", "the follower killed")
    proof = ClusterChapter(tmp_path, 5, seconds=120.0, faults_max=len(kinds), only=kinds).run()
    assert proof.problems == []
    assert proof.good, proof
    assert {kind: tally.count for kind, tally in proof.faults.items()} == dict.fromkeys(kinds, 1)


def nowhere(_listener: str) -> socket.socket:
    raise ConnectionRefusedError


def line(number: int) -> bytes:
    entry = COLLECTOR.make("c0", number)
    return b'{"received_at":"x","entry":%b,"source":"s","listener":"collector"}' % entry


class StoredServer:
    """A server that has stopped, with its lines."""

    def __init__(self, own: list[bytes], copied: list[bytes]) -> None:
        self.own_lines = lambda: iter(own)
        self.copied_lines = lambda: iter(copied)

    def stop(self) -> int:
        return 0


def judged(tmp_path: Path, *copies: list[bytes]) -> ClusterProof:
    """The proof of two acknowledged lines, of which the only front end has both, and of these copies."""
    chapter: Any = ClusterChapter(tmp_path, 1, seconds=1.0)
    client = RecordingClient(
        COLLECTOR,
        "c0",
        nowhere,
        sends=bytearray([1, 1]),
        acked=bytearray([1, 1]),
        again=bytearray([0, 0]),
    )
    both = [line(0), line(1)]
    servers = [StoredServer(both if number == 0 else [], copy) for number, copy in enumerate(copies)]
    chapter._clients, chapter._servers = [client], SimpleNamespace(servers=servers)
    chapter._compare()
    proof: ClusterProof = chapter.proof
    return proof


def test_equal_copies_with_everything_are_good(tmp_path: Path) -> None:
    both = [line(0), line(1)]
    assert judged(tmp_path, both, both).good


@pytest.mark.parametrize(
    ("copy", "found"),
    [
        ([line(1), line(0)], {"disordered": 1}),
        ([line(0), line(0)], {"lost": 1, "doubled": 1}),
    ],
    ids=["order", "lost and doubled"],
)
def test_a_wrong_copy_is_found(tmp_path: Path, copy: list[bytes], found: dict[str, int]) -> None:
    proof = judged(tmp_path, [line(0), line(1)], copy)
    total = proof.judgements[1].total
    assert {name: getattr(total, name) for name in found} == found
    assert "the copies differ" in " ".join(proof.problems)
    assert not proof.good


def test_a_copy_that_never_gets_everything_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_chapter, "COPY_S_MAX", 0.0)
    with pytest.raises(AssertionError, match=r"copies have \[1\] of 2 lines"):
        judged(tmp_path, [line(0)])


# --- networks and disks ---


@pytest.fixture
def network() -> Iterator[PrivateNetwork]:
    if reason := missing_for_network():
        pytest.skip(f"a private network {reason}")
    with PrivateNetwork() as network:
        yield network


def test_a_machine_is_cut_off_and_connected_again(network: PrivateNetwork) -> None:
    machine = network.machine()
    serve = f"import socket; s = socket.create_server(('{machine.address}', 9)); print(flush=True); input()"
    command = [*machine.prefix, sys.executable, "-c", serve]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def connect() -> None:
            socket.create_connection((machine.address, 9), timeout=0.2).close()

        connect()
        network.cut(1)
        with pytest.raises(OSError, match=r"timed out|No route|unreachable"):
            connect()
        network.heal(1)
        for _ in range(100):
            try:
                connect()
                break
            except OSError:
                pass
        else:
            pytest.fail("the machine is still cut off")
        process.communicate(b"\n")


def test_a_disk_is_full_and_loses_power(tmp_path: Path) -> None:
    if reason := missing_for_disks(tmp_path):
        pytest.skip(f"a disk of its own {reason}")
    with LoopDisk(tmp_path / "disk.img", tmp_path / "disk") as disk:
        synced, lost = disk.folder / "synced", disk.folder / "lost"
        with synced.open("wb") as file:
            file.write(b"kept")
            os.fsync(file.fileno())
        os.sync()
        disk.fill()
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (disk.folder / "more").write_bytes(bytes(1 << 20))
        disk.empty()
        lost.write_bytes(b"not synced")
        disk.cut_power()
        disk.restore()
        assert synced.read_bytes() == b"kept"
        assert not lost.exists()
