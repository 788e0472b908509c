"""Cost of what the server does for devices: recognise resends, keep the book, give times, list a fleet.

Lines of a fleet go to a server over one connection, in bulk, with `duplicates` as `drop` and as `keep` in turn; the
rest is measured in this process. CPU time; the least of several turns counts.
"""

import argparse
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.procfs import cpu_s
from logboom.formats.records import records_of
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block, blocks
from logboom.journal.segments import Segment, prefix, suffix
from logboom.ops.devices.clock_writer import ClockWriter
from logboom.ops.devices.device_book import DeviceBook
from logboom.query.device_question import DeviceQuestion
from logboom.query.matching import retimed
from logboom.testing.server_kit import ServerProcess

START_US: Final = 1_760_000_000 * 10**6
ACK: Final = b'{"ack":1}\n'
BLOCK_BYTES: Final = 32 << 10


def entries(lines: int, devices: int) -> Iterator[bytes]:
    """Yield the entries of a fleet in turn, with a time in none of them."""
    for number in range(lines):
        seq, device = divmod(number, devices)
        entry = {
            "device": f"node-{device}",
            "boot_seq": 1,
            "seq": seq,
            "uptime_ms": 1000 * seq + device,
            "ts": None,
            "level": "info",
            "heap_free": 180_000 - seq % 4096,
            "rssi": -50 - device % 40,
            "msg": f"moisture {number % 977}, pump off",
        }
        yield json.dumps(entry, separators=(",", ":")).encode()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.device_cost", description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for devices in (1, options.devices):
        sent = b"".join(one + b"\n" for one in entries(options.lines, devices))
        costs: dict[str, list[float]] = {"keep": [], "drop": []}
        for _ in range(options.turns):
            for duplicates, found in costs.items():
                found.append(_bulk(sent, options.lines, duplicates))
        for duplicates, found in costs.items():
            text = f"bulk of {devices:,} over one connection, `duplicates = {duplicates}`, µs per line"
            rows.append((text, 1e6 * min(found)))
    with tempfile.TemporaryDirectory() as place:
        rows += _in_process(Path(place), options.lines, options.devices, options.turns)
    for text, value in rows:
        print(f"| {text} | {value:.2f} |")


def _bulk(sent: bytes, lines: int, duplicates: str) -> float:
    """Return the server's CPU seconds per line."""
    with tempfile.TemporaryDirectory() as place:
        environment = {"LOGBOOM_LISTENERS__DEVICE__DUPLICATES": duplicates}
        with ServerProcess(Path(place) / "data", ("device",), environment=environment) as server:
            assert server.process is not None
            before = cpu_s(server.process.pid)
            with socket.create_connection(("127.0.0.1", server.ports["device"])) as link:
                sender = threading.Thread(target=link.sendall, args=(sent,))
                sender.start()
                left = lines * len(ACK)
                while left:
                    left -= len(link.recv(1 << 20))
                sender.join()
            return (cpu_s(server.process.pid) - before) / lines


def _in_process(folder: Path, lines: int, devices: int, turns: int) -> list[tuple[str, float]]:
    journal = folder / "journal"
    journal.mkdir()
    end = suffix("10.0.0.1", "device")
    with Segment.at(journal, 0).path.open("wb") as file:
        for number, entry in enumerate(entries(lines, devices)):
            file.write(prefix((START_US + number // 100 * 100_000) * 1000) + entry + end)
    log = FolderLog(journal)
    read = list(blocks(log, 0, log.end, BLOCK_BYTES))

    def kept() -> DeviceBook:
        book = DeviceBook(folder, log, lambda *_: None)
        for block in read:
            book.take(block)
        return book

    rows = [("book of devices, µs per line", 1e6 * _least(kept, turns) / lines)]
    book, writer = kept(), ClockWriter(journal)
    rows.append(("starts of all boots written, ms", 1e3 * _least(lambda: book.write_clocks(writer), 1)))
    timed = list(blocks(log, 0, log.end, BLOCK_BYTES))
    bare = _least(lambda: _records(read), turns)
    with_times = _least(lambda: _records([retimed(block) for block in timed]), turns)
    rows.append(("record of a line with its time by arrival, µs", 1e6 * bare / lines))
    rows.append(("record of a line with its time by uptime, µs", 1e6 * with_times / lines))
    for order in ("seen", "name"):
        asked = DeviceQuestion(100, order=order)
        cost = _least(lambda asked=asked: msgspec.json.encode(book.document(asked)), turns)  # type: ignore[misc]
        rows.append((f"list of {devices:,} devices by `{order}`, 100 of them, ms", 1e3 * cost))
    return rows


def _records(read: list[Block]) -> None:
    for block in read:
        records_of(range(block.count), block.data)


def _least(work: Callable[[], object], turns: int) -> float:
    """Return the least CPU seconds of several turns."""
    found = []
    for _ in range(turns):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    main()
