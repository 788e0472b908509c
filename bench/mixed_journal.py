"""Generator of a mixed journal: 20 % lines of devices, 15 % readings, 65 % logs of applications, over some days.

The same seed gives the same journal. Lines are written into segments as the server has them; one entry, at 37 % of
the journal, holds the word `quetzalcoatl`, which no other has.
"""

import argparse
import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from logboom.journal.segments import Segment

SEGMENT_BYTES: Final = 256 << 20
END: Final = datetime(2026, 11, 30, 14, tzinfo=UTC).timestamp()
NEEDLE: Final = "the quetzalcoatl valve opened by hand"
NEEDLE_AT: Final = 0.37
DEVICES, GATEWAYS, HOSTS, TEMPLATES = 40, 60, 16, 400

_NOUNS: Final = (  # noqa: SIM905 - easier to read than a list
    "cache queue worker session token upstream replica shard index broker payment invoice order customer cart "
    "checkout inventory shipment webhook payload schema migration snapshot consumer producer partition offset "
    "lease leader follower quorum backup archive thumbnail upload bucket region tenant quota throttle breaker "
    "retry deadline socket handshake certificate resolver gateway proxy router scheduler job pipeline artifact "
    "build rollout canary "
).split()
_VERBS: Final = (  # noqa: SIM905 - easier to read than a list
    "started finished failed retried skipped accepted rejected expired refreshed evicted promoted scheduled "
    "cancelled resumed paused drained flushed rotated validated parsed merged moved copied deleted created "
    "updated "
).split()
_SHAPES: Final = (
    "{a} {b} {v} for user %u in %d ms",
    "{a} %k {v}: {b} {c} {w} after %n attempts",
    "{v} {a} %h from {b} {c}, %n bytes, peer %i",
    "GET /api/v1/{a}s/%n/{b} 200 %d ms user=%u ip=%i",
    "POST /api/v2/{a}s/%n 201 in %d ms, {b} {v}",
    "{a}: {b} %k {v}, next {c} at offset %n",
    "{a} {b} took %d ms (limit %n), {c} {v} by %u",
)
_DEVICE_TEXTS: Final = (
    "WiFi connected",
    "WiFi RSSI -%r dBm",
    "pump %p started",
    "pump %p stopped after %n ms",
    "valve %p opened",
    "pH reading 6.%r",
    "EC reading %n uS/cm",
    "tank level %r percent",
    "sensor %p timeout after %n ms",
    "watchdog reset by task %p",
)
_LEVELS: Final = ["INFO"] * 780 + ["DEBUG"] * 110 + ["WARNING"] * 75 + ["ERROR"] * 32 + ["CRITICAL"] * 3
_ERRORS: Final = (
    "ValueError: invalid literal for int() with base 10: '%k'",
    "TimeoutError: %n ms deadline exceeded talking to %i:5432",
    "KeyError: '%k'",
    "ConnectionResetError: [Errno 104] Connection reset by peer",
)


class _Mix:
    """Makes entries, each from what a seed gave."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        fixed = random.Random(42)
        self._templates = [self._template(fixed) for _ in range(TEMPLATES)]
        self._weights = list(itertools.accumulate(1 / (rank + 1) ** 0.8 for rank in range(TEMPLATES)))
        self._devices = [[1 + self._up_to(40), self._up_to(10**7), 0] for _ in range(DEVICES)]
        self._gateways = [f"{self.chance.getrandbits(64):016x}" for _ in range(GATEWAYS)]
        self._requests: list[tuple[str, str, str, str] | None] = [None] * 64
        self._fillers: dict[str, Callable[[], str]] = {
            "u": lambda: f"u{self._up_to(200_000):06d}",
            "d": lambda: str(int(self.chance.lognormvariate(3.5, 1.2))),
            "n": lambda: str(self._up_to(1_000_000)),
            "h": lambda: f"{self.chance.getrandbits(48):012x}",
            "k": lambda: f"{self.chance.choice(_NOUNS)}-{self._up_to(5000)}",
            "i": lambda: f"10.{self._up_to(4)}.{self._up_to(256)}.{self._up_to(256)}",
            "p": lambda: str(self._up_to(8)),
            "r": lambda: str(self._up_to(99)),
        }

    def group(self, moment: float) -> tuple[list[str], str]:
        """Return the entries that came together, and the end of their lines."""
        count = 1 + (self._up_to(8) if self.chance.random() < 0.5 else 0)
        kind = self.chance.random()
        if kind < 0.20:
            number = self._up_to(DEVICES)
            entries = [self._device(number, moment) for _ in range(count)]
            return entries, f',"source":"192.168.7.{20 + number}","listener":"device"}}\n'
        if kind < 0.35:
            tail = f',"source":"172.16.3.{self._up_to(3) + 2}","listener":"gateway"}}\n'
            return [self._reading(moment) for _ in range(count)], tail
        host = self._up_to(HOSTS)
        tail = f',"source":"10.20.{host // 8}.{10 + host}","listener":"collector"}}\n'
        return [self.application(host, moment) for _ in range(count)], tail

    def application(self, host: int, moment: float, message: str = "") -> str:
        """Return an entry of an application, with the ids of a request, and a traceback in most errors."""
        level = self.chance.choice(_LEVELS)
        request, user, service, span = self._request()
        template = self.chance.choices(self._templates, cum_weights=self._weights)[0]
        text = (
            f'{{"timestamp":"{_iso(moment - self.chance.random() * 0.05)}","level":"{level}",'
            f'"message":"{message or self._filled(template)}","service":"{service}","host":"app-{host:02d}.prod",'
            f'"request_id":"{request}","user_id":"{user}","span_id":"{span}","thread":{self._up_to(32)},'
            f'"duration_ms":{self.chance.lognormvariate(3.5, 1.2):.1f}'
        )
        if level in ("ERROR", "CRITICAL") and self.chance.random() < 0.6:
            return f'{text},"exc_info":"Traceback (most recent call last):\\n{self._frames()}"}}'
        return text + "}"

    def _device(self, number: int, moment: float) -> str:
        device = self._devices[number]
        if self.chance.random() < 2e-4:
            device[:] = [device[0] + 1, 900, 0]
        device[1] += 1000 + self._up_to(50)
        heap = 180_000 + self._up_to(40_000)
        system = (
            f'"system":{{"heap_free":{heap},"heap_used":{250_000 - heap},"uptime_ms":{device[1]},'
            f'"free_psram":{4_194_304 - self._up_to(100) * 512},"task_count":{3 + self._up_to(4)}}}'
        )
        time = _iso(moment - self.chance.random() * 0.2)
        if self.chance.random() < 0.5:
            return f'{{"boot_seq":{device[0]},"uptime_ms":{device[1]},"ts":"{time}","type":"heartbeat",{system}}}'
        device[2] += 1
        level = "info" if self.chance.random() < 0.9 else self.chance.choice(("warning", "error", "debug"))
        return (
            f'{{"boot_seq":{device[0]},"uptime_ms":{device[1]},"seq":{device[2]},"ts":"{time}","level":"{level}",'
            f'"msg":"{self._filled(self.chance.choice(_DEVICE_TEXTS))}",{system}}}'
        )

    def _reading(self, moment: float) -> str:
        time = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")
        temp, rh = self.chance.gauss(23, 3), self.chance.gauss(55, 8)
        lux = self.chance.random() ** 3 * 30_000
        gateway = self.chance.choice(self._gateways)
        return f'{{"id":"{gateway}","time":"{time}","temp":{temp:.2f},"rh":{rh:.2f},"lux":{lux:.2f}}}'

    def _request(self) -> tuple[str, str, str, str]:
        slot = self._up_to(64)
        found = self._requests[slot]
        if found is None or self.chance.random() < 0.25:
            bits = self.chance.getrandbits
            service = f"{_NOUNS[self._up_to(24)]}-svc"
            found = (f"{bits(128):032x}", f"u{self._up_to(200_000):06d}", service, f"{bits(64):016x}")
            self._requests[slot] = found
        return found

    def _frames(self) -> str:
        frames = "".join(
            f'  File \\"/srv/app/{self.chance.choice(_NOUNS)}.py\\", line {self._up_to(900) + 1}, in '
            f"{self.chance.choice(_VERBS)}\\n    return self.{self.chance.choice(_VERBS)}()\\n"
            for _ in range(4 + self._up_to(8))
        )
        return frames + self._filled(self.chance.choice(_ERRORS))

    def _filled(self, template: str) -> str:
        first, *rest = template.split("%")
        return first + "".join(self._fillers[part[0]]() + part[1:] for part in rest)

    @staticmethod
    def _template(fixed: random.Random) -> str:
        a, b, c = (fixed.choice(_NOUNS) for _ in range(3))
        v, w = (fixed.choice(_VERBS) for _ in range(2))
        return fixed.choice(_SHAPES).format(a=a, b=b, c=c, v=v, w=w)

    def _up_to(self, number: int) -> int:
        return int(self.chance.random() * number)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


def lines_of(count: int, days: float, seed: int = 1, end: float = END) -> Iterator[str]:
    """Yield the lines of a journal, oldest first; its entries come evenly up to `end`, seconds since the epoch."""
    mix, made = _Mix(seed), 0
    needle, start = int(count * NEEDLE_AT), end - days * 86_400
    while made < count:
        moment = start + days * 86_400 * made / count
        entries, tail = mix.group(moment)
        entries = entries[: count - made]
        if made <= needle < made + len(entries):
            entries[needle - made] = mix.application(0, moment, NEEDLE)
        head = f'{{"received_at":"{_iso(moment)}","entry":'
        yield from (f"{head}{entry}{tail}" for entry in entries)
        made += len(entries)


def write_mixed_journal(
    folder: Path,
    count: int,
    days: float,
    seed: int = 1,
    end: float = END,
    segment_bytes: int = SEGMENT_BYTES,
) -> None:
    """Write a journal in segments, without indexes.

    Args:
        folder: the journal's.
        count: of entries.
        days: from the first entry to the last.
        seed: of all that is random.
        end: receive time of the last entry, seconds since the epoch.
        segment_bytes: size of a segment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines, sequence = lines_of(count, days, seed, end), 0
    while sequence < count:
        size = 0
        with Segment.at(folder, sequence).path.open("w", encoding="utf-8", buffering=1 << 20) as file:
            for line in lines:
                file.write(line)
                size, sequence = size + len(line), sequence + 1
                if size >= segment_bytes:
                    break


def main() -> None:
    """Write a journal from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="data directory; gets a folder `journal`")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    write_mixed_journal(words.folder / "journal", words.entries, words.days, words.seed)


if __name__ == "__main__":
    main()
