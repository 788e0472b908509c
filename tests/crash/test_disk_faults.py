"""The disk fills up, or fails: no ack for what is not stored, the client is told, and it heals by itself."""

import errno
import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logboom.journal.disk import Disk
from logboom.prove.oracle import COLLECTOR, DEVICE, RecordingClient, judge
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_thread import AppThread


class FaultyDisk(Disk):
    """Fails when told to: writes get stuck half-way with ENOSPC, syncs report EIO."""

    def __init__(self) -> None:
        self.full = False
        self.broken = False
        self.chance = random.Random(7)

    def write(self, descriptor: int, data: bytes) -> None:
        if self.full:
            super().write(descriptor, data[: self.chance.randrange(len(data))])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


def journal_lines(data_dir: Path) -> list[bytes]:
    return [
        line
        for path in sorted((data_dir / "journal").glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


def wait(heard: threading.Semaphore, count: int) -> None:
    for _ in range(count):
        assert heard.acquire(timeout=30)


@pytest.mark.parametrize("fault", ["full", "broken"])
def test_faults_come_and_go_under_load(tmp_path: Path, fault: str) -> None:
    disk = FaultyDisk()
    heard, rejected = threading.Semaphore(0), threading.Semaphore(0)
    with AppThread(tmp_path, ("collector",), disk) as server:

        def connect(listener: str) -> socket.socket:
            return socket.create_connection(("127.0.0.1", server.port(listener)), timeout=30)

        clients = [
            RecordingClient(COLLECTOR, f"w{number}", connect, heard=heard, rejected=rejected)
            for number in range(3)
        ]
        for client in clients:
            client.start()
        for _ in range(8):
            wait(heard, 500)
            setattr(disk, fault, True)
            wait(rejected, 700)  # more than the windows on the way: they are told `storage unavailable`
            setattr(disk, fault, False)
        wait(heard, 500)
        for client in clients:
            client.stop()
        assert server.app.journal.failing is None
    judgement = judge(clients, journal_lines(tmp_path))
    assert judgement.good, judgement
    assert judgement.resent_doubles == 0  # what was refused was really not stored
    assert (
        server.log.getvalue().count("the journal can't store")
        == server.log.getvalue().count("stores again")
        > 0
    )


def test_a_device_gets_silence_then_its_ack_after_the_resend(tmp_path: Path) -> None:
    disk = FaultyDisk()
    line = DEVICE.make("silent", 1) + b"\n"
    with (
        AppThread(tmp_path, ("device", "collector"), disk) as server,
        socket.create_connection(("127.0.0.1", server.port("device")), timeout=30) as device,
        socket.create_connection(("127.0.0.1", server.port("collector")), timeout=30) as probe,
    ):
        disk.broken = True
        device.sendall(line)
        probe.sendall(b'{"level":"INFO","message":"x"}\n')
        assert probe.recv(1024) == b'{"status":"error","message":"storage unavailable"}\n'
        disk.broken = False
        device.sendall(line)
        assert device.recv(1024) == b'{"ack":1}\n'
    assert len(journal_lines(tmp_path)) == 1


def test_new_entries_are_refused_below_the_free_space_floor(tmp_path: Path) -> None:
    class Floor(Disk):
        left = 0

        def free_bytes(self, folder: Path) -> int:
            return self.left

    disk = Floor()
    with (
        AppThread(tmp_path, ("collector",), disk, {"journal": {"free_bytes_min": 1000}}) as server,
        socket.create_connection(("127.0.0.1", server.port("collector")), timeout=30) as client,
    ):
        client.sendall(b'{"level":"INFO","message":"x"}\n')
        assert b"storage unavailable" in client.recv(1024)
        disk.left = 1000
        answer = b""
        for _ in range(50):  # the floor is looked at every 100 ms
            client.sendall(b'{"level":"INFO","message":"x"}\n')
            answer = client.recv(1024)
            if b"received" in answer:
                break
            disk_settles()
        assert b"received" in answer
    assert "free some space" in server.log.getvalue()


def disk_settles() -> None:
    """Let the interval pass after which the free space is looked at again."""
    threading.Event().wait(0.02)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"can't mount a tmpfs here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_real_disk_fills_up_and_gets_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    environment = {
        "LOGBOOM_JOURNAL__FREE_BYTES_MIN": "0",  # so that the write itself meets the full disk
    }
    with ServerProcess(small_disk / "data", ("collector",), environment=environment) as server:
        heard = threading.Semaphore(0)
        client = RecordingClient(COLLECTOR, "filler", server.connect, heard=heard)
        client.start()
        server.wait_for(lambda event: "can't store" in event["message"])
        ballast.unlink()
        server.wait_for(lambda event: "stores again" in event["message"])
        wait(heard, 300)
        client.stop()
        assert server.stop() == 0
        judgement = judge([client], server.journal_lines())
    assert judgement.good, judgement
    assert client.refused > 0
