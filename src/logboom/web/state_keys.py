"""Keys of the documents about the server, its senders and its devices, for the description of the API."""

from typing import Final

from logboom.web.device_query import GIVEN_CHARS_MAX, GIVEN_PATTERN

HEALTH: Final = {
    "status": "ok, warning or error",
    "tcp_server": "started, thread_alive, last_activity, seconds_since_activity and more",
    "database": "connected, total_readings, date_range: of the first database output, else of the journal",
    "memory_readings_count": "Number of the newest readings, 1000 at most",
    "index": "Number of complete segments, and of those that are indexed; missing when all are",
    "warnings": "What is odd; missing when nothing is",
    "errors": "What is broken; missing when nothing is",
    "start_time": "When the server started",
    "uptime_seconds": "Since then",
    "timestamp": "Now; all times of this document are UTC without an offset",
}
STATUS: Final = {
    "version": "The server's",
    "started_at": "When it started",
    "uptime_s": "Since then",
    "status": "ok, warning or error",
    "problems": "What is wrong, as texts",
    "alerts": "firing: how many alerts do; worst, of those that are neither acknowledged nor muted: warning, "
    "critical, or null",
    "journal": "entries, oldest_sequence, bytes, free_bytes, writable, trouble, last_commit_s, index: number of "
    "complete segments, and of those that are indexed",
    "totals": "received, stored, refused, filtered, failed, bytes: since the start",
    "rates": "lines_per_s, bytes_per_s",
    "listeners": "Name, protocol, ports, state, connections and counts of each",
    "outputs": "Name, type, state, lag and position of each; skipped: entries that its settings exclude",
    "cluster": "stream, storing (a majority does), copy_lag in messages (null: no copy), servers with name, url, "
    "leader, lag in operations (null: unknown) and trouble; null: there is no cluster",
}
STORAGE: Final = {
    "entries": "Number of entries by sequences",
    "oldest": "Receive time of the oldest entry; null: there is none",
    "newest": "The same of the newest one",
    "bytes": "Size of the journal's files",
    "plain": "segments, bytes: files as they were written",
    "packed": "segments, bytes, lines_bytes (of their lines), ratio (null: nothing is packed)",
    "packing": "after_s, state (off, waiting, packing or failed), segment, packed (since the start), trouble",
    "growth": "lines_bytes_per_day, and disk_bytes_per_day, which is the same after packing: of the last seven days; "
    "null: there is less than an hour",
    "retention": "age_s and bytes_max; 0: none",
    "free_bytes": "Of the disk; null: it can't be read",
    "free_bytes_min": "Of these, what entries never take",
    "full_at": "When entries will have taken all free bytes; null: never, or not known",
}
SOURCES: Final = {
    "sources": "name, listener, peer, first_seen, last_seen, silent_s, entries, interval_s, state, level, message, "
    "clock_s (time that the last entry gives itself, less its arrival), clock_off (it can't be right); "
    "those first who sent last",
    "total": "How many there are",
    "skipped": "Entries that came too fast to be looked at",
}
DEVICES: Final = {
    "devices": "name, given_name (by people; empty: none), state (`ok`, `gaps`, `crash_loop`), "
    "listener, peer, first_seen, last_seen, lines, boot_seq, boots, reboots, uptime_ms, "
    "reset_reason, crash_loop, firmware, signal, heap (the last values), missing, waiting (missing, and may still "
    "come), late, clock_s (time of the last line less its arrival), clock_off (it can't be right); "
    "with `name` also gaps, boot_list, reboot_list",
    "total": "How many match",
    "missing": "Missing lines of all that match",
    "states": "Number of devices by state, of all that match but for `state`",
    "events": "The last reboots and gaps of all that match, the last first: kind (`reboot`, `gap`), listener, name, "
    "given_name, at, boot; of a reboot before (`boot_seq`), uptime_ms (the last one before), reason; of a gap first, "
    "last, lines",
    "behind": "Entries that were not looked at yet",
}
NAMED: Final = {
    "type": "object",
    "properties": {
        "listener": {"type": "string", "description": "Listener of the device"},
        "name": {"type": "string", "description": "Name that the device calls itself, or its address"},
        "given_name": {
            "type": "string",
            "maxLength": GIVEN_CHARS_MAX,
            "pattern": f"^{GIVEN_PATTERN}$",
            "description": "Name that people know; empty: none",
        },
    },
    "required": ["listener", "name", "given_name"],
    "additionalProperties": False,
}
REFUSED: Final = {
    "refused": "id, at, listener, source, reason, text, raw_base64 (the bytes; null where none are kept), whole; the "
    "last first",
    "total": "How many are kept",
    "omitted": "How many were refused and not kept, since the server's start",
}
WHY: Final = {
    "verdict": "`stored`, `refused`, `missing`, `deleted` or `not known`",
    "text": "The answer in sentences",
    "stored": "sequence, received_at, time, time_from, listener, source, text, copy, sent (how often; null: not "
    "known), segment, packed, outputs (`delivered`, `waiting` or `left out by its filter`), the last first",
    "complete": "Whether all of the journal was searched",
    "refused": "Lines as in `/api/refused`",
    "missing": "first, last, before and after (the neighbours), connected (null: not known); or null",
    "left_out": "listener, filtered, limited: numbers since the server's start; which lines is not known",
    "deleted": "segment, entries, at, of segments that retention deleted",
}
RETRIED: Final = {"stored": "How many are stored now", "refused": "How many are still refused"}
