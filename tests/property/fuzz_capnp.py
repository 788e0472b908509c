"""Feeds damaged messages to the reader: `python fuzz_capnp.py SEED CASES`. A process of its own: it may crash."""

import json
import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import capnp  # type: ignore[import-untyped]

from logboom.formats.capnp_entry import TEXTS, decode
from logboom.formats.capnp_hello import BadHelloError, identity

CLIENT: Any = capnp.SchemaParser().load(str(Path(__file__).parents[1] / "schemas" / "logger_client.capnp"))
GROWTH_MAX = 60  # the 300 bytes of an empty entry's names, over the 5 bytes of the shortest message
TAGS = (0x10, 0x30, 0x50, 0x70, 0xF0, 0x01, 0x11, 0xFF)


def pack(words: bytes) -> bytes:
    """Pack without runs."""
    out = bytearray()
    for start in range(0, len(words), 8):
        word = words[start : start + 8].ljust(8, b"\0")
        tag = sum(1 << bit for bit, value in enumerate(word) if value)
        out.append(tag)
        out += word.replace(b"\0", b"")
        if tag in (0, 255):
            out.append(0)
    return bytes(out)


class Fuzzer:
    """Makes messages of every kind of damage."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.words = [self._message() for _ in range(100)]
        self.packed = [pack(words) for words in self.words]

    def _message(self) -> bytes:
        chance = self.chance
        texts = ("", "a", "x" * chance.randint(0, 40), "grüße" * 3)
        fields = {name: chance.choice(texts) for name in TEXTS if chance.random() < 0.7}
        segment = chance.choice([None, None, 1, 2, 4, 20, 40])
        return bytes(CLIENT.LoggerMsg.new_message(segment, level=chance.randrange(12), **fields).to_bytes())

    def case(self) -> bytes:
        """One damaged message."""
        kind = self.chance.random()
        if kind < 0.4:
            return self._damaged(self.chance.choice(self.packed))
        if kind < 0.8:
            return pack(self._damaged_words())
        if kind < 0.9:
            return bytes([self.chance.choice(TAGS)]) + self.chance.randbytes(self.chance.randint(0, 100))
        return self.chance.randbytes(self.chance.randint(1, 200))

    def hello(self) -> bytes:
        """One damaged hello."""
        return bytes(4) + self._damaged(self._damaged_words()[4:])

    def _damaged_words(self) -> bytes:
        """Table, pointers and texts with other values in places."""
        words = bytearray(self.chance.choice(self.words))
        for _ in range(self.chance.randint(1, 4)):
            reach = min(len(words), self.chance.choice([16, 150, 1 << 20]))
            words[self.chance.randrange(reach)] = self._byte()
        return bytes(words)

    def _byte(self) -> int:
        return self.chance.choice([0, 1, 2, 255, self.chance.randrange(256)])

    def _damaged(self, data: bytes) -> bytes:
        """Bytes changed, lost, added; or the end cut off."""
        damaged = bytearray(data)
        for _ in range(self.chance.randint(1, 4)):
            kind, at = self.chance.random(), self.chance.randrange(len(damaged))
            if kind < 0.5:
                damaged[at] = self._byte()
            elif kind < 0.7:
                del damaged[max(at, 1) :]
            elif kind < 0.85:
                damaged[at:at] = self.chance.randbytes(self.chance.randint(1, 9))
            else:
                del damaged[max(at, 1) : at + self.chance.randint(1, 9)]
        return bytes(damaged)


def check(message: bytes) -> None:
    """A message becomes one whole entry or a reason, never more than its share of memory."""
    entries, levels, trouble = decode([message])
    if trouble is not None:
        assert (entries, levels) == (b"", [])
        assert trouble.startswith(("malformed message of ", "found a Python pickle"))
        assert "\n" not in trouble
        return
    assert json.loads(entries).keys() == {"level", *TEXTS}
    assert len(entries) <= GROWTH_MAX * len(message)


def main(seed: int, cases: int) -> None:
    """Run so many cases."""
    fuzzer = Fuzzer(seed)
    for _ in range(cases):
        check(fuzzer.case())
    for _ in range(cases // 10):
        with suppress(BadHelloError):
            assert "\n" not in identity(fuzzer.hello())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    print("done")
