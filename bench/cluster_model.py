"""Simulation of large clusters: front ends with one message in flight each, streams with one leader each.

`python -m bench.cluster_model` prints the table of docs/explanation/cluster.md. It is a model, no measurement: what a
stream, a disk and a follower can do stands in `Machine`.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Final, NamedTuple

ENTRY_BYTES: Final = 300
MESSAGE_BYTES: Final = 900 << 10
"""Largest message of a front end, as in `outputs/jetstream.py`."""

REPLICAS: Final = 3
SIMULATED_S: Final = 20.0
WARM_UP_S: Final = 5.0


@dataclass(frozen=True)
class Machine:
    """Assumptions about the machines."""

    sync_s: float = 0.001
    """Write and sync of a small message on a majority, with the network between them."""
    stream_bytes_per_s: float = 100e6
    """Messages that one leader can take: about twice the rate that three of them reached on two shared cores."""
    jitter: float = 3.0
    """Every hundredth sync takes this multiple of ten syncs, as disks do."""
    disk_bytes_per_s: float = 1e9
    network_bytes_per_s: float = 1.25e9
    """10 Gbit/s, each way."""
    follower_entries_per_s: float = 300_000.0
    share_max: float = 0.5
    """Share of a limit that is planned: one machine of a few may be away."""


class Result(NamedTuple):
    """Result of one simulation."""

    front_ends: int
    entries_per_s: float
    streams: int
    stream_mb_per_s: float
    """Load of one stream, 10^6 bytes per second."""
    median_s: float
    late_s: float
    """99th percentile of the time from the arrival of an entry to its answer."""
    nodes: int
    followers: int

    @property
    def row(self) -> str:
        """The result as a row of the table."""
        return (
            f"| {self.front_ends:,} | {self.entries_per_s / 1e6:g} M | {self.streams} "
            f"| {self.stream_mb_per_s:.0f} MB/s | "
            f"{self.median_s * 1e3:.0f} ms | {self.late_s * 1e3:.0f} ms | {self.nodes} | {self.followers} |"
        )


def simulate_stream(
    front_ends: int, bytes_per_s: float, machine: Machine, chance: random.Random
) -> list[float]:
    """Simulate one stream; returns the ages of bytes at their answers, seconds, in order.

    Each front end sends what has arrived since its last message when that is answered. The leader commits all
    messages that wait as one group.
    """
    rate = bytes_per_s / front_ends
    ready = [(chance.uniform(0.0, 0.01), number) for number in range(front_ends)]
    heapq.heapify(ready)
    sent_until = [0.0] * front_ends  # time of arrival of the last byte that was sent
    now = 0.0
    ages: list[float] = []
    while now < SIMULATED_S:
        now = max(now, ready[0][0])
        group: list[tuple[int, float]] = []
        while ready and ready[0][0] <= now:
            _, number = heapq.heappop(ready)
            until = min(now, sent_until[number] + MESSAGE_BYTES / rate)
            group.append((number, until))
        size = sum((until - sent_until[number]) * rate for number, until in group)
        slow = 10 * machine.jitter if chance.random() < 0.01 else 1.0
        spent = machine.sync_s * slow + size / machine.stream_bytes_per_s
        now += spent
        for number, until in group:
            if now > WARM_UP_S:
                ages += [now - sent_until[number], now - until]
            sent_until[number] = until
            heapq.heappush(ready, (now + machine.sync_s / 2, number))
    return sorted(ages)


def simulate(front_ends: int, entries_per_s: float, machine: Machine, seed: int = 1) -> Result:
    """Choose streams, nodes and followers for a load, and simulate one of the streams."""
    total = entries_per_s * ENTRY_BYTES
    streams = max(1, round(total / (machine.stream_bytes_per_s * machine.share_max) + 0.499))
    ages = simulate_stream(max(1, front_ends // streams), total / streams, machine, random.Random(seed))
    by_disk = total * REPLICAS / (machine.disk_bytes_per_s * machine.share_max)
    outgoing = total * (REPLICAS - 1 + 1)  # to the other replicas, and to one follower
    by_network = outgoing / (machine.network_bytes_per_s * machine.share_max)
    nodes = max(REPLICAS, round(max(by_disk, by_network) + 0.499))
    followers = max(2, round(entries_per_s / (machine.follower_entries_per_s * machine.share_max) + 0.499))
    followers = max(followers, streams) if streams > 1 else followers
    return Result(
        front_ends,
        entries_per_s,
        streams,
        total / streams / 1e6,
        ages[len(ages) // 2],
        ages[len(ages) * 99 // 100],
        nodes,
        followers,
    )


def main() -> None:
    """Print the table."""
    print(
        "| front ends | entries/s | streams | per stream | median | 99 % within | NATS servers | followers |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for front_ends, entries_per_s in ((10, 0.1e6), (100, 1e6), (1_000, 10e6)):
        print(simulate(front_ends, entries_per_s, Machine()).row)


if __name__ == "__main__":
    main()
