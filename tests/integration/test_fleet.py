"""A fleet over real sockets: lines of many connections are stored together, each under its own source, in order."""

import asyncio
import json
from collections import defaultdict
from pathlib import Path

from tests.kit.app_kit import journal_lines, port_of, run_scenario, running_app

DEVICES = 40
LINES = 6


async def device(number: int, port: int, ready: asyncio.Barrier) -> None:
    """Send a line, wait for its ack, send the next; all devices at the same time."""
    local = (f"127.0.1.{number + 1}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
    for line in range(LINES):
        await ready.wait()
        writer.write(b'{"boot_seq":%d,"uptime_ms":%d}\n' % (number, line))
        assert await reader.readline() == b'{"ack":1}\n'
    writer.close()


def test_each_line_of_a_fleet_is_acked_and_stored_under_its_own_source(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_app(tmp_path, "device") as app:
            ready = asyncio.Barrier(DEVICES)
            await asyncio.gather(*[device(number, port_of(app), ready) for number in range(DEVICES)])
            counters = app.listeners["device"].service.intake.counters
            assert counters.batches < DEVICES * LINES
            assert sum(counters.verdicts.values()) == DEVICES * LINES

    run_scenario(main())
    found = defaultdict(list)
    for line in map(json.loads, journal_lines(tmp_path)):
        found[line["source"]].append((line["entry"]["boot_seq"], line["entry"]["uptime_ms"]))
    assert found == {
        f"127.0.1.{number + 1}": [(number, line) for line in range(LINES)] for number in range(DEVICES)
    }
