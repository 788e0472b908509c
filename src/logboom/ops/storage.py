"""`/api/storage`: size of the journal on disk, its growth, and the day on which the disk will be full."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from logboom.journal.segment_packing import StorageSizes
from logboom.ops.journal_extent import JournalExtent
from logboom.ops.monitor import Monitor
from logboom.ops.pack_service import RECENT_S

DAY_S: Final = 86_400.0
HISTORY_S_MIN: Final = 3600.0
"""Shortest history that a forecast is made from, seconds."""


class Growth(NamedTuple):
    """Growth of the journal."""

    lines_bytes_per_day: float
    disk_bytes_per_day: float
    """The same after packing."""


def growth_of(sizes: StorageSizes, history_s: float, *, packs: bool) -> Growth | None:
    """Return the growth within the last days; None: the history is too short.

    Args:
        sizes: of the journal, with `recent_bytes` of the last `RECENT_S`.
        history_s: age of the oldest entry, seconds.
        packs: old segments are packed.
    """
    if history_s < HISTORY_S_MIN:
        return None
    per_day = sizes.recent_bytes / min(history_s, RECENT_S) * DAY_S
    return Growth(per_day, per_day / (sizes.ratio or 1.0) if packs else per_day)


def days_left(
    growth: Growth, free_bytes: int, journal_bytes: int, *, age_s: float = 0.0, bytes_max: int = 0
) -> float | None:
    """Return in how many days the disk will be full; None: retention deletes before, or nothing grows.

    Args:
        growth: of the journal.
        free_bytes: bytes that entries may still take.
        journal_bytes: size of the journal now.
        age_s: retention by age, seconds; 0: none.
        bytes_max: retention by size; 0: none.
    """
    per_day = growth.disk_bytes_per_day
    limits = [per_day * age_s / DAY_S] if age_s else []
    limits += [bytes_max] if bytes_max else []
    if per_day <= 0 or (limits and min(limits) - journal_bytes <= free_bytes):
        return None
    return max(0, free_bytes) / per_day


def storage_document(monitor: Monitor, extent: JournalExtent) -> dict[str, Any]:
    """Make the document; may take one `stat` per segment."""
    settings, packer = monitor.settings, monitor.packer
    if packer is None:
        raise RuntimeError("the server has no packer, which measures its journal")
    sizes, progress = packer.sizes, packer.progress
    now = monitor.utc()
    journal_bytes = sizes.plain_bytes + sizes.packed_bytes
    try:
        free = monitor.journal.free_bytes
    except OSError:  # a failing disk: health has it
        free = None
    history_s = (now - extent.first).total_seconds() if extent.first else 0.0
    growth = growth_of(sizes, history_s, packs=bool(settings.archive.pack_after_s))
    days = None
    if growth is not None and free is not None:
        days = days_left(
            growth,
            free - settings.journal.free_bytes_min,
            journal_bytes,
            age_s=settings.journal.retention_age_s,
            bytes_max=settings.journal.retention_bytes_max,
        )
    return {
        "entries": extent.entries,
        "oldest": extent.first and extent.first.isoformat(timespec="seconds"),
        "newest": extent.last and extent.last.isoformat(timespec="seconds"),
        "bytes": journal_bytes,
        "plain": {"segments": sizes.plain_segments, "bytes": sizes.plain_bytes},
        "packed": {
            "segments": sizes.packed_segments,
            "bytes": sizes.packed_bytes,
            "lines_bytes": sizes.unpacked_bytes,
            "ratio": sizes.ratio and round(sizes.ratio, 2),
        },
        "packing": {"after_s": settings.archive.pack_after_s, **progress._asdict()},
        "growth": growth and {name: round(value) for name, value in growth._asdict().items()},
        "retention": {
            "age_s": settings.journal.retention_age_s,
            "bytes_max": settings.journal.retention_bytes_max,
        },
        "free_bytes": free,
        "free_bytes_min": settings.journal.free_bytes_min,
        "full_at": None if days is None else _day(now, days),
    }


def _day(now: datetime, days: float) -> str | None:
    """Return the time in some days; None: it is too far away for a calendar."""
    try:
        return (now + timedelta(days=days)).isoformat(timespec="seconds")
    except OverflowError:
        return None
