"""The subscriber with a real broker: what is published with QoS 1 is stored, whatever happens to the server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import find_program

pytestmark = pytest.mark.service


class Broker:
    """mosquitto on a free port, with its sessions on disk."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.port = free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        )
        self._command = [binary, "-c", str(configuration)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if " running" in line:
                return
        raise AssertionError("mosquitto did not start")

    def stop(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        self._process.terminate()
        self._process.wait(timeout=30)
        self._process.stderr.close()

    def publish(self, *messages: tuple[str, str | bytes], retain: bool = False) -> None:
        """Publish with QoS 1, and wait until the broker has acknowledged."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for info in [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]:
            info.wait_for_publish(30)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    binary = find_program("mosquitto", "mosquitto")
    broker = Broker(tmp_path, binary)
    broker.start()
    yield broker
    broker.stop()


def server_of(tmp_path: Path, broker: Broker, version: str = "5") -> ServerProcess:
    configuration = tmp_path / "logboom.toml"
    configuration.write_text(
        f'[listeners.mqtt]\nbroker_port = {broker.port}\nversion = "{version}"\ntopics = ["devices/+/log", "+/debug"]\n'
    )
    arguments = (f"--config={configuration}", "--only=http,mqtt")
    return ServerProcess(tmp_path / "data", ("http",), arguments)


def entries(server: ServerProcess) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(server.data_dir)]


def entries_until(server: ServerProcess, text: str) -> list[dict[str, Any]]:
    """Return all entries once one of them has this text."""
    while True:
        with urlopen(f"http://127.0.0.1:{server.ports['http']}/api/entries?q={text}", timeout=30) as answer:
            if json.load(answer)["entries"]:
                return entries(server)


def until_subscribed(server: ServerProcess, since: int = 0) -> None:
    server.wait_for(lambda event: "connected to the broker" in event["message"], since=since)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_every_message_is_stored_over_kill_9(tmp_path: Path, broker: Broker, version: str) -> None:
    broker.publish(("devices/esp-0/log", "retained"), retain=True)
    with server_of(tmp_path, broker, version) as server:
        until_subscribed(server)
        broker.publish(
            *((f"devices/esp-{n}/log", json.dumps({"msg": f"line {n}", "level": "warn"})) for n in range(50))
        )
        server.kill()
        broker.publish(*((f"devices/esp-{n}/log", f"line {n}") for n in range(50, 100)))
        lives = len(server.events)
        server.start()
        until_subscribed(server, lives)
        broker.publish(("pump/debug", b"\x1b[0;36m[D][sensor:094]: 'Level' 5 m\x1b[0m"))
        found = entries_until(server, "sensor")
        assert {entry["message"] for entry in found[:-1]} == {f"line {n}" for n in range(100)}
        assert found[-1] == {
            "level": "DEBUG",
            "message": "[D][sensor:094]: 'Level' 5 m",
            "source": "pump",
            "labels": {"topic": "pump/debug"},
        }
        first = next(entry for entry in found if entry["message"] == "line 7")
        assert first == {
            "level": "WARNING",
            "message": "line 7",
            "source": "esp-7",
            "labels": {"topic": "devices/esp-7/log"},
        }


def test_what_was_published_is_stored_once_the_disk_has_room(tmp_path: Path, broker: Broker) -> None:
    disk = FailingDisk()
    listener = {"broker_port": broker.port, "topics": ["devices/+/log"]}
    with AppThread(tmp_path / "data", ("mqtt",), disk, {"listeners": {"mqtt": listener}}) as app:
        app.until(lambda: "connected to the broker" in app.log.getvalue())
        broker.publish(*(("devices/esp/log", f"line {n}") for n in range(500)))
        disk.failing = True
        broker.publish(*(("devices/esp/log", f"line {n}") for n in range(500, 1000)))
        app.until(lambda: app.app.journal.failed_groups > 0)
        disk.failing = False
        broker.publish(*(("devices/esp/log", f"line {n}") for n in range(1000, 1500)))
        app.until(lambda: app.app.journal.committed.next_sequence >= 1500)
    found = {json.loads(line)["entry"]["message"] for line in journal_lines(tmp_path / "data")}
    assert found == {f"line {n}" for n in range(1500)}


def test_mosquitto_pub(tmp_path: Path, broker: Broker) -> None:
    program = find_program("mosquitto_pub", "mosquitto-clients")
    listener = {"broker_port": broker.port, "topics": ["devices/+/log"]}
    with AppThread(tmp_path / "data", ("mqtt",), settings={"listeners": {"mqtt": listener}}) as app:
        app.until(lambda: "connected to the broker" in app.log.getvalue())
        place = ["-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", "devices/esp-7/log"]
        subprocess.run([program, *place, "-m", '{"level":"warn","message":"valve stuck"}'], check=True)
        app.until(lambda: app.app.journal.committed.next_sequence >= 1)
    [entry] = [json.loads(line)["entry"] for line in journal_lines(tmp_path / "data")]
    assert (entry["level"], entry["message"], entry["source"]) == ("WARNING", "valve stuck", "esp-7")
