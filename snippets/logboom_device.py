"""Logboom for MicroPython: lines wait in a ring buffer until the server has stored and acknowledged them.

    log = Logboom("192.168.1.10", device="pump-1", boot_seq=7)
    log.log("info", "WiFi connected")
    log.poll()  # again and again: sends one line, and waits for its acknowledgement, 2 s at most

Needs nothing but `socket`, `json` and `time`, and runs on CPython, too.
"""

import json
import socket
import time

LINES_MAX = 32
WAITS_MS = (5000, 10000, 30000)


def millis():
    """Milliseconds since the start."""
    return time.ticks_ms() if hasattr(time, "ticks_ms") else int(time.monotonic() * 1000)


def elapsed(since):
    """Milliseconds since `since`."""
    return time.ticks_diff(millis(), since) if hasattr(time, "ticks_diff") else millis() - since


class Logboom:
    """Sender of one device. Count `boot_seq` up in flash at each boot."""

    def __init__(self, host, device, boot_seq, port=5000):
        self.host, self.port = host, port
        self.device, self.boot_seq, self.seq = device, boot_seq, 0
        self.lines, self.link = [], None
        self.tries, self.failed_at = 0, 0

    def log(self, level, message, **fields):
        """Queue a line; the oldest one is dropped when too many wait."""
        entry = {"boot_seq": self.boot_seq, "uptime_ms": millis(), "seq": self.seq, "ts": None}
        entry.update(fields)
        entry.update({"level": level, "device": self.device, "msg": message})
        self.seq += 1
        self.lines = self.lines[-LINES_MAX + 1 :] + [json.dumps(entry).encode() + b"\n"]

    def poll(self):
        """Send the oldest line; returns the number of lines that wait."""
        if not self.lines or (self.tries and elapsed(self.failed_at) < WAITS_MS[min(self.tries, 3) - 1]):
            return len(self.lines)
        line = self.lines[0]
        try:
            if self.link is None:
                self.link = socket.socket()
                self.link.settimeout(2)
                self.link.connect(socket.getaddrinfo(self.host, self.port)[0][-1])
            self.link.sendall(line) if hasattr(self.link, "sendall") else self.link.write(line)
            answer = b""
            while not answer.endswith(b"\n"):
                part = self.link.recv(64)
                if not part:
                    raise OSError("closed")
                answer += part
        except OSError:
            self.close()
            self.tries, self.failed_at = self.tries + 1, millis()
            return len(self.lines)
        self.tries = 0
        self.lines.pop(0)
        return len(self.lines)

    def close(self):
        """Close the connection; the next poll opens another one."""
        if self.link is not None:
            self.link.close()
            self.link = None
