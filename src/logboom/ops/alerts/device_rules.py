"""Alert rules about devices: missing lines, and crash loops."""

from collections.abc import Iterator
from typing import Final

from logboom.ops.alerts.alert_settings import DeviceGapsRule, DeviceRestartsRule, RuleSettings
from logboom.ops.alerts.lifecycle import Condition
from logboom.ops.devices.device_book import DeviceBook, DeviceTrouble

SINGLE_MAX: Final = 5
"""Devices with an alert each; of more at the same time, one alert names the number."""


def gap_conditions(settings: DeviceGapsRule, devices: DeviceBook | None) -> Iterator[Condition]:
    """Yield the conditions of `device_gaps`."""
    found = [] if devices is None else devices.gaps(settings.lines_min)
    yield from _conditions("device_gaps", settings, found, "has lines missing", "has no new gaps")


def loop_conditions(settings: DeviceRestartsRule, devices: DeviceBook | None) -> Iterator[Condition]:
    """Yield the conditions of `device_restarts`."""
    found = [] if devices is None else devices.loops()
    yield from _conditions("device_restarts", settings, found, "restarts again and again", "keeps running")


def _conditions(
    rule: str, settings: RuleSettings, found: list[DeviceTrouble], is_so: str, is_over: str
) -> Iterator[Condition]:
    times = (settings.for_s, settings.clear_s)
    if len(found) > SINGLE_MAX:
        text = f"each of {len(found)} devices {is_so}, such as {_plain(found[0].shown)}: {found[0].text}"
        recovered = f"each of the devices {is_over}"
        yield Condition(rule, "several devices", settings.severity, text, recovered, *times)
        return
    for one in found:
        subject = f"{_plain(one.name)} ({one.listener})"
        shown = _plain(one.shown)
        text = f"{shown}: {one.text}"
        yield Condition(rule, subject, settings.severity, text, f"{shown} {is_over}", *times)


def _plain(name: str) -> str:
    """Name of a device without control characters, which could forge lines of a message."""
    return "".join(character if character.isprintable() else " " for character in name)
