"""Names that people give to devices: they last, are bounded, and are never replaced by mistake."""

from pathlib import Path

import msgspec
import pytest

from logboom.errors import StorageError
from logboom.ops.devices import device_names
from logboom.ops.devices.device_names import FILE_NAME, DeviceNames


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def names(tmp_path: Path, reports: list[str]) -> DeviceNames:
    return opened(tmp_path, reports)


def opened(folder: Path, reports: list[str]) -> DeviceNames:
    return DeviceNames(folder, lambda _, text: reports.append(text))


PUMP = ("device", "pump-1")


def test_a_name_lasts_and_can_be_changed_and_taken_away(
    names: DeviceNames, tmp_path: Path, reports: list[str]
) -> None:
    assert names.of(PUMP) == ""
    names.give(PUMP, "Pumpe im Keller 🚿", {PUMP})
    names.give(("other", "pump-1"), "another", {PUMP})
    assert opened(tmp_path, reports).of(PUMP) == names.of(PUMP) == "Pumpe im Keller 🚿"
    names.give(PUMP, "Cellar", {PUMP})
    assert opened(tmp_path, reports).of(PUMP) == "Cellar"
    names.give(PUMP, "", {PUMP})
    again = opened(tmp_path, reports)
    assert (again.of(PUMP), again.of(("other", "pump-1")), reports) == ("", "another", [])


def test_of_too_many_names_those_of_forgotten_devices_go_first(
    names: DeviceNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_names, "NAMES_MAX", 3)
    keys = [("device", str(number)) for number in range(5)]
    known = {keys[0], keys[3], keys[4]}
    for key in keys:
        names.give(key, "given", known)
    assert [bool(names.of(key)) for key in keys] == [True, False, False, True, True]


def test_a_damaged_file_is_set_aside(tmp_path: Path, reports: list[str]) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'{"version":1,"names":[["device"')
    names = opened(tmp_path, reports)
    names.give(PUMP, "Cellar", {PUMP})
    assert opened(tmp_path, reports).of(PUMP) == "Cellar"
    assert "is set aside" in reports[0]
    assert (tmp_path / "device-names.damaged").exists()


def test_the_file_of_a_later_version_is_never_replaced(tmp_path: Path, reports: list[str]) -> None:
    data = msgspec.json.encode({"version": 2, "names": {"anything": 1}})
    (tmp_path / FILE_NAME).write_bytes(data)
    names = opened(tmp_path, reports)
    with pytest.raises(StorageError, match="expected version 1, found 2"):
        names.give(PUMP, "Cellar", {PUMP})
    assert names.of(PUMP) == ""
    assert (tmp_path / FILE_NAME).read_bytes() == data


def test_a_name_that_can_not_be_saved_is_not_shown(names: DeviceNames, tmp_path: Path) -> None:
    (tmp_path / f".{FILE_NAME}.new").mkdir()  # nothing can be written there
    with pytest.raises(StorageError, match="the name can't be saved"):
        names.give(PUMP, "Cellar", {PUMP})
    assert names.of(PUMP) == ""
