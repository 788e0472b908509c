"""FaultyClients send garbage as fast as they can: the others are answered, and memory stays within its limits."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from logboom.testing.server_kit import ServerProcess

MEGABYTES = 4
MEMORY_MIB_MAX = 120
"""An idle server takes about 40; three floods at once may hold their windows, not what they sent."""

GOOD = b'{"boot_seq":1,"uptime_ms":2}\n'


def floods(seed: int) -> Iterator[bytes]:
    """Endless streams of several kinds of garbage, a MiB at a time."""
    chance = random.Random(seed)
    kinds = (
        bytes(1 << 20),  # zeros, never a newline
        b"[" * (1 << 20),
        b"{" * (1 << 20),
        b'{"a":"' * (1 << 17),
        b"x\n" * (1 << 19),  # the most lines a byte can buy
        b"\n" * (1 << 20),
        chance.randbytes(1 << 20),
        b'{"boot_seq":1}\n' * (1 << 16),
        b"\x00\x00\x40\x00\x1f\x8b" + chance.randbytes(1 << 14),
    )
    while True:
        yield chance.choice(kinds)


def flood(connection: socket.socket, seed: int) -> None:
    """Send garbage; what the server answers is read by nobody."""
    stream = floods(seed)
    with suppress(OSError):  # it may be turned away: that is its right
        for _ in range(MEGABYTES):
            connection.sendall(next(stream))


@pytest.mark.parametrize("listener", ["device", "collector", "gateway"])
def test_a_flood_of_garbage_harms_nobody_else(tmp_path: Path, listener: str) -> None:
    with ServerProcess(tmp_path, ("device", listener)) as server:
        faulty = [server.connect(listener) for _ in range(3)]
        threads = [
            threading.Thread(target=flood, args=(stranger, number), daemon=True)
            for number, stranger in enumerate(faulty)
        ]
        for thread in threads:
            thread.start()
        with server.connect("device") as friend:
            acks = 0
            while any(thread.is_alive() for thread in threads) and acks < 2000:
                friend.sendall(GOOD)
                assert friend.recv(1024) == b'{"ack":1}\n'
                acks += 1
            for stranger in faulty:
                stranger.close()
            friend.sendall(GOOD)
            assert friend.recv(1024) == b'{"ack":1}\n'
        assert server.process is not None
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        assert peak_kib < MEMORY_MIB_MAX << 10
        assert server.stop() == 0
        assert not [event for event in server.events if event["event"] in ("fatal", "raw")]
