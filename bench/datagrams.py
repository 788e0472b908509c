"""Datagrams of syslog that are lost at a given rate: by a receiver that only reads and counts, and by Logboom.

python -m bench.datagrams --rates 50000,100000,200000 --seconds 3
"""

import argparse
import multiprocessing
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from logboom.servers.datagram_reader import DatagramReader, dropped, enlarge_buffer
from logboom.servers.udp import RECEIVE_BUFFER_BYTES
from logboom.testing.server_kit import ServerProcess

DATAGRAM: Final = b"<132>Nov 30 15:18:45 north pumps[7]: valve stuck at 87 percent, pressure 4.25 bar"
BURST: Final = 50
"""Datagrams that are sent back to back; then the sender waits for its time."""
SILENCE_S: Final = 1.0
"""After this long without a datagram, nothing more comes."""


def send(port: int, rate: int, seconds: float) -> int:
    """Send at a rate, datagrams per second; returns their number."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    count, begun = 0, time.monotonic()
    while (now := time.monotonic()) - begun < seconds:
        due = int((now - begun) * rate)
        while count < due:
            for _ in range(BURST):
                sender.send(DATAGRAM)
            count += BURST
        time.sleep(BURST / rate)
    return count


def count_raw(results: Connection) -> None:
    """Receive on a free port; sends the port, then the number that came and the number that the kernel dropped."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    enlarge_buffer(bound, RECEIVE_BUFFER_BYTES)
    reader = DatagramReader(bound)
    results.send(bound.getsockname()[1])
    bound.recv(1)
    count, last = 1, time.monotonic()
    while time.monotonic() - last < SILENCE_S:
        if found := len(reader.read().data):
            count += found
            last = time.monotonic()
        else:
            time.sleep(0.0005)
    results.send((count, dropped(bound)))


def raw(rate: int, seconds: float) -> tuple[int, int, int]:
    """Return what was sent, received and dropped, with a receiver that only counts."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=count_raw, args=(theirs,))
    process.start()
    sent = send(ours.recv(), rate, seconds)
    received, lost = ours.recv()
    process.join()
    return sent, received, lost


def logboom(rate: int, seconds: float) -> tuple[int, int, int]:
    """Return what was sent, stored and dropped, with Logboom."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "logboom.toml")
        config.write_text('[listeners.udp]\nprotocol = "syslog"\ntransport = "udp"\n')
        with ServerProcess(Path(folder, "data"), ("udp",), (f"--config={config}",)) as server:
            sent = send(server.ports["udp"], rate, seconds)
            stored, before = 0, -1
            while stored != before:
                time.sleep(SILENCE_S)
                before, stored = stored, _lines(Path(folder, "data", "journal"))
            messages = [event["message"] for event in server.events]
    lost = sum(int(text.split(" dropped ")[1].split()[0]) for text in messages if " dropped " in text)
    return sent, stored, lost


def _lines(journal: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in journal.glob("*.jsonl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="50000,100000,150000,200000")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--trials", type=int, default=3)
    chosen = parser.parse_args()
    print("| asked, per second | receiver | sent, per second | sent | received | dropped by the kernel |")
    print("|---:|---|---:|---:|---:|---:|")
    for rate in map(int, chosen.rates.split(",")):
        for _ in range(chosen.trials):
            for name, measure in (("counts only", raw), ("Logboom", logboom)):
                sent, received, lost = measure(rate, chosen.seconds)
                speed = sent / chosen.seconds
                print(
                    f"| {rate:,} | {name} | {speed:,.0f} | {sent:,} | {received:,} | {lost:,} |", flush=True
                )


if __name__ == "__main__":
    main()
