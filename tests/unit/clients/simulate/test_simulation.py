"""Pace, clocks and the lines of the simulated senders."""

import itertools
import json
import random
from datetime import UTC, datetime

import pytest

from logboom.clients.delivery.delivery import WINDOW_BYTES_MAX, Policy, exponential, windows
from logboom.clients.simulate.simulated_app import entries, service_of
from logboom.clients.simulate.simulated_device import BOOT, SimulatedDevice
from logboom.clients.simulate.simulated_sensor import readings
from logboom.clients.simulate.simulation import SEEDED_START, Load, Pace
from logboom.model import Verdict
from logboom.receivers.collector.protocol import CollectorProtocol
from logboom.receivers.device.protocol import DeviceProtocol

SYSTEM = ["heap_free", "heap_used", "uptime_ms", "free_psram", "task_count", "spiffs_free", "spiffs_used"]


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def device(load: Load | None = None) -> SimulatedDevice:
    load = load or Load(seed=1)
    return SimulatedDevice(3, "HM-000003", load.clock(), load.random(0))


def test_without_a_rate_everything_is_due() -> None:
    pace = Pace(Load(count=10))
    assert (pace.wait_s(), pace.take(4), pace.take(4), pace.done) == (0.0, 4, 4, False)
    assert (pace.take(4), pace.done) == (2, True)


def test_with_a_rate_lines_become_due_in_time() -> None:
    now = FakeTime()
    pace = Pace(Load(rate=10.0), now)
    assert (pace.wait_s(), pace.take(100)) == (0.0, 1)
    assert pace.wait_s() == pytest.approx(0.1)
    now.now_s += 0.35
    assert (pace.wait_s(), pace.take(100)) == (0.0, 3)
    assert not pace.done


def test_a_late_sender_catches_up_in_windows() -> None:
    now = FakeTime()
    pace = Pace(Load(count=50, rate=10.0), now)
    now.now_s += 60
    assert [pace.take(20) for _ in range(3)] == [20, 20, 10]
    assert pace.done


def test_a_device_boots_syncs_and_logs() -> None:
    simulated = device()
    lines = [json.loads(simulated.entry()) for _ in range(len(BOOT) + 3)]
    assert [line["seq"] for line in lines] == list(range(1, len(BOOT) + 4))
    assert [line["ts"] for line in lines[: len(BOOT)]] == [None] * len(BOOT)
    synced = [datetime.fromisoformat(line["ts"]) for line in lines[len(BOOT) :]]
    assert synced == sorted(synced)
    assert synced[0].tzinfo == UTC
    assert lines[0]["msg"].startswith("Boot 3, serial HM-000003")
    uptimes = [line["uptime_ms"] for line in lines]
    assert uptimes == sorted(uptimes)
    assert uptimes[0] > 0


def test_device_lines_have_the_documents_fields_in_its_order() -> None:
    simulated = device()
    entry, heartbeat = json.loads(simulated.entry()), json.loads(simulated.heartbeat())
    assert list(entry) == ["boot_seq", "uptime_ms", "seq", "ts", "level", "msg", "system"]
    assert list(heartbeat) == ["boot_seq", "uptime_ms", "ts", "type", "system"]
    assert heartbeat["type"] == "heartbeat"
    for line in (entry, heartbeat):
        assert list(line["system"]) == SYSTEM
        assert line["system"]["uptime_ms"] == line["uptime_ms"]


def test_a_heartbeat_takes_no_sequence() -> None:
    simulated = device()
    simulated.heartbeat()
    assert json.loads(simulated.entry())["seq"] == 1


def test_readings_are_plausible_and_vary_slowly() -> None:
    load = Load(rate=1.0, seed=5)
    lines = [json.loads(line) for line in itertools.islice(readings(load.clock(), load.random(0)), 500)]
    assert len({line["id"] for line in lines}) == 1
    assert lines[0]["time"] == f"{SEEDED_START:%Y-%m-%d %H:%M:%S}"
    assert all(10 < line["temp"] < 35 and 20 < line["rh"] < 80 and line["lux"] >= 0 for line in lines)
    assert all(abs(a["temp"] - b["temp"]) < 1 for a, b in itertools.pairwise(lines))


def test_bare_readings_have_no_newline() -> None:
    load = Load(seed=1)
    with_end, without = (next(readings(load.clock(), load.random(0), bare=bare)) for bare in (False, True))
    assert with_end == without + b"\n"
    assert b"\n" not in without


def test_application_levels_are_mixed_or_fixed() -> None:
    load = Load(seed=1)
    mixed = {
        json.loads(line)["level"] for line in itertools.islice(entries(load.clock(), load.random(0)), 300)
    }
    assert {"DEBUG", "INFO", "WARNING", "ERROR"} <= mixed
    fixed = itertools.islice(entries(load.clock(), load.random(0), "Audit"), 5)
    assert {json.loads(line)["level"] for line in fixed} == {"Audit"}


def test_the_servers_protocols_take_every_simulated_line() -> None:
    load, simulated = Load(seed=1), device()
    collector, devices = CollectorProtocol(), DeviceProtocol()
    lines = itertools.islice(entries(load.clock(), load.random(0)), 50)
    collector.receive_data(b"".join(line + b"\n" for line in lines))
    devices.receive_data(b"".join([simulated.entry() for _ in range(50)] + [simulated.heartbeat()]))
    for protocol, count in ((collector, 50), (devices, 51)):
        found = protocol.next_batch()
        assert found is not None
        assert found[0].verdicts == bytes([Verdict.ACCEPTED]) * count


def test_a_seed_repeats_the_data_and_connections_differ() -> None:
    load = Load(seed=9)

    def lines(index: int) -> list[bytes]:
        simulated = SimulatedDevice(1, "HM", load.clock(), load.random(index))
        return [simulated.entry() for _ in range(20)]

    assert lines(0) == lines(0)
    assert lines(0) != lines(1)


def test_windows_are_bounded_by_count_and_bytes() -> None:
    assert list(windows([b"a", b"b", b"c"], 2)) == [[b"a", b"b"], [b"c"]]
    big = b"x" * (WINDOW_BYTES_MAX // 2 + 1)
    assert [len(window) for window in windows([big, big, b"a", b"b"], 100)] == [1, 3]
    assert [len(window) for window in windows([big * 3, b"a"], 100)] == [1, 1]
    assert list(windows([], 5)) == []


def test_back_off_grows_to_its_limit() -> None:
    assert exponential(1.0, 1) == ()
    assert exponential(1.0, 5, delay_s_max=5.0) == (1.0, 2.0, 4.0, 5.0)
    policy = Policy(delays_s=(5.0, 10.0, 30.0))
    assert [policy.delay_s(tries) for tries in (1, 2, 3, 9)] == [5.0, 10.0, 30.0, 30.0]
    assert Policy(delays_s=()).delay_s(1) == 0.0


def test_several_devices_are_told_apart_by_their_lines() -> None:
    load = Load(seed=5)
    device = SimulatedDevice(3, "HM-000003", load.clock(), load.random(0), named=True)
    assert json.loads(device.entry())["device"] == json.loads(device.heartbeat())["device"] == "HM-000003"


def test_no_two_applications_have_the_same_service() -> None:
    names = [service_of(index) for index in range(20)]
    assert len(set(names)) == 20
    assert names[:5] == ["shop", "billing", "search", "mailer", "shop-2"]
    entry = json.loads(next(entries(Load(seed=1).clock(), random.Random(1), service="mailer")))
    assert entry["service"] == "mailer"
