"""Declarations of the metrics of packing."""

from typing import Final

from logboom.ops.metric_views import Metric, MetricGroup, pack_view
from logboom.ops.pack_service import PackService

STORAGE: Final = MetricGroup[PackService](
    "Storage",
    (),
    pack_view,
    (
        Metric(
            "logboom_storage_plain_bytes",
            "gauge",
            "Size of the journal's plain segments, at most 10 s old.",
            lambda packer: packer.sizes.plain_bytes,
            unit="bytes",
        ),
        Metric(
            "logboom_storage_packed_bytes",
            "gauge",
            "Size of the journal's packed segments.",
            lambda packer: packer.sizes.packed_bytes,
            unit="bytes",
        ),
        Metric(
            "logboom_storage_packed_lines_bytes",
            "gauge",
            "Size of the lines in packed segments.",
            lambda packer: packer.sizes.unpacked_bytes,
            unit="bytes",
        ),
        Metric(
            "logboom_storage_packed_segments_total",
            "counter",
            "Segments packed since the server's start.",
            lambda packer: packer.progress.packed,
        ),
        Metric(
            "logboom_storage_packing_failed",
            "gauge",
            "Whether a segment can't be packed: 1, else 0.",
            lambda packer: float(packer.progress.trouble is not None),
        ),
    ),
)
