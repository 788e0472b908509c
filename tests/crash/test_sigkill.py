"""The plug is pulled at random moments, many times; nothing that was acknowledged may be missing."""

import json
import random
import threading
from pathlib import Path

import pytest

from logboom.testing.oracle import COLLECTOR, DEVICE, Witness, entries_of, judge
from logboom.testing.server_kit import ServerProcess

ROUNDS = 12
ENVIRONMENT = {
    "LOGBOOM_LISTENERS__COLLECTOR__RATE_LIMIT_ENABLED": "false",
    "LOGBOOM_JOURNAL__SEGMENT_BYTES_MAX": "65536",  # so that crashes meet segment changes too
}


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_over_many_kills(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    output = tmp_path / "all.jsonl"
    server = ServerProcess(
        tmp_path / "data", ("device", "collector"), (f"--log-file={output}",), environment=ENVIRONMENT
    ).start()
    heard = threading.Semaphore(0)
    witnesses = [
        Witness(dialect, f"{dialect.listener}{number}", server.connect, heard=heard)
        for dialect in (DEVICE, COLLECTOR)
        for number in range(2)
    ]
    for witness in witnesses:
        witness.start()
    for _ in range(ROUNDS):
        wait_for_acks(heard, chance.randint(1, 3000))
        server.kill()
        server.start()
    wait_for_acks(heard, 100)
    for witness in witnesses:
        witness.stop()
    assert server.stop() == 0

    judgement = judge(witnesses, server.journal_lines())
    assert judgement.good, judgement
    assert judgement.acked > ROUNDS
    expected, _ = entries_of(server.journal_lines())
    written = [line[line.index(b'"entry":') + 8 : -1] for line in output.read_bytes().splitlines()]
    assert written == expected
    assert all(set(json.loads(line)) == {"received_at", "entry"} for line in output.read_bytes().splitlines())


def wait_for_acks(heard: threading.Semaphore, count: int) -> None:
    """Wait until `count` further lines were acknowledged: the random moment of the next kill."""
    for _ in range(count):
        assert heard.acquire(timeout=30), "the server answers no more"
