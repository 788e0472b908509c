"""Stalls at the end of a stream's leader: kill -9 of the leader, many times, under a steady load.

python -m bench.leader_kills --kills 30

Beside the senders of a `replicated` listener, one publisher asks the stream directly, every 50 ms: the time for which
it has no answer either is the choice of a new leader, and the rest is ours.
"""

import argparse
import asyncio
import json
import socket
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from logboom.cluster.inspection import inspect
from logboom.errors import LogboomError
from logboom.outputs.jetstream_connection import close, connect
from logboom.testing.nats_cluster import NODES, DemoCluster, name
from tests.kit.cluster_kit import FrontEnd, running_cluster, settings_of

SENDERS: Final = 4
LINES: Final = 20
STREAM: Final = "logboom"
ORDER_S_MAX: Final = 60.0
LONG_S: Final = 1.0
"""Time that the load runs before a kill, and after the answers are back."""


class Gaps:
    """Longest time without an answer since `reset`; one per sender."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a measurement."""
        self.last = time.monotonic()
        self.longest = 0.0
        self.answers = 0

    def answered(self) -> None:
        """Count an answer, and the time since the one before."""
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        self.answers += 1


def send(server: FrontEnd, gaps: Gaps, stopped: threading.Event) -> None:
    """Send lines, each group after the answers to the one before."""
    line = json.dumps({"level": "INFO", "message": "x" * 150}).encode() + b"\n"
    with server.connect("collector") as connection:
        connection.settimeout(ORDER_S_MAX)
        while not stopped.is_set():
            connection.sendall(line * LINES)
            answers = b""
            while answers.count(b"\n") < LINES:
                answers += receive(connection)
            if answers.count(b'"ok"') == LINES:
                gaps.answered()
            else:
                stopped.wait(0.05)


def receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server has closed the connection")
    return data


async def publish(cluster: DemoCluster, gaps: Gaps, stopped: threading.Event) -> None:
    """Publish to another subject of the stream, by the servers that live, and never wait for long."""
    settings = settings_of(cluster)
    while not stopped.is_set():
        with suppress(LogboomError):
            client = await connect(settings)
            with suppress(Exception):  # whatever it is, the next connection shows it again
                while not stopped.is_set():
                    await client.jetstream(timeout=0.5).publish(
                        f"{STREAM}.entries.direct", b"", stream=STREAM
                    )
                    gaps.answered()
                    await asyncio.sleep(0.05)
            await close(client)


def leader(cluster: DemoCluster) -> int:
    """Number of the leader, once all replicas are up to date."""
    until = time.monotonic() + ORDER_S_MAX
    while time.monotonic() < until:
        state = asyncio.run(inspect(settings_of(cluster)))
        if state.leader and not state.troubles and len(state.replicas) == NODES - 1:
            return [name(number) for number in range(NODES)].index(state.leader)
        time.sleep(0.2)
    raise SystemExit(f"the cluster was not in order within {ORDER_S_MAX:.0f} s")


def kill_once(cluster: DemoCluster, gaps: list[Gaps]) -> list[float]:
    """Kill the leader; returns the longest gap of each once all have answers again."""
    victim = leader(cluster)
    for one in gaps:
        one.reset()
    time.sleep(LONG_S)
    for one in gaps:
        one.reset()
    cluster.stop(victim, kill=True)
    killed_at = time.monotonic()
    for one in gaps:
        one.answers = 0
    while time.monotonic() < killed_at + ORDER_S_MAX:
        time.sleep(0.05)
        if time.monotonic() > killed_at + LONG_S and all(
            time.monotonic() - one.last < LONG_S / 2 for one in gaps
        ):
            break
    time.sleep(LONG_S)
    found = [one.longest for one in gaps]
    cluster.start(victim)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    chosen = parser.parse_args()
    stopped, direct, senders = threading.Event(), Gaps(), [Gaps() for _ in range(SENDERS)]
    stalls: list[float] = []
    choices: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running_cluster(folder / "nodes"))
        server = stack.enter_context(FrontEnd(folder / "a", cluster, STREAM, follow=False))
        threads = [threading.Thread(target=send, args=(server, one, stopped)) for one in senders]
        threads.append(
            threading.Thread(target=lambda: asyncio.run(publish(cluster, direct, stopped)), daemon=True)
        )
        stack.callback(stopped.set)
        for thread in threads:
            thread.start()
        for _ in range(chosen.kills):
            *found, choice = kill_once(cluster, [*senders, direct])
            stalls.append(max(found))
            choices.append(choice)
            print(f"stall {stalls[-1]:.2f} s, of which the stream {choice:.2f} s", flush=True)
        stopped.set()
        for thread in threads:
            thread.join()
    print(
        f"{len(stalls)} kills: stall median {statistics.median(stalls):.1f} s, longest {max(stalls):.1f} s; "
        f"the stream itself median {statistics.median(choices):.1f} s, longest {max(choices):.1f} s"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
