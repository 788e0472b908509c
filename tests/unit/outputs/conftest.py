"""What the tests of outputs share: tables to outputs, files to bytes, a journal that grows on demand."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs.jsonl import JsonlOutput, JsonlSettings
from tests.kit.watched import Feed

MakeJsonl = Callable[..., JsonlOutput]


@pytest.fixture
def make_jsonl(tmp_path: Path) -> Iterator[MakeJsonl]:
    """Makes an output `o` to `logs/out.jsonl`; settings and `disk` or `clock` by keyword."""
    made: list[JsonlOutput] = []

    def make(**more: Any) -> JsonlOutput:
        injected = {key: more.pop(key) for key in ("disk", "clock") if key in more}
        settings = JsonlSettings(
            **{"type": "jsonl", "path": "out.jsonl", "folder": str(tmp_path / "logs"), **more}
        )
        output = JsonlOutput(settings, "o", tmp_path / "data", **injected)
        made.append(output)
        return output

    yield make
    for output in made:
        output.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where `make_jsonl` writes."""
    return tmp_path / "logs" / "out.jsonl"


@pytest.fixture
def block_of() -> Callable[..., Block]:
    """Makes a block of journal lines, whose entries hold their own sequence."""

    def make(first: int, count: int, *, listener: str = "device") -> Block:
        lines = [
            prefix(0) + b'{"n":%d}' % number + suffix("10.0.0.1", listener)
            for number in range(first, first + count)
        ]
        return Block(first, count, b"".join(lines))

    return make


@pytest.fixture
def jsonl_of() -> Callable[[int, int], bytes]:
    """What a jsonl file holds of the entries of `block_of`, from a first one up to before another."""

    def make(first: int, end: int) -> bytes:
        return b"".join(b'%b{"n":%d}}\n' % (prefix(0), number) for number in range(first, end))

    return make


@pytest.fixture
def everything() -> Callable[[Path], bytes]:
    """A file and its backups as one, oldest first."""

    def number(backup: Path) -> int:
        return int(backup.name.removesuffix(".gz").rpartition(".")[2])

    def read(path: Path) -> bytes:
        backups = sorted(path.parent.glob(f"{path.name}.*"), key=number, reverse=True)
        contents = [(file.suffix == ".gz", file.read_bytes()) for file in [*backups, path]]
        return b"".join(gzip.decompress(data) if packed else data for packed, data in contents)

    return read


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    """A journal that grows on demand."""
    feed = Feed(tmp_path / "data")
    yield feed
    feed.journal.close()
