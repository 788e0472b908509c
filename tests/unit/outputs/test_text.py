import json
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.records import records_of
from logboom.journal.segments import prefix, suffix
from logboom.outputs.selection import Lines
from logboom.outputs.text import TextOutput, TextSettings, text_line

MOMENT_NS = 1_735_689_600_123_456_789


def line_of(entry: Any) -> bytes:
    return prefix(MOMENT_NS) + json.dumps(entry).encode() + suffix("10.0.0.1", "collector")


def text_of(output: TextOutput, *entries: Any) -> list[str]:
    data = b"".join(line_of(entry) for entry in entries)
    rendered = output.render(Lines(range(len(entries)), data))
    assert rendered.sequences == range(len(entries))
    return rendered.data.decode().split("\n")[:-1]


@pytest.fixture
def output(tmp_path: Path) -> TextOutput:
    return TextOutput(TextSettings(type="text", path=str(tmp_path / "x")), "o", tmp_path)


def test_the_line_of_document_003(output: TextOutput) -> None:
    assert text_of(output, {"level": "error", "message": "message"}) == [
        "2025-01-01T00:00:00.123456Z [ERROR] message"
    ]


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"level": "warn", "message": "a"}, "[WARNING] a"),
        ({"level": "Odd", "message": "a"}, "[ODD] a"),
        ({"message": "a"}, "[INFO] a"),
        ({"type": "heartbeat", "uptime_ms": 5}, '[INFO] {"type":"heartbeat","uptime_ms":5}'),
        ({"level": 40, "message": "a\nb\r\nc"}, "[ERROR] a\\nb\\r\\nc"),
        ({"level": "x\ny", "message": "a"}, "[X\\nY] a"),
        ({"message": ["a", "b"]}, "[INFO] a\\nb"),
        ({"message": "C:\\new"}, "[INFO] C:\\new"),
        ({"message": "a\u2028\x0bü"}, "[INFO] a\u2028\x0bü"),
    ],
)
def test_levels_and_messages(output: TextOutput, entry: Any, shown: str) -> None:
    moment = "2025-01-01T00:00:00.123456Z"
    assert text_of(output, entry, {"level": "info", "message": "next"}) == [
        f"{moment} {shown}",
        f"{moment} [INFO] next",
    ]


def test_damaged_lines_are_left_out(output: TextOutput) -> None:
    good = line_of({"message": "a"})
    rendered = output.render(Lines(range(4, 7), good + b"\0\n" + good))
    assert (list(rendered.sequences), rendered.data.count(b"\n")) == ([4, 6], 2)


def test_a_record_of_its_own_makes_the_same_line(output: TextOutput) -> None:
    line = line_of({"level": "info", "msg": "a\nb"})
    assert text_line(records_of([0], line)[0]).encode() == output.render(Lines([0], line)).data
