"""The operational log: one line an event, whatever the text holds, and never in the way."""

import io
import json
import threading
from datetime import datetime

import pytest

from logboom.ops import oplog as module
from logboom.ops.oplog import EMOJI, OperationalLog

WAIT_S = 30.0


def lines_of(*events: tuple[str, str], json_lines: bool = False) -> list[str]:
    stream = io.StringIO()
    log = OperationalLog(stream=stream, json_lines=json_lines)
    for kind, text in events:
        log.event(kind, text)
    log.close()
    return stream.getvalue().splitlines()


def test_a_line_has_time_emoji_and_text() -> None:
    (line,) = lines_of(("listening", "device listening on 0.0.0.0:5000"))
    moment, emoji, text = line.split(" ", 2)
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert (emoji, text) == ("✅", "device listening on 0.0.0.0:5000")


@pytest.mark.parametrize(
    ("kind", "emoji"),
    [
        ("start", "🚀"),
        ("listening", "✅"),
        ("connected", "🔌"),
        ("disconnected", "📴"),
        ("warning", "⚠️"),
        ("error", "❌"),
        ("fatal", "💥"),
        ("restarting", "🔄"),
    ],
)
def test_each_kind_has_the_emoji_of_the_contract(kind: str, emoji: str) -> None:
    (line,) = lines_of((kind, "text"))
    assert line.split(" ")[1] == emoji


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("start", "INFO"),
        ("connected", "INFO"),
        ("warning", "WARNING"),
        ("restarting", "WARNING"),
        ("error", "ERROR"),
        ("fatal", "CRITICAL"),
    ],
)
def test_json_lines_for_programs(kind: str, level: str) -> None:
    (line,) = lines_of((kind, 'Grüße "x"'), json_lines=True)
    record = json.loads(line)
    datetime.fromisoformat(record.pop("time"))
    assert record == {"level": level, "event": kind, "message": 'Grüße "x"'}


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_text_cannot_forge_a_line(json_lines: bool) -> None:
    forged = "x\n2025-01-01T00:00:00Z ✅ all is well\r\nmore"
    (line,) = lines_of(("warning", forged), json_lines=json_lines)
    assert "\\n" in line


def test_lines_keep_their_order() -> None:
    found = lines_of(*[("info", str(number)) for number in range(1000)])
    assert [int(line.rsplit(" ", 1)[1]) for line in found] == list(range(1000))


def test_shorthands() -> None:
    stream = io.StringIO()
    log = OperationalLog(stream=stream)
    log.warning("odd")
    log.error("broken")
    log.close()
    kinds = [line.split(" ", 2)[1:] for line in stream.getvalue().splitlines()]
    assert kinds == [
        [EMOJI["warning"], "odd"],
        [EMOJI["error"], "broken"],
    ]


class Blocked(io.StringIO):
    """A terminal that somebody has stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.go.wait(WAIT_S)
        return super().write(text)


def test_a_blocked_terminal_drops_lines_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LINES_MAX", 100)
    stream = Blocked()
    log = OperationalLog(stream=stream)
    log.event("info", "first")
    assert stream.entered.wait(WAIT_S)
    for number in range(350):
        log.event("info", f"line {number}")
    stream.go.set()
    log.close()
    found = stream.getvalue().splitlines()
    assert len(found) == 102
    assert found[-2].endswith("line 99")
    assert found[-1].endswith("⚠️ 250 lines of this log were dropped")


def test_closing_does_not_wait_for_a_blocked_terminal_for_ever() -> None:
    stream = Blocked()
    log = OperationalLog(stream=stream)
    log.event("info", "first")
    assert stream.entered.wait(WAIT_S)
    log.close()
    stream.go.set()
    log.close()


def test_a_terminal_that_is_gone_is_no_error() -> None:
    stream = io.StringIO()
    log = OperationalLog(stream=stream)
    stream.close()
    log.event("info", "to nobody")
    log.close()


def test_events_may_come_from_any_thread() -> None:
    stream = io.StringIO()
    log = OperationalLog(stream=stream)

    def tell() -> None:
        for _ in range(200):
            log.event("info", "x" * 50)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    found = stream.getvalue().splitlines()
    assert len(found) == 800
    assert all(line.endswith(" 💬 " + "x" * 50) for line in found)
