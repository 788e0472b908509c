"""Table of losses per protocol with acknowledgements: `python -m tests.clients.losses [RUNS [CLIENT]]`.

Each run sends `COUNT` entries with a real client, which sends again what was not acknowledged. Meanwhile, twice at
random moments, the server is killed with SIGKILL, or its disk is full. What the client counted as delivered has to be
stored.
"""

import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from logboom.servers import connection
from logboom.testing.server_kit import ServerProcess
from tests.clients import test_nothing_lost as oracle
from tests.clients.test_nothing_lost import COUNT, Happened, Send, on_numbers
from tests.integration.test_mqtt import Broker
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.rsyslog_kit import TEMPLATE, Rsyslog
from tests.kit.services import find_program

FAULTS = 2
FULL_S_MAX = 2.0
CONNECTED = "connected to the broker"


def stored(data_dir: Path) -> Counter[str]:
    return Counter(json.loads(line)["entry"]["message"] for line in journal_lines(data_dir))


class Run:
    """One run of a client.

    Args:
        folder: for its files.
        protocol: name of the listener.
        listener: settings of the listener.
        numbers: entries before which the fault occurs.
    """

    def __init__(
        self, folder: Path, protocol: str, listener: dict[str, object], numbers: tuple[int, ...]
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self._protocol = protocol
        self._listener = listener
        self._numbers = numbers

    def killed(self, send: Send) -> None:
        config = self.folder / "logboom.toml"
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in self._listener.items())
        config.write_text(f'[listeners.{self._protocol}]\nprotocol = "{self._protocol}"\n{lines}')
        names = ("http",) if self._listener else ("http", self._protocol)
        options = (f"--config={config}", f"--only=http,{self._protocol}")
        with ServerProcess(self.data_dir, names, options) as server:
            if self._listener:  # what is published before the first subscription has no receiver
                server.wait_for(lambda event: CONNECTED in event["message"])

            def kill() -> None:
                server.kill()
                server.start()

            with on_numbers(self._numbers, kill) as happened:
                send(server.ports.get(self._protocol, 0), happened)
                self._wait()

    def filled(self, send: Send) -> None:
        disk = FailingDisk()
        settings = {"listeners": {self._protocol: {"protocol": self._protocol, **self._listener}}}
        with AppThread(self.data_dir, (self._protocol,), disk, settings) as app:
            if self._listener:
                app.until(lambda: CONNECTED in app.log.getvalue())

            def fill() -> None:
                before = app.app.journal.failed_groups
                disk.failing = True
                ends_at = time.monotonic() + FULL_S_MAX  # the client may have sent everything by now
                while app.app.journal.failed_groups == before and time.monotonic() < ends_at:
                    time.sleep(0.01)
                disk.failing = False

            with on_numbers(self._numbers, fill) as happened:
                send(0 if self._listener else app.port(self._protocol), happened)
                self._wait()

    def _wait(self) -> None:
        """Wait for a client that sends from a queue of its own; what is missing after a minute is lost."""
        ends_at = time.monotonic() + oracle.WAIT_S
        while len(stored(self.data_dir)) < COUNT and time.monotonic() < ends_at:
            time.sleep(0.2)


def send_with_rsyslog(port: int, happened: Happened) -> None:
    action = f'type="omrelp" target="127.0.0.1" port="{port}" {TEMPLATE}'
    client = Rsyslog(Path(tempfile.mkdtemp()), action, "omrelp")
    for number in range(COUNT):
        happened(number)
        client.send(f"number {number}")
    rsyslogs.append(client)


rsyslogs: list[Rsyslog] = []
"""Clients that may still have something to send; closed at the end of their run."""


def publish_to(broker: Broker) -> Send:
    def send(_port: int, happened: Happened) -> None:
        for first in range(0, COUNT, oracle.WINDOW):
            numbers = range(first, first + oracle.WINDOW)
            for number in numbers:
                happened(number)
            broker.publish(*[("devices/a/log", f"number {number}") for number in numbers])

    return send


def main(runs: int, wanted: str) -> None:
    connection.REFUSAL_S = 0.0  # type: ignore[misc]
    chance = random.Random(7)
    place = Path(tempfile.mkdtemp())
    broker = Broker(place, find_program("mosquitto", "mosquitto"))
    broker.start()
    mqtt = {"broker_port": broker.port, "topics": ["devices/+/log"]}
    subjects: list[tuple[str, str, Send, dict[str, object]]] = [
        ("Forward, `logboom send`", "forward", oracle.send_over("forward"), {}),
        ("Beats, `logboom send`", "beats", oracle.send_over("beats"), {}),
        ("Beats, pylogbeat", "beats", oracle.send_with_pylogbeat, {}),
        ("RELP, rsyslog", "relp", send_with_rsyslog, {}),
        ("MQTT, paho over mosquitto", "mqtt", publish_to(broker), {**mqtt}),
    ]
    print("| client | fault | faults | delivered | lost | stored twice |\n|---|---|---|---|---|---|")
    try:
        for title, protocol, send, listener in subjects:
            if wanted not in title:
                continue
            for kind in ("SIGKILL", "full disk"):
                lost = twice = 0
                for _ in range(runs):
                    numbers = tuple(sorted(chance.sample(range(COUNT), FAULTS)))
                    own = {**listener, "client_id": secrets.token_hex(8)} if listener else {}
                    run = Run(Path(tempfile.mkdtemp(dir=place)), protocol, own, numbers)
                    (run.killed if kind == "SIGKILL" else run.filled)(send)
                    while rsyslogs:
                        rsyslogs.pop().__exit__(None, None, None)
                    found = stored(run.data_dir)
                    lost += sum(f"number {number}" not in found for number in range(COUNT))
                    twice += found.total() - len(found)
                print(
                    f"| {title} | {kind} | {runs * FAULTS} | {runs * COUNT} | {lost} | {twice} |", flush=True
                )
    finally:
        broker.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2] if len(sys.argv) > 2 else "")
