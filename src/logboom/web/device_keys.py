"""Keys of the documents about devices and refused lines, for the description of the API."""

from typing import Final

DEVICES: Final = {
    "devices": "name, listener, peer, first_seen, last_seen, lines, boot_seq, boots, reboots, uptime_ms, "
    "reset_reason, crash_loop, firmware, signal, heap (the last values), missing, waiting (missing, and may still "
    "come), late, clock_s (time of the last line less its arrival); with `name` also gaps, boot_list, reboot_list",
    "total": "How many there are",
    "missing": "Missing lines of all of them",
    "events": "The last reboots: kind, listener, name, at, boot, before, uptime_ms, reason",
    "behind": "Entries that were not looked at yet",
}
REFUSED: Final = {
    "refused": "id, at, listener, source, reason, text, raw_base64 (the bytes; null where none are kept), whole; the "
    "last first",
    "total": "How many are kept",
    "omitted": "How many were refused and not kept, since the server's start",
}
RETRIED: Final = {"stored": "How many are stored now", "refused": "How many are still refused"}
