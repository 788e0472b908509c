"""Declarations of the metrics of devices."""

from typing import Final

from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.metric_views import Metric, MetricGroup, device_view

DEVICES: Final = MetricGroup[DeviceBook](
    "Devices",
    (),
    device_view,
    (
        Metric("logboom_devices", "gauge", "Known devices that count their boots.", lambda book: book.known),
        Metric(
            "logboom_device_missing_lines",
            "gauge",
            "Lines of devices whose numbers are missing; some may still come.",
            lambda book: book.totals()[0],
        ),
        Metric(
            "logboom_device_late_lines",
            "gauge",
            "Lines of devices that were missing and came late.",
            lambda book: book.totals()[1],
        ),
        Metric(
            "logboom_device_crash_loops",
            "gauge",
            "Devices that restart again and again.",
            lambda book: book.totals()[2],
        ),
        Metric(
            "logboom_device_reboots_total",
            "counter",
            "Reboots of devices, noticed since the server's start.",
            lambda book: book.reboots,
        ),
    ),
)
