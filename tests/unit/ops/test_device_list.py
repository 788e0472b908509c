"""Choice of devices: by a part of what is known, by state, in an order, in pages."""

from logboom.ops.devices.boot import DeviceBoot, Gap
from logboom.ops.devices.device import Device
from logboom.ops.devices.device_list import DeviceList, list_devices
from logboom.query.device_question import DeviceQuestion

GRACE_ENDED = "2026-12-01T10:00:00"
BEFORE, AFTER = "2026-12-01T09:00:00", "2026-12-01T10:30:00"


def device(
    name: str, seen: str = BEFORE, *, listener: str = "device", gap: tuple[int, str] | None = None
) -> Device:
    boot = DeviceBoot(1, BEFORE, BEFORE, uptime_ms=1000)
    if gap is not None:
        boot.gaps = [Gap(1, gap[0], gap[1], BEFORE)]
    return Device(listener, name, "10.0.0.7", BEFORE, seen, boots=[boot], firmware="v1.4-Beta")


def looping(name: str) -> Device:
    found = device(name, gap=(2, BEFORE))
    found.short_boots = 5
    return found


FLEET = [
    device("pump-10", "2026-12-01T09:30:00"),
    device("pump-9", "2026-12-01T09:10:00", gap=(3, BEFORE)),
    device("Pump-1", "2026-12-01T09:20:00", gap=(1, BEFORE)),
    device("valve", "2026-12-01T09:40:00", listener="second", gap=(7, AFTER)),
    looping("boiler"),
]
GIVEN = {("second", "valve"): "Pump 2 (Küche)"}


def listed(asked: DeviceQuestion) -> DeviceList:
    return list_devices(FLEET, lambda key: GIVEN.get(key, ""), asked, GRACE_ENDED)


def names(asked: DeviceQuestion) -> list[str]:
    return [one.device.name for one in listed(asked).rows]


def test_orders() -> None:
    assert names(DeviceQuestion(10)) == ["valve", "pump-10", "Pump-1", "pump-9", "boiler"]
    assert names(DeviceQuestion(10, order="name")) == ["boiler", "valve", "Pump-1", "pump-9", "pump-10"]
    assert names(DeviceQuestion(10, order="missing")) == ["pump-9", "boiler", "Pump-1", "valve", "pump-10"]


def test_pages_are_parts_of_the_order() -> None:
    pages = [names(DeviceQuestion(2, order="name", offset=offset)) for offset in (0, 2, 4, 6)]
    assert pages == [["boiler", "valve"], ["Pump-1", "pump-9"], ["pump-10"], []]
    assert len(listed(DeviceQuestion(2, order="name", offset=4)).chosen) == 5


def test_states_and_missing_lines_count_after_the_grace_time() -> None:
    found = listed(DeviceQuestion(10))
    assert (found.missing, found.states) == (6, {"ok": 2, "gaps": 2, "crash_loop": 1})
    assert names(DeviceQuestion(10, state="gaps", order="name")) == ["Pump-1", "pump-9"]
    chosen = listed(DeviceQuestion(10, state="crash_loop"))
    assert ([one.device.name for one in chosen.rows], len(chosen.chosen), chosen.missing) == (
        ["boiler"],
        1,
        2,
    )
    assert chosen.states == found.states


def test_a_part_of_anything_that_is_known_finds_a_device() -> None:
    for part, count in (
        ("PUMP", 4),
        (" küche ", 1),
        ("10.0.0", 5),
        ("second", 1),
        ("1.4-BETA", 5),
        ("nothing", 0),
    ):
        assert (part, len(listed(DeviceQuestion(10, find=part)).chosen)) == (part, count)


def test_a_device_is_named_by_its_own_name_or_the_given_one() -> None:
    assert names(DeviceQuestion(10, "Pump 2 (Küche)")) == names(DeviceQuestion(10, "valve")) == ["valve"]
    assert names(DeviceQuestion(10, "valve", "device")) == []
